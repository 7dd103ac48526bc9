//! Where a value comes from.

use centaur_base::{Secret, SourceType};
use centaur_policies::yaml::GoDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::context::{Context, CredentialRef};
use super::values::Values;
use crate::wire::{Attributes, Reader, is_blank};

/// Keys of `config` that a type takes.
struct Keys {
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

/// Keys that every type takes.
const COMMON: [&str; 2] = ["json_key", "ttl"];

const fn keys(of: SourceType) -> Keys {
    let (required, optional): (&[&str], &[&str]) = match of {
        SourceType::Env => (&["var"], &[]),
        SourceType::AwsSm => (&["secret_id"], &["region"]),
        SourceType::AwsSsm => (&["name"], &["region", "with_decryption"]),
        SourceType::OnePassword => (&["secret_ref"], &["token_env"]),
        SourceType::OnePasswordConnect => (&["secret_ref"], &["host_env", "token_env"]),
        SourceType::ControlPlane => (&[], &[]),
        SourceType::TokenBroker => (&["credential_id"], &["credential_namespace"]),
    };
    Keys { required, optional }
}

/// The keys of `config` that a type needs and those that it may have.
pub(crate) fn source_keys(of: SourceType) -> (Vec<&'static str>, Vec<&'static str>) {
    let keys = keys(of);
    let is_common = |key: &&&str| of != SourceType::TokenBroker || **key != "json_key";
    let optional = keys.optional.iter().chain(COMMON.iter().filter(is_common)).copied().collect();
    (keys.required.to_vec(), optional)
}

/// A source as it is stored and shown. An inline value is not in it but in [`Values`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Which kind.
    pub source_type: SourceType,
    /// What the kind needs, as sent.
    pub config: Map<String, Value>,
}

impl Source {
    /// As every response shows it: `{"source_type","config"}`.
    pub fn shown(&self) -> Value {
        json!({ "source_type": self.source_type.as_str(), "config": self.config })
    }

    /// What a `token_broker` source refers to.
    pub fn credential(&self) -> Option<CredentialRef> {
        if self.source_type != SourceType::TokenBroker {
            return None;
        }
        let text = |key: &str| self.config.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(CredentialRef { id: text("credential_id")?, namespace: text("credential_namespace") })
    }

    /// The member of a JSON value that is meant.
    pub fn json_key(&self) -> Option<&str> {
        self.config.get("json_key").and_then(Value::as_str)
    }
}

/// Reads sources and collects their inline values.
pub(super) struct SourceReader<'a> {
    context: &'a Context<'a>,
    values: &'a mut Values,
}

impl<'a> SourceReader<'a> {
    pub(super) fn new(context: &'a Context<'a>, values: &'a mut Values) -> Self {
        Self { context, values }
    }

    /// The values read so far.
    pub(super) fn values(&self) -> &Values {
        self.values
    }

    /// A source that may be absent.
    pub(super) fn optional(&mut self, reader: &mut Reader<'_>, key: &str) -> Option<Source> {
        let mut object = reader.object(key)?;
        self.object(&mut object, reader, key)
    }

    /// A source that has to be there; `error` is the key and the message when it is not.
    pub(super) fn required(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        error: (&str, &str),
    ) -> Option<Source> {
        if !reader.is_given(key) {
            reader.reject(error.0, error.1);
            return None;
        }
        self.optional(reader, key)
    }

    /// A map of sources; those that are null count as absent. Problems with the names are the caller's to find.
    pub(super) fn map(&mut self, reader: &mut Reader<'_>, key: &str) -> Vec<(String, Option<Source>)> {
        let Some(mut map) = reader.object(key) else { return Vec::new() };
        let names: Vec<_> = map.keys().map(str::to_owned).collect();
        let mut sources = Vec::new();
        for name in names {
            let path = format!("{key}.{name}");
            let mut object = match map.take(&name) {
                None => continue,
                Some(Value::Object(members)) => Attributes::new(members),
                Some(mut other) => {
                    crate::wire::wipe(&mut other);
                    reader.problems().add(key, format!("\"{name}\" must be a hash"));
                    reader.problems().add(&path, "must be a hash");
                    sources.push((name, None));
                    continue;
                }
            };
            sources.push((name, self.object(&mut object, reader, &path)));
        }
        sources
    }

    fn object(&mut self, object: &mut Attributes, reader: &mut Reader<'_>, path: &str) -> Option<Source> {
        let mut inner = Reader::nested(object, reader.problems(), path);
        let source_type = source_type(&mut inner);
        let config = inner.object("config").unwrap_or_default().into_members();
        let source_type = source_type?;
        check_config(source_type, &config, &mut inner);
        let source = Source { source_type, config };
        if source_type == SourceType::TokenBroker {
            self.check_reference(&source, &mut inner);
        }
        if let Some(value) = self.value(source_type, &mut inner, path) {
            self.values.insert(path, value);
        }
        Some(source)
    }

    /// The inline value: sent, or kept from what is stored.
    fn value(&self, source_type: SourceType, reader: &mut Reader<'_>, path: &str) -> Option<Secret<String>> {
        let keep = reader.flag("keep_secret").unwrap_or(false);
        let sent = reader.secret("secret").filter(|value| !is_blank(value.expose()));
        if source_type != SourceType::ControlPlane {
            if sent.is_some() {
                reader.reject("secret", "is only allowed for source_type \"control_plane\"");
            }
            if keep {
                reader.reject("keep_secret", "is only allowed for source_type \"control_plane\"");
            }
            return None;
        }
        match (sent, keep) {
            (Some(_), true) => {
                reader.reject("keep_secret", "and secret are mutually exclusive");
                None
            }
            (Some(value), false) => Some(value),
            (None, true) => {
                let kept = self.stored(path);
                if kept.is_none() {
                    reader.reject("keep_secret", "has no stored value to keep");
                }
                kept
            }
            (None, false) => {
                reader.reject("secret", "can't be blank for source_type \"control_plane\"");
                None
            }
        }
    }

    fn stored(&self, path: &str) -> Option<Secret<String>> {
        let existing = self.context.existing?;
        let is_inline =
            |(at, source): &(String, &Source)| at == path && source.source_type == SourceType::ControlPlane;
        existing.body.sources().iter().find(|source| is_inline(source))?;
        existing.values.value(path).map(|value| Secret::new(value.expose().clone()))
    }

    fn check_reference(&self, source: &Source, reader: &mut Reader<'_>) {
        if source.json_key().is_some() {
            reader.reject("config", "json_key is not allowed for source_type \"token_broker\"");
        }
        let Some(reference) = source.credential().filter(|reference| !is_blank(&reference.id)) else {
            return;
        };
        let credentials = self.context.credentials;
        let exists = match (reference.oid(), &reference.namespace) {
            (Some(_), Some(_)) => {
                let text = "credential_namespace is not allowed when credential_id is an opaque id";
                return reader.reject("config", text);
            }
            (None, None) => {
                let text = "credential_namespace is required when credential_id is a foreign_id";
                return reader.reject("config", text);
            }
            (None, Some(namespace)) => credentials.has_name(namespace, &reference.id),
            (Some(oid), None) => credentials.has_oid(oid),
        };
        if !exists {
            let id = reference.id.escape_debug();
            let text = format!("credential_id \"{id}\" does not reference an existing broker credential");
            reader.reject("config", text);
        }
    }
}

fn source_type(reader: &mut Reader<'_>) -> Option<SourceType> {
    let name = match reader.value("source_type") {
        Some(Value::String(name)) if !is_blank(&name) => name,
        None | Some(Value::String(_)) => {
            reader.reject("source_type", "can't be blank");
            return None;
        }
        Some(_) => String::new(),
    };
    let known = SourceType::parse(&name);
    if known.is_none() {
        reader.reject("source_type", "is not included in the list");
    }
    known
}

fn check_config(source_type: SourceType, config: &Map<String, Value>, reader: &mut Reader<'_>) {
    let keys = keys(source_type);
    let name = source_type.as_str();
    for key in keys.required {
        if !config.contains_key(*key) {
            reader.reject("config", format!("is missing required key \"{key}\" for source_type \"{name}\""));
        }
    }
    for (key, value) in config {
        let key = key.as_str();
        if ![keys.required, keys.optional, &COMMON].concat().contains(&key) {
            reader.reject("config", format!("has unknown key \"{key}\" for source_type \"{name}\""));
            continue;
        }
        if let Some(wrong) = wrong_value(key, value) {
            reader.reject("config", format!("key \"{key}\" must be {wrong}"));
        }
    }
}

/// What the value of a known key should have been.
fn wrong_value(key: &str, value: &Value) -> Option<&'static str> {
    if key == "with_decryption" {
        return (!value.is_boolean()).then_some("true or false");
    }
    let text = value.as_str().filter(|text| !is_blank(text));
    if key == "ttl" {
        let positive =
            text.and_then(|text| GoDuration::parse(text).ok()).is_some_and(|ttl| ttl.nanoseconds() > 0);
        return (!positive).then_some("a positive duration such as \"10m\"");
    }
    text.is_none().then_some("a non-empty string")
}
