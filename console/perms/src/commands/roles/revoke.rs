//! `roles revoke`

use std::collections::BTreeMap;

use centaur_client::api::Grant;

use crate::address;
use crate::args::RolesRevoke;
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{Action, Call, Plan, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity};

pub(in crate::commands) async fn run(session: &Session, args: &RolesRevoke) -> Result<Report, Failure> {
    if args.secret.is_empty() && args.tool.is_empty() {
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
            Step::absent(target, "it is not granted")
        };
        plan.push(step.with("secret", secret.id.to_string()).with("role", role.called()));
    }
    let known = if args.tool.is_empty() {
        BTreeMap::new()
    } else {
        fetch::secrets(session, granted.iter().map(|grant| grant.secret)).await?
    };
    for tool in &args.tool {
        let is_of_tool = |grant: &&Grant| {
            known.get(&grant.secret).is_some_and(|row| shape::tool_of(row) == Some(tool.as_str()))
        };
        let mut of_tool = granted.iter().filter(is_of_tool).peekable();
        if of_tool.peek().is_none() {
            session.printer.notice(&format!("{} has no secret of tool {tool}", role.called()));
            let target = Target { kind: "tool", id: None, foreign_id: Some(tool.clone()) };
            plan.push(Step::absent(target, "none of its secrets is granted").with("role", role.called()));
        }
        for grant in of_tool {
            let target = Target {
                kind: "grant",
                id: Some(grant.id.to_string()),
                foreign_id: known.get(&grant.secret).map(Identity::called),
            };
            let call = Call::Revoke { grant: grant.id };
            let step = Step::new(Action::Revoke, target, "asked for with --tool", call);
            plan.push(step.with("secret", grant.secret.to_string()).with("role", role.called()));
        }
    }
    plan.run(session).await
}
