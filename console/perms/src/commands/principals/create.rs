//! `principals create`

use centaur_client::api::{Labels, Principal, Role};
use serde_json::{Map, Value, json};

use crate::address::{self, Who};
use crate::args::{PrincipalArg, PrincipalsCreate};
use crate::failure::Failure;
use crate::plan::{Action, Call, Made, Plan, Seen, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity as _, MANAGED, SEEDED};

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalsCreate) -> Result<Report, Failure> {
    let mut labels = Labels::new();
    for text in &args.label {
        let (key, value) = address::pair("--label", text)?;
        labels.insert(key, value.into());
    }
    let mut roles = Vec::new();
    if args.seed_defaults {
        for role in &session.settings.default_roles {
            roles.push(address::existing_role(session, role).await?);
        }
        labels.insert(SEEDED.to_owned(), session.settings.default_roles.join(",").into());
    } else if args.no_default_roles {
        labels.insert(SEEDED.to_owned(), "none".into());
    }
    let arg = PrincipalArg { principal: args.foreign_id.clone(), slack_user: None };
    let mut plan = Plan::new();
    match address::principal(session, &arg).await? {
        Who::Found(principal) if !args.update => {
            return Err(Failure::Exists { kind: "principal", id: principal.called() });
        }
        Who::Found(principal) => {
            plan.push(update(&principal, args.name.as_deref(), &labels));
            let held = if roles.is_empty() {
                Vec::new()
            } else {
                session.api()?.roles_of(principal.id).await.of(session)?
            };
            for role in &roles {
                plan.push(assign(&Made::Id(principal.id), role, held.iter().any(|held| held.id == role.id)));
            }
        }
        Who::Missing { foreign_id } => {
            plan.push(create(session, &foreign_id, args.name.as_deref(), labels));
            for role in &roles {
                plan.push(assign(&Made::By(foreign_id.clone()), role, false));
            }
        }
    }
    plan.run(session).await
}

fn create(session: &Session, foreign_id: &str, name: Option<&str>, mut labels: Labels) -> Step {
    labels.entry(MANAGED.0.to_owned()).or_insert_with(|| MANAGED.1.into());
    let data = json!({
        "namespace": session.namespace(),
        "foreign_id": foreign_id,
        "name": name.unwrap_or(foreign_id),
        "labels": labels,
    });
    let target = Target { kind: "principal", id: None, foreign_id: Some(foreign_id.to_owned()) };
    let call = Call::PutPrincipal { at: foreign_id.to_owned(), data, seen: Seen::default() };
    Step::new(Action::Create, target, "asked for", call)
}

/// Labels are added to those there are.
fn update(principal: &Principal, name: Option<&str>, labels: &Labels) -> Step {
    let target = Target {
        kind: "principal",
        id: Some(principal.id.to_string()),
        foreign_id: principal.foreign_id.clone(),
    };
    let (mut data, mut before, mut after) = (Map::new(), Map::new(), Map::new());
    if let Some(name) = name.filter(|name| principal.name.as_deref() != Some(*name)) {
        data.insert("name".to_owned(), name.into());
        before.insert("name".to_owned(), json!(principal.name));
        after.insert("name".to_owned(), name.into());
    }
    let changed: Labels = labels
        .iter()
        .filter(|(key, value)| principal.labels.get(*key) != Some(*value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if !changed.is_empty() {
        let mut all = principal.labels.clone();
        all.extend(changed.clone());
        let old = |key: &String| (key.clone(), principal.labels.get(key).cloned().unwrap_or_default());
        before.insert("labels".to_owned(), Value::Object(changed.keys().map(old).collect()));
        after.insert("labels".to_owned(), changed.into());
        data.insert("labels".to_owned(), all.into());
    }
    if data.is_empty() {
        return Step::in_place(target, "it is there");
    }
    let call =
        Call::PutPrincipal { at: principal.id.to_string(), data: data.into(), seen: Seen::from(principal) };
    let mut step = Step::new(Action::Update, target, "asked for with --update", call);
    (step.before, step.after) = (before, after);
    step
}

fn assign(principal: &Made<centaur_base::oid::PrincipalId>, role: &Role, is_held: bool) -> Step {
    let target = Target { kind: "role", id: Some(role.id.to_string()), foreign_id: role.foreign_id.clone() };
    if is_held {
        return Step::in_place(target, "it is assigned");
    }
    let call = Call::Assign { principal: principal.clone(), role: Made::Id(role.id) };
    Step::new(Action::Assign, target, "a default role", call)
}
