//! A request by somebody whose API key is good.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use bytes::Bytes;
use centaur_store::{Actor, ApiKey, ReadTx, TokenHash, UserStatus, Who, Work, WriteTx};
use http::header::{AUTHORIZATION, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::access_log::Caller;
use super::answer::Result;
use super::failure::Failure;
use super::reaches::Reaches;
use super::shell::{Peer, RequestId};
use crate::app::{App, log};
use crate::config::is_token;
use crate::sign_in::network;
use crate::wire::{self, ApiError, Attributes, MAX_BODY_BYTES, Query};

/// All that a handler may use.
pub(super) struct Call {
    pub(super) app: App,
    pub(super) key: ApiKey,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    params: Vec<String>,
    body: Bytes,
    actor: Actor,
    reaches: Option<Reaches>,
}

impl Call {
    /// A captured segment of the path, percent-decoded, by its place.
    pub(super) fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    /// The attributes under `data`. Each attempt of a transaction reads them anew, for reading takes values out.
    pub(super) fn attributes(&self) -> Result<Attributes> {
        Ok(wire::attributes(&self.body)?)
    }

    /// The attributes of an action, which may have none.
    pub(super) fn action(&self) -> Result<Attributes> {
        Ok(wire::action(&self.body)?)
    }

    pub(super) async fn read(&self) -> Result<ReadTx> {
        Ok(self.app.store().read_within(self.key.namespace.clone()).await?)
    }

    /// Runs a transaction in the caller's name; `work` may run several times.
    pub(super) async fn write<'c, T, F>(&'c self, work: F) -> Result<T>
    where
        F: for<'t> Fn(&'t mut WriteTx<'c>, &'c Self) -> Work<'t, T, Failure>,
    {
        let written = self.app.store().write_numbered(&self.actor, |tx| work(tx, self)).await;
        let (written, reached) = written?;
        if let (Some(number), Some(reaches)) = (reached, &self.reaches) {
            reaches.note(number);
        }
        Ok(written)
    }

    /// 412 unless `If-Match` is absent or names the revision; `None` is an object that is not there.
    pub(super) fn expect_revision(&self, current: Option<i64>) -> Result<()> {
        let Some(value) = self.headers.get(IF_MATCH) else { return Ok(()) };
        let text = value.to_str().unwrap_or_default();
        let named = |tag: &str| {
            current.is_some_and(|current| tag == "*" || tag.trim_matches('"') == current.to_string())
        };
        if text.split(',').map(str::trim).any(named) {
            return Ok(());
        }
        Err(ApiError::stale_revision(current.unwrap_or_default()).into())
    }
}

impl FromRequest<App> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let (key, who) = authenticate(&parts, app).await?;
        if let Some(caller) = parts.extensions.get::<Caller>() {
            caller.is(key.id);
        }
        if key.read_only && !reads(&parts) {
            return Err(ApiError::read_only_key().into());
        }
        let params = params(&mut parts, app).await?;
        let query = parts.uri.query().unwrap_or_default();
        if query.contains("%00") {
            return Err(ApiError::bad_request("the query must not contain NUL").into());
        }
        let query = Query::parse(query);
        let body = if matches!(parts.method, Method::GET | Method::DELETE) {
            Bytes::new()
        } else {
            read(body).await?
        };
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        let address = Some(address(&parts, app).to_string());
        let scope = key.namespace.clone();
        let reaches = parts.extensions.get::<Reaches>().cloned();
        let actor = Actor { who, as_operator: false, request_id, address, scope };
        Ok(Self { app: app.clone(), key, query, headers: parts.headers, params, body, actor, reaches })
    }
}

/// The key and its user; a key that is good is never refused for the failures of others.
async fn authenticate(parts: &Parts, app: &App) -> Result<(ApiKey, Who)> {
    let found = match bearer(&parts.headers).filter(|token| is_token(token, "iak_")) {
        Some(token) => app.store().read().await?.api_key_by_token(&TokenHash::of(token)).await?,
        None => None,
    };
    let Some((key, user)) = found.filter(|(_, user)| user.status == UserStatus::Active) else {
        return Err(failed(parts, app, ApiError::invalid_api_key()));
    };
    if !user.admin && !is_of_keys(parts.uri.path()) {
        return Err(ApiError::forbidden().into());
    }
    let now = app.store().clock().now();
    if key.last_used_at.is_none_or(|at| now.0 - at.0 >= MINUTE)
        && let Err(error) = app.store().touch_api_key(key.id).await
    {
        // It is for display alone.
        log("warn", "cannot note the use of an API key", &[("error", &error.to_string())]);
    }
    let who = Who::ApiKey(key.id, user.id);
    Ok((key, who))
}

/// Whether a request leaves everything as it is. A dry run only looks, though it has a body.
fn reads(parts: &Parts) -> bool {
    let is_dry_run = parts.uri.path().ends_with("/dry_run");
    matches!(parts.method, Method::GET | Method::HEAD) || (parts.method == Method::POST && is_dry_run)
}

/// In microseconds.
const MINUTE: i64 = 60_000_000;

/// What users who are no administrators may use.
fn is_of_keys(path: &str) -> bool {
    path.strip_prefix("/api/v1/api_keys").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The token behind exactly `Bearer `; more white space before it does not matter.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim_start)
}

/// Counts a failure, and says whether there were too many.
pub(super) fn failed(parts: &Parts, app: &App, error: ApiError) -> Failure {
    let is_proxy = error.code == Some("invalid_token");
    app.metrics().failed_authentication(if is_proxy { "proxy_token" } else { "api_key" });
    app.failed_auth().note(address(parts, app)).map_or(Failure::Api(error), Failure::TooManyFailures)
}

fn address(parts: &Parts, app: &App) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    network::client(peer, &app.config().sign_in.trusted_proxies, &parts.headers)
}

async fn params(parts: &mut Parts, app: &App) -> Result<Vec<String>> {
    let unmatched = || Failure::from(ApiError::unmatched_route());
    let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unmatched())?;
    let params: Vec<_> = params.iter().map(|(_, value)| value.to_owned()).collect();
    // No id and no name holds one, and PostgreSQL has no text with it.
    if params.iter().any(|value| value.contains('\0')) { Err(unmatched()) } else { Ok(params) }
}

/// The body, as far as it may be.
pub(super) async fn read(body: Body) -> Result<Bytes> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(ApiError::body_too_large().into())
        }
        Err(_) => Err(ApiError::bad_request("the body ended too early").into()),
    }
}
