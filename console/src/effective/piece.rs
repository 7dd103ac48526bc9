//! An entry of a payload, with the texts it is sent and hashed as.

use std::sync::Arc;

use serde_json::Value;
use zeroize::Zeroizing;

use super::entry::Entry;
use crate::wire::wipe;

/// Made once of a secret, and shared by the payloads of all who use it. Holds values; wiped on drop.
pub(super) struct Piece {
    entry: Entry,
    text: Zeroizing<String>,
    canonical: Zeroizing<String>,
}

impl Piece {
    pub(super) fn new(entry: Entry) -> Self {
        let text = Zeroizing::new(entry.value().to_string());
        let mut canonical = Zeroizing::new(String::with_capacity(text.len()));
        write_canonical(entry.value(), &mut |text| canonical.push_str(text));
        Self { entry, text, canonical }
    }

    /// By the list it belongs to.
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// One of a list of a payload.
pub(super) enum Item {
    /// Of a secret that others use as well.
    Shared(Arc<Piece>),
    /// Of this payload alone; wiped on drop.
    Own(Owned),
}

/// See [`Item::Own`].
pub(super) struct Owned(Value);

impl Drop for Owned {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl From<Value> for Item {
    fn from(value: Value) -> Self {
        Self::Own(Owned(value))
    }
}

impl Item {
    /// What is sent, values included.
    pub(super) fn value(&self) -> &Value {
        match self {
            Self::Shared(piece) => piece.entry.value(),
            Self::Own(Owned(value)) => value,
        }
    }

    /// The text that is sent.
    pub(super) fn text(&self, write: impl FnOnce(&str)) {
        match self {
            Self::Shared(piece) => write(&piece.text),
            Self::Own(Owned(value)) => write(&Zeroizing::new(value.to_string())),
        }
    }

    /// The text that is hashed.
    pub(super) fn canonical(&self, write: &mut impl FnMut(&str)) {
        match self {
            Self::Shared(piece) => write(&piece.canonical),
            Self::Own(Owned(value)) => write_canonical(value, write),
        }
    }
}

/// JSON without white space and with sorted keys, a piece at a time; the order of lists counts.
pub(super) fn write_canonical(value: &Value, write: &mut impl FnMut(&str)) {
    match value {
        Value::Array(items) => {
            write("[");
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    write(",");
                }
                write_canonical(item, write);
            }
            write("]");
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            write("{");
            for (at, (key, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    write(",");
                }
                write(&Value::from(key.as_str()).to_string());
                write(":");
                write_canonical(value, write);
            }
            write("}");
        }
        other => write(&Zeroizing::new(other.to_string())),
    }
}
