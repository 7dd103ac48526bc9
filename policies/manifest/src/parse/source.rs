//! References to stored values.

use toml::de::DeValue;

use super::fields::{Fields, Node, text_of};
use super::header;
use crate::manifest::{FieldSource, Fields as Sources};
use crate::problem::Code;

/// A table of references; those that are wrong are reported and left out.
pub(super) fn map(fields: &Fields<'_>) -> Sources {
    fields.iter().filter_map(|(name, node)| Some((name.to_owned(), one(fields, name, node)?))).collect()
}

/// `token_endpoint_headers`; empty when absent.
pub(super) fn headers(fields: &Fields<'_>, key: &str) -> Sources {
    let Some(table) = fields.table(key, Code::FieldSourceShape) else { return Sources::new() };
    for (name, node) in table.iter().filter(|(name, _)| !header::is_name(name)) {
        let text = format!("{name:?} is not the name of a header");
        table.report_at::<()>(Code::FieldNotAllowed, name, node.span().start, text);
    }
    map(&table)
}

/// `"REF"`, `{ secret_ref = "REF" }`, or that with `json_key`.
fn one(fields: &Fields<'_>, name: &str, node: Node<'_>) -> Option<FieldSource> {
    let at = node.span().start;
    let shape = || {
        let text = format!("{name} has to be a reference, or a table of secret_ref and perhaps json_key");
        fields.report_at(Code::FieldSourceShape, name, at, text)
    };
    if let Some(text) = text_of(node) {
        return Some(FieldSource::whole(text.trim()));
    }
    let DeValue::Table(table) = node.get_ref() else { return shape() };
    let table = fields.below(name, table, at);
    if table.iter().any(|(key, _)| !matches!(key, "secret_ref" | "json_key")) {
        return shape();
    }
    let json_key = match table.get("json_key").map(text_of) {
        None => None,
        Some(Some(key)) => Some(key.to_owned()),
        Some(None) => {
            table.report::<()>(
                Code::JsonKeyInvalid,
                "json_key",
                "json_key has to be a string that is not blank",
            );
            None
        }
    };
    match table.get("secret_ref").and_then(text_of) {
        Some(secret_ref) => Some(FieldSource { secret_ref: secret_ref.trim().to_owned(), json_key }),
        None => shape(),
    }
}

/// Reports fields that are missing, and those that mean nothing; `whose` ends the sentence.
pub(super) fn check_names(fields: &Fields<'_>, required: &[&str], optional: &[&str], whose: &str) {
    for name in required.iter().filter(|name| !fields.has(name)) {
        fields.report::<()>(Code::FieldRequired, name, format!("{name} is missing, which {whose} needs"));
    }
    for (name, node) in fields.iter().filter(|(name, _)| !required.contains(name) && !optional.contains(name))
    {
        let text = format!("{name} is not used by {whose}");
        fields.report_at::<()>(Code::FieldNotAllowed, name, node.span().start, text);
    }
}
