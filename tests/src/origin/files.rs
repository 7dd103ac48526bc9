//! Files for those who have the real value: package indexes, repositories.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Response, StatusCode};

use super::body::{Body, full};
use crate::world::REAL;

pub(super) fn answer(root: Option<&Path>, path: &str, authorization: &[u8]) -> Response<Body> {
    if !shows_value(authorization) {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header("www-authenticate", "Basic realm=\"test\"")
            .body(full("a credential is needed\n"))
            .expect("response");
    }
    let Some(root) = root else { return missing() };
    // The test wrote every file; dots would be a mistake of the test.
    let mut file = root.join(path.trim_end_matches('/'));
    if file.is_dir() {
        file = file.join("index.html");
    }
    let Ok(content) = std::fs::read(&file) else { return missing() };
    let kind = match file.extension().and_then(std::ffi::OsStr::to_str) {
        Some("html") => "text/html",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    Response::builder().header("content-type", kind).body(full(content)).expect("response")
}

fn missing() -> Response<Body> {
    Response::builder().status(StatusCode::NOT_FOUND).body(full("no such file\n")).expect("response")
}

/// Whether the value stands where each kind of client puts it.
fn shows_value(authorization: &[u8]) -> bool {
    let text = String::from_utf8_lossy(authorization);
    if let Some(coded) = text.strip_prefix("Basic ") {
        let decoded = STANDARD.decode(coded).unwrap_or_default();
        return String::from_utf8_lossy(&decoded).split(':').any(|half| half == REAL);
    }
    text.strip_prefix("Bearer ").unwrap_or(&text) == REAL
}
