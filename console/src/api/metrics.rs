//! `GET /metrics`: what is counted, for Prometheus.
//!
//! It holds no secret and no name, and no id but those of credentials. Still it is not for everybody (operations.md, section 6.1): by default those
//! in a private network get it, and everybody else needs an API key that is held to no namespace.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{FromRequest as _, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use centaur_store::StoreError;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use prometheus_client::encoding::prometheus_text;
use tokio::time::{Instant, timeout};

use super::answer::Result;
use super::call::Call;
use super::failure::Failure;
use super::routes::{Routes, route};
use super::shell::Peer;
use crate::app::{App, log};
use crate::config::MetricsFor;
use crate::openapi::{Operation, Verb};
use crate::wire::ApiError;

pub(super) fn routes() -> Routes {
    let operation = Operation::new("getMetrics", "health", "What is counted, for Prometheus")
        .open_to_some()
        .text(200, "The metrics")
        .fails(&[404]);
    route("/metrics", Verb::Get, operation, metrics)
}

async fn metrics(State(app): State<App>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let is_open = match app.config().metrics {
        MetricsFor::Nobody => return Err(ApiError::unmatched_route().into()),
        MetricsFor::Keys => false,
        MetricsFor::PrivateNetworks => is_near(&parts),
    };
    if !is_open {
        let call = Call::from_request(Request::from_parts(parts, body), &app).await?;
        if let Some(namespace) = &call.key.namespace {
            return Err(ApiError::outside_namespace(namespace).into());
        }
    }
    // A database that is away is what a scrape should show, so it does not stop one.
    let counts = async {
        app.engine().settle().await;
        let mut tx = app.store().read().await?;
        let proxies = tx.proxy_counts(SEEN_WITHIN).await?;
        Ok((proxies, tx.credentials_standing(MOST_CREDENTIALS).await?, tx.now()))
    };
    let counts =
        timeout(PATIENCE, counts).await.ok().and_then(|counts: std::result::Result<_, StoreError>| {
            let warn =
                |error: &StoreError| log("warn", "cannot count rows", &[("error", &error.to_string())]);
            counts.inspect_err(warn).ok()
        });
    let standing = counts.as_ref().map(|(_, standing, now)| (standing.as_slice(), *now));
    app.metrics().broker.set_standing(standing);
    app.metrics().set_proxies(counts.map(|(proxies, ..)| proxies));
    let mut response = app.metrics().render().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(prometheus_text::CONTENT_TYPE));
    Ok(response)
}

/// A proxy that asked within this time counts as seen: the longest wait, and how often it is noted.
const SEEN_WITHIN: Duration = Duration::from_mins(2);
/// Of how many dead credentials it tells, and of how many whose tokens end first.
const MOST_CREDENTIALS: u32 = 200;
/// How long a scrape waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the other end is in a private network, and nobody stands between who says that it speaks for another.
fn is_near(parts: &Parts) -> bool {
    let is_forwarded = FORWARDED.into_iter().any(|name| parts.headers.contains_key(name));
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    !is_forwarded && peer.is_some_and(is_private)
}

const FORWARDED: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// This machine, RFC 1918, the shared space of RFC 6598 (pods), unique local and link-local addresses.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || matches!(ip.octets(), [100, 64..=127, ..])
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Counts every request and how long its answer took; of one that is sent in parts, its head.
pub(super) async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let _in_flight = app.metrics().in_flight();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("unmatched", MatchedPath::as_str);
    app.metrics().answered(&method, path, response.status(), since.elapsed());
    response
}

impl Failure {
    /// What came of a sync that fails with it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::TooManyFailures(_) => "rate_limited",
            Self::Store(_) => "unavailable",
            Self::Api(error) => match (error.status, error.code) {
                (401, Some("proxy_revoked")) => "revoked",
                (401, _) => "unauthorized",
                (code, _) if code >= StatusCode::INTERNAL_SERVER_ERROR.as_u16() => "unavailable",
                _ => "refused",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_near_and_others_or_unknown_ones_are_not() {
        let near = |address: Option<&str>, forwarded: bool| {
            let mut request = http::Request::get("/metrics");
            if forwarded {
                request = request.header("x-forwarded-for", "192.0.2.7");
            }
            let (mut parts, ()) = request.body(()).expect("a request").into_parts();
            if let Some(address) = address {
                parts.extensions.insert(Peer(address.parse().expect("an address")));
            }
            is_near(&parts)
        };
        for address in [
            "127.0.0.1:1",
            "10.1.2.3:1",
            "172.16.0.1:1",
            "192.168.1.1:1",
            "100.64.0.9:1",
            "[::1]:1",
            "[fd00::1]:1",
        ] {
            assert!(near(Some(address), false), "{address}");
            assert!(!near(Some(address), true), "{address}, for somebody else");
        }
        for address in [
            "192.0.2.1:1",
            "172.32.0.1:1",
            "100.128.0.1:1",
            "0.0.0.0:1",
            "[2001:db8::1]:1",
            "[::ffff:192.0.2.1]:1",
        ] {
            assert!(!near(Some(address), false), "{address}");
        }
        assert!(near(Some("[::ffff:10.0.0.1]:1"), false));
        assert!(!near(None, false));
    }
}
