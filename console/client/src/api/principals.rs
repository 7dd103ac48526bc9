//! `principals`, their roles, and what is assigned to them.

use centaur_base::oid::{Oid as _, PrincipalId, RoleId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Written;
use super::error::ApiError;
use super::grants::Grant;
use super::path::Path;
use super::record::{self, Expect, Labels, Record};
use super::{ApiClient, ListFilter, Role};

/// Somebody who may hold roles and grants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
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

impl Record for Principal {
    fn read(data: Value) -> Result<Self, String> {
        record::read(data)
    }

    fn claims(text: &str) -> bool {
        PrincipalId::claims(text)
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
    pub async fn principals(&self, filter: &ListFilter) -> Result<Vec<Principal>, ApiError> {
        self.all(Path::of(&["principals"]), &filter.query()).await
    }

    /// One, by its id.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn principal(&self, id: PrincipalId) -> Result<Option<Principal>, ApiError> {
        self.read(Path::of(&["principals", &id.to_string()])).await
    }

    /// One, by its name.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn principal_named(
        &self,
        namespace: &str,
        foreign_id: &str,
    ) -> Result<Option<Principal>, ApiError> {
        self.read(Path::of(&["principals", "lookup", namespace, foreign_id])).await
    }

    /// Creates or changes the one with a name (namespace in `data`) or an id. Attributes that are absent stay; one at
    /// least has to be there.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn put_principal(
        &self,
        at: &str,
        data: &Value,
        expect: Expect,
    ) -> Result<Written<Principal>, ApiError> {
        self.put(("principals", at), data, expect).await
    }

    /// Deletes one, with its grants and assignments; its proxies have none then.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn delete_principal(&self, id: PrincipalId, expect: Expect) -> Result<(), ApiError> {
        self.delete(Path::of(&["principals", &id.to_string()]), expect).await
    }

    /// The roles that it holds.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn roles_of(&self, id: PrincipalId) -> Result<Vec<Role>, ApiError> {
        self.whole(Path::of(&["principals", &id.to_string(), "roles"])).await
    }

    /// Assigns a role. Twice is once.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn assign(&self, id: PrincipalId, role: RoleId) -> Result<Written<Role>, ApiError> {
        let path = Path::of(&["principals", &id.to_string(), "roles"]);
        self.post(path, &json!({ "role_id": role }), true).await
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// [`ApiError`]; 404 when it does not hold the role.
    pub async fn unassign(&self, id: PrincipalId, role: RoleId) -> Result<(), ApiError> {
        let path = Path::of(&["principals", &id.to_string(), "roles", &role.to_string()]);
        self.delete(path, Expect::Anything).await
    }

    /// Its direct grants.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn grants_of_principal(&self, id: PrincipalId) -> Result<Vec<Grant>, ApiError> {
        self.all(Path::of(&["principals", &id.to_string(), "grants"]), &[]).await
    }

    /// Writes its permission row of one Slack channel, and returns the row.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn put_slack_permission(&self, id: PrincipalId, data: &Value) -> Result<Value, ApiError> {
        let path = Path::of(&["principals", &id.to_string(), "slack_channel_permissions"]);
        Ok(self.post::<Row>(path, data, true).await?.row.0)
    }
}

/// A row that is passed on as it is.
struct Row(Value);

impl Record for Row {
    fn read(data: Value) -> Result<Self, String> {
        record::object(data).map(|members| Self(Value::Object(members)))
    }

    fn key(&self) -> String {
        self.0.to_string()
    }
}
