//! Calls of an operator.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use centaur_e2e::real::{Answer, Api, Broken};
use serde_json::{Value, json};

/// Writes with the first user's key.
pub(crate) struct Operator(Api);

impl Operator {
    /// Of this console.
    pub(crate) fn new(console: SocketAddr) -> Self {
        Self(Api::new(console))
    }

    /// Makes something; its id.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) async fn make(&self, path: &str, data: &Value) -> anyhow::Result<String> {
        let answer = self.call("POST", path, data).await?;
        let id = answer.json()["data"]["id"].as_str().map(str::to_owned);
        id.with_context(|| format!("{path}: no id"))
    }

    /// Changes something.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) async fn change(&self, path: &str, data: &Value) -> anyhow::Result<()> {
        self.call("PATCH", path, data).await.map(drop)
    }

    /// Removes something.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) async fn remove(&self, path: &str) -> anyhow::Result<()> {
        self.call("DELETE", path, &Value::Null).await.map(drop)
    }

    async fn call(&self, method: &str, path: &str, data: &Value) -> anyhow::Result<Answer> {
        let answer = self.0.try_call(method, path, data, None).await;
        let answer = answer.map_err(|Broken(error)| anyhow::anyhow!("{method} {path}: {error}"))?;
        let is_done = (200..300).contains(&answer.status);
        ensure!(is_done, "{method} {path}: {}: {}", answer.status, answer.text);
        Ok(answer)
    }
}

/// A static secret of this number that is put into a field for one host.
pub(crate) fn secret(at: usize, value: &str) -> Value {
    json!({
        "foreign_id": format!("secret-{at}"),
        "inject_config": {"header": "x-api-key"},
        "source": {"source_type": "control_plane", "config": {}, "secret": value},
        "rules": [{"host": format!("host-{at}.test")}],
    })
}
