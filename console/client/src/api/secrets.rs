//! The seven collections of secrets: one type for all, whose definition stays JSON.

use centaur_base::oid::{SecretId, SecretKind};
use serde_json::{Map, Value};

use super::call::Written;
use super::error::ApiError;
use super::grants::Grant;
use super::path::Path;
use super::record::{Expect, Labels, Record, member, object};
use super::{ApiClient, ListFilter};

/// A secret, as far as the console shows it: never with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// Its id, with its kind.
    pub id: SecretId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs.
    pub foreign_id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// Plus one with every write; older consoles have none.
    pub revision: Option<i64>,
    /// When it was last written.
    pub updated_at: Option<String>,
    /// All members, as served.
    pub document: Map<String, Value>,
}

impl Record for Secret {
    fn read(data: Value) -> Result<Self, String> {
        let document = object(data)?;
        let id: String = member(&document, "id")?;
        let kind = SecretKind::ALL.into_iter().find(|kind| kind.claims(&id));
        let id = kind.and_then(|kind| SecretId::parse(kind, &id).ok()).ok_or("`id` is no id of a secret")?;
        Ok(Self {
            id,
            namespace: member(&document, "namespace")?,
            foreign_id: member(&document, "foreign_id")?,
            name: member(&document, "name")?,
            labels: member::<Option<Labels>>(&document, "labels")?.unwrap_or_default(),
            revision: member(&document, "revision")?,
            updated_at: member(&document, "updated_at")?,
            document,
        })
    }

    fn claims(text: &str) -> bool {
        SecretKind::ALL.into_iter().any(|kind| kind.claims(text))
    }

    fn key(&self) -> String {
        self.id.to_string()
    }
}

impl ApiClient {
    /// All of a kind and a filter.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn secrets(&self, kind: SecretKind, filter: &ListFilter) -> Result<Vec<Secret>, ApiError> {
        self.all(Path::of(&[kind.collection()]), &filter.query()).await
    }

    /// One, by its id.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn secret(&self, id: SecretId) -> Result<Option<Secret>, ApiError> {
        self.read_kind(id.kind, Path::of(&[id.kind.collection(), &id.to_string()])).await
    }

    /// One of a kind, by its name.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn secret_named(
        &self,
        kind: SecretKind,
        namespace: &str,
        foreign_id: &str,
    ) -> Result<Option<Secret>, ApiError> {
        self.read_kind(kind, Path::of(&[kind.collection(), "lookup", namespace, foreign_id])).await
    }

    /// Creates or replaces the one with a name (namespace in `data`) or an id: what is absent becomes its default.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn put_secret(
        &self,
        kind: SecretKind,
        at: &str,
        data: &Value,
        expect: Expect,
    ) -> Result<Written<Secret>, ApiError> {
        self.put((kind.collection(), at), data, expect).await
    }

    /// Deletes one, with its grants.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn delete_secret(&self, id: SecretId, expect: Expect) -> Result<(), ApiError> {
        self.delete(Path::of(&[id.kind.collection(), &id.to_string()]), expect).await
    }

    /// Who is granted it; `None` when the console has no such secret, or is too old to say.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn grants_of_secret(&self, id: SecretId) -> Result<Option<Vec<Grant>>, ApiError> {
        match self.all(Path::of(&[id.kind.collection(), &id.to_string(), "grants"]), &[]).await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_kind(&self, kind: SecretKind, path: Path) -> Result<Option<Secret>, ApiError> {
        let found: Option<Secret> = self.read(path.clone()).await?;
        match &found {
            Some(secret) if secret.id.kind != kind => {
                Err(ApiError::unexpected("GET", &path, "the secret is of another type"))
            }
            _ => Ok(found),
        }
    }
}
