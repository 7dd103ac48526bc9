//! One write, and the request that asks for it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::{Grantee, State};
use crate::chance::Chance;

/// One write. Each changes something in the state it was drawn for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// Makes or renames a principal.
    PutPrincipal(String, u64),
    /// With its grants and assignments; its proxies serve nobody any more.
    DeletePrincipal(String),
    /// Makes or renames a role.
    PutRole(String, u64),
    /// With its grants and assignments.
    DeleteRole(String),
    /// Makes or replaces a secret: sources, values, rules.
    PutSecret(String, u64),
    /// With its sources, rules and grants.
    DeleteSecret(String),
    /// Grants a secret.
    Grant(Grantee, String),
    /// Withdraws a grant.
    Ungrant(Grantee, String),
    /// Gives a principal a role.
    Assign(String, String),
    /// Takes it away.
    Unassign(String, String),
    /// Has a proxy serve a principal, or nobody.
    Point(String, Option<String>),
}

/// The ids that the console gave.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Of principals, roles, secrets and proxies, whose names are all different.
    pub(super) of: BTreeMap<String, String>,
    /// Of grants.
    pub(super) grants: BTreeMap<(Grantee, String), String>,
}

/// What is asked of the console, and how it says yes.
pub(super) struct Ask {
    /// Method.
    pub(super) method: &'static str,
    /// Path below `/api/v1/`.
    pub(super) path: String,
    /// `data`, or null.
    pub(super) data: Value,
    /// The status of success.
    pub(super) success: &'static [u16],
}

/// Names that a writer draws from: few, so that they meet often.
const PRINCIPALS: [&str; 3] = ["p0", "p1", "p2"];
const ROLES: [&str; 2] = ["r0", "r1"];
/// Those of AWS have several sources.
const SECRETS: [&str; 5] = ["s0", "s1", "s2", "aws0", "aws1"];

impl Operation {
    /// One that changes something in `state`, with `number` for its document.
    pub(super) fn draw(state: &State, chance: &mut Chance, number: u64) -> Self {
        loop {
            let operation = Self::any(chance, number, state);
            if operation.is_possible(state) && state.after(&operation) != *state {
                return operation;
            }
        }
    }

    fn any(chance: &mut Chance, number: u64, state: &State) -> Self {
        let principal = (*chance.pick(&PRINCIPALS)).to_owned();
        let role = (*chance.pick(&ROLES)).to_owned();
        let secret = (*chance.pick(&SECRETS)).to_owned();
        let grantee = if chance.below(2) == 0 {
            Grantee::Principal(principal.clone())
        } else {
            Grantee::Role(role.clone())
        };
        match chance.below(24) {
            0..3 => Self::PutPrincipal(principal, number),
            3 => Self::DeletePrincipal(principal),
            4..6 => Self::PutRole(role, number),
            6 => Self::DeleteRole(role),
            7..12 => Self::PutSecret(secret, number),
            12 => Self::DeleteSecret(secret),
            13..17 => Self::Grant(grantee, secret),
            17..19 => Self::Ungrant(grantee, secret),
            19..21 => Self::Assign(principal, role),
            21 => Self::Unassign(principal, role),
            _ => {
                let proxies: Vec<_> = state.proxies.keys().cloned().collect();
                let serves = (chance.below(4) > 0).then_some(principal);
                Self::Point(chance.pick(&proxies).clone(), serves)
            }
        }
    }

    fn is_possible(&self, state: &State) -> bool {
        let is_there = |grantee: &Grantee| match grantee {
            Grantee::Principal(name) => state.principals.contains_key(name),
            Grantee::Role(name) => state.roles.contains_key(name),
        };
        match self {
            Self::Grant(grantee, secret) => is_there(grantee) && state.secrets.contains_key(secret),
            Self::Assign(principal, role) => {
                state.principals.contains_key(principal) && state.roles.contains_key(role)
            }
            Self::Point(_, Some(principal)) => state.principals.contains_key(principal),
            _ => true,
        }
    }

    /// The request, in `namespace`.
    pub(super) fn ask(&self, namespace: &str, state: &State, ids: &Ids) -> Ask {
        let id = |name: &str| ids.of.get(name).unwrap_or_else(|| panic!("no id of {name}")).clone();
        let ask = |method, path: String, data, success| Ask { method, path, data, success };
        let put = |collection: &str, name: &str, is_there: bool, data| {
            let success: &[u16] = if is_there { &[200] } else { &[201] };
            ask("PUT", format!("{collection}/{name}"), data, success)
        };
        let named = |number: &u64| json!({"namespace": namespace, "name": number.to_string()});
        let delete =
            |collection: &str, id: String| ask("DELETE", format!("{collection}/{id}"), Value::Null, &[204]);
        match self {
            Self::PutPrincipal(name, number) => {
                put("principals", name, state.principals.contains_key(name), named(number))
            }
            Self::PutRole(name, number) => put("roles", name, state.roles.contains_key(name), named(number)),
            Self::PutSecret(name, number) => {
                let is_there = state.secrets.contains_key(name);
                put(collection(name), name, is_there, document(namespace, name, *number))
            }
            Self::DeletePrincipal(name) => delete("principals", id(name)),
            Self::DeleteRole(name) => delete("roles", id(name)),
            Self::DeleteSecret(name) => delete(collection(name), id(name)),
            Self::Grant(grantee, secret) => {
                let (member, name) = match grantee {
                    Grantee::Principal(name) => ("principal_id", name),
                    Grantee::Role(name) => ("role_id", name),
                };
                let data = json!({member: id(name), secret_member(secret): id(secret)});
                ask("POST", "grants".to_owned(), data, &[201])
            }
            Self::Ungrant(grantee, secret) => {
                delete("grants", ids.grants[&(grantee.clone(), secret.clone())].clone())
            }
            Self::Assign(principal, role) => {
                let path = format!("principals/{}/roles", id(principal));
                ask("POST", path, json!({"role_id": id(role)}), &[201])
            }
            Self::Unassign(principal, role) => {
                delete(&format!("principals/{}/roles", id(principal)), id(role))
            }
            Self::Point(proxy, principal) => {
                let data = json!({"principal_id": principal.as_deref().map(id)});
                ask("PATCH", format!("proxies/{}", id(proxy)), data, &[200])
            }
        }
    }

    /// Keeps the id that the answer gives to what was made.
    pub(super) fn learn(&self, record: &Value, ids: &mut Ids) {
        let Some(id) = record["id"].as_str().map(str::to_owned) else { return };
        match self {
            Self::PutPrincipal(name, _) | Self::PutRole(name, _) | Self::PutSecret(name, _) => {
                ids.of.insert(name.clone(), id);
            }
            Self::Grant(grantee, secret) => drop(ids.grants.insert((grantee.clone(), secret.clone()), id)),
            _ => {}
        }
    }
}

/// The collection of a secret, by its name.
pub(super) fn collection(secret: &str) -> &'static str {
    if secret.starts_with("aws") { "aws_auth_secrets" } else { "static_secrets" }
}

/// The member of a grant that names the secret.
pub(super) fn secret_member(secret: &str) -> &'static str {
    if secret.starts_with("aws") { "aws_auth_secret_id" } else { "static_secret_id" }
}

/// The hosts of a secret's rules.
pub(super) fn hosts(secret: &str, number: u64) -> Vec<String> {
    ["a", "b", "c"].iter().map(|part| format!("{part}-{secret}-{number}.test")).collect()
}

/// The value of a secret's source.
pub(super) fn value(namespace: &str, secret: &str, number: u64) -> String {
    format!("fake-{namespace}-{secret}-{number}")
}

fn document(namespace: &str, secret: &str, number: u64) -> Value {
    let rules: Vec<_> = hosts(secret, number).iter().map(|host| json!({ "host": host })).collect();
    let inline = json!({
        "source_type": "control_plane", "config": {}, "secret": value(namespace, secret, number),
    });
    let name = number.to_string();
    if secret.starts_with("aws") {
        return json!({
            "namespace": namespace, "name": name, "access_key_id": inline, "secret_access_key": inline,
            "allowed_regions": ["eu-test-1"], "rules": rules,
        });
    }
    json!({
        "namespace": namespace, "name": name, "inject_config": {"header": format!("x-{secret}")},
        "source": inline, "rules": rules,
    })
}
