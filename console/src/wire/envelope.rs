//! The object around everything: `{"data": …}`.

use serde_json::{Map, Value, json};

use super::{ApiError, Attributes, Meta};

/// A body of this many bytes is read, one more is 413.
pub const MAX_BODY_BYTES: usize = 1_048_576;

/// Objects and lists may stand within each other this often; the parser takes no more, and no document needs a tenth.
pub const MAX_DEPTH: usize = 127;

/// The attributes of a create or update.
///
/// # Errors
/// 400 when the body is not JSON, and when `data` is missing, null, empty or not an object; 413 for a body over
/// [`MAX_BODY_BYTES`].
pub fn attributes(body: &[u8]) -> Result<Attributes, ApiError> {
    let missing = || ApiError::missing_parameter("data");
    if body.trim_ascii().is_empty() {
        return Err(missing());
    }
    let Value::Object(mut members) = json_of(body)? else { return Err(missing()) };
    match members.remove("data") {
        Some(Value::Object(data)) if !data.is_empty() => Ok(Attributes::new(data)),
        _ => Err(missing()),
    }
}

/// The attributes of an action (`refresh`, `unlink`, …), which may have none: an empty body, `{}` and
/// `{"data":{}}` are the same.
///
/// # Errors
/// As [`attributes`], but only for a body or `data` that is there and is not an object.
pub fn action(body: &[u8]) -> Result<Attributes, ApiError> {
    let missing = || ApiError::missing_parameter("data");
    if body.trim_ascii().is_empty() {
        return Ok(Attributes::default());
    }
    let Value::Object(mut members) = json_of(body)? else { return Err(missing()) };
    match members.remove("data") {
        None => Ok(Attributes::default()),
        Some(Value::Object(data)) => Ok(Attributes::new(data)),
        Some(_) => Err(missing()),
    }
}

/// The hash that a proxy says it has, from the flat body of a sync. Anything but a text counts as none, which gets
/// the whole configuration.
///
/// # Errors
/// 400 for a body that is neither empty nor a JSON object; 413 for one over [`MAX_BODY_BYTES`].
pub fn config_hash(body: &[u8]) -> Result<Option<String>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let Value::Object(mut members) = json_of(body)? else {
        return Err(ApiError::bad_request("the body must be a JSON object"));
    };
    match members.remove("config_hash") {
        Some(Value::String(hash)) => Ok(Some(hash)),
        _ => Ok(None),
    }
}

/// The answer with one resource.
pub fn single(resource: Map<String, Value>) -> Value {
    json!({ "data": resource })
}

/// The answer with a page of resources.
pub fn list(resources: Vec<Map<String, Value>>, meta: Meta) -> Value {
    json!({ "data": resources, "meta": meta })
}

fn json_of(body: &[u8]) -> Result<Value, ApiError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ApiError::body_too_large());
    }
    if depth(body) > MAX_DEPTH {
        return Err(ApiError::nested_too_deeply());
    }
    serde_json::from_slice(body).map_err(|error| ApiError::malformed_json(error.line(), error.column()))
}

/// How deep the brackets go that stand outside of texts; of a body that is no JSON, some number.
fn depth(body: &[u8]) -> usize {
    let (mut open, mut deepest, mut in_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
