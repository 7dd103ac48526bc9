//! `audit_events`

use reqwest::Method;
use serde_json::Value;

use super::ApiClient;
use super::call::Request;
use super::error::ApiError;
use super::path::Path;

/// Which events, as names and values of the query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Filters and the place to go on from.
    pub parameters: Vec<(String, String)>,
}

/// Some events.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// The events, as served.
    pub events: Vec<Value>,
    /// What to add to the query for the next page (`meta.next`); `None` for the last one.
    pub next: Option<Vec<(String, String)>>,
}

impl ApiClient {
    /// One page of the console's audit log; `None` from a console that has none.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn audit_events(&self, query: &AuditQuery) -> Result<Option<AuditPage>, ApiError> {
        let path = Path::of(&["audit_events"]);
        let request = Request { query: &query.parameters, ..Request::new(Method::GET, path.clone()) };
        let mut reply = match self.send(request).await {
            Ok(reply) => reply,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(Value::Array(events)) = reply.body.get_mut("data").map(Value::take) else {
            return Err(ApiError::unexpected("GET", &path, "`data` is not a list"));
        };
        let next = reply.body.get("meta").and_then(|meta| meta.get("next")?.as_object());
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let next = next.map(|next| next.iter().map(|(key, value)| (key.clone(), text(value))).collect());
        Ok(Some(AuditPage { events, next }))
    }
}
