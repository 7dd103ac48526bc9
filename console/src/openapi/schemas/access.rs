//! API keys.

use serde_json::{Value, json};

use super::Named;
use super::shared::{line, times};
use crate::openapi::schema::{Object, about, flag, name, nullable, oid, pattern, text, timestamp};

pub(super) fn all() -> Vec<Named> {
    let token = about(pattern("^iak_[0-9a-f]{64}$"), "Shown here and never again.");
    vec![
        ("ApiKey", Object::new().with(key).build()),
        ("NewApiKey", Object::new().with(key).always("token", token).build()),
        ("ApiKeyWrite", write()),
    ]
}

fn key(of: Object) -> Object {
    of.always("id", oid("ak"))
        .always("name", text())
        .with(times)
        .always("last_used_at", nullable(timestamp()))
        .always("namespace", nullable(name()))
        .always("read_only", flag())
}

fn write() -> Value {
    let mut required = line();
    required["minLength"] = 1.into();
    let namespace = json!({ "type": ["string", "null"], "pattern": "^[A-Za-z0-9._~-]*$", "maxLength": 255 });
    Object::new()
        .always("name", required)
        .maybe("namespace", about(namespace, "What the key is held to; all without it."))
        .maybe("read_only", nullable(flag()))
        .build()
}
