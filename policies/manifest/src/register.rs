//! What a tool becomes in the console: a role, and one secret for each of its entries. Pure: nothing is read or
//! written, and the same tool under the same policy gives the same records.
//!
//! Ids are made over the whole manifest, whatever part of it is wanted, so that a part never takes the id of another.

mod body;
mod stem;

use std::collections::BTreeMap;

use centaur_base::oid::{BrokerCredentialId, Oid as _, SecretKind};
use serde_json::{Map, Value, json};

use crate::discover::Tool;
use crate::manifest::{Binding, BrokerSeed, BrokeredToken, Entry, List, Manifest};
use crate::slug::slug;
use crate::source::{SourceError, Sources};

/// The label of all that is registered.
pub const MANAGED: (&str, &str) = ("managed-by", "centaur");
/// The label with the name of a secret's tool.
pub const TOOL_LABEL: &str = "centaur-tool";
/// The label with the overlay of a secret's tool.
pub const OVERLAY_LABEL: &str = "centaur-tool-overlay";
/// The label with the declared name of a secret.
pub const SECRET_LABEL: &str = "centaur-secret";
/// The label with the digest of a secret's entry.
pub const ENTRY_LABEL: &str = "centaur-entry";
/// The label with the policy that was asked for when a secret was registered.
pub const POLICY_LABEL: &str = "centaur-source-policy";
/// The role with the credentials of harness and platform: foreign id and name.
pub const INFRA_ROLE: (&str, &str) = ("infra", "Infra");
/// The role with the credentials of all tools: foreign id and name.
pub const TOOLS_ROLE: (&str, &str) = ("tools", "Tools");
/// What stands in `match_headers` of an entry without headers: no name matches it, whereas an empty list would match
/// all. Shown as no header.
pub const NO_HEADER: &str = "/^$/";

/// Labels, sorted.
pub type Labels = BTreeMap<String, String>;

/// What a tool becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The tool's name.
    pub tool: String,
    /// Its own role.
    pub role: RoleRecord,
    /// Its secrets, as declared: needed ones first. Settings that are no credentials are not among them.
    pub secrets: Vec<SecretRecord>,
}

/// A role to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRecord {
    /// Its name for programs.
    pub foreign_id: String,
    /// Its name for people.
    pub name: String,
    /// Labels.
    pub labels: Labels,
}

impl RoleRecord {
    /// A role of the standard labels.
    pub fn managed(foreign_id: impl Into<String>, name: impl Into<String>) -> Self {
        let (foreign_id, name) = (foreign_id.into(), name.into());
        Self { foreign_id, name, labels: managed_labels() }
    }

    /// The role of a tool.
    pub fn of_tool(tool: &str) -> Self {
        Self::managed(tool_role(tool), format!("Tool {tool}"))
    }

    /// The attributes of a PUT.
    pub fn data(&self, namespace: &str) -> Value {
        json!({
            "namespace": namespace,
            "foreign_id": self.foreign_id,
            "name": self.name,
            "labels": self.labels,
        })
    }
}

/// A secret to be put.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretRecord {
    /// The list of its entry.
    pub list: List,
    /// The place of its entry in the list, from 0.
    pub index: usize,
    /// The declared name.
    pub declared: String,
    /// Its type in the console, and with it its collection and the key of its grants.
    pub kind: SecretKind,
    /// Its name for programs.
    pub foreign_id: String,
    /// Its labels; those that the record has besides are not ours.
    pub labels: Labels,
    /// The attributes of a PUT, labels and namespace included. References only, never a value.
    pub data: Value,
    /// The credential of the console's broker that has to exist before.
    pub credential: Option<CredentialNeed>,
}

/// A credential of the console's broker that a secret takes its value from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialNeed {
    /// Its foreign id, or its OID.
    pub id: String,
    /// It is an OID, which needs no namespace.
    pub is_oid: bool,
    /// What it can be made of; `None` when it is provisioned elsewhere.
    pub seed: Option<BrokerSeed>,
}

/// Why a tool cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Its manifest has problems, which [`Tool::manifest`] lists.
    #[error("the manifest of {0} is invalid")]
    Invalid(String),
    /// It is a persona.
    #[error("{0} is a persona, not a tool")]
    Persona(String),
    /// Its role would be that of another tool, which comes before.
    #[error("{tool} and {other} would share the role {role} [slug_collision]")]
    SlugCollision {
        /// The tool.
        tool: String,
        /// The one before.
        other: String,
        /// The role.
        role: String,
    },
    /// A reference has no source under the policy.
    #[error("{tool}: {list}[{index}] {name}: {error}")]
    Source {
        /// The tool.
        tool: String,
        /// The list of the entry.
        list: List,
        /// Its place there.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        error: SourceError,
    },
    /// No vault, which is asked for before any entry is looked at.
    #[error(transparent)]
    Policy(SourceError),
}

/// The foreign id of a tool's own role, with which the ids of its secrets begin.
pub fn tool_role(tool: &str) -> String {
    crate::slug::fit(format!("tool-{}", slug(tool)))
}

/// `managed-by=centaur`
pub fn managed_labels() -> Labels {
    Labels::from([(MANAGED.0.to_owned(), MANAGED.1.to_owned())])
}

/// What a tool becomes in a namespace.
///
/// # Errors
/// [`RegisterError`]; never [`RegisterError::SlugCollision`], for which one has to know the others: see
/// [`Catalog::registration`](crate::discover::Catalog::registration).
pub fn registration(tool: &Tool, namespace: &str, sources: &Sources) -> Result<Registration, RegisterError> {
    let manifest = tool.manifest.as_ref().map_err(|_| RegisterError::Invalid(tool.name.clone()))?;
    if !manifest.is_tool() {
        return Err(RegisterError::Persona(tool.name.clone()));
    }
    if manifest.entries().any(|entry| !matches!(entry.binding, Binding::Plain(_))) {
        sources.check().map_err(RegisterError::Policy)?;
    }
    let role = RoleRecord::of_tool(&tool.name);
    let mut secrets = Vec::new();
    for (entry, id) in ids(&role.foreign_id, manifest) {
        let record = record(tool, entry, id, &role.foreign_id, namespace, sources);
        secrets.extend(record.map_err(|error| RegisterError::Source {
            tool: tool.name.clone(),
            list: entry.list,
            index: entry.index,
            name: entry.name.clone(),
            error,
        })?);
    }
    Ok(Registration { tool: tool.name.clone(), role, secrets })
}

/// Each entry that becomes a secret, with its id under a role.
pub fn ids<'a>(role: &str, manifest: &'a Manifest) -> Vec<(&'a Entry, String)> {
    let mut claims = stem::Claims::default();
    manifest.entries().filter_map(|entry| Some((entry, claims.id(role, entry)?))).collect()
}

fn record(
    tool: &Tool,
    entry: &Entry,
    foreign_id: String,
    role: &str,
    namespace: &str,
    sources: &Sources,
) -> Result<Option<SecretRecord>, SourceError> {
    let Some((kind, name, body)) = body::body(entry, role, namespace, sources)? else { return Ok(None) };
    let mut labels = managed_labels();
    labels.insert(TOOL_LABEL.to_owned(), tool.name.clone());
    labels.insert(OVERLAY_LABEL.to_owned(), tool.overlay.clone());
    labels.insert(SECRET_LABEL.to_owned(), entry.name.clone());
    labels.insert(ENTRY_LABEL.to_owned(), entry.digest());
    if sources.is_explicit {
        labels.insert(POLICY_LABEL.to_owned(), sources.policy.as_str().to_owned());
    }
    let mut data = Map::new();
    data.insert("namespace".to_owned(), namespace.into());
    data.insert("foreign_id".to_owned(), foreign_id.as_str().into());
    data.insert("name".to_owned(), name.into());
    data.insert("labels".to_owned(), json!(labels));
    data.extend(body);
    let credential = match &entry.binding {
        Binding::BrokeredToken(token) => Some(need(token)),
        _ => None,
    };
    Ok(Some(SecretRecord {
        list: entry.list,
        index: entry.index,
        declared: entry.name.clone(),
        kind,
        foreign_id,
        labels,
        data: Value::Object(data),
        credential,
    }))
}

fn need(token: &BrokeredToken) -> CredentialNeed {
    CredentialNeed {
        id: token.credential.clone(),
        is_oid: BrokerCredentialId::claims(&token.credential),
        seed: token.seed.clone(),
    }
}

#[cfg(test)]
mod tests;
