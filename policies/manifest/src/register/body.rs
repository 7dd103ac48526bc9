//! The definition of a secret, by the type of its entry. What is not set is left out.

use centaur_base::oid::{BrokerCredentialId, Oid as _, SecretKind};
use serde_json::{Map, Value, json};

use super::NO_HEADER;
use crate::manifest::{
    AwsAuth, Binding, BrokeredToken, Entry, FieldSource, Fields, GcpAuth, GcpIdToken, HmacSign, Http, Inject,
    OauthToken, PgDsn, Placement, Replace, Setting, SettingValue,
};
use crate::source::{SourceError, Sources};

type Body = Map<String, Value>;

/// Type, name for people and definition; `None` for what becomes no secret.
pub(super) fn body(
    entry: &Entry,
    role: &str,
    namespace: &str,
    sources: &Sources,
) -> Result<Option<(SecretKind, String, Body)>, SourceError> {
    let declared = || entry.name.clone();
    let (kind, name, mut body) = match &entry.binding {
        Binding::Http(it) => (SecretKind::Static, declared(), http(it, sources)?),
        Binding::BrokeredToken(it) => (SecretKind::Static, declared(), brokered(it, namespace)),
        Binding::OauthToken(it) => {
            (SecretKind::OauthToken, format!("OAuth {}", it.grant.as_str()), oauth(it, sources)?)
        }
        Binding::GcpAuth(it) => (SecretKind::GcpAuth, format!("GCP Auth ({role})"), gcp(it, sources)?),
        Binding::GcpIdToken(it) => {
            (SecretKind::GcpIdToken, format!("GCP ID Token ({role})"), id_token(it, sources)?)
        }
        Binding::AwsAuth(it) => (SecretKind::AwsAuth, format!("AWS Auth ({role})"), aws(it, sources)?),
        Binding::HmacSign(it) => (SecretKind::Hmac, declared(), hmac(it, sources)?),
        Binding::PgDsn(it) => (SecretKind::PgDsn, declared(), pg_dsn(it, sources)?),
        Binding::Plain(_) => return Ok(None),
    };
    let rules: Vec<Value> = entry.binding.hosts().iter().map(|host| json!({ "host": host })).collect();
    set_list(&mut body, "rules", rules);
    Ok(Some((kind, name, body)))
}

fn http(it: &Http, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    match &it.placement {
        Placement::Replace(replace) => set(&mut body, "replace_config", replace_config(replace)),
        Placement::Inject(inject) => set(&mut body, "inject_config", inject_config(inject)),
    }
    set(&mut body, "source", whole(&it.secret_ref, sources)?);
    Ok(body)
}

fn replace_config(it: &Replace) -> Value {
    let mut config = Body::new();
    set(&mut config, "proxy_value", it.replacer.as_str().into());
    let headers = if it.match_headers.is_empty() { json!([NO_HEADER]) } else { json!(it.match_headers) };
    set(&mut config, "match_headers", headers);
    set_flag(&mut config, "match_path", it.match_path);
    set_flag(&mut config, "match_query", it.match_query);
    Value::Object(config)
}

fn inject_config(it: &Inject) -> Value {
    match it {
        Inject::Header { inject_header, inject_formatter: Some(formatter) } => {
            json!({ "header": inject_header, "formatter": formatter })
        }
        Inject::Header { inject_header, inject_formatter: None } => json!({ "header": inject_header }),
        Inject::Query { inject_query_param } => json!({ "query_param": inject_query_param }),
    }
}

fn brokered(it: &BrokeredToken, namespace: &str) -> Body {
    let mut config = json!({ "credential_id": it.credential });
    // The console refuses a namespace beside an OID.
    if !BrokerCredentialId::claims(&it.credential) {
        config["credential_namespace"] = namespace.into();
    }
    let mut body = Body::new();
    let inject = json!({ "header": it.inject_header, "formatter": it.inject_formatter });
    set(&mut body, "inject_config", inject);
    set(&mut body, "source", json!({ "source_type": "token_broker", "config": config }));
    body
}

fn oauth(it: &OauthToken, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    set(&mut body, "grant", it.grant.as_str().into());
    set(&mut body, "token_endpoint", it.token_endpoint.as_str().into());
    set_list(&mut body, "scopes", texts(&it.scopes));
    set_text(&mut body, "audience", it.audience.as_ref());
    set_map(&mut body, "credentials", fields(&it.fields, sources)?);
    set_map(&mut body, "token_endpoint_headers", fields(&it.token_endpoint_headers, sources)?);
    Ok(body)
}

fn gcp(it: &GcpAuth, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    set_text(&mut body, "subject", it.subject.as_ref());
    set_list(&mut body, "scopes", texts(&it.scopes));
    set(&mut body, "keyfile", whole(&it.secret_ref, sources)?);
    Ok(body)
}

fn id_token(it: &GcpIdToken, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    set(&mut body, "audience", it.audience.as_str().into());
    set_text(&mut body, "header", it.header.as_ref());
    set(&mut body, "keyfile", whole(&it.secret_ref, sources)?);
    Ok(body)
}

fn aws(it: &AwsAuth, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    set(&mut body, "access_key_id", whole(&it.access_key_id, sources)?);
    set(&mut body, "secret_access_key", whole(&it.secret_access_key, sources)?);
    if let Some(token) = &it.session_token {
        set(&mut body, "session_token", whole(token, sources)?);
    }
    set_list(&mut body, "allowed_regions", texts(&it.allowed_regions));
    set_list(&mut body, "allowed_services", texts(&it.allowed_services));
    Ok(body)
}

fn hmac(it: &HmacSign, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    set(&mut body, "signature_algorithm", it.algorithm.as_str().into());
    set(&mut body, "signature_key_encoding", it.key_encoding.as_str().into());
    set(&mut body, "signature_output_encoding", it.output_encoding.as_str().into());
    set(&mut body, "signature_message", it.message.as_str().into());
    set(&mut body, "timestamp_format", it.timestamp_format.as_str().into());
    set_flag(&mut body, "allow_chunked_body", it.allow_chunked_body);
    set(&mut body, "headers", json!(it.headers));
    set_map(&mut body, "credentials", fields(&it.credentials, sources)?);
    Ok(body)
}

fn pg_dsn(it: &PgDsn, sources: &Sources) -> Result<Body, SourceError> {
    let mut body = Body::new();
    set(&mut body, "database", it.database.as_str().into());
    set_text(&mut body, "role", it.role.as_ref());
    set_list(&mut body, "settings", it.settings.iter().map(setting).collect());
    set(&mut body, "dsn", whole(&it.secret_ref, sources)?);
    Ok(body)
}

fn setting(it: &Setting) -> Value {
    match &it.value {
        SettingValue::Value(value) => json!({ "name": it.name, "value": value }),
        SettingValue::PrincipalLabel(label) => {
            json!({ "name": it.name, "value_from": { "principal_label": label } })
        }
        SettingValue::PrincipalField(field) => {
            json!({ "name": it.name, "value_from": { "principal_field": field.as_str() } })
        }
    }
}

fn whole(secret_ref: &str, sources: &Sources) -> Result<Value, SourceError> {
    sources.source(&FieldSource::whole(secret_ref))
}

fn fields(fields: &Fields, sources: &Sources) -> Result<Body, SourceError> {
    fields.iter().map(|(name, source)| Ok((name.clone(), sources.source(source)?))).collect()
}

fn texts(texts: &[String]) -> Vec<Value> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn set(body: &mut Body, key: &str, value: Value) {
    body.insert(key.to_owned(), value);
}

fn set_text(body: &mut Body, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        set(body, key, text.as_str().into());
    }
}

fn set_flag(body: &mut Body, key: &str, flag: bool) {
    if flag {
        set(body, key, true.into());
    }
}

fn set_list(body: &mut Body, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        set(body, key, list.into());
    }
}

fn set_map(body: &mut Body, key: &str, map: Body) {
    if !map.is_empty() {
        set(body, key, map.into());
    }
}
