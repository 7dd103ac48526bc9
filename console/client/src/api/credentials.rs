//! `broker_credentials`

use centaur_base::oid::{BrokerCredentialId, Oid as _};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::Written;
use super::error::ApiError;
use super::path::Path;
use super::record::{self, Expect, Labels, Record, member, object};
use super::{ApiClient, ListFilter};

/// A credential whose access token the console keeps fresh, as far as it is shown: never with a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// Its id.
    pub id: BrokerCredentialId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs.
    pub foreign_id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// `bootstrapping`, `live`, `dead`.
    pub status: String,
    /// Plus one with every write; older consoles have none.
    pub revision: Option<i64>,
    /// When it was last written.
    pub updated_at: Option<String>,
    /// All members, as served.
    pub document: Map<String, Value>,
}

impl Record for Credential {
    fn read(data: Value) -> Result<Self, String> {
        let document = object(data)?;
        Ok(Self {
            id: member(&document, "id")?,
            namespace: member(&document, "namespace")?,
            foreign_id: member(&document, "foreign_id")?,
            name: member(&document, "name")?,
            labels: member::<Option<Labels>>(&document, "labels")?.unwrap_or_default(),
            status: member(&document, "status")?,
            revision: member(&document, "revision")?,
            updated_at: member(&document, "updated_at")?,
            document,
        })
    }

    fn claims(text: &str) -> bool {
        BrokerCredentialId::claims(text)
    }

    fn key(&self) -> String {
        self.id.to_string()
    }
}

/// A secret whose source takes its value from a credential.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// The secret's id.
    pub id: String,
    /// Its collection.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name for programs.
    #[serde(default)]
    pub foreign_id: Option<String>,
}

impl Record for Reference {
    fn read(data: Value) -> Result<Self, String> {
        record::read(data)
    }

    fn key(&self) -> String {
        self.id.clone()
    }
}

const COLLECTION: &str = "broker_credentials";

impl ApiClient {
    /// All of a filter.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn credentials(&self, filter: &ListFilter) -> Result<Vec<Credential>, ApiError> {
        self.all(Path::of(&[COLLECTION]), &filter.query()).await
    }

    /// One, by its id.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn credential(&self, id: BrokerCredentialId) -> Result<Option<Credential>, ApiError> {
        self.read(Path::of(&[COLLECTION, &id.to_string()])).await
    }

    /// One, by its name.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn credential_named(
        &self,
        namespace: &str,
        foreign_id: &str,
    ) -> Result<Option<Credential>, ApiError> {
        self.read(Path::of(&[COLLECTION, "lookup", namespace, foreign_id])).await
    }

    /// Creates or changes the one with a name (namespace in `data`) or an id. Attributes that are absent stay; one at
    /// least has to be there.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn put_credential(
        &self,
        at: &str,
        data: &Value,
        expect: Expect,
    ) -> Result<Written<Credential>, ApiError> {
        self.put((COLLECTION, at), data, expect).await
    }

    /// Which secrets refer to one; `None` from a console that cannot say.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn references_of(&self, id: BrokerCredentialId) -> Result<Option<Vec<Reference>>, ApiError> {
        match self.whole(Path::of(&[COLLECTION, &id.to_string(), "references"])).await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes one.
    ///
    /// # Errors
    /// [`ApiError`]; 409 while a secret refers to it.
    pub async fn delete_credential(&self, id: BrokerCredentialId, expect: Expect) -> Result<(), ApiError> {
        self.delete(Path::of(&[COLLECTION, &id.to_string()]), expect).await
    }
}
