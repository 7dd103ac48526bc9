//! `roles`

use centaur_base::oid::{Oid as _, RoleId};
use serde::Deserialize;
use serde_json::Value;

use super::call::Written;
use super::error::ApiError;
use super::grants::Grant;
use super::path::Path;
use super::record::{self, Expect, Labels, Record};
use super::{ApiClient, ListFilter, Principal};

/// A bundle of grants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs.
    #[serde(default)]
    pub foreign_id: Option<String>,
    /// Its name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Plus one with every write; older consoles have none.
    #[serde(default)]
    pub revision: Option<i64>,
    /// When it was last written.
    #[serde(default)]
    pub updated_at: Option<String>,
}

impl Record for Role {
    fn read(data: Value) -> Result<Self, String> {
        record::read(data)
    }

    fn claims(text: &str) -> bool {
        RoleId::claims(text)
    }

    fn key(&self) -> String {
        self.id.to_string()
    }
}

impl ApiClient {
    /// All of a filter.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn roles(&self, filter: &ListFilter) -> Result<Vec<Role>, ApiError> {
        self.all(Path::of(&["roles"]), &filter.query()).await
    }

    /// One, by its id.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn role(&self, id: RoleId) -> Result<Option<Role>, ApiError> {
        self.read(Path::of(&["roles", &id.to_string()])).await
    }

    /// One, by its name.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn role_named(&self, namespace: &str, foreign_id: &str) -> Result<Option<Role>, ApiError> {
        self.read(Path::of(&["roles", "lookup", namespace, foreign_id])).await
    }

    /// Creates or changes the one with a name (namespace in `data`) or an id. Attributes that are absent stay; one at
    /// least has to be there.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn put_role(&self, at: &str, data: &Value, expect: Expect) -> Result<Written<Role>, ApiError> {
        self.put(("roles", at), data, expect).await
    }

    /// Deletes one, with its grants and assignments.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn delete_role(&self, id: RoleId, expect: Expect) -> Result<(), ApiError> {
        self.delete(Path::of(&["roles", &id.to_string()]), expect).await
    }

    /// Its grants.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn grants_of_role(&self, id: RoleId) -> Result<Vec<Grant>, ApiError> {
        self.all(Path::of(&["roles", &id.to_string(), "grants"]), &[]).await
    }

    /// Who holds it; `None` when the console has no such role, or is too old to say.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn holders_of(&self, id: RoleId) -> Result<Option<Vec<Principal>>, ApiError> {
        match self.all(Path::of(&["roles", &id.to_string(), "principals"]), &[]).await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
