//! `principals grant`

use centaur_client::api::{Grant, Principal, Role, Secret};
use centaur_manifest::discover::Catalog;
use centaur_manifest::principal::Form;
use serde_json::json;

use super::tombstone;
use crate::address::{self, Who};
use crate::args::PrincipalsGrant;
use crate::commands::{regrant, terms};
use crate::failure::Failure;
use crate::plan::{Action, Call, Made, MadeSecret, Plan, Seen, Step, Target, Terms};
use crate::registration::{Registered, Registrar};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity as _, MANAGED};
use crate::tools;

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalsGrant) -> Result<Report, Failure> {
    if !args.grant_id.is_empty() {
        return Err(Failure::WrongVerb("--grant-id works only with revoke"));
    }
    if args.tool.is_empty() && args.role.is_empty() && args.secret.is_empty() {
        return Err(Failure::NothingToDo("--tool, --role or --secret"));
    }
    let terms = terms(args.priority, args.expires.as_deref(), args.secret.is_empty())?;
    let catalog = if args.tool.is_empty() { Catalog::default() } else { tools::catalog(session)? };
    let chosen = tools::chosen(session, &catalog, &args.tool)?;
    let who = address::principal(session, &args.principal).await?;
    let namespace = match &who {
        Who::Found(principal) => principal.namespace.clone(),
        Who::Missing { .. } => session.namespace().to_owned(),
    };
    if !chosen.is_empty() {
        // Tools are registered in the namespace of the command.
        address::same_namespace("principal", &args.principal.principal, &namespace, session.namespace())?;
    }
    let mut registrar = Registrar::new(session, &args.how);
    let mut tool_roles = Vec::new();
    for chosen in &chosen {
        let mut steps = Plan::new();
        let registered = registrar.register(&mut steps, chosen, &[], true, &[]).await?;
        tool_roles.push((chosen.tool.name.as_str(), registered, steps));
    }
    let mut roles = Vec::new();
    for text in &args.role {
        roles.push(address::existing_role(session, text).await?);
    }
    let mut secrets = Vec::new();
    for text in &args.secret {
        secrets.push(address::secret(session, text).await?);
    }
    for role in &roles {
        address::same_namespace("role", &role.called(), &role.namespace, &namespace)?;
    }
    let mut plan = Plan::new();
    let mut given: Vec<String> = chosen.iter().map(|chosen| chosen.tool.role()).collect();
    given.extend(roles.iter().flat_map(|role| [role.called(), role.id.to_string()]));
    let to = principal_step(&mut plan, session, &who, args, &given)?;
    let needs_roles = !(roles.is_empty() && tool_roles.is_empty());
    let (held, granted) = standing(session, &who, needs_roles, !secrets.is_empty()).await?;
    for (tool, registered, steps) in tool_roles {
        plan.extend(steps.into_steps());
        plan.push(assign_tool(&to, tool, &registered, &held));
    }
    for role in &roles {
        plan.push(assign(&to, role, &held));
    }
    for secret in &secrets {
        plan.push(grant(&to, secret, &granted, &terms));
    }
    Ok(registrar.finish(plan.run(session).await?))
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
    given: &[String],
) -> Result<To, Failure> {
    match who {
        Who::Found(principal) => {
            let target = target(principal);
            match tombstone::revise(principal, given, &[]) {
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
    needs_roles: bool,
    needs_grants: bool,
) -> Result<(Vec<Role>, Vec<Grant>), Failure> {
    let Who::Found(principal) = who else { return Ok((Vec::new(), Vec::new())) };
    let api = session.api()?;
    let held = if needs_roles { api.roles_of(principal.id).await.of(session)? } else { Vec::new() };
    let granted =
        if needs_grants { api.grants_of_principal(principal.id).await.of(session)? } else { Vec::new() };
    Ok((held, granted))
}

/// The role of a tool, as the last step of the tool.
fn assign_tool(to: &To, tool: &str, registered: &Registered, held: &[Role]) -> Step {
    let is_held = matches!(&registered.role, Made::Id(id) if held.iter().any(|held| held.id == *id));
    let step = if is_held {
        Step::in_place(registered.target.clone(), "it is assigned")
    } else {
        let call = Call::Assign { principal: to.made.clone(), role: registered.role.clone() };
        Step::new(Action::Assign, registered.target.clone(), "asked for with --tool", call)
    };
    step.with("principal", to.called.as_str()).of_tool(tool)
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
