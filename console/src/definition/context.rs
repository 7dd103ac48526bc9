//! What the checks of a document need to know beyond the document.

use serde_json::Value;

use super::{Body, Values};
use crate::wire::Attributes;

/// What a `token_broker` source refers to, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialRef {
    /// `credential_id`: an OID, or a foreign id when there is a namespace.
    pub id: String,
    /// `credential_namespace`
    pub namespace: Option<String>,
}

/// What a text is as the OID of a broker credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OidMatch {
    /// It does not decode, so it is a foreign id, even one that begins with `bcr_`.
    NotAnOid,
    /// It decodes and there is no such row.
    Missing,
    /// It decodes and the row is there, whatever its namespace.
    Found,
}

/// The broker credentials that there are. The caller looks up what [`credential_refs`] names before it parses.
pub trait CredentialIndex {
    /// By OID.
    fn by_oid(&self, text: &str) -> OidMatch;
    /// By namespace and foreign id.
    fn has(&self, namespace: &str, foreign_id: &str) -> bool;
}

/// The document that is stored, with its values opened, for `keep_secret`.
#[derive(Debug, Clone, Copy)]
pub struct Existing<'a> {
    /// What is stored.
    pub body: &'a Body,
    /// Its values.
    pub values: &'a Values,
}

/// Beside the document.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The stored document, on an update.
    pub existing: Option<Existing<'a>>,
    /// Where `token_broker` sources are looked up.
    pub credentials: &'a dyn CredentialIndex,
}

/// All broker credentials that a request's sources name, wherever they stand, right or wrong; to be looked up in
/// one query before [`parse`](super::parse).
pub fn credential_refs(attributes: &Attributes) -> Vec<CredentialRef> {
    let mut found = Vec::new();
    for key in attributes.keys() {
        if let Some(value) = attributes.peek(key) {
            collect(value, &mut found);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<CredentialRef>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            let text = |key: &str| value["config"][key].as_str().map(str::to_owned);
            if value["source_type"] == "token_broker"
                && let Some(id) = text("credential_id")
            {
                found.push(CredentialRef { id, namespace: text("credential_namespace") });
            }
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}
