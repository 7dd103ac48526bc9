//! `GET /api/v1/openapi.json`: the description of all this, for whoever asks.

use std::sync::OnceLock;

use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::routes::{Routes, route};
use crate::effective::{etag, matches_etag};
use crate::openapi::{Operation, Parameter, Verb, any_object, text};

pub(super) fn routes() -> Routes {
    let operation = Operation::new("getOpenapi", "openapi", "This document")
        .open()
        .with([Parameter::head("If-None-Match", text())])
        .answers(200, "The document", any_object())
        .head("ETag", "Of the document")
        .empty(304, "It is still the one that `If-None-Match` names");
    route("/api/v1/openapi.json", Verb::Get, operation, document)
}

struct Document {
    body: Bytes,
    tag: String,
}

/// Made when it is first asked for: a console that nobody asks has no memory for it.
static DOCUMENT: OnceLock<Document> = OnceLock::new();

async fn document(headers: HeaderMap) -> Response {
    let document = DOCUMENT.get_or_init(|| {
        let body = super::described().to_string();
        Document { tag: etag(&body), body: body.into() }
    });
    let sent = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if sent.is_some_and(|sent| matches_etag(sent, &document.tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(document.body.clone().into());
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        response
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    if let Ok(tag) = HeaderValue::try_from(document.tag.as_str()) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
