//! `roles create`

use centaur_client::api::{Labels, Role};
use serde_json::{Map, Value, json};

use crate::address;
use crate::args::RolesCreate;
use crate::failure::Failure;
use crate::plan::{Action, Call, Plan, Seen, Step, Target};
use crate::report::Report;
use crate::session::Session;
use crate::shape::{Identity as _, MANAGED};

pub(in crate::commands) async fn run(session: &Session, args: &RolesCreate) -> Result<Report, Failure> {
    let mut labels = Labels::new();
    for text in &args.label {
        let (key, value) = address::pair("--label", text)?;
        labels.insert(key, value.into());
    }
    let mut plan = Plan::new();
    match address::role(session, &args.role).await? {
        Some(role) if !args.update => return Err(Failure::Exists { kind: "role", id: role.called() }),
        Some(role) => plan.push(update(&role, args.name.as_deref(), &labels)),
        None => {
            labels.entry(MANAGED.0.to_owned()).or_insert_with(|| MANAGED.1.into());
            let name = args.name.as_deref().unwrap_or(&args.role);
            plan.push(create(session, &args.role, name, labels.into(), "asked for"));
        }
    }
    plan.run(session).await
}

/// A role that is not there yet.
pub(in crate::commands) fn create(
    session: &Session,
    foreign_id: &str,
    name: &str,
    labels: Value,
    reason: &str,
) -> Step {
    let data = json!({
        "namespace": session.namespace(),
        "foreign_id": foreign_id,
        "name": name,
        "labels": labels,
    });
    let target = Target { kind: "role", id: None, foreign_id: Some(foreign_id.to_owned()) };
    Step::new(
        Action::Create,
        target,
        reason,
        Call::PutRole { at: foreign_id.to_owned(), data, seen: Seen::default() },
    )
}

/// A role, as steps name it.
pub(in crate::commands) fn target(role: &Role) -> Target {
    Target { kind: "role", id: Some(role.id.to_string()), foreign_id: role.foreign_id.clone() }
}

/// Labels are added to those there are.
fn update(role: &Role, name: Option<&str>, labels: &Labels) -> Step {
    let (mut data, mut before, mut after) = (Map::new(), Map::new(), Map::new());
    if let Some(name) = name.filter(|name| role.name.as_deref() != Some(*name)) {
        data.insert("name".to_owned(), name.into());
        before.insert("name".to_owned(), json!(role.name));
        after.insert("name".to_owned(), name.into());
    }
    let is_new = |(key, value): &(&String, &Value)| role.labels.get(*key) != Some(*value);
    let changed: Labels =
        labels.iter().filter(is_new).map(|(key, value)| (key.clone(), value.clone())).collect();
    if !changed.is_empty() {
        let mut all = role.labels.clone();
        all.extend(changed.clone());
        let old = |key: &String| (key.clone(), role.labels.get(key).cloned().unwrap_or_default());
        before.insert("labels".to_owned(), Value::Object(changed.keys().map(old).collect()));
        after.insert("labels".to_owned(), changed.into());
        data.insert("labels".to_owned(), all.into());
    }
    if data.is_empty() {
        return Step::in_place(target(role), "it is there");
    }
    let call = Call::PutRole { at: role.id.to_string(), data: data.into(), seen: Seen::from(role) };
    let mut step = Step::new(Action::Update, target(role), "asked for with --update", call);
    (step.before, step.after) = (before, after);
    step
}
