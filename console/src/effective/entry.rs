//! Secrets as a proxy reads them.

use serde_json::{Map, Value, json};

use super::deliver::Sources;
use crate::definition::{
    AwsAuth, Body, GcpAuth, GcpCredentials, GcpIdToken, Hmac, OauthToken, Placement, Rule, Source,
    StaticSecret, workload_identity,
};
use crate::wire::wipe;

/// An entry, by the list it belongs to. Holds values; wiped on drop.
pub(super) enum Entry {
    /// One of `secrets`.
    Secret(Value),
    /// One of `transforms`.
    Transform(Value),
    /// One of the `tokens` of the transform `oauth_token`.
    Token(Value),
}

impl Entry {
    pub(super) fn value(&self) -> &Value {
        match self {
            Self::Secret(value) | Self::Transform(value) | Self::Token(value) => value,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        match self {
            Self::Secret(value) | Self::Transform(value) | Self::Token(value) => wipe(value),
        }
    }
}

/// The entry of a secret; `None` for a database, which is chosen first.
pub(super) fn entry(body: &Body, sources: &Sources) -> Option<Entry> {
    let transform = |name: &str, config: Map<String, Value>| {
        Some(Entry::Transform(json!({ "name": name, "config": config })))
    };
    match body {
        Body::Static(secret) => Some(Entry::Secret(static_secret(secret, sources))),
        Body::GcpAuth(secret) => transform("gcp_auth", gcp_auth(secret, sources)),
        Body::GcpIdToken(secret) => transform("gcp_id_token", gcp_id_token(secret, sources)),
        Body::AwsAuth(secret) => transform("aws_auth", aws_auth(secret, sources)),
        Body::Hmac(secret) => transform("hmac_sign", hmac(secret, sources)),
        Body::OauthToken(secret) => Some(Entry::Token(Value::Object(oauth_token(secret, sources)))),
        Body::PgDsn(_) => None,
    }
}

fn static_secret(secret: &StaticSecret, sources: &Sources) -> Value {
    let mut entry = Map::new();
    set(&mut entry, "source", sources.wire("source"));
    set(&mut entry, "rules", rules(&secret.rules));
    match &secret.placement {
        Placement::Inject(inject) => set(&mut entry, "inject", json!(inject)),
        Placement::Replace(replace) => set(&mut entry, "replace", json!(replace)),
    }
    for (key, flag) in secret.flags() {
        set(&mut entry, key, flag.into());
    }
    Value::Object(entry)
}

fn gcp_auth(secret: &GcpAuth, sources: &Sources) -> Map<String, Value> {
    let mut config = Map::new();
    match &secret.credentials {
        GcpCredentials::Keyfile(_) => set(&mut config, "keyfile", sources.wire("keyfile")),
        GcpCredentials::WorkloadIdentity(_) => set(&mut config, "credentials_provider", workload_identity()),
    }
    set_some(&mut config, "subject", secret.subject.as_ref());
    set(&mut config, "scopes", json!(secret.scopes));
    set(&mut config, "rules", rules(&secret.rules));
    config
}

fn gcp_id_token(secret: &GcpIdToken, sources: &Sources) -> Map<String, Value> {
    let mut config = Map::new();
    set(&mut config, "keyfile", sources.wire("keyfile"));
    set(&mut config, "audience", json!(secret.audience));
    set(&mut config, "rules", rules(&secret.rules));
    set_some(&mut config, "header", secret.header.as_ref());
    config
}

fn aws_auth(secret: &AwsAuth, sources: &Sources) -> Map<String, Value> {
    let mut config = Map::new();
    set(&mut config, "access_key_id", sources.wire("access_key_id"));
    set(&mut config, "secret_access_key", sources.wire("secret_access_key"));
    if secret.session_token.is_some() {
        set(&mut config, "session_token", sources.wire("session_token"));
    }
    set_list(&mut config, "allowed_regions", &secret.allowed_regions);
    set_list(&mut config, "allowed_services", &secret.allowed_services);
    set(&mut config, "rules", rules(&secret.rules));
    config
}

fn hmac(secret: &Hmac, sources: &Sources) -> Map<String, Value> {
    let mut config = Map::new();
    set(&mut config, "credentials", named(&secret.credentials, "credentials", sources));
    set(&mut config, "timestamp", json!({ "format": secret.timestamp_format }));
    let signature = json!({
        "algorithm": secret.signature_algorithm,
        "key_encoding": secret.signature_key_encoding,
        "output_encoding": secret.signature_output_encoding,
        "message": secret.signature_message,
    });
    set(&mut config, "signature", signature);
    set(&mut config, "headers", json!(secret.headers));
    set(&mut config, "rules", rules(&secret.rules));
    if secret.allow_chunked_body {
        set(&mut config, "allow_chunked_body", true.into());
    }
    config
}

fn oauth_token(secret: &OauthToken, sources: &Sources) -> Map<String, Value> {
    let mut token = Map::new();
    set(&mut token, "grant", secret.grant.as_str().into());
    set(&mut token, "token_endpoint", json!(secret.token_endpoint));
    for (name, _) in &secret.credentials {
        set(&mut token, name, sources.wire(&format!("credentials.{name}")));
    }
    set_some(&mut token, "audience", secret.audience.as_ref());
    set_list(&mut token, "scopes", &secret.scopes);
    set_some(&mut token, "header", secret.header.as_ref());
    set_some(&mut token, "value_prefix", secret.value_prefix.as_ref());
    if !secret.token_endpoint_headers.is_empty() {
        let headers = named(&secret.token_endpoint_headers, "token_endpoint_headers", sources);
        set(&mut token, "token_endpoint_headers", headers);
    }
    set(&mut token, "rules", rules(&secret.rules));
    token
}

fn named(of: &[(String, Source)], key: &str, sources: &Sources) -> Value {
    let named = of.iter().map(|(name, _)| (name.clone(), sources.wire(&format!("{key}.{name}"))));
    Value::Object(named.collect())
}

fn rules(rules: &[Rule]) -> Value {
    rules.iter().map(Rule::wire).collect()
}

fn set(map: &mut Map<String, Value>, key: &str, value: Value) {
    map.insert(key.to_owned(), value);
}

fn set_some(map: &mut Map<String, Value>, key: &str, text: Option<&String>) {
    if let Some(text) = text.filter(|text| !crate::wire::is_blank(text)) {
        set(map, key, json!(text));
    }
}

fn set_list(map: &mut Map<String, Value>, key: &str, texts: &[String]) {
    if !texts.is_empty() {
        set(map, key, json!(texts));
    }
}
