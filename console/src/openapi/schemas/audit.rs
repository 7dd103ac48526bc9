//! The audit log.

use serde_json::{Value, json};

use super::Named;
use crate::openapi::schema::{
    Object, about, any_object, flag, integer, list_of, nullable, oid, pattern, reference, text, timestamp,
};

pub(super) fn all() -> Vec<Named> {
    let page = Object::new().always("data", list_of(reference("AuditEvent"))).always("meta", meta());
    vec![("AuditEvent", event()), ("AuditPage", page.build()), ("AuditChain", chain())]
}

fn digest() -> Value {
    pattern("^[0-9a-f]{64}$")
}

fn event() -> Value {
    let named = || Object::new().always("type", text()).always("id", nullable(text())).build();
    let row = |text: &str| about(nullable(any_object()), text);
    Object::new()
        .about("One change. The rows are without anything that is sealed.")
        .always("id", oid("aud"))
        .always("seq", integer(Some(1), None))
        .always("at", timestamp())
        .always("actor", named())
        .always("as_operator", flag())
        .always("action", text())
        .always("object", named())
        .always("namespace", nullable(text()))
        .always("before", row("The row before the change."))
        .always("after", row("The row after the change."))
        .always("request_id", nullable(text()))
        .always("address", nullable(text()))
        .always("prev_hash", digest())
        .always("hash", digest())
        .build()
}

fn meta() -> Value {
    let number = || integer(Some(1), None);
    let before = Object::new().closed().always("before", number()).build();
    let after = Object::new().closed().always("after", number()).build();
    let next = json!({ "oneOf": [before, after, { "type": "null" }] });
    Object::new()
        .always("limit", integer(Some(1), Some(200)))
        .always("next", about(next, "The parameter of the next page; null on the last."))
        .build()
}

fn chain() -> Value {
    let matches = || about(flag(), "Whether the event that was named has the hash that was named.");
    let whole = Object::new()
        .always("whole", json!({ "const": true }))
        .always("seq", integer(Some(0), None))
        .always("hash", digest())
        .maybe("matches", matches())
        .build();
    let broken = Object::new()
        .always("whole", json!({ "const": false }))
        .always("broken_at", integer(Some(1), None))
        .maybe("matches", matches())
        .build();
    let next = Object::new().always("after", integer(Some(1), None)).always("after_hash", digest());
    let unfinished = Object::new()
        .about("All is well up to here; whoever goes on asks with what stands under `next`.")
        .always("whole", json!({ "const": null }))
        .always("seq", integer(Some(0), None))
        .always("hash", digest())
        .always("next", next.build())
        .maybe("matches", matches())
        .build();
    json!({ "oneOf": [whole, broken, unfinished] })
}
