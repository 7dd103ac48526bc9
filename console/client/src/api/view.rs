//! What a principal's proxies get, without values: the redacted view, why, and what would happen to a request.

use centaur_base::oid::PrincipalId;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiClient;
use super::call::{Request, one};
use super::error::ApiError;
use super::list::rows;
use super::path::Path;
use super::record::{self, Record};

/// Somebody whose grants fill the gaps of a principal, as in the record of a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requester {
    /// Who; `None` for nobody.
    pub principal: Option<PrincipalId>,
}

impl Requester {
    fn query(&self) -> Vec<(String, String)> {
        self.principal.iter().map(|id| ("fallback_principal_id".to_owned(), id.to_string())).collect()
    }
}

/// What is delivered, with every inline value as `[redacted]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EffectiveConfig {
    /// Static credentials.
    #[serde(default)]
    pub secrets: Vec<Value>,
    /// The other ones, but for databases.
    #[serde(default)]
    pub transforms: Vec<Value>,
    /// Databases.
    #[serde(default)]
    pub postgres: Vec<Value>,
}

/// What became of one credential that some grant reaches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Explained {
    /// Its id.
    pub secret_id: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// The highest priority of its grants.
    #[serde(default)]
    pub priority: i64,
    /// `self` or `requester`.
    #[serde(default)]
    pub supplied_by: Option<String>,
    /// The grants, the strongest first.
    #[serde(default)]
    pub paths: Vec<GrantPath>,
    /// `served`, `withheld`, `skipped`.
    pub outcome: String,
    /// A code for the latter two.
    #[serde(default)]
    pub reason: Option<String>,
    /// The secret that goes first.
    #[serde(default)]
    pub winner_id: Option<String>,
    /// One sentence.
    #[serde(default)]
    pub explanation: String,
}

/// One way to a credential.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrantPath {
    /// The grant.
    pub grant_id: String,
    /// The role; `None` when it is direct.
    #[serde(default)]
    pub role_id: Option<String>,
    /// The role's name for programs.
    #[serde(default)]
    pub role_foreign_id: Option<String>,
    /// When it ends.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// A request that nobody sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The method.
    pub method: String,
    /// Scheme, host, port, path and query.
    pub url: String,
    /// Names of headers that the client would send.
    pub headers: Vec<String>,
}

/// What would be done to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tried {
    /// In the order in which the proxy applies them.
    #[serde(default)]
    pub applies: Vec<TriedSecret>,
}

/// One secret that applies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TriedSecret {
    /// Its id.
    pub secret_id: String,
    /// The rule that matches, from 0; `None` for a secret that has none.
    #[serde(default)]
    pub rule: Option<u64>,
    /// Where it writes.
    #[serde(default)]
    pub writes: Vec<String>,
    /// Where its placeholder is looked for.
    #[serde(default)]
    pub replaces_in: Vec<String>,
    /// The secret whose value is there in the end.
    #[serde(default)]
    pub overwritten_by: Option<String>,
}

macro_rules! records {
    ($($name:ident => $key:expr;)*) => {$(
        impl Record for $name {
            fn read(data: Value) -> Result<Self, String> {
                record::read(data)
            }

            fn key(&self) -> String {
                $key(self)
            }
        }
    )*};
}

records! {
    EffectiveConfig => |_: &EffectiveConfig| String::new();
    Explained => |one: &Explained| one.secret_id.clone();
    Tried => |_: &Tried| String::new();
}

impl ApiClient {
    /// What its proxies get.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn effective_config(
        &self,
        id: PrincipalId,
        requester: &Requester,
    ) -> Result<EffectiveConfig, ApiError> {
        let path = Path::of(&["principals", &id.to_string(), "effective_config"]);
        let query = requester.query();
        let reply = self.send(Request { query: &query, ..Request::new(Method::GET, path.clone()) }).await?;
        one("GET", &path, reply)
    }

    /// Every credential that some grant reaches, with what became of it; `None` from a console that cannot say.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn explain(
        &self,
        id: PrincipalId,
        requester: &Requester,
    ) -> Result<Option<Vec<Explained>>, ApiError> {
        let path = Path::of(&["principals", &id.to_string(), "explain"]);
        let query = requester.query();
        match self.send(Request { query: &query, ..Request::new(Method::GET, path.clone()) }).await {
            Ok(reply) => rows(&path, reply).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What would be done to a request; `None` from a console that cannot say.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn dry_run(
        &self,
        id: PrincipalId,
        requester: &Requester,
        probe: &Probe,
    ) -> Result<Option<Tried>, ApiError> {
        let path = Path::of(&["principals", &id.to_string(), "dry_run"]);
        let query = requester.query();
        let data = json!(probe);
        // It changes nothing.
        let request = Request {
            query: &query,
            is_repeatable: true,
            ..Request::new(Method::POST, path.clone()).data(&data)
        };
        match self.send(request).await {
            Ok(reply) => one("POST", &path, reply).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
