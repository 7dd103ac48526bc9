//! Roles that an operator took away: the label `centaur.revoked-roles`, which no automatic assignment overrides.

use centaur_client::api::{Labels, Principal, Role};
use serde_json::{Value, json};

use crate::plan::{Action, Call, Seen, Step, Target};
use crate::shape::{Identity as _, REVOKED_ROLES};

/// The roles that were taken away, by foreign id or id.
fn recorded(labels: &Labels) -> Vec<String> {
    let text = labels.get(REVOKED_ROLES).and_then(Value::as_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect()
}

/// Records roles that are taken away; `None` when they are recorded.
pub(super) fn record(principal: &Principal, roles: &[&Role]) -> Option<Step> {
    let mut all = recorded(&principal.labels);
    for role in roles {
        let name = role.called();
        if !all.contains(&name) {
            all.push(name);
        }
    }
    write(principal, all, "no automatic path shall assign the role again")
}

/// Records roles that are taken away and clears those that are given, by what they are called; `None` when nothing
/// changes.
pub(in crate::commands) fn revise(principal: &Principal, given: &[String], taken: &[String]) -> Option<Step> {
    let mut all = recorded(&principal.labels);
    all.retain(|name| !given.contains(name));
    let new: Vec<String> = taken.iter().filter(|name| !all.contains(name)).cloned().collect();
    all.extend(new);
    write(principal, all, "roles that are taken away are not assigned again by any automatic path")
}

fn write(principal: &Principal, roles: Vec<String>, reason: &str) -> Option<Step> {
    if roles == recorded(&principal.labels) {
        return None;
    }
    let before = principal.labels.get(REVOKED_ROLES).cloned().unwrap_or_default();
    let mut labels = principal.labels.clone();
    let after = if roles.is_empty() {
        labels.shift_remove(REVOKED_ROLES);
        Value::Null
    } else {
        labels.insert(REVOKED_ROLES.to_owned(), roles.join(",").into());
        roles.join(",").into()
    };
    let target = Target {
        kind: "principal",
        id: Some(principal.id.to_string()),
        foreign_id: principal.foreign_id.clone(),
    };
    let call = Call::PutPrincipal {
        at: principal.id.to_string(),
        data: json!({ "labels": labels }),
        seen: Seen::from(principal),
    };
    let member = |value: Value| json!({ REVOKED_ROLES: value });
    Some(Step::new(Action::Update, target, reason, call).changing("labels", member(before), member(after)))
}
