//! What records have in common.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Labels as stored; values are texts, numbers or booleans.
pub type Labels = Map<String, Value>;

/// What a write may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Whatever is there.
    #[default]
    Anything,
    /// The record at this revision; else the console answers 412 and changes nothing (`If-Match`).
    Revision(i64),
}

/// A record that `data` of an answer holds.
pub(super) trait Record: Sized {
    /// Reads it; says what is wrong, without a value.
    fn read(data: Value) -> Result<Self, String>;

    /// Whether a text claims to be the id of such a record, and so is no foreign id.
    fn claims(_: &str) -> bool {
        false
    }

    /// Its id, by which one that two pages show is counted once.
    fn key(&self) -> String;
}

/// Reads a type that serde knows. The text of a failure may quote what was found, so it is cut to its kind.
pub(super) fn read<T: DeserializeOwned>(data: Value) -> Result<T, String> {
    serde_json::from_value(data).map_err(|error| {
        let text = error.to_string();
        // `missing field `id`` names a member; other texts may quote a value.
        if text.starts_with("missing field") {
            text
        } else {
            "a member is not of the kind that belongs there".to_owned()
        }
    })
}

/// A member that has to be there.
pub(super) fn member<T: DeserializeOwned>(data: &Map<String, Value>, name: &str) -> Result<T, String> {
    let value = data.get(name).cloned().unwrap_or_default();
    T::deserialize(value).map_err(|_| format!("`{name}` is missing or not of the kind that belongs there"))
}

/// `data` when it is an object.
pub(super) fn object(data: Value) -> Result<Map<String, Value>, String> {
    match data {
        Value::Object(members) => Ok(members),
        _ => Err("`data` is not an object".to_owned()),
    }
}
