//! `roles grant`

use centaur_base::oid::RoleId;
use centaur_client::api::{Grant, Role, Secret};
use centaur_manifest::discover::Catalog;
use serde_json::json;

use super::create::{create, target};
use crate::address;
use crate::args::RolesGrant;
use crate::commands::{regrant, terms};
use crate::failure::Failure;
use crate::plan::{Action, Call, Made, MadeSecret, Plan, Step, Target, Terms};
use crate::registration::{self, GrantedTo, Registrar};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity as _, MANAGED};
use crate::tools;

pub(in crate::commands) async fn run(session: &Session, args: &RolesGrant) -> Result<Report, Failure> {
    if args.secret.is_empty() && args.tool.is_empty() {
        return Err(Failure::NothingToDo("--secret or --tool"));
    }
    if !args.secret_name.is_empty() && args.tool.len() != 1 {
        let text = "--secret-name goes with exactly one --tool";
        return Err(Failure::BadCombination(text.to_owned()));
    }
    let terms = terms(args.priority, args.expires.as_deref(), args.secret.is_empty())?;
    let catalog = if args.tool.is_empty() { Catalog::default() } else { tools::catalog(session)? };
    let chosen = tools::chosen(session, &catalog, &args.tool)?;
    let role = address::role(session, &args.role.role).await?;
    if role.is_none() && args.no_create {
        return Err(address::missing(session, "role", &args.role.role));
    }
    let namespace =
        role.as_ref().map_or_else(|| session.namespace().to_owned(), |role| role.namespace.clone());
    let mut secrets = Vec::new();
    for text in &args.secret {
        let secret = address::secret(session, text).await?;
        address::same_namespace("secret", &secret.called(), &secret.namespace, &namespace)?;
        secrets.push(secret);
    }
    if !chosen.is_empty() {
        address::same_namespace("role", &args.role.role, &namespace, session.namespace())?;
    }
    let mut plan = Plan::new();
    let (made, granted) = if let Some(role) = &role {
        plan.push(Step::in_place(target(role), "it is there"));
        (Made::Id(role.id), session.api()?.grants_of_role(role.id).await.of(session)?)
    } else {
        let foreign_id = &args.role.role;
        let labels = json!({ MANAGED.0: MANAGED.1 });
        plan.push(create(session, foreign_id, foreign_id, labels, "there is none"));
        (Made::By(foreign_id.clone()), Vec::new())
    };
    let called = role.as_ref().map_or_else(|| args.role.role.clone(), Role::called);
    for secret in &secrets {
        plan.push(grant(&made, &called, secret, &granted, &terms));
    }
    let into = [GrantedTo { role: made, called, granted }];
    let mut registrar = Registrar::new(session, &args.how);
    for chosen in &chosen {
        // Its own role may be the one that is meant.
        let is_own = chosen.tool.role() == into[0].called;
        let others: &[GrantedTo] = if is_own { &[] } else { &into };
        let to_own = is_own || args.also_tool_role;
        registrar.register(&mut plan, chosen, &args.secret_name, to_own, others).await?;
    }
    registration::remark_new(session, &into);
    Ok(registrar.finish(plan.run(session).await?))
}

fn grant(role: &Made<RoleId>, called: &str, secret: &Secret, granted: &[Grant], terms: &Terms) -> Step {
    let mut target = Target { kind: "grant", id: None, foreign_id: Some(secret.called()) };
    let with = |step: Step| step.with("secret", secret.id.to_string()).with("role", called);
    if let Some(there) = granted.iter().find(|grant| grant.secret == secret.id) {
        target.id = Some(there.id.to_string());
        return with(regrant(there, target, terms));
    }
    let call =
        Call::GrantToRole { role: role.clone(), secret: MadeSecret::Id(secret.id), terms: terms.clone() };
    with(Step::new(Action::Grant, target, "asked for with --secret", call))
}
