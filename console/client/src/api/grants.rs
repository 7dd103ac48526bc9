//! `grants`

use centaur_base::oid::{GrantId, PrincipalId, RoleId, SecretId, SecretKind};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::ApiClient;
use super::call::{Request, Written};
use super::error::ApiError;
use super::path::Path;
use super::record::{Expect, Record, member, object};

/// Who is granted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// A principal.
    Principal(PrincipalId),
    /// A role.
    Role(RoleId),
}

/// One edge from somebody to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub secret: SecretId,
    /// Higher wins; older consoles do not say.
    pub priority: Option<i64>,
    /// When it ends; `None` is never.
    pub expires_at: Option<String>,
}

/// A grant to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub secret: SecretId,
    /// Higher wins; `None` is 100 for a principal and 0 for a role.
    pub priority: Option<i64>,
    /// RFC 3339; `None` is never.
    pub expires_at: Option<String>,
}

impl Record for Grant {
    fn read(data: Value) -> Result<Self, String> {
        let data = object(data)?;
        let text = |name: &str| member::<Option<String>>(&data, name);
        let grantee = match (text("principal_id")?, text("role_id")?) {
            (Some(id), None) => Grantee::Principal(id.parse().map_err(|_| "`principal_id` is no id")?),
            (None, Some(id)) => Grantee::Role(id.parse().map_err(|_| "`role_id` is no id")?),
            _ => return Err("a grant without exactly one grantee".to_owned()),
        };
        let mut secrets = SecretKind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, data.get(kind.grant_key())?.as_str()?)));
        let (Some((kind, id)), None) = (secrets.next(), secrets.next()) else {
            return Err("a grant without exactly one secret".to_owned());
        };
        let secret = SecretId::parse(kind, id).map_err(|_| format!("`{}` is no id", kind.grant_key()))?;
        let (id, priority) = (member(&data, "id")?, member(&data, "priority")?);
        Ok(Self { id, grantee, secret, priority, expires_at: text("expires_at")? })
    }

    fn key(&self) -> String {
        self.id.to_string()
    }
}

impl NewGrant {
    fn data(&self) -> Value {
        let mut data = Map::new();
        match self.grantee {
            Grantee::Principal(id) => data.insert("principal_id".to_owned(), json!(id)),
            Grantee::Role(id) => data.insert("role_id".to_owned(), json!(id)),
        };
        data.insert(self.secret.kind.grant_key().to_owned(), json!(self.secret));
        if let Some(priority) = self.priority {
            data.insert("priority".to_owned(), json!(priority));
        }
        if let Some(at) = &self.expires_at {
            data.insert("expires_at".to_owned(), json!(at));
        }
        Value::Object(data)
    }
}

impl ApiClient {
    /// One, by its id.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn grant(&self, id: GrantId) -> Result<Option<Grant>, ApiError> {
        self.read(Path::of(&["grants", &id.to_string()])).await
    }

    /// Makes one. Twice is once: then it is the one that was there, as it was.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn create_grant(&self, grant: &NewGrant) -> Result<Written<Grant>, ApiError> {
        self.post(Path::of(&["grants"]), &grant.data(), true).await
    }

    /// Changes the priority of one.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn set_priority(&self, id: GrantId, priority: i64) -> Result<Grant, ApiError> {
        let path = Path::of(&["grants", &id.to_string()]);
        let data = json!({ "priority": priority });
        let reply = self.send(Request::new(Method::PATCH, path.clone()).data(&data)).await?;
        super::call::one("PATCH", &path, reply)
    }

    /// Withdraws one.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn delete_grant(&self, id: GrantId) -> Result<(), ApiError> {
        self.delete(Path::of(&["grants", &id.to_string()]), Expect::Anything).await
    }
}
