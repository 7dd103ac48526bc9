//! Answers that are not a success.

use std::fmt;

use serde_json::{Map, Value};

use super::Details;

/// An error as a client sees it: status, text, and for some a code and details. Never a cause from inside; that goes
/// to the log alone. The one place that spells the fixed texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `error.message`
    pub message: String,
    /// `error.code`: only where a client acts on it; `None` leaves it out.
    pub code: Option<&'static str>,
    /// `error.details`: only for failed validations.
    pub details: Option<Details>,
}

/// Every `error.code`.
pub const ERROR_CODES: [&str; 9] = [
    "body_too_large",
    "forbidden",
    "internal",
    "invalid_token",
    "nested_too_deeply",
    "proxy_revoked",
    "rate_limited",
    "timeout",
    "unavailable",
];

impl ApiError {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, details: None }
    }

    fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// 400 with a text of its own.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 400: `data`, `namespace` or another thing that has to be there is missing or empty.
    pub fn missing_parameter(name: &str) -> Self {
        Self::new(400, format!("param is missing or the value is empty or invalid: {name}"))
    }

    /// 400: the body is not JSON. Names the place and nothing of the text.
    pub fn malformed_json(line: usize, column: usize) -> Self {
        Self::new(400, format!("the body is not valid JSON (line {line}, column {column})"))
    }

    /// 400: the body is nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    pub fn nested_too_deeply() -> Self {
        let text = format!("the body is nested deeper than {} levels", super::MAX_DEPTH);
        Self::new(400, text).with_code("nested_too_deeply")
    }

    /// 401 on every route but sync.
    pub fn invalid_api_key() -> Self {
        Self::new(401, "invalid or missing API key")
    }

    /// 401 on sync: no token, or one that never was.
    pub fn invalid_proxy_token() -> Self {
        Self::new(401, "invalid or missing proxy token").with_code("invalid_token")
    }

    /// 401 on sync: the token of a proxy that was deleted. The one code that makes a proxy stop.
    pub fn proxy_revoked() -> Self {
        Self::new(401, "invalid or missing proxy token").with_code("proxy_revoked")
    }

    /// 403: a good key whose owner is not an administrator.
    pub fn forbidden() -> Self {
        Self::new(403, "this API key does not have administrator permissions").with_code("forbidden")
    }

    /// 403: a key that is held to one namespace, and something outside of it.
    pub fn outside_namespace(namespace: &str) -> Self {
        Self::new(403, format!("this API key is limited to the namespace \"{namespace}\""))
            .with_code("forbidden")
    }

    /// 403: a key that may only read, and a request that writes.
    pub fn read_only_key() -> Self {
        Self::new(403, "this API key may only read").with_code("forbidden")
    }

    /// 404: nothing has this object id. `type_name` as in `StaticSecret`.
    pub fn unknown_oid(type_name: &str, oid: &str) -> Self {
        Self::new(404, format!("Couldn't find {type_name} with oid \"{oid}\""))
    }

    /// 404: nothing has this name. The reference shows its SQL here; this text is ours.
    pub fn unknown_name(type_name: &str, namespace: &str, foreign_id: &str) -> Self {
        let text = format!(
            "Couldn't find {type_name} with namespace \"{namespace}\" and foreign_id \"{foreign_id}\""
        );
        Self::new(404, text)
    }

    /// 404: nothing was kept of what a principal got at this revision.
    pub fn unknown_view(revision: i64, kept: &[i64]) -> Self {
        let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
        let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
        Self::new(404, format!("no view is kept for revision {revision}; kept are: {kept}"))
    }

    /// 404: no OAuth app has this slug.
    pub fn unknown_slug(slug: &str) -> Self {
        Self::new(404, format!("Couldn't find OauthApp with slug \"{slug}\""))
    }

    /// 404: no such route, whatever the method.
    pub fn unmatched_route() -> Self {
        Self::new(404, "not found")
    }

    /// 409: something still refers to what should be deleted.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// 412: `If-Match` names another revision.
    pub fn stale_revision(current: i64) -> Self {
        Self::new(412, format!("the resource is at revision {current}"))
    }

    /// 413: the body is over [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES).
    pub fn body_too_large() -> Self {
        Self::new(413, "the body is larger than 1048576 bytes").with_code("body_too_large")
    }

    /// 422 with details.
    pub fn validation(details: Details) -> Self {
        Self { details: Some(details), ..Self::new(422, "validation failed") }
    }

    /// 422 with one message under one attribute.
    pub fn invalid(attribute: &str, message: impl Into<String>) -> Self {
        let mut details = Details::new();
        details.add(attribute, message);
        Self::validation(details)
    }

    /// 422 with a text of its own and no details.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, message)
    }

    /// 422: an API key cannot revoke itself.
    pub fn self_revocation() -> Self {
        Self::unprocessable("cannot revoke the API key used for this request")
    }

    /// 429: too many failed authentications from one address. The caller adds `Retry-After`.
    pub fn too_many_failures() -> Self {
        Self::new(429, "too many failed authentication attempts").with_code("rate_limited")
    }

    /// 500. The cause goes to the log.
    pub fn internal() -> Self {
        Self::new(500, "internal error").with_code("internal")
    }

    /// 503: the configuration could not be built in time; a stale one is never sent instead.
    pub fn not_ready() -> Self {
        Self::new(503, "the configuration is being rebuilt").with_code("unavailable")
    }

    /// The body: `{"error":{"message", "code"?, "details"?}}`.
    pub fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), self.message.clone().into());
        if let Some(code) = self.code {
            error.insert("code".to_owned(), code.into());
        }
        if let Some(details) = &self.details {
            let details = details.iter().map(|(key, messages)| (key.to_owned(), messages.into())).collect();
            error.insert("details".to_owned(), Value::Object(details));
        }
        serde_json::json!({ "error": error })
    }
}

impl From<Details> for ApiError {
    fn from(details: Details) -> Self {
        Self::validation(details)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.message)
    }
}

impl std::error::Error for ApiError {}
