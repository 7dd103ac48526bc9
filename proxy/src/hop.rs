//! Fields that concern one connection only, and the framing of what goes on (RFC 9110 section 7.6.1).

use centaur_transform::headers::retain;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};
use http_body::Body as _;
use smallvec::SmallVec;

use crate::body::RequestBody;
use crate::target::RequestTarget;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const ALT_SVC: HeaderName = HeaderName::from_static("alt-svc");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_IRON_REASON: HeaderName = HeaderName::from_static("x-iron-reason");

/// Removes the fields of the client's hop before any transform sees the request, so that naming a header in
/// `Connection` cannot remove what a transform puts in. Returns whether `TE: trailers` was said.
pub fn strip_request(headers: &mut HeaderMap) -> bool {
    let trailers = headers.get_all(TE).iter().any(|value| has_token(value, "trailers"));
    strip(headers, |name| {
        *name == PROXY_AUTHENTICATE || *name == PROXY_AUTHORIZATION || *name == TE || *name == HTTP2_SETTINGS
    });
    trailers
}

/// Removes the fields of the upstream's hop, and `Alt-Svc`, which would lead clients around the proxy.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, |name| *name == PROXY_AUTHENTICATE || *name == ALT_SVC || *name == X_IRON_REASON);
}

fn strip(headers: &mut HeaderMap, also: impl Fn(&HeaderName) -> bool) {
    let mut named: SmallVec<[HeaderName; 2]> = SmallVec::new();
    for value in headers.get_all(CONNECTION) {
        let tokens = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        named.extend(tokens.filter_map(|token| HeaderName::from_bytes(token).ok()));
    }
    // Framing and authority are not this list's to remove.
    named.retain(|name| *name != HOST && *name != CONTENT_LENGTH);
    retain(headers, |name| {
        !(*name == CONNECTION
            || *name == KEEP_ALIVE
            || *name == PROXY_CONNECTION
            || *name == TRANSFER_ENCODING
            || *name == UPGRADE
            || also(name)
            || named.contains(name))
    });
}

/// Puts the agreed authority into `Host`, and what HTTP/2 keeps apart together.
pub fn finish_request(parts: &mut Parts, target: &RequestTarget, te_trailers: bool) {
    let authority = target.authority();
    let same = parts.headers.get(HOST).is_some_and(|host| host.as_bytes() == authority.as_bytes());
    if !same && let Ok(value) = HeaderValue::try_from(authority) {
        if parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, value);
        } else {
            // Origins expect it first (RFC 9112 section 3.2).
            let mut headers = HeaderMap::with_capacity(parts.headers.len() + 1);
            headers.insert(HOST, value);
            headers.extend(std::mem::take(&mut parts.headers));
            parts.headers = headers;
        }
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    if te_trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// HTTP/2 clients may send a cookie in crumbs; HTTP/1 wants one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: SmallVec<[&[u8]; 4]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    let joined = crumbs.join(&b"; "[..]);
    drop(crumbs);
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, value);
    }
}

/// Makes the framing fields fit the body that is sent. An empty body of a method that usually has one is sent
/// with `Content-Length: 0`.
pub fn frame_request(parts: &mut Parts, body: &RequestBody) {
    if body.is_empty() {
        retain(&mut parts.headers, |name| name != EXPECT);
        let had_length = parts.headers.contains_key(CONTENT_LENGTH);
        let usual = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if had_length || usual {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        }
        return;
    }
    match body.size_hint().exact() {
        Some(length) => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => retain(&mut parts.headers, |name| name != CONTENT_LENGTH),
    }
}

/// Whether a list-valued field has a token, without regard to case or parameters.
pub fn has_token(value: &HeaderValue, token: &str) -> bool {
    value.as_bytes().split(|b| *b == b',').any(|item| {
        let name = item.split(|b| *b == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(token.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn fields_of_the_hop_go_and_the_others_keep_their_order() {
        let mut headers = map(&[
            ("host", "a"),
            ("connection", "close, X-Drop ,host,content-length"),
            ("x-drop", "1"),
            ("te", "gzip, Trailers;q=0.5"),
            ("proxy-authorization", "Basic fake"),
            ("x-keep", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        assert!(strip_request(&mut headers));
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["host", "x-keep", "content-length", "accept"]);
    }

    #[test]
    fn alternative_services_do_not_reach_the_client() {
        let mut headers = map(&[("alt-svc", "h3=\":443\""), ("server", "x"), ("keep-alive", "timeout=5")]);
        strip_response(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["server"]);
    }
}
