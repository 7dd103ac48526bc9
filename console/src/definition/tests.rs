//! The tables of the seven types, as data: each wrong document beside its right twin.

use serde_json::{Value, json};

use super::*;
use crate::wire::Attributes;
use centaur_base::Secret;

mod properties;
mod shared;
mod types;

/// Broker credentials: [`KNOWN`] exists, [`GONE`] decodes only, `lab`/`drive` exists by name.
fn credentials() -> KnownCredentials {
    let names = [("lab".to_owned(), "drive".to_owned())].into_iter().collect();
    KnownCredentials { oids: [KNOWN.parse().unwrap()].into_iter().collect(), names }
}

/// Row 1.
const KNOWN: &str = "bcr_9M4ZKJbu";

/// Row 2.
const GONE: &str = "bcr_aqYHqcEe";

fn read(kind: SecretKind, body: Value) -> Result<Definition, Details> {
    update(kind, body, None)
}

fn update(kind: SecretKind, body: Value, stored: Option<&Definition>) -> Result<Definition, Details> {
    let Value::Object(members) = body else { panic!("an object") };
    let existing = stored.map(|stored| Existing { body: &stored.body, values: &stored.values });
    let context = Context { existing, credentials: &credentials() };
    parse(kind, &mut Attributes::new(members), Address::New, &context)
}

fn rows(kind: SecretKind, body: Value) -> Vec<(String, Vec<String>)> {
    let problems = read(kind, body).err().unwrap_or_default();
    problems.iter().map(|(key, messages)| (key.to_owned(), messages.to_vec())).collect()
}

/// What a right document of the type looks like, with one planted value per source that can hold one.
fn right(kind: SecretKind) -> Value {
    let inline = |value: &str| json!({"source_type":"control_plane","secret":value});
    let rules = json!([{"host":"api.example"}]);
    match kind {
        SecretKind::Static => {
            json!({"inject_config":{"header":"X-Key"},"source":inline("planted-1"),"rules":rules})
        }
        SecretKind::GcpAuth => json!({"scopes":["s"],"keyfile":inline("planted-1"),"rules":rules}),
        SecretKind::GcpIdToken => json!({"audience":"a","keyfile":inline("planted-1"),"rules":rules}),
        SecretKind::AwsAuth => json!({
            "access_key_id":inline("planted-1"),"secret_access_key":inline("planted-2"),
            "session_token":inline("planted-3"),"rules":rules,
        }),
        SecretKind::OauthToken => json!({
            "grant":"refresh_token","token_endpoint":"https://auth.example/token",
            "credentials":{"refresh_token":inline("planted-1"),"client_id":inline("planted-2")},
            "token_endpoint_headers":{"X-Extra":inline("planted-3")},"rules":rules,
        }),
        SecretKind::PgDsn => json!({
            "foreign_id":"pg","database":"db","dsn":inline("postgres://u:planted-1@h.example/db"),
        }),
        SecretKind::Hmac => json!({
            "timestamp_format":"rfc3339","signature_algorithm":"sha256","signature_key_encoding":"raw",
            "signature_output_encoding":"hex","signature_message":"{{ .Timestamp }}\n{{ .Body }}",
            "headers":[{"name":"X-Sig","value":"{{ .Signature }}"}],
            "credentials":{"secret":inline("planted-1"),"key_id":inline("planted-2")},"rules":rules,
        }),
    }
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn without(mut body: Value, key: &str) -> Value {
    body.as_object_mut().unwrap().remove(key);
    body
}

fn meta() -> RowMeta {
    RowMeta {
        id: "ssr_kxIQLCuJ".to_owned(),
        created_at: 1_935_652_087_000_000,
        updated_at: 1_935_652_087_000_000,
        created_by: None,
        revision: 1,
        broker_credential_id: None,
    }
}

fn shown(definition: &Definition) -> Value {
    Value::Object(render(&meta(), &definition.identity, &definition.common, &definition.body))
}
