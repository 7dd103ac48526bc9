//! `POST /api/v1/proxy/sync`: a proxy says which configuration it has and gets another one if that is not the current
//! one.
//!
//! Additions to the first version of the call, which older consoles do not see and older proxies do not send:
//!
//! | Header | From | Meaning |
//! |---|---|---|
//! | `Prefer: wait=N` | proxy | answer when the configuration changes, at the latest after N seconds (RFC 7240 4.3) |
//! | `Preference-Applied: wait` | console | it did so |
//! | `X-Config-Generation` | proxy | how many configurations the proxy has put in force since its start |
//! | `X-Config-Generation` | console | the number of the change that made the configuration what it is |
//! | `X-Config-Rejected` | proxy | hash of the configuration that it last refused |
//! | `X-Config-Max-Age` | console | seconds for which credentials may be used without a further answer |

mod error;
mod payload;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

pub use self::error::SyncError;
pub use self::payload::{Member, Payload, PayloadError};
use crate::base::BaseUrl;
use crate::http::{self, BodyFailure, SetupError};
use crate::token::TokenSource;

/// Path of the call.
pub const PATH: &str = "/api/v1/proxy/sync";
/// How many configurations are in force or were, since the proxy started.
pub const GENERATION: &str = "x-config-generation";
/// Hash of the configuration that was last refused.
pub const REJECTED: &str = "x-config-rejected";
/// For how many seconds credentials may be used.
pub const MAX_AGE: &str = "x-config-max-age";

/// Longest time for an answer that nothing is waited for.
const WITHIN: Duration = Duration::from_secs(10);
/// Beside the time that was asked for, what a waiting answer may take longer.
const GRACE: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Largest error answer, in bytes; the rest is not read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// What a proxy says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// Hash of the configuration in force; empty before the first.
    pub config_hash: String,
    /// How many configurations have been put in force since the start.
    pub generation: u64,
    /// Hash of the configuration that was last refused, if the console still offers it.
    pub rejected: Option<String>,
    /// How long the console may wait for a change, in whole seconds; zero: not at all.
    pub wait: Duration,
}

/// An answer with status 200.
#[derive(Debug)]
pub struct Reply {
    /// Its body.
    pub payload: Payload,
    /// The console waits when it is asked to.
    pub waits: bool,
    /// For how long credentials may be used from now on, if it says so. Never zero.
    pub max_age: Option<Duration>,
}

/// Calls one console as one proxy.
pub struct SyncClient {
    http: reqwest::Client,
    url: reqwest::Url,
    token: TokenSource,
}

impl SyncClient {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(base: &BaseUrl, token: TokenSource, user_agent: &str) -> Result<Self, SetupError> {
        Ok(Self { http: http::client(base, user_agent)?, url: base.join(PATH), token })
    }

    /// One call. Dropping the future drops the request.
    ///
    /// # Errors
    /// [`SyncError`]
    pub async fn sync(&self, ask: &Ask) -> Result<Reply, SyncError> {
        let token = self.token.read()?;
        let limit = if ask.wait.is_zero() { WITHIN } else { ask.wait + GRACE };
        let call = async {
            let response = self.request(ask, token.expose())?.send().await.map_err(SyncError::unreachable)?;
            let (status, headers) = (response.status(), response.headers().clone());
            if status.as_u16() != 200 {
                let body = http::body(response, MAX_ERROR_BYTES).await.unwrap_or_default();
                return Err(SyncError::refused(
                    status.as_u16(),
                    &body,
                    http::retry_after(&headers),
                    token.expose(),
                ));
            }
            let body = http::body(response, MAX_BYTES).await.map_err(|failure| match failure {
                BodyFailure::TooLarge => SyncError::TooLarge { limit: MAX_BYTES },
                BodyFailure::Broken(error) => SyncError::unreachable(error),
            })?;
            Ok(Reply { payload: Payload::parse(&body)?, waits: waits(&headers), max_age: max_age(&headers) })
        };
        tokio::time::timeout(limit, call).await.unwrap_or(Err(SyncError::TimedOut { after: limit }))
    }

    fn request(&self, ask: &Ask, token: &str) -> Result<reqwest::RequestBuilder, SyncError> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| crate::token::TokenError::Unsendable)?;
        bearer.set_sensitive(true);
        let body = serde_json::json!({ "config_hash": ask.config_hash }).to_string();
        let mut request = self
            .http
            .post(self.url.clone())
            .header(AUTHORIZATION, bearer)
            .header("content-type", "application/json")
            .header(GENERATION, ask.generation)
            .body(body);
        if let Some(rejected) = ask.rejected.as_ref().and_then(|hash| HeaderValue::try_from(hash).ok()) {
            request = request.header(REJECTED, rejected);
        }
        if !ask.wait.is_zero() {
            request = request.header("prefer", format!("wait={}", ask.wait.as_secs().max(1)));
        }
        Ok(request)
    }
}

/// Whether `Preference-Applied` names `wait`.
fn waits(headers: &HeaderMap) -> bool {
    let applied = headers.get_all("preference-applied");
    let names = applied.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    names
        .map(|item| item.split(['=', ';']).next().unwrap_or_default().trim())
        .any(|name| name.eq_ignore_ascii_case("wait"))
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(MAX_AGE)?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
