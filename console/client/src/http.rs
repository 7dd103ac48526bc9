//! What every call has in common: no redirects, limits on time and size, the system's roots, failures as texts without
//! addresses.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use zeroize::{Zeroize as _, Zeroizing};

use crate::base::BaseUrl;

/// Longest time until a connection stands.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// How often an HTTP/2 connection is tried, and how long that may take.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Size of the longest texts of a peer that are repeated in errors, in bytes.
const QUOTED: usize = 200;

/// Why there is no client: the TLS library refuses its own settings.
#[derive(Debug, thiserror::Error)]
#[error("setting up the HTTP client: {0}")]
pub struct SetupError(String);

/// A client that trusts the system's roots (or `SSL_CERT_FILE`, `SSL_CERT_DIR`), follows no redirect, so that a token
/// never reaches another host, and takes `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` from the environment, but reaches
/// this machine directly.
///
/// # Errors
/// [`SetupError`]
pub fn client(base: &BaseUrl, user_agent: &str) -> Result<reqwest::Client, SetupError> {
    let mut roots = RootCertStore::empty();
    // Roots that cannot be read show as a certificate that nothing vouches for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut tls =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder();
    if base.is_loopback() {
        builder = builder.no_proxy();
    }
    builder
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(2)
        .tcp_nodelay(true)
        // Of a connection that leads nowhere any more HTTP/2 hears only when it asks.
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PONG_WITHIN)
        .http2_keep_alive_while_idle(true)
        .user_agent(user_agent)
        .build()
        .map_err(|error| SetupError(error.to_string()))
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyFailure {
    /// It is larger than allowed.
    TooLarge,
    /// The connection broke.
    Broken(reqwest::Error),
}

/// The whole body, wiped when dropped.
pub(crate) async fn body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyFailure> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > limit {
        return Err(BodyFailure::TooLarge);
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(BodyFailure::Broken)? {
        if whole.len() + chunk.len() > limit {
            return Err(BodyFailure::TooLarge);
        }
        // A buffer that grows by itself would leave copies behind.
        if whole.capacity() - whole.len() < chunk.len() {
            let mut larger = Vec::with_capacity((whole.len() + chunk.len()) * 2);
            larger.extend_from_slice(&whole);
            whole.zeroize();
            whole = Zeroizing::new(larger);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}

/// What the HTTP library says, down to the cause and without the address.
pub(crate) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    quoted(&text, "")
}

/// A peer's text for a log: one line, cut off, without `secret`.
pub(crate) fn quoted(text: &str, secret: &str) -> String {
    let hidden = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "***") };
    let mut line: String =
        hidden.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect();
    if line.chars().count() < hidden.trim().chars().count() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_is_one_short_line_without_the_token() {
        let text = format!("a\r\nb\u{1b}[31m fake-token {}", "x".repeat(500));
        let shown = quoted(&text, "fake-token");
        assert!(shown.starts_with("a  b [31m *** xxx"), "{shown}");
        assert!(shown.chars().count() == QUOTED + 1 && !shown.contains("fake-token"), "{shown}");
        assert_eq!(quoted(" short ", ""), "short");
    }
}
