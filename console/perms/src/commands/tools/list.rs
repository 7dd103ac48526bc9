//! `tools list`

use std::collections::BTreeMap;

use centaur_client::api::Secret;
use centaur_manifest::discover::{Catalog, Tool};
use centaur_manifest::manifest::List;
use serde_json::json;

use crate::args::ToolsList;
use crate::commands::list::summary;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::fetch;
use crate::printer::Table;
use crate::registration;
use crate::report::Report;
use crate::session::Session;
use crate::shape::{self, MANAGED, TYPES};
use crate::tools;

pub(in crate::commands) async fn run(session: &Session, args: &ToolsList) -> Result<Report, Failure> {
    let catalog = tools::catalog(session)?;
    let wanted = args.filter.as_ref().map(|text| text.to_lowercase());
    let is_wanted = |tool: &&Tool| wanted.as_ref().is_none_or(|text| tool.name.to_lowercase().contains(text));
    let mut rows: Vec<&Tool> = catalog.tools.iter().filter(is_wanted).collect();
    let total = rows.len();
    rows.truncate(args.limit.unwrap_or(usize::MAX));
    let stored = if args.status { Some(Stored::read(session).await?) } else { None };
    let mut table = Table::new();
    let head = ["NAME", "OVERLAY", "SECRETS", "OPTIONAL", "STATE", "SHADOWS"];
    let more: &[&str] = if args.status { &["REGISTERED", "DRIFT", "BROKER"] } else { &[] };
    table.row(head.iter().chain(more));
    let mut items = Vec::new();
    for tool in &rows {
        let number = |list| tool.entries().filter(|entry| entry.list == list).count();
        let (required, optional) = (number(List::Required), number(List::Optional));
        let state = state(&catalog, tool);
        let mut cells = vec![
            tool.name.clone(),
            tool.overlay.clone(),
            required.to_string(),
            optional.to_string(),
            state.to_owned(),
            tool.shadowed.len().to_string(),
        ];
        let mut item = tools::json(tool);
        if let Some(stored) = &stored {
            let status = stored.status(session, &catalog, tool);
            cells.extend([status.registered.to_owned(), status.drift.join(","), status.broker.join(",")]);
            item["status"] = json!({
                "registered": status.registered,
                "drift": status.drift,
                "broker": status.broker,
            });
        }
        table.row(cells);
        items.push(item);
    }
    let is_bad = rows.iter().any(|tool| tool.manifest.is_err() || catalog.holder_of_role(tool).is_some());
    let text =
        if rows.is_empty() { String::new() } else { table.text() } + &summary(rows.len(), total, "tool");
    let status = if is_bad { ExitStatus::ManifestInvalid } else { ExitStatus::Success };
    Ok(Report::list(items, total, text).with_status(status))
}

fn state(catalog: &Catalog, tool: &Tool) -> &'static str {
    if tool.manifest.is_err() {
        "invalid"
    } else if tool.is_persona() {
        "persona"
    } else if catalog.holder_of_role(tool).is_some() {
        "shares a role"
    } else {
        "valid"
    }
}

/// What is registered, by tool.
struct Stored {
    secrets: BTreeMap<String, Vec<Secret>>,
    credentials: BTreeMap<String, String>,
}

/// What became of one tool.
struct Status {
    /// `yes`, `partly`, `no`; empty for what cannot be registered.
    registered: &'static str,
    /// Secrets that are not as declared, or not declared any more.
    drift: Vec<String>,
    /// Broker credentials with their states.
    broker: Vec<String>,
}

impl Stored {
    async fn read(session: &Session) -> Result<Self, Failure> {
        let api = session.api()?;
        let filter = session.everything().label(MANAGED.0, MANAGED.1);
        let lists = fetch::all(session, TYPES.iter().map(|(kind, _)| api.secrets(*kind, &filter))).await?;
        let mut secrets: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
        for row in lists.into_iter().flatten() {
            if let Some(tool) = shape::tool_of(&row) {
                secrets.entry(tool.to_owned()).or_default().push(row);
            }
        }
        let everything = session.everything();
        let credentials = fetch::all(session, [api.credentials(&everything)]).await?;
        let credentials = credentials.into_iter().flatten().map(|row| {
            let id = row.foreign_id.unwrap_or_else(|| row.id.to_string());
            (id, row.status)
        });
        Ok(Self { secrets, credentials: credentials.collect() })
    }

    fn status(&self, session: &Session, catalog: &Catalog, tool: &Tool) -> Status {
        let nothing = Status { registered: "", drift: Vec::new(), broker: Vec::new() };
        let Ok(registration) = tools::registration(session, catalog, tool) else { return nothing };
        let stored = self.secrets.get(&tool.name).map_or(&[][..], Vec::as_slice);
        let find = |record: &centaur_manifest::register::SecretRecord| {
            stored.iter().find(|row| {
                row.id.kind == record.kind && row.foreign_id.as_deref() == Some(&record.foreign_id)
            })
        };
        let there = registration.secrets.iter().filter(|record| find(record).is_some()).count();
        let registered = match (there, registration.secrets.len()) {
            (there, all) if there == all && all > 0 => "yes",
            (0, 0) => "",
            (0, _) => "no",
            _ => "partly",
        };
        let mut drift: Vec<String> = registration
            .secrets
            .iter()
            .filter(|record| find(record).is_some_and(|row| registration::differs(record, row)))
            .map(|record| record.foreign_id.clone())
            .collect();
        let is_declared = |row: &&Secret| {
            registration.secrets.iter().any(|record| row.foreign_id.as_deref() == Some(&record.foreign_id))
        };
        let stale = stored.iter().filter(|row| !is_declared(row));
        drift.extend(stale.map(|row| format!("{} (not declared)", shape::Identity::called(row))));
        let needs = registration.secrets.iter().filter_map(|record| record.credential.as_ref());
        let broker = needs
            .map(|need| {
                let state = self.credentials.get(&need.id).map_or("missing", String::as_str);
                format!("{} {state}", need.id)
            })
            .collect();
        Status { registered, drift, broker }
    }
}
