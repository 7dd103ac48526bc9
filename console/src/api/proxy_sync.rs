//! `POST /api/v1/proxy/sync`: what a proxy gets, and waiting until it gets something else.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use centaur_store::{Seen, TokenHash};
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::access_log::Caller;
use super::answer::{Result, json};
use super::call::{bearer, failed, read};
use super::failure::Failure;
use crate::app::{App, log};
use crate::config::is_token;
use crate::effective::sync_body;
use crate::metrics::Answering;
use crate::sync::{Current, SyncError};
use crate::wire::{self, ApiError};

/// The longest that an answer is put off, in seconds; proxies and what is between have limits of a minute.
const LONGEST: u64 = 55;
/// How often what a proxy tells is written, when nothing in it is new; microseconds.
const NOTE_EVERY: i64 = 30_000_000;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/proxy/sync", post(sync))
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
    let wait = wait(&parts.headers);
    let mut waiter = wait.map(|_| app.engine().waiter(app.store()));
    // The token before the body, so that strangers have nothing read.
    let mut current = now(app, &token, &parts).await?;
    if let Some(caller) = parts.extensions.get::<Caller>() {
        caller.is(current.proxy.id);
    }
    let supplied = wire::config_hash(
        &tokio::time::timeout(READ_WITHIN, read(body))
            .await
            .unwrap_or_else(|_| Err(ApiError::bad_request("the body ended too early").into()))?,
    )?;
    note(app, &current, supplied.as_deref(), &parts.headers).await;
    let mut stopping = app.stopping();
    let end = Instant::now() + wait.unwrap_or_default();
    while let Some(waiter) = waiter.as_mut().filter(|_| supplied.as_deref() == Some(current.hash.as_str())) {
        counted.put_off();
        tokio::select! {
            () = waiter.changed() => {}
            () = sleep_until(changes_at(app, &current).min(end)) => {}
            _ = stopping.wait_for(|stopping| *stopping) => break,
        }
        current = now(app, &token, &parts).await?;
        if Instant::now() >= end {
            break;
        }
    }
    counted.answered(supplied.as_deref() != Some(current.hash.as_str()));
    Ok(answer(app, &current, supplied.as_deref(), wait.is_some()))
}

/// How long the flat body may take.
const READ_WITHIN: Duration = Duration::from_secs(10);

async fn now(app: &App, token: &TokenHash, parts: &Parts) -> Result<Current> {
    app.engine().current(app.store(), app.config(), token).await.map_err(|error| match error {
        SyncError::Unknown => failed(parts, app, ApiError::invalid_proxy_token()),
        // Never counted as a failure: a proxy has to learn that it is revoked.
        SyncError::Revoked => ApiError::proxy_revoked().into(),
        SyncError::Rebuilding => ApiError::not_ready().into(),
        SyncError::Store(error) => Failure::from(error),
    })
}

fn answer(app: &App, current: &Current, supplied: Option<&str>, waited: bool) -> Response {
    let body = sync_body(current.built.payload(), &current.hash, supplied, current.assignment.as_ref());
    let mut response = json(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert("x-config-max-age", HeaderValue::from(app.config().max_age.as_secs()));
    if waited {
        headers.insert("preference-applied", HeaderValue::from_static("wait"));
    }
    response
}

/// When the passing of time alone changes the configuration; a little later, so that it has passed.
fn changes_at(app: &App, current: &Current) -> Instant {
    let far = Duration::from_secs(LONGEST);
    let now = app.store().clock().now().0;
    let left = current.built.changes_at().map(|at| at.0.saturating_sub(now).max(0).unsigned_abs());
    Instant::now() + left.map_or(far, |left| Duration::from_micros(left).min(far)) + Duration::from_millis(1)
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

/// Keeps what the proxy tells, when it is new or some time has passed. A failure costs the proxy nothing.
async fn note(app: &App, current: &Current, supplied: Option<&str>, headers: &HeaderMap) {
    let proxy = &current.proxy;
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let client = client.map(|text| text.chars().take(LONGEST_AGENT).collect::<String>());
    let supplied = supplied.filter(|hash| hash.len() <= LONGEST_HASH && !hash.contains(char::is_control));
    let is_current = supplied == Some(current.hash.as_str());
    let acknowledges = is_current.then_some(proxy.assignment);
    let is_old = proxy.last_seen_at.is_none_or(|at| app.store().clock().now().0 - at.0 >= NOTE_EVERY);
    let is_told = proxy.last_config_hash.as_deref() == supplied && proxy.client_version == client;
    if is_told && !is_old && acknowledges.is_none_or(|assignment| assignment == proxy.acknowledged) {
        return;
    }
    let seen = Seen { config_hash: supplied.map(str::to_owned), acknowledges, client_version: client };
    if let Err(error) = app.store().note_sync(proxy.id, &seen).await {
        log("warn", "cannot note a sync", &[("error", &error.to_string())]);
    }
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
