//! `principals list`

use centaur_manifest::principal::Kind;
use serde_json::json;

use crate::args::{KindArg, PrincipalsList};
use crate::commands::list::{filter, labels, select, summary};
use crate::failure::Failure;
use crate::fetch;
use crate::printer::Table;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::settings::Output;
use crate::shape;

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalsList) -> Result<Report, Failure> {
    let mut rows = session.api()?.principals(&filter(session, &args.list)?).await.of(session)?;
    let wanted = args.kind.map(|kind| match kind {
        KindArg::User => Kind::User,
        KindArg::Channel => Kind::Channel,
        KindArg::Thread => Kind::Thread,
        KindArg::Other => Kind::Other,
    });
    rows.retain(|row| wanted.is_none_or(|kind| shape::kind_of(row) == kind));
    let (rows, total) = select(rows, &args.list);
    if rows.is_empty() {
        let text = format!("no principals in namespace {}\n", session.namespace());
        return Ok(Report::list(Vec::new(), total, text));
    }
    let mut table = Table::new();
    let mut items: Vec<_> = rows.iter().map(shape::principal).collect();
    if session.settings.output == Output::Wide {
        let roles = fetch::roles_of_each(session, &rows).await?;
        table.row(["FOREIGN ID", "ID", "NAME", "KIND", "ROLES", "LABELS"]);
        for ((row, roles), item) in rows.iter().zip(&roles).zip(&mut items) {
            item["roles"] = json!(roles.len());
            let kind = shape::kind_of(row).as_str();
            let (foreign_id, name) = (row.foreign_id.as_deref(), row.name.as_deref());
            let cells = [foreign_id.unwrap_or_default(), &row.id.to_string(), name.unwrap_or_default(), kind];
            table.row(
                cells.into_iter().chain([roles.len().to_string().as_str(), labels(&row.labels).as_str()]),
            );
        }
    } else {
        for row in &rows {
            let (foreign_id, name) = (row.foreign_id.as_deref(), row.name.as_deref());
            table.row([foreign_id.unwrap_or_default(), &row.id.to_string(), name.unwrap_or_default()]);
        }
    }
    Ok(Report::list(items, total, table.text() + &summary(rows.len(), total, "principal")))
}
