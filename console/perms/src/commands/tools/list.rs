//! `tools list`

use centaur_manifest::discover::{Catalog, Tool};
use centaur_manifest::manifest::List;
use centaur_manifest::register::{OVERLAY_LABEL, TOOL_LABEL};

use super::status::Stored;
use crate::address;
use crate::args::{SortKey, ToolsList};
use crate::commands::list::summary;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::Table;
use crate::report::Report;
use crate::session::Session;
use crate::shape::MANAGED;
use crate::tools;

pub(in crate::commands) async fn run(session: &Session, args: &ToolsList) -> Result<Report, Failure> {
    let labels = labels(args)?;
    let catalog = tools::catalog(session)?;
    let (rows, total) = select(&catalog, args, &labels);
    let stored = if args.status { Some(Stored::read(session).await?) } else { None };
    let mut table = Table::new();
    let head = ["NAME", "OVERLAY", "SECRETS", "OPTIONAL", "STATE", "SHADOWS"];
    let more: &[&str] = if args.status { &["REGISTERED", "DRIFT", "RESOLVABLE"] } else { &[] };
    table.row(head.iter().chain(more));
    let mut items = Vec::new();
    for tool in &rows {
        let number = |list| tool.entries().filter(|entry| entry.list == list).count();
        let (required, optional) = (number(List::Required), number(List::Optional));
        let mut cells = vec![
            tool.name.clone(),
            tool.overlay.clone(),
            required.to_string(),
            optional.to_string(),
            state(&catalog, tool).to_owned(),
            tool.shadowed.len().to_string(),
        ];
        let mut item = tools::json(tool);
        if let Some(stored) = &stored {
            let status = stored.status(session, &catalog, tool);
            cells.extend(status.cells());
            item["status"] = status.json();
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

fn labels(args: &ToolsList) -> Result<Vec<(String, String)>, Failure> {
    let mut labels = Vec::new();
    for text in &args.label {
        labels.push(address::pair("--label", text)?);
    }
    labels.extend(args.managed.then(|| (MANAGED.0.to_owned(), MANAGED.1.to_owned())));
    Ok(labels)
}

/// What is left of the catalog, in order, and how many there were before `--limit`.
fn select<'c>(catalog: &'c Catalog, args: &ToolsList, labels: &[(String, String)]) -> (Vec<&'c Tool>, usize) {
    let text = args.filter.as_ref().map(|text| text.to_lowercase());
    let is_wanted = |tool: &&Tool| {
        text.as_ref().is_none_or(|text| tool.name.to_lowercase().contains(text))
            && labels.iter().all(|(key, value)| has_label(tool, key, value))
    };
    let mut rows: Vec<&Tool> = catalog.tools.iter().filter(is_wanted).collect();
    match args.sort {
        None => {}
        Some(SortKey::Name) => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        Some(SortKey::ForeignId | SortKey::Id) => rows.sort_by_cached_key(|tool| tool.role()),
    }
    let total = rows.len();
    rows.truncate(args.limit.unwrap_or(usize::MAX));
    (rows, total)
}

/// Whether the secrets of a tool get this label when it is registered. What cannot be registered has none.
fn has_label(tool: &Tool, key: &str, value: &str) -> bool {
    let known = [MANAGED, (TOOL_LABEL, tool.name.as_str()), (OVERLAY_LABEL, tool.overlay.as_str())];
    tool.manifest.is_ok() && !tool.is_persona() && known.contains(&(key, value))
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
