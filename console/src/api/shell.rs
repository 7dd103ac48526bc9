//! What surrounds every request.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;

use super::failure::Failure;
use super::new_token;
use crate::wire::ApiError;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The id of a request: the client's, when it sent a usable one.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

const HEADER: &str = "x-request-id";
const LONGEST: usize = 128;
/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Takes or makes the id and says it in the answer.
pub(super) async fn with_request_id(mut request: Request, next: Next) -> Response {
    let sent = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let sent =
        sent.filter(|text| (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()));
    let id = match sent {
        Some(id) => id.to_owned(),
        // Without random numbers there is no id; nothing depends on it.
        None => new_token("").map(|id| id.expose()[..32].to_owned()).unwrap_or_default(),
    };
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// Ends a request that takes too long.
pub(super) async fn within_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(WITHIN, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let message = "the request took longer than 30 s".to_owned();
        Failure::from(ApiError { status: 503, message, code: Some("timeout"), details: None }).into_response()
    })
}
