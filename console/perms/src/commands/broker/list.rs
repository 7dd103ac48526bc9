//! `broker list`

use serde_json::{Value, json};

use crate::args::ListArgs;
use crate::commands::list::{filter, select, summary};
use crate::failure::Failure;
use crate::printer::Table;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::settings::Output;

pub(in crate::commands) async fn run(session: &Session, args: &ListArgs) -> Result<Report, Failure> {
    let rows = session.api()?.credentials(&filter(session, args)?).await.of(session)?;
    let (rows, total) = select(rows, args);
    if rows.is_empty() {
        let text = format!("no broker credentials in namespace {}\n", session.namespace());
        return Ok(Report::list(Vec::new(), total, text));
    }
    let is_wide = session.settings.output == Output::Wide;
    let mut table = Table::new();
    if is_wide {
        table.row(["FOREIGN ID", "ID", "STATUS", "NAME", "EXPIRES", "NEXT ATTEMPT", "FAILURES"]);
    }
    let mut items = Vec::new();
    for row in &rows {
        let member = |name: &str| row.document.get(name).cloned().unwrap_or_default();
        let text = |name: &str| match member(name) {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let (foreign_id, name) = (row.foreign_id.as_deref().unwrap_or_default(), row.name.as_deref());
        let (id, name) = (row.id.to_string(), name.unwrap_or_default());
        if is_wide {
            let (expires, next, failures) =
                (text("expires_at"), text("next_attempt_at"), text("failure_count"));
            table.row([foreign_id, &id, &row.status, name, &expires, &next, &failures]);
        } else {
            table.row([foreign_id, &id, &row.status, name]);
        }
        items.push(json!({
            "id": row.id,
            "namespace": row.namespace,
            "foreign_id": row.foreign_id,
            "name": row.name,
            "labels": row.labels,
            "status": row.status,
            "expires_at": member("expires_at"),
            "next_attempt_at": member("next_attempt_at"),
            "failure_count": member("failure_count"),
        }));
    }
    Ok(Report::list(items, total, table.text() + &summary(rows.len(), total, "broker credential")))
}
