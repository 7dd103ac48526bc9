//! `principals grant`

use centaur_client::api::{Grant, Principal, Role, Secret};
use centaur_manifest::principal::Form;
use serde_json::json;

use super::tombstone;
use crate::address::{self, Who};
use crate::args::PrincipalsGrant;
use crate::commands::{regrant, terms};
use crate::failure::Failure;
use crate::plan::{Action, Call, Made, MadeSecret, Plan, Seen, Step, Target, Terms};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity as _, MANAGED};

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalsGrant) -> Result<Report, Failure> {
    if !args.grant_id.is_empty() {
        return Err(Failure::WrongVerb("--grant-id works only with revoke"));
    }
    if args.role.is_empty() && args.secret.is_empty() {
        return Err(Failure::NothingToDo("--tool, --role or --secret"));
    }
    let terms = terms(args.priority, args.expires.as_deref(), args.secret.is_empty())?;
    let who = address::principal(session, &args.principal).await?;
    let mut roles = Vec::new();
    for text in &args.role {
        roles.push(address::existing_role(session, text).await?);
    }
    let mut secrets = Vec::new();
    for text in &args.secret {
        secrets.push(address::secret(session, text).await?);
    }
    let namespace = match &who {
        Who::Found(principal) => principal.namespace.clone(),
        Who::Missing { .. } => session.namespace().to_owned(),
    };
    for role in &roles {
        address::same_namespace("role", &role.called(), &role.namespace, &namespace)?;
    }
    let mut plan = Plan::new();
    let to = principal_step(&mut plan, session, &who, args, &roles)?;
    let (held, granted) = standing(session, &who, &roles, &secrets).await?;
    for role in &roles {
        plan.push(assign(&to, role, &held));
    }
    for secret in &secrets {
        plan.push(grant(&to, secret, &granted, &terms));
    }
    plan.run(session).await
}

/// To whom, as steps name it.
struct To {
    made: Made<centaur_base::oid::PrincipalId>,
    called: String,
}

/// Makes the principal if there is none; one that is there is not rewritten, but for the note of roles taken away.
fn principal_step(
    plan: &mut Plan,
    session: &Session,
    who: &Who,
    args: &PrincipalsGrant,
    roles: &[Role],
) -> Result<To, Failure> {
    match who {
        Who::Found(principal) => {
            let target = target(principal);
            match tombstone::clear(principal, &roles.iter().collect::<Vec<_>>()) {
                Some(step) => plan.push(step),
                None => plan.push(Step::in_place(target, "it is there")),
            }
            Ok(To { made: Made::Id(principal.id), called: principal.called() })
        }
        Who::Missing { foreign_id } => {
            if !args.create && Form::of(foreign_id).is_none() {
                return Err(Failure::NotCanonical { id: foreign_id.clone() });
            }
            plan.push(create(session, foreign_id));
            Ok(To { made: Made::By(foreign_id.clone()), called: foreign_id.clone() })
        }
    }
}

/// A principal made here has its id for a name, and no default roles: the first session gives it both.
pub(in crate::commands) fn create(session: &Session, foreign_id: &str) -> Step {
    let data = json!({
        "namespace": session.namespace(),
        "foreign_id": foreign_id,
        "name": foreign_id,
        "labels": { MANAGED.0: MANAGED.1 },
    });
    let target = Target { kind: "principal", id: None, foreign_id: Some(foreign_id.to_owned()) };
    let call = Call::PutPrincipal { at: foreign_id.to_owned(), data, seen: Seen::default() };
    Step::new(Action::Create, target, "there is none", call)
}

fn target(principal: &Principal) -> Target {
    Target { kind: "principal", id: Some(principal.id.to_string()), foreign_id: principal.foreign_id.clone() }
}

/// What the principal has, as far as it matters here.
async fn standing(
    session: &Session,
    who: &Who,
    roles: &[Role],
    secrets: &[Secret],
) -> Result<(Vec<Role>, Vec<Grant>), Failure> {
    let Who::Found(principal) = who else { return Ok((Vec::new(), Vec::new())) };
    let api = session.api()?;
    let held = if roles.is_empty() { Vec::new() } else { api.roles_of(principal.id).await.of(session)? };
    let granted = if secrets.is_empty() {
        Vec::new()
    } else {
        api.grants_of_principal(principal.id).await.of(session)?
    };
    Ok((held, granted))
}

fn assign(to: &To, role: &Role, held: &[Role]) -> Step {
    let target = Target { kind: "role", id: Some(role.id.to_string()), foreign_id: role.foreign_id.clone() };
    let step = if held.iter().any(|held| held.id == role.id) {
        Step::in_place(target, "it is assigned")
    } else {
        let call = Call::Assign { principal: to.made.clone(), role: Made::Id(role.id) };
        Step::new(Action::Assign, target, "asked for with --role", call)
    };
    step.with("principal", to.called.as_str())
}

fn grant(to: &To, secret: &Secret, granted: &[Grant], terms: &Terms) -> Step {
    let mut target = Target { kind: "grant", id: None, foreign_id: Some(secret.called()) };
    let with = |step: Step| step.with("secret", secret.id.to_string()).with("principal", to.called.as_str());
    let Some(there) = granted.iter().find(|grant| grant.secret == secret.id) else {
        let call = Call::GrantToPrincipal {
            principal: to.made.clone(),
            secret: MadeSecret::Id(secret.id),
            terms: terms.clone(),
        };
        return with(Step::new(Action::Grant, target, "asked for with --secret", call));
    };
    target.id = Some(there.id.to_string());
    with(regrant(there, target, terms))
}
