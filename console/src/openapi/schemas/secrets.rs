//! The seven types of secret. Written as whole documents: what is absent is reset.

use serde_json::{Value, json};

use super::Named;
use super::shared::{NO_CONTROL, common, identity, revision, times, written_common, written_identity};
use super::source::maybe_source;
use crate::openapi::schema::{
    Object, about, flag, list_of, map_of, nullable, oid, reference, some_of, some_text, text, words,
};

const GRANTS: [&str; 4] = ["refresh_token", "client_credentials", "password", "jwt_bearer"];

pub(super) fn all() -> Vec<Named> {
    vec![
        ("StaticSecret", shown("ssr", static_shown)),
        ("StaticSecretWrite", written(static_written)),
        ("GcpAuthSecret", shown("gas", gcp_auth_shown)),
        ("GcpAuthSecretWrite", written(gcp_auth_written)),
        ("GcpIdTokenSecret", shown("gid", gcp_id_token_shown)),
        ("GcpIdTokenSecretWrite", written(gcp_id_token_written)),
        ("AwsAuthSecret", shown("aas", aws_auth_shown)),
        ("AwsAuthSecretWrite", written(aws_auth_written)),
        ("OauthTokenSecret", shown("ots", oauth_token_shown)),
        ("OauthTokenSecretWrite", written(oauth_token_written)),
        ("PgDsnSecret", shown("pgs", pg_dsn_shown)),
        ("PgDsnSecretWrite", written(pg_dsn_written)),
        ("HmacSecret", shown("hms", hmac_shown)),
        ("HmacSecretWrite", written(hmac_written)),
        ("InjectConfig", inject()),
        ("ReplaceConfig", replace()),
        ("HmacHeader", Object::new().always("name", some_text()).always("value", some_text()).build()),
        ("Setting", setting()),
    ]
}

fn shown(prefix: &str, body: fn(Object) -> Object) -> Value {
    Object::new()
        .always("id", oid(prefix))
        .with(identity)
        .with(common)
        .with(body)
        .with(times)
        .with(revision)
        .build()
}

fn written(body: fn(Object) -> Object) -> Value {
    Object::new()
        .about("The whole document: what is absent is reset.")
        .with(written_identity)
        .with(written_common)
        .with(body)
        .build()
}

fn rules() -> Value {
    list_of(reference("Rule"))
}

fn some_rules() -> Value {
    some_of(reference("RuleWrite"))
}

fn source() -> Value {
    reference("SourceWrite")
}

fn line() -> Value {
    json!({ "type": "string", "pattern": NO_CONTROL })
}

fn some_line() -> Value {
    json!({ "type": "string", "pattern": NO_CONTROL, "minLength": 1 })
}

/// Switches of the proxy, each with what it does where the secret does not say.
const SWITCHES: [(&str, &str); 3] = [
    ("allow_plaintext", "The value may travel over cleartext HTTP; the proxy says no without it."),
    ("scrub_responses", "The value is replaced in responses; the proxy says yes without it."),
    ("websocket", "The value may be placed in a WebSocket upgrade; the proxy says yes without it."),
];

fn static_shown(of: Object) -> Object {
    let of = of
        .always("inject_config", nullable(reference("InjectConfig")))
        .always("replace_config", nullable(reference("ReplaceConfig")))
        .always("source", maybe_source())
        .always("rules", rules());
    let of = SWITCHES.into_iter().fold(of, |of, (key, text)| of.maybe(key, about(flag(), text)));
    let minted = "The broker credential that this secret was made for by the consent flow.";
    of.always("broker_credential_id", about(nullable(oid("bcr")), minted))
}

fn static_written(of: Object) -> Object {
    let empty = |name: &str| json!({ "oneOf": [reference(name), { "type": "null" }, { "const": {} }] });
    let of = of
        .maybe(
            "inject_config",
            about(empty("InjectConfig"), "Exactly one of the two; `{}` counts as absent."),
        )
        .maybe("replace_config", empty("ReplaceConfig"))
        .maybe("source", about(nullable(source()), "Without one, the secret is never delivered."))
        .maybe("rules", nullable(list_of(reference("RuleWrite"))));
    SWITCHES.into_iter().fold(of, |of, (key, text)| of.maybe(key, about(nullable(flag()), text)))
}

fn inject() -> Value {
    let formatter = about(nullable(some_text()), "A template such as `Bearer {{ .Value }}`.");
    Object::new()
        .about("Set the value, whatever the client sent: exactly one of `header` and `query_param`.")
        .closed()
        .maybe("header", nullable(some_text()))
        .maybe("query_param", nullable(some_text()))
        .maybe("formatter", formatter)
        .build()
}

fn replace() -> Value {
    let headers =
        "Header names, or regular expressions between slashes; the proxy searches all when there are none.";
    Object::new()
        .about("Put the value where the client wrote the placeholder.")
        .closed()
        .always("proxy_value", some_text())
        .maybe("match_headers", about(nullable(list_of(text())), headers))
        .maybe("match_body", nullable(flag()))
        .maybe("match_path", nullable(flag()))
        .maybe("match_query", nullable(flag()))
        .maybe("require", about(nullable(flag()), "Refuse a request without the placeholder."))
        .build()
}

fn provider() -> Value {
    Object::new().closed().always("type", json!({ "const": "workload_identity" })).build()
}

fn gcp_auth_shown(of: Object) -> Object {
    of.always("credentials_provider", nullable(provider()))
        .always("subject", nullable(text()))
        .always("scopes", some_of(text()))
        .always("keyfile", maybe_source())
        .always("rules", rules())
}

fn gcp_auth_written(of: Object) -> Object {
    let both = "Exactly one of `keyfile` and `credentials_provider`.";
    of.always("scopes", some_of(some_line()))
        .maybe("keyfile", about(nullable(source()), both))
        .maybe("credentials_provider", nullable(provider()))
        .maybe("subject", about(nullable(line()), "With a key file only."))
        .maybe("rules", nullable(list_of(reference("RuleWrite"))))
}

const ID_TOKEN_HEADERS: [&str; 2] = ["authorization", "x-serverless-authorization"];

fn gcp_id_token_shown(of: Object) -> Object {
    of.always("audience", text())
        .always("header", nullable(words(&ID_TOKEN_HEADERS)))
        .always("keyfile", reference("Source"))
        .always("rules", rules())
}

fn gcp_id_token_written(of: Object) -> Object {
    let header =
        about(nullable(text()), "`authorization` or `x-serverless-authorization`, in any letter case.");
    of.always("audience", some_line())
        .maybe("header", header)
        .always("keyfile", source())
        .always("rules", some_rules())
}

fn aws_auth_shown(of: Object) -> Object {
    of.always("access_key_id", reference("Source"))
        .always("secret_access_key", reference("Source"))
        .always("session_token", maybe_source())
        .always("allowed_regions", list_of(text()))
        .always("allowed_services", list_of(text()))
        .always("rules", rules())
}

fn aws_auth_written(of: Object) -> Object {
    of.always("access_key_id", source())
        .always("secret_access_key", source())
        .maybe("session_token", nullable(source()))
        .maybe("allowed_regions", nullable(list_of(some_line())))
        .maybe("allowed_services", nullable(list_of(some_line())))
        .always("rules", some_rules())
}

fn oauth_token_shown(of: Object) -> Object {
    of.always("grant", words(&GRANTS))
        .always("token_endpoint", text())
        .always("audience", nullable(text()))
        .always("scopes", list_of(text()))
        .always("header", nullable(text()))
        .always("value_prefix", nullable(text()))
        .always("credentials", map_of(reference("Source")))
        .always("token_endpoint_headers", map_of(reference("Source")))
        .always("rules", rules())
}

fn oauth_token_written(of: Object) -> Object {
    let fields = "Sources by field; which ones there are depends on the grant.";
    of.always("grant", words(&GRANTS))
        .always("token_endpoint", some_line())
        .maybe("audience", about(nullable(line()), "Required for `jwt_bearer`."))
        .maybe("scopes", nullable(list_of(some_line())))
        .maybe("header", nullable(text()))
        .maybe("value_prefix", nullable(line()))
        .always("credentials", about(map_of(nullable(source())), fields))
        .maybe("token_endpoint_headers", nullable(map_of(nullable(source()))))
        .always("rules", some_rules())
}

fn pg_dsn_shown(of: Object) -> Object {
    of.always("database", text())
        .always("role", nullable(text()))
        .always("settings", list_of(reference("Setting")))
        .always("dsn", reference("Source"))
}

fn pg_dsn_written(of: Object) -> Object {
    of.always("database", some_line())
        .maybe("role", nullable(line()))
        .maybe("settings", nullable(list_of(reference("Setting"))))
        .always("dsn", source())
}

fn setting() -> Value {
    let label = Object::new().closed().always("principal_label", some_text()).build();
    let fields = words(&["id", "namespace", "foreign_id", "name"]);
    let field = Object::new().closed().always("principal_field", fields).build();
    Object::new()
        .about("At most one of `value` and `value_from`; a value is shown, for it is no secret.")
        .always("name", json!({ "type": "string", "pattern": SETTING }))
        .maybe("value", json!({ "type": ["string", "number", "boolean", "null"] }))
        .maybe("value_from", json!({ "oneOf": [label, field, { "type": "null" }] }))
        .build()
}

const SETTING: &str = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$";

const TIMES: [&str; 4] = ["unix_seconds", "unix_millis", "unix_nanos", "rfc3339"];
const ALGORITHMS: [&str; 3] = ["sha256", "sha512", "sha1"];
const KEYS: [&str; 3] = ["raw", "base64", "hex"];
const OUTPUTS: [&str; 2] = ["base64", "hex"];

fn recipe(of: Object) -> Object {
    of.always("timestamp_format", words(&TIMES))
        .always("signature_algorithm", words(&ALGORITHMS))
        .always("signature_key_encoding", words(&KEYS))
        .always("signature_output_encoding", words(&OUTPUTS))
        .always("signature_message", about(some_text(), "A template of what is signed."))
        .always("headers", some_of(reference("HmacHeader")))
}

fn hmac_shown(of: Object) -> Object {
    of.with(recipe)
        .always("allow_chunked_body", flag())
        .always("credentials", map_of(reference("Source")))
        .always("rules", rules())
}

fn hmac_written(of: Object) -> Object {
    of.with(recipe)
        .maybe("allow_chunked_body", nullable(flag()))
        .always("credentials", about(map_of(nullable(source())), "Sources by name; `secret` is the key."))
        .always("rules", some_rules())
}
