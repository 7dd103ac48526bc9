//! `POST /api/v1/proxy/sync`: what a proxy gets, and waiting until it gets something else.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use centaur_store::{Seen, TokenHash};
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::access_log::Caller;
use super::answer::{Result, json};
use super::call::{bearer, failed, read};
use super::failure::{Failure, unavailable};
use super::routes::{Routes, route};
use crate::app::App;
use crate::config::is_token;
use crate::effective::sync_body;
use crate::metrics::Answering;
use crate::openapi::{Operation, Parameter, Verb, reference, text};
use crate::sync::{Current, SyncError};
use crate::wire::{self, ApiError};

/// The longest that an answer is put off, in seconds; proxies and what is between have limits of a minute.
const LONGEST: u64 = 55;
/// How many configurations a proxy has put in force; in an answer, the number of the change that made this one.
pub(super) const GENERATION: HeaderName = HeaderName::from_static("x-config-generation");
/// The hash of the configuration that a proxy refused.
const REJECTED: HeaderName = HeaderName::from_static("x-config-rejected");

pub(super) fn routes() -> Routes {
    let heads =
        ["Prefer", "X-Config-Generation", "X-Config-Rejected"].map(|name| Parameter::head(name, text()));
    let operation = Operation::new(
        "sync",
        "proxy",
        "What a proxy gets; with `Prefer: wait=55`, when it is something else",
    )
    .by_proxy()
    .with(heads)
    .may_take_flat(reference("SyncRequest"))
    .answers(200, "The hash alone when the proxy has it, else everything", reference("SyncAnswer"))
    .head("X-Config-Max-Age", "For how long, in seconds, credentials may be used without another answer")
    .head("Preference-Applied", "`wait`, when it was asked for")
    .head("X-Config-Generation", "The number of the change that made it, for who speaks of it");
    route("/api/v1/proxy/sync", Verb::Post, operation, sync)
}

async fn sync(State(app): State<App>, request: Request<Body>) -> Result<Response> {
    let mut counted = app.metrics().sync.answering();
    let answer = answer_to(&app, request, &mut counted).await;
    answer.inspect_err(|failure| counted.refused(failure.outcome()))
}

async fn answer_to(app: &App, request: Request<Body>, counted: &mut Answering) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let token = bearer(&parts.headers).filter(|token| is_token(token, "iprx_")).map(TokenHash::of);
    let token = token.ok_or_else(|| failed(&parts, app, ApiError::invalid_proxy_token()))?;
    let asks = Asks { app: app.clone(), token, wait: wait(&parts.headers), parts };
    // The token before the body, so that strangers have nothing read.
    let current = asks.now(asks.wait.is_some()).await?;
    if let Some(caller) = asks.parts.extensions.get::<Caller>() {
        caller.is(&current.proxy.oid);
    }
    let supplied = wire::config_hash(
        &tokio::time::timeout(READ_WITHIN, read(body))
            .await
            .unwrap_or_else(|_| Err(ApiError::bad_request("the body ended too early").into()))?,
    )?;
    let supplied = supplied.as_deref();
    asks.note(&current, supplied);
    let mut current = match asks.wait {
        Some(wait) if supplied == Some(&current.hash) => {
            counted.put_off();
            asks.another(current, wait).await?
        }
        _ => current,
    };
    let is_another = supplied != Some(&current.hash);
    if is_another && current.lists.is_none() {
        current = asks
            .app
            .engine()
            .whole(asks.app.config(), &asks.token)
            .await
            .map_err(|error| asks.failed(error))?;
    }
    counted.answered(is_another);
    Ok(asks.answer(&current, supplied))
}

/// How long the flat body may take.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// One sync.
struct Asks {
    app: App,
    token: TokenHash,
    /// How long it may wait for a change.
    wait: Option<Duration>,
    parts: Parts,
}

impl Asks {
    async fn now(&self, wake: bool) -> Result<Current> {
        let now = self.app.engine().current(self.app.config(), &self.token, wake).await;
        now.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: SyncError) -> Failure {
        match error {
            SyncError::Unknown => failed(&self.parts, &self.app, ApiError::invalid_proxy_token()),
            // Never counted as a failure: a proxy has to learn that it is revoked.
            SyncError::Revoked => ApiError::proxy_revoked().into(),
            SyncError::Rebuilding => ApiError::not_ready().into(),
            SyncError::Unread => unavailable().into(),
            SyncError::Store(error) => Failure::from(error),
            SyncError::Unbuilt(error) => Failure::Store(error),
        }
    }

    /// Waits until the configuration is another one than `current`, which the proxy has, or for `wait`.
    async fn another(&self, mut current: Current, wait: Duration) -> Result<Current> {
        let (engine, end) = (self.app.engine(), Instant::now() + wait);
        let _waiting = engine.waiting();
        let mut stopping = self.app.stopping();
        let had = current.hash.clone();
        while current.hash == had {
            let Some(mut wake) = current.wake.take() else {
                // It was built just now; the one that is kept comes with a wake.
                current = self.now(true).await?;
                continue;
            };
            let (is_woken, is_over) = tokio::select! {
                () = wake.woken() => (true, false),
                () = sleep_until(self.changes_at(&current).min(end)) => (false, Instant::now() >= end),
                _ = stopping.wait_for(|stopping| *stopping) => (false, true),
            };
            if is_woken {
                current =
                    engine.woken(self.app.config(), &self.token).await.map_err(|error| self.failed(error))?;
                // The same configuration by another change: the proxy has that one as well.
                self.note(&current, Some(&had));
                continue;
            }
            current = self.now(!is_over).await?;
            if is_over {
                break;
            }
        }
        Ok(current)
    }

    /// When the passing of time alone changes the configuration; a little later, so that it has passed.
    fn changes_at(&self, current: &Current) -> Instant {
        let far = Duration::from_secs(LONGEST);
        let now = self.app.store().clock().now().0;
        let left = current.changes_at.map(|at| at.0.saturating_sub(now).max(0).unsigned_abs());
        let left = left.map_or(far, |left| Duration::from_micros(left).min(far));
        Instant::now() + left + Duration::from_millis(1)
    }

    /// Keeps what the proxy tells; a hash only while the configuration is the one it was told for.
    fn note(&self, current: &Current, supplied: Option<&str>) {
        let headers = &self.parts.headers;
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let is_hash = |hash: &str| hash.len() <= LONGEST_HASH && !hash.contains(char::is_control);
        let client = text(USER_AGENT).map(|text| text.chars().take(LONGEST_AGENT).collect());
        self.app.engine().note(Seen {
            proxy: current.proxy.id,
            at: self.app.store().clock().now(),
            config_hash: supplied.filter(|hash| is_hash(hash)).map(str::to_owned),
            client_version: client,
            applied_generation: text(GENERATION).and_then(|text| text.parse().ok()),
            rejected_config_hash: text(REJECTED).filter(|hash| is_hash(hash)).map(str::to_owned),
            acknowledges: (supplied == Some(&current.hash)).then(|| current.acknowledged()),
        });
    }

    fn answer(&self, current: &Current, supplied: Option<&str>) -> Response {
        let lists = current.lists.as_ref().map_or("", |lists| lists.as_str());
        let body = sync_body(lists, &current.hash, supplied, current.proxy.assignment.as_ref());
        let mut response = json(StatusCode::OK, body);
        let headers = response.headers_mut();
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        headers.insert("x-config-max-age", HeaderValue::from(self.app.config().max_age.as_secs()));
        if self.wait.is_some() {
            headers.insert("preference-applied", HeaderValue::from_static("wait"));
        }
        // Who does not speak of it gets exactly the answer of the reference.
        if self.wait.is_some() || self.parts.headers.contains_key(GENERATION) {
            headers.insert(GENERATION, HeaderValue::from(current.generation));
        }
        response
    }
}

/// `Prefer: wait=N` (RFC 7240 4.3), held to what is offered; `None` unless it is asked for.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let items = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = items.flat_map(|text| text.split([',', ';'])).find_map(|item| {
        let (name, value) = item.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("wait").then(|| value.parse::<u64>().ok()).flatten()
    })?;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(LONGEST)))
}

/// Of `User-Agent`, in characters.
const LONGEST_AGENT: usize = 255;
/// Of a hash that is kept for display, in bytes.
const LONGEST_HASH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_read_as_a_preference_and_held_to_the_longest() {
        for (prefer, want) in [
            ("wait=5", Some(5)),
            ("respond-async, wait=10", Some(10)),
            ("Wait=\"7\"", Some(7)),
            ("wait=99999", Some(LONGEST)),
            ("wait=0", None),
            ("wait=-1", None),
            ("wait", None),
            ("waiting=5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(prefer));
            assert_eq!(wait(&headers).map(|wait| wait.as_secs()), want, "{prefer}");
        }
        assert_eq!(wait(&HeaderMap::new()), None);
    }
}
