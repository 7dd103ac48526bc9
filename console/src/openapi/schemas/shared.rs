//! What all resources share.

use serde_json::{Value, json};

use super::Named;
use crate::openapi::schema::{
    Object, about, integer, list_of, map_of, name, nullable, oid, reference, short_text, text, timestamp,
    words,
};
use crate::wire::{ERROR_CODES, MAX_NAME_CHARS};

pub(super) fn all() -> Vec<Named> {
    let details = "Messages by attribute, or under `base`. What is wrong within a source or a rule stands under its own \
        name and under its path: `rules[1].http_methods`.";
    let error = Object::new()
        .always("message", text())
        .maybe("code", about(words(&ERROR_CODES), "Only where a client acts on it."))
        .maybe("details", about(map_of(list_of(text())), details));
    let meta = Object::new()
        .always("page", integer(Some(1), None))
        .always("limit", integer(Some(1), Some(200)))
        .always("total", integer(Some(0), None))
        .always("total_pages", integer(Some(0), None));
    let health = Object::new().always("status", words(&["ok", "ready"]));
    vec![
        ("Error", Object::new().always("error", error.build()).build()),
        ("Meta", meta.build()),
        ("Labels", labels()),
        ("Health", health.build()),
    ]
}

fn labels() -> Value {
    json!({
        "type": "object",
        "description": "Scalars by key.",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    })
}

/// `namespace` and `foreign_id`, as shown.
pub(super) fn identity(of: Object) -> Object {
    of.always("namespace", name()).always("foreign_id", nullable(name()))
}

/// `namespace` and `foreign_id`, as written.
pub(super) fn written_identity(of: Object) -> Object {
    let namespace = about(
        json!({ "type": ["string", "null"], "pattern": "^[A-Za-z0-9._~-]*$", "maxLength": 255 }),
        "`default` without it. It never changes once stored.",
    );
    let foreign_id = "Unique in its namespace. It never changes once stored.";
    of.maybe("namespace", namespace).maybe("foreign_id", about(nullable(name()), foreign_id))
}

/// `name`, `description` and `labels`, as shown.
pub(super) fn common(of: Object) -> Object {
    of.always("name", nullable(text()))
        .always("description", nullable(text()))
        .always("labels", reference("Labels"))
}

/// `name`, `description` and `labels`, as written.
pub(super) fn written_common(of: Object) -> Object {
    of.maybe("name", nullable(line()))
        .maybe("description", nullable(text()))
        .maybe("labels", written_labels())
}

/// `labels`, as written: null is none.
pub(super) fn written_labels() -> Value {
    nullable(reference("Labels"))
}

/// A name for people.
pub(super) fn line() -> Value {
    let mut line = short_text(MAX_NAME_CHARS);
    line["pattern"] = NO_CONTROL.into();
    line
}

/// No control characters.
pub(super) const NO_CONTROL: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// `created_at` and `updated_at`.
pub(super) fn times(of: Object) -> Object {
    of.always("created_at", timestamp()).always("updated_at", timestamp())
}

/// `created_by` and `revision`.
pub(super) fn revision(of: Object) -> Object {
    let revision = about(integer(Some(1), None), "Plus one with every write; see `If-Match`.");
    of.always("created_by", nullable(oid("usr"))).always("revision", revision)
}
