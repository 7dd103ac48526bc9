//! References to stored values.

use std::collections::BTreeMap;

use serde::Serialize;

/// Named references, sorted by name so that what is made of them does not depend on how a file was written.
pub type Fields = BTreeMap<String, FieldSource>;

/// Where one value of a credential is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldSource {
    /// The name under which it is stored.
    pub secret_ref: String,
    /// The member meant, when the stored value is a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_key: Option<String>,
}

impl FieldSource {
    /// The whole value stored under a name.
    pub fn whole(secret_ref: impl Into<String>) -> Self {
        Self { secret_ref: secret_ref.into(), json_key: None }
    }
}
