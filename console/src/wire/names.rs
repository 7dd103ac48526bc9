//! Names, labels and identifiers.

use serde_json::{Map, Value};

use super::{Details, Reader, is_blank};

/// The namespace when none is given.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Characters of a `foreign_id`, a slug or a namespace, so that an index entry stays small.
pub const MAX_FOREIGN_ID_CHARS: usize = 255;

/// Characters of a `name`.
pub const MAX_NAME_CHARS: usize = 8_192;

/// Bytes of a label's key, so that an index entry stays small.
const MAX_LABEL_KEY_BYTES: usize = 256;

/// Bytes of a label's value.
const MAX_LABEL_VALUE_BYTES: usize = 1_024;

const CONTROL: &str = "must not contain control characters";

/// Whether all is of `A-Z a-z 0-9 - . _ ~` and there is something.
pub fn is_url_safe(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

/// A token of RFC 9110 5.6.2, of 256 bytes at most.
pub fn is_header_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Notes what is wrong with a namespace, foreign id, slug or the like. `reserved` is the type's OID prefix without
/// its underscore.
pub fn check_url_safe(text: &str, key: &str, reserved: Option<&str>, problems: &mut Details) {
    if !is_url_safe(text) {
        problems.add(key, "must contain only URL-safe characters (A-Z, a-z, 0-9, -, ., _, ~)");
    }
    check_length(text, key, MAX_FOREIGN_ID_CHARS, problems);
    let Some(prefix) = reserved else { return };
    if text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')) {
        problems.add(key, format!("must not start with \"{prefix}_\", which is reserved for opaque ids"));
    }
}

fn check_length(text: &str, key: &str, maximum: usize, problems: &mut Details) {
    if text.chars().count() > maximum {
        problems.add(key, format!("is too long (maximum is {maximum} characters)"));
    }
}

/// `name`: one line or null.
pub fn name(reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.line("name")?;
    check_length(&name, "name", MAX_NAME_CHARS, reader.problems());
    Some(name)
}

/// `name` of API keys and proxies: has to be there.
pub fn required_name(reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.required_line("name")?;
    check_length(&name, "name", MAX_NAME_CHARS, reader.problems());
    Some(name)
}

/// `description`: text of several lines or null.
pub fn description(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text("description")?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        reader.reject("description", CONTROL);
    }
    Some(text)
}

/// `slug` of an OAuth app: has to be there, and does not look like an OID.
pub fn slug(reader: &mut Reader<'_>) -> Option<String> {
    let slug = reader.text("slug").filter(|slug| !is_blank(slug));
    let Some(slug) = slug else {
        reader.reject("slug", "can't be blank");
        return None;
    };
    check_url_safe(&slug, "slug", Some("oap"), reader.problems());
    Some(slug)
}

/// `labels`: an object whose values are texts, numbers or booleans. Absent and null are empty.
pub fn labels(reader: &mut Reader<'_>) -> Map<String, Value> {
    match reader.value("labels") {
        None => Map::new(),
        Some(Value::Object(labels)) => {
            check_labels(&labels, reader.problems());
            labels
        }
        Some(_) => {
            reader.reject("labels", "must be a hash");
            Map::new()
        }
    }
}

fn check_labels(labels: &Map<String, Value>, problems: &mut Details) {
    if labels.values().any(|value| value.is_array() || value.is_object() || value.is_null()) {
        problems.add("labels", "values must be scalars");
    }
    let has_control = |text: &str| text.chars().any(char::is_control);
    let in_value = |value: &Value| value.as_str().is_some_and(has_control);
    if labels.iter().any(|(key, value)| has_control(key) || in_value(value)) {
        problems.add("labels", CONTROL);
    }
    if labels.keys().any(|key| key.len() > MAX_LABEL_KEY_BYTES) {
        problems.add("labels", format!("keys are too long (maximum is {MAX_LABEL_KEY_BYTES} bytes)"));
    }
    if labels.values().any(|value| value.as_str().is_some_and(|text| text.len() > MAX_LABEL_VALUE_BYTES)) {
        problems.add("labels", format!("values are too long (maximum is {MAX_LABEL_VALUE_BYTES} bytes)"));
    }
}
