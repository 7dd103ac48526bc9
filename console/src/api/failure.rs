//! Answers that are no success, and where their causes go.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use centaur_store::{SAME_NAMESPACE, StoreError};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::answer::json;
use crate::app::log;
use crate::wire::{ApiError, Details};

/// Why a call fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// As the client sees it.
    Api(ApiError),
    /// A good credential would have been let in; this one is asked not to try again for so many seconds.
    TooManyFailures(u64),
    /// The store; the cause is logged, not shown.
    Store(Arc<StoreError>),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Details> for Failure {
    fn from(details: Details) -> Self {
        Self::Api(details.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Taken { field } => Self::Api(ApiError::invalid(field, "has already been taken")),
            StoreError::Missing { .. } => Self::Api(ApiError::unmatched_route()),
            StoreError::StillReferred { by } => Self::Api(ApiError::conflict(format!(
                "is still referred to by {by}; remove those references first"
            ))),
            StoreError::OutOfScope(namespace) => Self::Api(ApiError::outside_namespace(namespace)),
            StoreError::Invalid { rule } if rule == SAME_NAMESPACE => {
                Self::Api(ApiError::invalid("role", "must be in the same namespace"))
            }
            // The schema knows a rule that nobody checked before: a mistake of ours, and bad input all the same.
            StoreError::Invalid { rule } => {
                log("warn", "the schema refused what was not checked", &[("rule", rule)]);
                Self::Api(ApiError::unprocessable("a value is too long, or not one that can be kept"))
            }
            _ => Self::Store(Arc::new(error)),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Api(error) => shown(&error),
            Self::TooManyFailures(seconds) => {
                let mut response = shown(&ApiError::too_many_failures());
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::Store(error) => {
                log("error", "the store failed", &[("error", &error.to_string()), ("cause", &cause(&error))]);
                shown(&match *error {
                    StoreError::Busy | StoreError::Unavailable(_) => unavailable(),
                    _ => ApiError::internal(),
                })
            }
        }
    }
}

/// 503: the database does not answer; it may, a moment later.
pub(super) fn unavailable() -> ApiError {
    ApiError {
        status: 503,
        message: "the database is unavailable".to_owned(),
        code: Some("unavailable"),
        details: None,
    }
}

fn shown(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, error.body().to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// What a 503 asks of clients: by then another replica, a database that is back or a finished rebuild may answer.
const RETRY_AFTER_SECONDS: u32 = 1;

fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
