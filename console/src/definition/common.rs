//! What all types of secret have.

use serde_json::{Map, Value};

use crate::wire::{Reader, description, labels, name};

/// The attributes that say what a secret is for; none of them reaches a proxy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Common {
    /// One line, at most 8,192 characters.
    pub name: Option<String>,
    /// Text of any length.
    pub description: Option<String>,
    /// Scalars by key, as sent.
    pub labels: Map<String, Value>,
}

impl Common {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { name: name(reader), description: description(reader), labels: labels(reader) }
    }
}
