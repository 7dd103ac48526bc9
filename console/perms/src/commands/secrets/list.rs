//! `secrets list`

use serde_json::json;

use crate::args::SecretsList;
use crate::commands::list::{filter, select, summary};
use crate::credential::{Placement, sources};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::Table;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::settings::Output;
use crate::shape::{self, TOOL_LABEL, TYPES};

/// Looks through all seven collections. One that fails is a warning, as long as another one answers.
pub(in crate::commands) async fn run(session: &Session, args: &SecretsList) -> Result<Report, Failure> {
    let api = session.api()?;
    let filter = filter(session, &args.list)?;
    let filter = args.tool.iter().fold(filter, |filter, tool| filter.label(TOOL_LABEL, tool));
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (kind, _) in TYPES {
        match api.secrets(kind, &filter).await.of(session) {
            Ok(found) => rows.extend(found),
            // The key is no better at the next collection.
            Err(failure) if failure.exit() == ExitStatus::Unauthorized => return Err(failure),
            Err(failure) => failures.push((kind, failure)),
        }
    }
    if failures.len() == TYPES.len()
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
    for (kind, failure) in &failures {
        session.warn("collection_failed", format!("{} cannot be listed: {failure}", kind.collection()));
    }
    let (rows, total) = select(rows, &args.list);
    let status = if failures.is_empty() { ExitStatus::Success } else { ExitStatus::Partial };
    if rows.is_empty() {
        let text = format!("no secrets in namespace {}\n", session.namespace());
        return Ok(Report::list(Vec::new(), total, text).with_status(status));
    }
    let is_wide = session.settings.output == Output::Wide;
    let mut table = Table::new();
    if is_wide {
        table.row(["TYPE", "FOREIGN ID", "ID", "NAME", "SOURCE", "HOSTS", "PLACEMENT", "TOOL"]);
    }
    let mut items = Vec::new();
    for row in &rows {
        let (kind, id) = (shape::type_name(row.id.kind), row.id.to_string());
        let (foreign_id, name) = (row.foreign_id.as_deref().unwrap_or_default(), row.name.as_deref());
        let name = name.unwrap_or_default();
        let mut item = shape::secret(row);
        let placement = Placement::of(row);
        let (source, hosts) = (sources(row), &placement.hosts);
        item["sources"] = json!(source);
        item["hosts"] = json!(hosts);
        item["placement"] = placement.kind.into();
        items.push(item);
        if is_wide {
            let tool = shape::tool_of(row).unwrap_or_default();
            table.row([
                kind,
                foreign_id,
                &id,
                name,
                &source.join(","),
                &hosts.join(","),
                &placement.shown(),
                tool,
            ]);
        } else {
            table.row([kind, foreign_id, &id, name]);
        }
    }
    Ok(Report::list(items, total, table.text() + &summary(rows.len(), total, "secret")).with_status(status))
}
