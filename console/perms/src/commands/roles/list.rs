//! `roles list`

use crate::args::ListArgs;
use crate::commands::list::{filter, labels, select, summary};
use crate::failure::Failure;
use crate::fetch;
use crate::printer::Table;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::settings::Output;
use crate::shape;

pub(in crate::commands) async fn run(session: &Session, args: &ListArgs) -> Result<Report, Failure> {
    let rows = session.api()?.roles(&filter(session, args)?).await.of(session)?;
    let (rows, total) = select(rows, args);
    if rows.is_empty() {
        return Ok(Report::list(
            Vec::new(),
            total,
            format!("no roles in namespace {}\n", session.namespace()),
        ));
    }
    let mut table = Table::new();
    let mut items: Vec<_> = rows.iter().map(shape::role).collect();
    if session.settings.output == Output::Wide {
        let grants = fetch::grants_of_each(session, &rows).await?;
        table.row(["FOREIGN ID", "ID", "NAME", "SECRETS", "LABELS"]);
        for ((row, grants), item) in rows.iter().zip(&grants).zip(&mut items) {
            item["secrets"] = grants.len().into();
            let (foreign_id, name) = (row.foreign_id.as_deref(), row.name.as_deref());
            let cells = [foreign_id.unwrap_or_default(), &row.id.to_string(), name.unwrap_or_default()];
            table.row(
                cells.into_iter().chain([grants.len().to_string().as_str(), labels(&row.labels).as_str()]),
            );
        }
    } else {
        for row in &rows {
            let (foreign_id, name) = (row.foreign_id.as_deref(), row.name.as_deref());
            table.row([foreign_id.unwrap_or_default(), &row.id.to_string(), name.unwrap_or_default()]);
        }
    }
    Ok(Report::list(items, total, table.text() + &summary(rows.len(), total, "role")))
}
