//! Principals: what a write may say, and how one is shown. Writes are partial: what is absent stays.

mod slack;

pub use slack::{SlackPermission, slack_permission};

use serde_json::{Map, Value, json};

use crate::wire::{
    Address, ApiError, Attributes, Change, Details, Identity, Reader, identity, labels, name, timestamp,
};

/// The label that always says what `sandbox_repo_cache` says.
pub const REPO_CACHE_LABEL: &str = "centaur.sandbox_repo_cache";

/// The prefix of a principal's OID.
pub const PREFIX: &str = "prn";

/// Which repositories a sandbox gets from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepoCache {
    /// None.
    None,
    /// Public ones.
    Public,
    /// All.
    All,
}

impl RepoCache {
    /// The name in the API, in the label and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Public => "public",
            Self::All => "all",
        }
    }

    /// The value of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Public, Self::All].into_iter().find(|one| one.as_str() == name)
    }
}

/// What a create or update says; `None` is absent: the default of the system settings on a create, what is stored on
/// an update.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalWrite {
    /// Whose record it is; an update does not change it.
    pub identity: Identity,
    /// `name`
    pub name: Change<Option<String>>,
    /// `labels`, replaced whole. Already without a say about the repository cache: see [`project`].
    pub labels: Option<Map<String, Value>>,
    /// `sandbox_repo_cache`
    pub repo_cache: Option<RepoCache>,
    /// `sandbox_observability_enabled`
    pub observability: Option<bool>,
    /// `sandbox_api_server_enabled`
    pub api_server: Option<bool>,
    /// `slack_channel_permissions`, replaced whole and sorted; null clears.
    pub slack: Option<Vec<SlackPermission>>,
}

/// Reads a create or update.
///
/// # Errors
/// 422: with details for what is wrong with an attribute, without for a list of Slack rows that is none.
pub fn parse(attributes: &mut Attributes, address: Address<'_>) -> Result<PrincipalWrite, ApiError> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let identity = identity(&mut reader, PREFIX, address);
    let name = if reader.has("name") { Change::Set(name(&mut reader)) } else { Change::Keep };
    let labels = reader.has("labels").then(|| {
        let mut labels = labels(&mut reader);
        labels.shift_remove(REPO_CACHE_LABEL);
        labels
    });
    let repo_cache =
        listed(&mut reader, "sandbox_repo_cache", |value| value.as_str().and_then(RepoCache::named));
    let observability = listed(&mut reader, "sandbox_observability_enabled", Value::as_bool);
    let api_server = listed(&mut reader, "sandbox_api_server_enabled", Value::as_bool);
    let slack = slack::permissions(&mut reader)?;
    problems.into_result()?;
    Ok(PrincipalWrite { identity, name, labels, repo_cache, observability, api_server, slack })
}

/// An attribute that is one of a few values whenever it is sent; null is none of them.
fn listed<T>(reader: &mut Reader<'_>, key: &str, of: impl Fn(&Value) -> Option<T>) -> Option<T> {
    if !reader.has(key) {
        return None;
    }
    let found = reader.value(key).as_ref().and_then(of);
    if found.is_none() {
        reader.reject(key, "is not included in the list");
    }
    found
}

/// The labels as they are stored and shown: with the one that mirrors the repository cache, whatever a request said.
pub fn project(mut labels: Map<String, Value>, repo_cache: RepoCache) -> Map<String, Value> {
    labels.insert(REPO_CACHE_LABEL.to_owned(), repo_cache.as_str().into());
    labels
}

/// A principal as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalRow {
    /// The OID.
    pub id: String,
    /// Namespace and foreign id.
    pub identity: Identity,
    /// `name`
    pub name: Option<String>,
    /// `labels`
    pub labels: Map<String, Value>,
    /// `sandbox_repo_cache`
    pub repo_cache: RepoCache,
    /// `sandbox_observability_enabled`
    pub observability: bool,
    /// `sandbox_api_server_enabled`
    pub api_server: bool,
    /// `slack_channel_permissions`
    pub slack: Vec<SlackPermission>,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub updated_at: i64,
    /// OID of the user who created it. Ours.
    pub created_by: Option<String>,
    /// Plus one with every write. Ours.
    pub revision: i64,
}

/// The resource: the reference's members in its order, then ours.
pub fn render(row: &PrincipalRow) -> Map<String, Value> {
    let mut slack: Vec<_> = row.slack.iter().collect();
    slack.sort_by(|one, two| one.channel_id.cmp(&two.channel_id));
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(row.id));
    out.insert("namespace".to_owned(), json!(row.identity.namespace));
    out.insert("foreign_id".to_owned(), json!(row.identity.foreign_id));
    out.insert("name".to_owned(), json!(row.name));
    out.insert("labels".to_owned(), project(row.labels.clone(), row.repo_cache).into());
    out.insert(
        "slack_channel_permissions".to_owned(),
        slack.into_iter().map(SlackPermission::shown).collect(),
    );
    out.insert("sandbox_repo_cache".to_owned(), row.repo_cache.as_str().into());
    out.insert("sandbox_observability_enabled".to_owned(), row.observability.into());
    out.insert("sandbox_api_server_enabled".to_owned(), row.api_server.into());
    out.insert("created_at".to_owned(), timestamp(row.created_at).into());
    out.insert("updated_at".to_owned(), timestamp(row.updated_at).into());
    out.insert("created_by".to_owned(), json!(row.created_by));
    out.insert("revision".to_owned(), json!(row.revision));
    out
}

#[cfg(test)]
mod tests;
