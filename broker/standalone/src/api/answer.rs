//! Answers, to the byte.

use bytes::Bytes;
use centaur_base::Secret;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// An answer that is whole.
pub(super) struct Answer(Response<Full<Bytes>>);

impl Answer {
    pub(super) fn text(kind: &'static str, body: String) -> Self {
        Self::new(StatusCode::OK, kind, body)
    }

    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(super) fn error(status: StatusCode, text: &str) -> Self {
        Self::json(status, &json!({ "error": text }))
    }

    pub(super) fn token(token: &Secret<String>, expires_at: &str) -> Self {
        let token = Value::from(token.expose().as_str());
        // Written by hand, so that no other copy of the token is left behind.
        let body = format!("{{\"access_token\":{token},\"expires_at\":\"{expires_at}\"}}");
        if let Value::String(mut token) = token {
            zeroize::Zeroize::zeroize(&mut token);
        }
        Self::new(StatusCode::OK, "application/json", body)
    }

    fn new(status: StatusCode, kind: &'static str, body: String) -> Self {
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        Self(response).with(CONTENT_TYPE, HeaderValue::from_static(kind))
    }

    /// Nobody on the way may keep it.
    pub(super) fn not_stored(self) -> Self {
        self.with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with(PRAGMA, HeaderValue::from_static("no-cache"))
    }

    pub(super) fn allow(self, methods: &'static str) -> Self {
        self.with(ALLOW, HeaderValue::from_static(methods))
    }

    pub(super) fn challenge(self) -> Self {
        self.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// Come again after `seconds`.
    pub(super) fn again(self, seconds: u64) -> Self {
        self.with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        self.0
    }
}
