//! One line per request, and an answer for a handler that panics.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::time::Instant;

use super::failure::Failure;
use super::shell::RequestId;
use crate::app::{App, log, log_line};
use crate::wire::ApiError;

/// Who a request turned out to be from: the id of an API key, a proxy or a user. Set by who checks the token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Arc<OnceLock<String>>);

impl Caller {
    /// Notes the id; the first one stays.
    pub(crate) fn is(&self, id: impl std::fmt::Display) {
        let _ = self.0.set(id.to_string());
    }
}

/// Writes the line when the answer is there; of one that is sent in parts, when its head is. The path is the template
/// of the route, so that no line holds a name, an id or a query.
pub(super) async fn logged(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if !app.config().access_log {
        return next.run(request).await;
    }
    let since = Instant::now();
    let caller = Caller::default();
    request.extensions_mut().insert(caller.clone());
    let method = request.method().to_string();
    let path = template(&request);
    let id = request_id(&request);
    let response = next.run(request).await;
    let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    let caller = caller.0.get().map_or(Value::Null, |caller| caller.as_str().into());
    log_line(
        "info",
        "request",
        [
            ("method", method.into()),
            ("path", path.into()),
            ("status", response.status().as_u16().into()),
            ("duration_us", micros.into()),
            ("request_id", id.into()),
            ("caller", caller),
        ],
    );
    response
}

/// 500 for a handler that panics. What it said is not logged: it may hold what the request held.
pub(super) async fn caught(request: Request, next: Next) -> Response {
    let (path, id) = (template(&request), request_id(&request));
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        log("error", "a handler panicked", &[("path", &path), ("request_id", &id)]);
        Failure::from(ApiError::internal()).into_response()
    })
}

fn template(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned())
}

fn request_id(request: &Request) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn fails(request: Request) -> &'static str {
        assert!(request.uri().query().is_none(), "fake-secret of the request");
        "fine"
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_that_says_nothing_of_it() {
        let router = Router::new().route("/x", get(fails)).layer(axum::middleware::from_fn(caught));
        let service = TowerToHyperService::new(router);
        for (uri, status, text) in [
            ("/x", StatusCode::OK, "fine"),
            (
                "/x?a",
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"error":{"message":"internal error","code":"internal"}}"#,
            ),
        ] {
            let request = http::Request::get(uri).body(Body::empty()).expect("a request");
            let response = service.call(request).await.expect("an answer");
            assert_eq!(response.status(), status);
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body, text.as_bytes());
        }
    }
}
