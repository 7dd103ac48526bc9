//! One of `credentials`.

use std::path::PathBuf;

use centaur_broker::Timing;
use centaur_oauth::{EndpointError, EndpointRules};
use centaur_policies::spec::{SourceKind, SourceSpec, parse_source};
use centaur_policies::yaml::{Cursor, Fields};
use http::HeaderName;

use super::parse::{required, timing};
use super::{CredentialConfig, StoreConfig, tables};

/// Kinds of store that there are elsewhere.
const ELSEWHERE: [&str; 4] = ["1password", "1password_connect", "aws_sm", "aws_ssm"];
/// The keys that belong to each kind and to no other.
const OWN_KEYS: [(&str, &[&str]); 2] =
    [("file", &["path"]), ("kubernetes_secret", &["namespace", "name", "key"])];
/// The longest id, in bytes.
const ID_LIMIT: usize = 256;

pub(super) fn credential(
    cursor: &Cursor<'_>,
    endpoints: &EndpointRules,
    defaults: Timing,
) -> Option<CredentialConfig> {
    let fields = cursor.fields(&tables::CREDENTIAL)?;
    let id = id(&fields);
    let token_endpoint = endpoint(&fields, endpoints);
    let client_id = source(&fields.key_or_null("client_id"), "client_id");
    let client_secret = fields.key("client_secret").map(|cursor| source(&cursor, "client_secret"));
    let headers = headers(&fields);
    let store = store(&fields.key_or_null("store"));
    let timing = timing(&fields, defaults);
    Some(CredentialConfig {
        id: id?,
        token_endpoint: token_endpoint?,
        client_id: client_id?,
        client_secret: match client_secret {
            None => None,
            Some(source) => Some(source?),
        },
        scopes: fields.texts("scopes"),
        headers: headers?,
        store: store?,
        timing,
    })
}

fn id(fields: &Fields<'_>) -> Option<String> {
    let id = required(fields, "id")?;
    if id.len() <= ID_LIMIT && !id.contains(char::is_control) {
        return Some(id);
    }
    fields
        .key_or_null("id")
        .reject(format_args!("id must be at most {ID_LIMIT} bytes without control characters"))
}

fn endpoint(fields: &Fields<'_>, rules: &EndpointRules) -> Option<String> {
    let url = required(fields, "token_endpoint")?;
    let cursor = fields.key_or_null("token_endpoint");
    match rules.check(&url) {
        Ok(()) => Some(url),
        Err(EndpointError::Private) => cursor.reject(
            "token_endpoint must not point to a loopback, private or link-local address that token_endpoint_allow \
             does not list",
        ),
        Err(error) => cursor.reject(format_args!("token_endpoint {error}")),
    }
}

fn source(cursor: &Cursor<'_>, key: &str) -> Option<SourceSpec> {
    if cursor.is_null() {
        return cursor.reject(format_args!("{key} is required"));
    }
    let spec = parse_source(&cursor.clone().labelled(key))?;
    match spec.kind {
        SourceKind::TokenBroker { .. } => cursor
            .reject(format_args!("{key}: source type \"token_broker\" is for the proxy; this is the broker")),
        _ => Some(spec),
    }
}

fn headers(fields: &Fields<'_>) -> Option<Vec<(String, SourceSpec)>> {
    let Some(cursor) = fields.key("token_endpoint_headers") else { return Some(Vec::new()) };
    let mut found = Vec::new();
    let mut is_whole = true;
    for (name, value) in cursor.entries()? {
        let refused = ["host", "content-length", "transfer-encoding"];
        if HeaderName::from_bytes(name.as_bytes()).is_err() || refused.contains(&&*name.to_lowercase()) {
            value.reject::<()>(format_args!("token_endpoint_headers: {name:?} cannot be set"));
            is_whole = false;
        }
        match source(&value, &format!("token_endpoint_headers.{name}")) {
            Some(spec) => found.push((name.to_owned(), spec)),
            None => is_whole = false,
        }
    }
    is_whole.then_some(found)
}

fn store(cursor: &Cursor<'_>) -> Option<StoreConfig> {
    let supported = "file and kubernetes_secret are supported";
    let kind = match cursor.node().key("type").map(|node| &node.kind) {
        Some(centaur_policies::yaml::Kind::Scalar(scalar)) => &*scalar.text,
        _ => "",
    };
    if kind == "env" {
        // Before the keys are looked at: those of other kinds are not in the table.
        return cursor.reject(format_args!(
            "store: type \"env\" cannot be written, and a refresh token is replaced at every use; {supported}"
        ));
    }
    if ELSEWHERE.contains(&kind) {
        return cursor
            .reject(format_args!("store: type {kind:?} is not available in this build; {supported}"));
    }
    let fields = cursor.fields(&tables::STORE)?;
    for (of, keys) in OWN_KEYS {
        for foreign in keys.iter().filter_map(|key| fields.key(key)).filter(|_| of != kind) {
            foreign.reject::<()>(format_args!("this key belongs to store type {of:?}, not {kind:?}"));
        }
    }
    match kind {
        "" => cursor.reject("store: type is required"),
        "file" => {
            let path = PathBuf::from(required(&fields, "path")?);
            if path.is_absolute() && path.file_name().is_some() {
                return Some(StoreConfig::File { path });
            }
            fields.key_or_null("path").reject("path must be the absolute path of a file")
        }
        "kubernetes_secret" => {
            let (namespace, name, key) =
                (required(&fields, "namespace"), required(&fields, "name"), required(&fields, "key"));
            Some(StoreConfig::KubernetesSecret { namespace: namespace?, name: name?, key: key? })
        }
        _ => cursor.reject(format_args!("store: unknown type {kind:?}; {supported}")),
    }
}
