//! `roles delete`

use super::create::target;
use super::members::members;
use crate::address;
use crate::args::RoleArg;
use crate::failure::Failure;
use crate::plan::{Action, Call, Plan, Seen, Step};
use crate::printer::count;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::Identity as _;

/// Roles that sessions rely on.
const PROTECTED: [&str; 2] = ["infra", "tools"];

pub(in crate::commands) async fn run(session: &Session, args: &RoleArg) -> Result<Report, Failure> {
    let role = address::existing_role(session, &args.role).await?;
    if PROTECTED.contains(&role.called().as_str()) && !session.settings.force {
        return Err(Failure::Protected { id: role.called() });
    }
    let grants = session.api()?.grants_of_role(role.id).await.of(session)?;
    let members = members(session, &role).await?;
    let lost =
        format!("{} and {} go with it", count(grants.len(), "grant"), count(members.len(), "assignment"));
    session.printer.notice(&format!("{}: {lost}", role.called()));
    let call = Call::DeleteRole { id: role.id, seen: Seen::from(&role) };
    let step = Step::new(Action::Delete, target(&role), lost, call)
        .with("grants", grants.iter().map(|grant| grant.id.to_string()).collect::<Vec<_>>())
        .with("principals", members.iter().map(|row| row.id.to_string()).collect::<Vec<_>>());
    let mut plan = Plan::new().destructive();
    plan.push(step);
    plan.run(session).await
}
