//! The number of the change that a write made to what proxies get, in the header of its answer, so that its caller can
//! wait until a proxy has acknowledged it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;

use super::proxy_sync::GENERATION;

/// The number, once it is known; zero before.
#[derive(Debug, Clone, Default)]
pub(super) struct Reaches(Arc<AtomicI64>);

impl Reaches {
    /// Notes the number of a change that was committed.
    pub(super) fn note(&self, number: i64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }
}

/// Says the number in the answer to a write that succeeded.
pub(super) async fn told(mut request: Request, next: Next) -> Response {
    let reaches = Reaches::default();
    request.extensions_mut().insert(reaches.clone());
    let mut response = next.run(request).await;
    let number = reaches.0.load(Ordering::Relaxed);
    if number > 0 && response.status().is_success() {
        response.headers_mut().insert(GENERATION, HeaderValue::from(number));
    }
    response
}
