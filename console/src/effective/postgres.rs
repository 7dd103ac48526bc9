//! PostgreSQL upstreams: one per database, its settings filled in for the principal.

use serde_json::{Map, Value, json};

use super::deliver::Given;
use super::explain::{Outcome, Skip};
use super::fallback::Deliverable;
use super::input::Principal;
use super::piece::Item;
use crate::definition::{Body, PgDsn, PrincipalField, Setting, SettingValue};

/// The upstreams, and what becomes of each secret, by its place in `ascending`. For each database the last one wins
/// and stands where the first one would.
pub(super) fn upstreams(
    ascending: &[Deliverable<'_>],
    principal: Option<&Principal>,
) -> (Vec<Item>, Vec<(usize, Outcome)>) {
    let mut routes: Vec<(&str, usize)> = Vec::new();
    let mut lost: Vec<(usize, &str)> = Vec::new();
    for (at, one) in ascending.iter().enumerate() {
        let Body::PgDsn(secret) = &one.standing.secret.body else { continue };
        match routes.iter_mut().find(|(database, _)| *database == secret.database) {
            Some((database, winner)) => {
                lost.push((*winner, database));
                *winner = at;
            }
            None => routes.push((&secret.database, at)),
        }
    }
    let winner_of = |database: &str| {
        let route = routes.iter().find(|(known, _)| *known == database);
        route.map(|(_, at)| ascending[*at].standing.secret.oid.clone()).unwrap_or_default()
    };
    let lost = lost
        .into_iter()
        .map(|(at, database)| (at, Outcome::Skipped(Skip::DatabaseLost { by: winner_of(database) })));
    let served = routes.iter().map(|(_, at)| (*at, Outcome::Served));
    let outcomes = served.chain(lost).collect();
    let entries =
        routes.iter().filter_map(|(_, at)| upstream(&ascending[*at], principal)).map(Item::from).collect();
    (entries, outcomes)
}

fn upstream(one: &Deliverable<'_>, principal: Option<&Principal>) -> Option<Value> {
    let secret = one.standing.secret;
    let Body::PgDsn(PgDsn { database, role, settings, .. }) = &secret.body else { return None };
    let mut entry = Map::new();
    entry.insert("id".to_owned(), json!(secret.oid));
    entry.insert("foreign_id".to_owned(), json!(secret.identity.foreign_id));
    entry.insert("database".to_owned(), json!(database));
    // Never made before: settings are filled in for the principal.
    let Given::Sources(sources) = &one.given else { return None };
    entry.insert("dsn".to_owned(), sources.wire("dsn"));
    if let Some(role) = role {
        entry.insert("role".to_owned(), json!(role));
    }
    if !settings.is_empty() {
        let resolved = settings.iter().map(|setting| resolve(setting, principal));
        entry.insert("settings".to_owned(), resolved.collect());
    }
    Some(Value::Object(entry))
}

/// What is missing becomes the empty text, which a row policy that compares for equality finds nothing for.
fn resolve(setting: &Setting, principal: Option<&Principal>) -> Value {
    let value = match (&setting.value, principal) {
        (SettingValue::Value(value), _) => value.clone(),
        (_, None) => String::new(),
        (SettingValue::PrincipalLabel(label), Some(principal)) => match principal.labels.get(label) {
            Some(Value::String(text)) => text.clone(),
            Some(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar.to_string(),
            _ => String::new(),
        },
        (SettingValue::PrincipalField(field), Some(principal)) => match field {
            PrincipalField::Id => principal.oid.clone(),
            PrincipalField::Namespace => principal.namespace.clone(),
            PrincipalField::ForeignId => principal.foreign_id.clone().unwrap_or_default(),
            PrincipalField::Name => principal.name.clone().unwrap_or_default(),
        },
    };
    json!({ "name": setting.name, "value": value })
}
