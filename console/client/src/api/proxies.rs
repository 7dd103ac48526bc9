//! `proxies`

use std::time::Duration;

use centaur_base::oid::{PrincipalId, ProxyId};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::ApiClient;
use super::call::{Request, Written, one};
use super::error::ApiError;
use super::path::Path;
use super::record::{Expect, Record, member, object};

/// A registered proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Its id.
    pub id: ProxyId,
    /// Its name.
    pub name: String,
    /// Whose credentials it has.
    pub principal: Option<PrincipalId>,
    /// All members, as served, without the token.
    pub document: Map<String, Value>,
}

/// A proxy that was just registered, with the token that is shown this once.
#[derive(Debug)]
pub struct NewProxy {
    /// The record.
    pub proxy: Proxy,
    /// `iprx_…`
    pub token: centaur_base::Secret<String>,
}

impl Record for Proxy {
    fn read(data: Value) -> Result<Self, String> {
        let mut document = object(data)?;
        document.shift_remove("token");
        Ok(Self {
            id: member(&document, "id")?,
            name: member(&document, "name")?,
            principal: member(&document, "principal_id")?,
            document,
        })
    }

    fn key(&self) -> String {
        self.id.to_string()
    }
}

impl Record for NewProxy {
    fn read(mut data: Value) -> Result<Self, String> {
        let Some(Value::String(token)) = data.get_mut("token").map(Value::take) else {
            return Err("`token` is missing".to_owned());
        };
        Ok(Self { token: centaur_base::Secret::new(token), proxy: Proxy::read(data)? })
    }

    fn key(&self) -> String {
        self.proxy.key()
    }
}

impl Proxy {
    /// Whether what it last said it has is what it should have. False where the console does not say.
    pub fn in_sync(&self) -> bool {
        self.document.get("in_sync").and_then(Value::as_bool).unwrap_or_default()
    }
}

impl ApiClient {
    /// All, or those of a principal.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn proxies(&self, principal: Option<PrincipalId>) -> Result<Vec<Proxy>, ApiError> {
        let filter: Vec<_> = principal.iter().map(|id| ("principal_id".to_owned(), id.to_string())).collect();
        self.all(Path::of(&["proxies"]), &filter).await
    }

    /// One, by its id.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn proxy(&self, id: ProxyId) -> Result<Option<Proxy>, ApiError> {
        self.read(Path::of(&["proxies", &id.to_string()])).await
    }

    /// Waits until one has acknowledged the change of this number (of [`Written::generation`]; `None`: what it should
    /// have now), for `timeout` at most, in whole seconds up to 55. Then it is as it is; [`Proxy::in_sync`] says more.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn wait_for_proxy(
        &self,
        id: ProxyId,
        generation: Option<i64>,
        timeout: Duration,
    ) -> Result<Option<Proxy>, ApiError> {
        let path = Path::of(&["proxies", &id.to_string(), "wait"]);
        let mut query = vec![("timeout".to_owned(), timeout.as_secs().to_string())];
        query.extend(generation.map(|number| ("generation".to_owned(), number.to_string())));
        let request = Request { query: &query, waits: timeout, ..Request::new(Method::GET, path.clone()) };
        match self.send(request).await {
            Ok(reply) => one("GET", &path, reply).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Registers one. It is not tried again: a second attempt would register a second one.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn create_proxy(
        &self,
        name: &str,
        principal: Option<PrincipalId>,
    ) -> Result<NewProxy, ApiError> {
        let data = json!({ "name": name, "principal_id": principal });
        Ok(self.post(Path::of(&["proxies"]), &data, false).await?.row)
    }

    /// Changes one. Attributes that are absent stay.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn put_proxy(&self, id: ProxyId, data: &Value) -> Result<Written<Proxy>, ApiError> {
        self.put(("proxies", &id.to_string()), data, Expect::Anything).await
    }

    /// Deletes one; its next sync tells it to stop.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn delete_proxy(&self, id: ProxyId) -> Result<(), ApiError> {
        self.delete(Path::of(&["proxies", &id.to_string()]), Expect::Anything).await
    }
}
