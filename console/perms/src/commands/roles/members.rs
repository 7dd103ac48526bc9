//! `roles members`

use centaur_client::api::{Principal, Role};
use serde_json::{Value, json};

use crate::address;
use crate::args::RoleArg;
use crate::failure::Failure;
use crate::fetch;
use crate::printer::{Table, count};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};

pub(in crate::commands) async fn run(session: &Session, args: &RoleArg) -> Result<Report, Failure> {
    let role = address::existing_role(session, &args.role).await?;
    let rows = members(session, &role).await?;
    let mut table = Table::new();
    for row in &rows {
        table.row([row.called(), row.id.to_string(), row.name.clone().unwrap_or_default()]);
    }
    let text = table.text()
        + &format!("{} of {}\n", count(rows.len(), "member"), crate::printer::line(&role.called()));
    let items: Vec<Value> = rows.iter().map(shape::principal).collect();
    let data = json!({ "role": shape::role(&role), "total": items.len(), "items": items });
    Ok(Report::new(data, text))
}

/// Who holds a role. A console that does not say is asked for the roles of every principal.
pub(in crate::commands) async fn members(session: &Session, role: &Role) -> Result<Vec<Principal>, Failure> {
    if let Some(rows) = session.api()?.holders_of(role.id).await.of(session)? {
        return Ok(rows);
    }
    session.printer.notice("this control plane does not list members of a role; asking every principal");
    let all = fetch::holders(session).await?;
    let holds = |roles: &[Role]| roles.iter().any(|held| held.id == role.id);
    Ok(all.into_iter().filter(|(_, roles)| holds(roles)).map(|(principal, _)| principal).collect())
}
