//! Interim (1xx) responses towards HTTP/1 clients, which hyper's server does not send itself.

use centaur_transform::ScrubSet;
use centaur_transform::headers::canonical;
use http::{HeaderMap, StatusCode};

use crate::hop;

/// The bytes of an interim response.
pub fn format(status: StatusCode, headers: &HeaderMap, scrub: Option<&ScrubSet>) -> Vec<u8> {
    let mut headers = headers.clone();
    hop::strip_response(&mut headers);
    if let Some(scrub) = scrub {
        scrub.headers(&mut headers);
    }
    let reason = status.canonical_reason().unwrap_or("Interim");
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &headers {
        out.extend_from_slice(canonical(name.as_str()).as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}
