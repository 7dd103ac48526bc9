//! What became of tools at the control plane: `tools list --status`

use std::collections::BTreeMap;

use centaur_client::api::Secret;
use centaur_manifest::discover::{Catalog, Tool};
use centaur_manifest::register::SecretRecord;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fetch;
use crate::registration;
use crate::session::Session;
use crate::shape::{self, MANAGED, TYPES};
use crate::tools;

/// What is registered, by tool.
pub(super) struct Stored {
    secrets: BTreeMap<String, Vec<Secret>>,
    /// Status by id and by foreign id.
    credentials: BTreeMap<String, String>,
}

/// What became of one tool.
#[derive(Default)]
pub(super) struct Status {
    /// `yes`, `partly`, `no`; empty for what cannot be registered.
    registered: &'static str,
    /// Secrets that are not as declared, or not declared any more.
    drift: Vec<String>,
    /// Broker credentials with their states.
    broker: Vec<String>,
    /// Values that there are none of, and values of which only a proxy knows.
    missing: Vec<String>,
    unknown: Vec<String>,
    has_secrets: bool,
}

impl Stored {
    pub(super) async fn read(session: &Session) -> Result<Self, Failure> {
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
        let rows = fetch::all(session, [api.credentials(&everything)]).await?;
        let mut credentials = BTreeMap::new();
        for row in rows.into_iter().flatten() {
            credentials.extend(row.foreign_id.map(|id| (id, row.status.clone())));
            credentials.insert(row.id.to_string(), row.status);
        }
        Ok(Self { secrets, credentials })
    }

    pub(super) fn status(&self, session: &Session, catalog: &Catalog, tool: &Tool) -> Status {
        let Ok(registration) = tools::registration(session, catalog, tool) else { return Status::default() };
        let stored = self.secrets.get(&tool.name).map_or(&[][..], Vec::as_slice);
        let find = |record: &SecretRecord| {
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
        let broker = needs.map(|need| format!("{} {}", need.id, self.credential(&need.id))).collect();
        let has_secrets = !registration.secrets.is_empty();
        let mut status = Status { registered, drift, broker, has_secrets, ..Status::default() };
        for record in &registration.secrets {
            // What is stored counts: it may have another source than this run would give it.
            match find(record) {
                Some(row) => row.document.values().for_each(|value| self.look(value, &mut status)),
                None => self.look(&record.data, &mut status),
            }
        }
        status
    }

    fn credential(&self, id: &str) -> &str {
        self.credentials.get(id).map_or("missing", String::as_str)
    }

    /// Looks at every source in a definition. The control plane has values of its own and tokens of its broker; whatever
    /// is elsewhere is fetched by proxies.
    fn look(&self, value: &Value, status: &mut Status) {
        match value {
            Value::Object(members) => match members.get("source_type").and_then(Value::as_str) {
                Some("control_plane") => {}
                Some("token_broker") => {
                    let id = members.get("config").and_then(|config| config.get("credential_id")?.as_str());
                    let id = id.unwrap_or_default();
                    let state = self.credential(id);
                    if state != "live" {
                        status.missing.push(format!("token_broker:{id} {state}"));
                    }
                }
                Some(_) => status.unknown.extend(crate::credential::sources_of(value)),
                None => members.values().for_each(|value| self.look(value, status)),
            },
            Value::Array(items) => items.iter().for_each(|value| self.look(value, status)),
            _ => {}
        }
    }
}

impl Status {
    /// Whether there is a value: `yes`, `no`, `unknown`; empty for a tool without secrets.
    fn resolvable(&self) -> &'static str {
        match (self.has_secrets, self.missing.is_empty(), self.unknown.is_empty()) {
            (false, ..) => "",
            (true, false, _) => "no",
            (true, true, false) => "unknown",
            (true, true, true) => "yes",
        }
    }

    /// For people: registered, drift, resolvable.
    pub(super) fn cells(&self) -> [String; 3] {
        let resolvable = if self.missing.is_empty() {
            self.resolvable().to_owned()
        } else {
            format!("no: {}", self.missing.join(","))
        };
        [self.registered.to_owned(), self.drift.join(","), resolvable]
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "registered": self.registered,
            "drift": self.drift,
            "broker": self.broker,
            "resolvable": self.resolvable(),
            "missing": self.missing,
            "unknown": self.unknown,
        })
    }
}
