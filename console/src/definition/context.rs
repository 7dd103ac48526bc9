//! What the checks of a document need to know beyond the document.

use std::collections::BTreeSet;

use centaur_base::oid::BrokerCredentialId;
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

impl CredentialRef {
    /// The OID, when it is one: `None` is a foreign id, even one that begins with `bcr_`.
    pub fn oid(&self) -> Option<BrokerCredentialId> {
        self.id.parse().ok()
    }
}

/// The broker credentials that there are. The caller looks up what [`credential_refs`] names before it parses;
/// [`KnownCredentials`] holds the answer.
pub trait CredentialIndex {
    /// Whether there is one with this OID, whatever its namespace.
    fn has_oid(&self, oid: BrokerCredentialId) -> bool;
    /// Whether there is one with this name.
    fn has_name(&self, namespace: &str, foreign_id: &str) -> bool;
}

/// The broker credentials that a look-up found.
#[derive(Debug, Clone, Default)]
pub struct KnownCredentials {
    /// By OID.
    pub oids: BTreeSet<BrokerCredentialId>,
    /// By namespace and foreign id.
    pub names: BTreeSet<(String, String)>,
}

impl CredentialIndex for KnownCredentials {
    fn has_oid(&self, oid: BrokerCredentialId) -> bool {
        self.oids.contains(&oid)
    }

    fn has_name(&self, namespace: &str, foreign_id: &str) -> bool {
        self.names.iter().any(|(known, id)| known == namespace && id == foreign_id)
    }
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
