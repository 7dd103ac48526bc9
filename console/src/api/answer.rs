//! Answers that are a success.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::failure::Failure;
use crate::wire;

/// What a handler returns.
pub(super) type Result<T = Answer> = std::result::Result<T, Failure>;

/// Status and body.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Option<Value>,
}

impl Answer {
    /// One resource.
    pub(super) fn one(resource: Map<String, Value>) -> Self {
        Self { status: StatusCode::OK, body: Some(wire::single(resource)) }
    }

    /// One resource that is new, or is not.
    pub(super) fn written(created: bool, resource: Map<String, Value>) -> Self {
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        Self { status, body: Some(wire::single(resource)) }
    }

    /// 202: one resource, of which something was asked that is done later.
    pub(super) fn accepted(resource: Map<String, Value>) -> Self {
        Self { status: StatusCode::ACCEPTED, body: Some(wire::single(resource)) }
    }

    /// Anything else with status 200.
    pub(super) fn body(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body) }
    }

    /// 204.
    pub(super) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Some(body) = self.body else { return self.status.into_response() };
        json(self.status, body.to_string())
    }
}

/// A response with a body that is JSON already.
pub(super) fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
