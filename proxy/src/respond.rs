//! From a refusal to a response: the one place that writes answers of our own.

use std::cell::RefCell;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, DATE, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
};
use http::{Method, Response, StatusCode};

use crate::body::ResponseBody;
use crate::refusal::Refusal;

/// Carries the code of every refusal.
pub const REASON: HeaderName = HeaderName::from_static("x-iron-reason");

/// Code of a token call that was answered.
pub const TOKEN_CALL: &str = "token-call-answered";

/// The answer to a refused request.
pub fn refusal(refusal: &Refusal, method: &Method) -> Response<ResponseBody> {
    let text = Bytes::copy_from_slice(refusal.body().as_bytes());
    let mut response = plain(refusal.status(), refusal.content_type(), text, method);
    let headers = response.headers_mut();
    headers.insert(REASON, HeaderValue::from_static(refusal.code()));
    if refusal.closes() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if refusal.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        headers.insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"iron-proxy\""));
    }
    response
}

/// A text answer.
pub fn plain(
    status: StatusCode,
    content_type: &'static str,
    text: Bytes,
    method: &Method,
) -> Response<ResponseBody> {
    let length = text.len();
    let body = if method == Method::HEAD { Bytes::new() } else { text };
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if length > 0 || status == StatusCode::FORBIDDEN {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    }
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(DATE, date());
    response
}

/// An answer of our own to a token call: JSON that nobody keeps.
pub fn token(content: Bytes, method: &Method) -> Response<ResponseBody> {
    let mut response = plain(StatusCode::OK, "application/json", content, method);
    let headers = response.headers_mut();
    headers.insert(REASON, HeaderValue::from_static(TOKEN_CALL));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Takes values out of a reason phrase.
pub fn scrub_reason(parts: &mut http::response::Parts, scrub: &centaur_transform::ScrubSet) {
    let Some(reason) = parts.extensions.get::<hyper::ext::ReasonPhrase>() else { return };
    if let Some(clean) = scrub.text(reason.as_bytes()) {
        parts.extensions.remove::<hyper::ext::ReasonPhrase>();
        if let Ok(clean) = hyper::ext::ReasonPhrase::try_from(clean) {
            parts.extensions.insert(clean);
        }
    }
}

/// `Date` for this second.
pub fn date() -> HeaderValue {
    thread_local! {
        static CACHED: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    CACHED.with_borrow_mut(|cached| match cached {
        Some((at, value)) if *at == second => value.clone(),
        _ => {
            let text = httpdate::fmt_http_date(now);
            let value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
            *cached = Some((second, value.clone()));
            value
        }
    })
}
