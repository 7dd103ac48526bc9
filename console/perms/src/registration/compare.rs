//! What a tool declares, and what is stored.

use centaur_client::api::Secret;
use centaur_manifest::register::{POLICY_LABEL, SecretRecord};
use centaur_manifest::source::Sources;
use serde_json::{Map, Value, json};

/// Members that are not the tool's: what the console assigns, and what people write.
const NOT_OURS: [&str; 7] =
    ["id", "description", "created_at", "updated_at", "created_by", "revision", "broker_credential_id"];

/// Members with sources, which a registration that names no policy leaves alone.
const SOURCES: [&str; 8] = [
    "source",
    "keyfile",
    "credentials",
    "token_endpoint_headers",
    "dsn",
    "access_key_id",
    "secret_access_key",
    "session_token",
];

/// The policy of a secret that keeps its sources: another one was asked for when it was registered, and now none is.
pub(super) fn kept_policy<'a>(
    record: &SecretRecord,
    stored: &'a Secret,
    sources: &Sources,
) -> Option<&'a str> {
    let policy = stored.labels.get(POLICY_LABEL)?.as_str()?;
    if sources.is_explicit || policy == sources.policy.as_str() {
        return None;
    }
    let differs = SOURCES.iter().any(|name| {
        normal(record.data.get(*name).unwrap_or(&Value::Null))
            != normal(stored.document.get(*name).unwrap_or(&Value::Null))
    });
    differs.then_some(policy)
}

/// The definition that a write sends: as declared, with the labels and the description that others wrote, and with the
/// stored sources when those are kept.
pub(super) fn wanted(record: &SecretRecord, stored: &Secret, keeps_sources: bool) -> Value {
    let mut data = record.data.clone();
    let mut labels = stored.labels.clone();
    labels.extend(record.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
    data["labels"] = labels.into();
    if let Some(text) = stored.document.get("description").filter(|text| !text.is_null()) {
        data["description"] = text.clone();
    }
    if keeps_sources && let Value::Object(members) = &mut data {
        members.retain(|name, _| !SOURCES.contains(&name.as_str()));
        for name in SOURCES {
            if let Some(value) = stored.document.get(name).filter(|value| !value.is_null()) {
                members.insert(name.to_owned(), kept(value.clone()));
            }
        }
    }
    data
}

/// Whether all labels but that of the policy are as declared.
pub(super) fn is_registered_so(record: &SecretRecord, stored: &Secret) -> bool {
    let is_there = |(key, value): (&String, &String)| {
        key == POLICY_LABEL || stored.labels.get(key).and_then(Value::as_str) == Some(value.as_str())
    };
    record.labels.iter().all(is_there)
}

/// A stored source as a write sends it back: the console does not show the value it stores, and is told to keep it.
fn kept(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) if members.get("source_type") == Some(&json!("control_plane")) => {
            members.insert("keep_secret".to_owned(), true.into());
        }
        Value::Object(members) => members.values_mut().for_each(|member| *member = kept(member.take())),
        _ => {}
    }
    value
}

/// Members that a write would change, as they are and as they will be. Definitions hold references, never values.
pub(super) fn changes(wanted: &Value, stored: &Secret) -> Vec<(String, Value, Value)> {
    let empty = Map::new();
    let wanted = wanted.as_object().unwrap_or(&empty);
    let names = wanted.keys().chain(stored.document.keys().filter(|name| !wanted.contains_key(*name)));
    let of = |members: &Map<String, Value>, name: &String| members.get(name).cloned().unwrap_or_default();
    names
        .filter(|name| !NOT_OURS.contains(&name.as_str()))
        .filter_map(|name| {
            let (before, after) = (of(&stored.document, name), of(wanted, name));
            (normal(&before) != normal(&after)).then(|| (name.clone(), before, after))
        })
        .collect()
}

/// Without what says nothing: nulls, empty texts, lists and objects, flags that are off, places in a list, and the word
/// that keeps a value.
fn normal(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().map(|item| normal(item).unwrap_or_default()).collect()),
        Value::Object(members) => {
            let said = |(name, value): (&String, &Value)| {
                (name != "position" && name != "keep_secret").then(|| Some((name.clone(), normal(value)?)))?
            };
            // Sorted, so that the order of members does not matter.
            let mut said: Vec<(String, Value)> = members.iter().filter_map(said).collect();
            said.sort_by(|a, b| a.0.cmp(&b.0));
            (!said.is_empty()).then(|| Value::Object(said.into_iter().collect()))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_makes_no_difference_and_what_says_something_does() {
        let stored = json!({"replace_config": {"proxy_value": "K", "match_headers": ["A"], "match_body": false, "require": false},
            "rules": [{"host": "a.test", "cidr": null, "position": 0, "http_methods": [], "paths": []}], "scopes": []});
        let wanted = json!({"rules": [{"host": "a.test"}],
            "replace_config": {"match_headers": ["A"], "proxy_value": "K"}});
        assert_eq!(normal(&stored), normal(&wanted));
        for other in [
            json!({"rules": [{"host": "b.test"}], "replace_config": {"match_headers": ["A"], "proxy_value": "K"}}),
            json!({"rules": [{"host": "a.test"}], "replace_config": {"match_headers": ["A"], "proxy_value": "K", "match_path": true}}),
            json!({"rules": [{"host": "a.test", "paths": ["/x"]}], "replace_config": {"match_headers": ["A"], "proxy_value": "K"}}),
        ] {
            assert_ne!(normal(&stored), normal(&other), "{other}");
        }
    }

    #[test]
    fn a_stored_value_is_kept_and_not_asked_for() {
        let source = json!({"client_id": {"source_type": "control_plane", "config": {}}, "key": {"source_type": "env", "config": {"var": "K"}}});
        let sent = kept(source.clone());
        assert_eq!(sent["client_id"]["keep_secret"], true);
        assert_eq!(sent["key"], source["key"]);
        assert_eq!(normal(&sent), normal(&source));
    }
}
