//! What a principal's proxies get, and why.

use serde_json::{Value, json};

use super::Named;
use crate::definition::{METHODS, SecretKind, SourceType};
use crate::openapi::schema::{
    Object, about, any_object, flag, integer, list_of, nullable, oid, reference, some_text, text, timestamp,
    words,
};

pub(super) fn all() -> Vec<Named> {
    vec![
        ("DeliveredSource", source()),
        ("DeliveredRule", rule()),
        ("DeliveredSecret", secret()),
        ("DeliveredTransform", transform()),
        ("DeliveredUpstream", upstream()),
        ("EffectiveConfig", Object::new().always("id", oid("prn")).with(lists).build()),
        ("EffectiveDiff", diff()),
        ("Explanation", explanation()),
        ("GrantPath", path()),
        ("DryRunWrite", dry_run_write()),
        ("DryRun", dry_run()),
    ]
}

fn source() -> Value {
    let value = "Of `control_plane`; `[redacted]` for everybody but the proxy.";
    let source = Object::new()
        .about("The type, and what the type needs.")
        .always("type", words(&SourceType::ALL.map(SourceType::as_str)))
        .maybe("value", about(text(), value));
    let mut source = source.build();
    source["additionalProperties"] = json!({ "type": ["string", "boolean"] });
    source
}

fn rule() -> Value {
    Object::new()
        .maybe("host", text())
        .maybe("cidr", text())
        .maybe("methods", list_of(words(&METHODS)))
        .maybe("paths", list_of(text()))
        .maybe("ports", list_of(integer(Some(1), Some(65_535))))
        .maybe("schemes", list_of(words(&["http", "https"])))
        .build()
}

fn secret() -> Value {
    Object::new()
        .about("`inject` or `replace`.")
        .always("source", reference("DeliveredSource"))
        .always("rules", list_of(reference("DeliveredRule")))
        .maybe("inject", reference("InjectConfig"))
        .maybe("replace", reference("ReplaceConfig"))
        .maybe("allow_plaintext", flag())
        .maybe("scrub_responses", flag())
        .maybe("websocket", flag())
        .build()
}

fn transform() -> Value {
    let names = ["gcp_auth", "gcp_id_token", "aws_auth", "oauth_token", "hmac_sign"];
    Object::new().always("name", words(&names)).always("config", any_object()).build()
}

fn upstream() -> Value {
    let setting = Object::new().always("name", text()).always("value", text()).build();
    Object::new()
        .always("id", oid("pgs"))
        .always("foreign_id", text())
        .always("database", text())
        .always("dsn", reference("DeliveredSource"))
        .maybe("role", text())
        .maybe("settings", list_of(setting))
        .build()
}

fn lists(of: Object) -> Object {
    of.always("secrets", list_of(reference("DeliveredSecret")))
        .always("transforms", list_of(reference("DeliveredTransform")))
        .always("postgres", list_of(reference("DeliveredUpstream")))
}

fn diff() -> Value {
    let of = |name: &str| {
        Object::new()
            .always("added", list_of(reference(name)))
            .always("removed", list_of(reference(name)))
            .always("reordered", flag())
            .build()
    };
    Object::new()
        .always("id", oid("prn"))
        .always("from", integer(Some(0), None))
        .always("to", integer(Some(0), None))
        .always("secrets", of("DeliveredSecret"))
        .always("transforms", of("DeliveredTransform"))
        .always("postgres", of("DeliveredUpstream"))
        .build()
}

const REASONS: [&str; 14] = [
    "conflict",
    "principal_has_tool",
    "principal_has_placeholder",
    "principal_has_target",
    "principal_has_database",
    "fallback_mode",
    "no_source",
    "credential_missing",
    "credential_bootstrapping",
    "credential_dead",
    "credential_expired",
    "source_unresolved",
    "grant_expired",
    "database_route_lost",
];

fn kinds() -> Value {
    json!({ "type": "string", "enum": SecretKind::ALL })
}

fn explanation() -> Value {
    Object::new()
        .about("A secret that some grant reaches, and what became of it.")
        .always("secret_id", text())
        .always("name", nullable(text()))
        .always("kind", kinds())
        .always("priority", integer(None, None))
        .always("supplied_by", words(&["self", "requester"]))
        .always("paths", list_of(reference("GrantPath")))
        .always("outcome", words(&["served", "withheld", "skipped"]))
        .maybe("reason", words(&REASONS))
        .maybe("winner_id", text())
        .maybe("place", about(text(), "`header:authorization`, `query:key`"))
        .maybe("scope", about(text(), "The host or range that overlaps."))
        .always("explanation", about(text(), "One sentence for people."))
        .build()
}

fn path() -> Value {
    Object::new()
        .always("grant_id", oid("grant"))
        .always("via", words(&["direct", "role"]))
        .maybe("role_id", oid("role"))
        .maybe("role_foreign_id", nullable(text()))
        .always("priority", integer(None, None))
        .always("expires_at", nullable(timestamp()))
        .build()
}

fn dry_run_write() -> Value {
    let headers = about(nullable(list_of(some_text())), "Names of the headers that the client would send.");
    Object::new()
        .about("A request that nobody sends.")
        .always("method", some_text())
        .always("url", about(some_text(), "`http` or `https`."))
        .maybe("headers", headers)
        .build()
}

fn dry_run() -> Value {
    let applied = Object::new()
        .always("secret_id", text())
        .always("name", nullable(text()))
        .always("kind", kinds())
        .always("rule", about(nullable(integer(Some(0), None)), "The rule that matches, by its place."))
        .maybe("writes", list_of(text()))
        .maybe("replaces_in", list_of(text()))
        .maybe("placeholder", text())
        .always("overwritten_by", nullable(text()))
        .build();
    Object::new()
        .always("method", text())
        .always("scheme", words(&["http", "https"]))
        .always("host", text())
        .always("port", integer(Some(0), Some(65_535)))
        .always("path", text())
        .always("applies", list_of(applied))
        .build()
}
