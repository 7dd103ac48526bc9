//! `roles revoke`

use crate::address;
use crate::args::RolesRevoke;
use crate::failure::Failure;
use crate::plan::{Action, Call, Plan, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::Identity as _;

pub(in crate::commands) async fn run(session: &Session, args: &RolesRevoke) -> Result<Report, Failure> {
    if args.secret.is_empty() {
        return Err(Failure::NothingToDo("--secret or --tool"));
    }
    let role = address::existing_role(session, &args.role.role).await?;
    let mut secrets = Vec::new();
    for text in &args.secret {
        secrets.push(address::secret(session, text).await?);
    }
    let granted = session.api()?.grants_of_role(role.id).await.of(session)?;
    let mut plan = Plan::new();
    for secret in &secrets {
        let target = Target { kind: "grant", id: None, foreign_id: Some(secret.called()) };
        let step = if let Some(grant) = granted.iter().find(|grant| grant.secret == secret.id) {
            let target = Target { id: Some(grant.id.to_string()), ..target };
            Step::new(Action::Revoke, target, "asked for with --secret", Call::Revoke { grant: grant.id })
        } else {
            session.printer.notice(&format!("{} has no secret {}", role.called(), secret.called()));
            Step::in_place(target, "it is not granted")
        };
        plan.push(step.with("secret", secret.id.to_string()).with("role", role.called()));
    }
    plan.run(session).await
}
