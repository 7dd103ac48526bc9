//! `principals revoke`

use std::fmt::Write as _;

use centaur_base::oid::{GrantId, Oid as _, RoleId};
use centaur_client::api::{Grant, Grantee, Principal, Role, Secret};
use centaur_manifest::register::tool_role;
use serde_json::json;

use super::tombstone;
use crate::address;
use crate::args::PrincipalsRevoke;
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{Action, Call, Plan, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::Identity as _;

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalsRevoke) -> Result<Report, Failure> {
    let is_empty = args.role.is_empty() && args.secret.is_empty() && args.grant_id.is_empty();
    if args.tool.is_empty() && is_empty {
        return Err(Failure::NothingToDo("--tool, --role, --secret or --grant-id"));
    }
    let api = session.api()?;
    let principal = address::principal(session, &args.principal).await?.found(session)?;
    let mut secrets = Vec::new();
    for text in &args.secret {
        secrets.push(address::secret(session, text).await?);
    }
    let held = if args.tool.is_empty() && args.role.is_empty() && secrets.is_empty() {
        Vec::new()
    } else {
        api.roles_of(principal.id).await.of(session)?
    };
    let granted = if secrets.is_empty() {
        Vec::new()
    } else {
        api.grants_of_principal(principal.id).await.of(session)?
    };

    let mut plan = Plan::new();
    let mut taken = Vec::new();
    for tool in &args.tool {
        match held_as(&held, &tool_role(tool)) {
            Some(role) => {
                plan.push(unassign(&principal, role, "asked for with --tool"));
                taken.push(role);
            }
            None => absent(session, &mut plan, "tool", tool, &principal),
        }
    }
    for text in &args.role {
        match held_as(&held, text) {
            Some(role) => {
                plan.push(unassign(&principal, role, "asked for with --role"));
                taken.push(role);
            }
            None => absent(session, &mut plan, "role", text, &principal),
        }
    }
    if let Some(step) = tombstone::record(&principal, &taken) {
        plan.push(step);
    }
    for (secret, text) in secrets.iter().zip(&args.secret) {
        match granted.iter().find(|grant| grant.secret == secret.id) {
            Some(grant) => plan.push(withdraw(grant.id, Some(secret.called()), &principal)),
            None => absent(session, &mut plan, "secret", text, &principal),
        }
    }
    for text in &args.grant_id {
        match own_grant(session, text, &principal).await? {
            Some(grant) => plan.push(withdraw(grant.id, None, &principal)),
            None => absent(session, &mut plan, "grant", text, &principal),
        }
    }
    let elsewhere = reachable(session, &held, &taken, &secrets).await?;
    for (secret, role) in &elsewhere {
        let (secret, role) = (secret.called(), role.called());
        session.warn("still_reachable", format!("{secret} is still reachable through role {role}"));
    }
    let mut report = plan.run(session).await?;
    if args.everywhere {
        let commands: Vec<String> = elsewhere
            .iter()
            .map(|(_, role)| {
                format!("centaur-perms principals revoke {} --role {}", principal.called(), role.called())
            })
            .collect();
        for command in &commands {
            let _ = writeln!(report.text, "next: {}", crate::printer::line(command));
        }
        report.data["further_commands"] = json!(commands);
    }
    Ok(report)
}

/// A role that is held, by its id or foreign id.
fn held_as<'a>(held: &'a [Role], text: &str) -> Option<&'a Role> {
    held.iter().find(|role| {
        role.id.to_string() == text || (!RoleId::claims(text) && role.foreign_id.as_deref() == Some(text))
    })
}

/// What is absent already is told, and is no error.
fn absent(session: &Session, plan: &mut Plan, kind: &'static str, text: &str, principal: &Principal) {
    session.printer.notice(&format!("{} has no {kind} {text}", principal.called()));
    let target = Target { kind, id: None, foreign_id: Some(text.to_owned()) };
    plan.push(Step::absent(target, "it is not there").with("principal", principal.called()));
}

fn unassign(principal: &Principal, role: &Role, reason: &str) -> Step {
    let target = Target { kind: "role", id: Some(role.id.to_string()), foreign_id: role.foreign_id.clone() };
    let call = Call::Unassign { principal: principal.id, role: role.id };
    Step::new(Action::Unassign, target, reason, call).with("principal", principal.called())
}

fn withdraw(grant: GrantId, secret: Option<String>, principal: &Principal) -> Step {
    let target = Target { kind: "grant", id: Some(grant.to_string()), foreign_id: secret };
    Step::new(Action::Revoke, target, "asked for", Call::Revoke { grant })
        .with("principal", principal.called())
}

/// A grant, when it is one of the principal's own.
async fn own_grant(session: &Session, text: &str, principal: &Principal) -> Result<Option<Grant>, Failure> {
    if !GrantId::claims(text) {
        return Err(Failure::WrongKind { id: text.to_owned(), wanted: "the id of a grant; expected grant_" });
    }
    let Ok(id) = text.parse() else { return Ok(None) };
    let Some(grant) = session.api()?.grant(id).await.of(session)? else { return Ok(None) };
    let grantee = match grant.grantee {
        Grantee::Principal(id) if id == principal.id => return Ok(Some(grant)),
        Grantee::Principal(id) => id.to_string(),
        Grantee::Role(id) => id.to_string(),
    };
    Err(Failure::GrantElsewhere { grant: text.to_owned(), grantee, principal: principal.called() })
}

/// Secrets that stay usable through roles that stay.
async fn reachable<'a>(
    session: &Session,
    held: &'a [Role],
    taken: &[&Role],
    secrets: &'a [Secret],
) -> Result<Vec<(&'a Secret, &'a Role)>, Failure> {
    if secrets.is_empty() {
        return Ok(Vec::new());
    }
    let stays: Vec<Role> =
        held.iter().filter(|role| !taken.iter().any(|taken| taken.id == role.id)).cloned().collect();
    let grants = fetch::grants_of_each(session, &stays).await?;
    let mut found = Vec::new();
    for secret in secrets {
        for (stays, grants) in stays.iter().zip(&grants) {
            let role = held.iter().find(|role| role.id == stays.id);
            let Some(role) = role.filter(|_| grants.iter().any(|grant| grant.secret == secret.id)) else {
                continue;
            };
            found.push((secret, role));
        }
    }
    Ok(found)
}
