//! What a principal's proxies get, without values: the redacted view, why, and what would happen to a request.

use axum::response::{IntoResponse as _, Response};
use centaur_base::oid::PrincipalId;
use centaur_store::{FallbackMode, Name, Principal, ReadTx};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::answer::{Answer, Result, json as json_response};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, found_named, oid};
use super::{effective_diff, principals};
use crate::effective::{Probe, dry_run, etag, explain, matches_etag};
use crate::openapi::{Operation, Parameter, Verb, list_of, reference, text, words};
use crate::sync::{Load, World};
use crate::wire::ApiError;

pub(super) fn routes() -> Routes {
    const VIEW: &str = "/api/v1/principals/{id}/effective_config";
    const NAMED: &str = "/api/v1/principals/lookup/{namespace}/{foreign_id}/effective_config";
    let principal = principals::RESOURCE;
    let view = principal.of_one("getEffectiveConfig", "What a principal's proxies get, without values");
    let named = principal.other("lookUpEffectiveConfig", "The same, by namespace and foreign id");
    let explain = principal
        .of_one("explain", "Every secret that some grant of a principal reaches, and what became of it");
    let explain = explain.with(asks()).gives(200, "All of them", list_of(reference("Explanation")));
    let dry_run = principal
        .of_one("dryRun", "Which secrets would be put where, in a request that nobody sends")
        .with(asks())
        .takes(reference("DryRunWrite"))
        .gives(200, "What would happen", reference("DryRun"));
    route(VIEW, Verb::Get, viewed(view), of_id)
        .merge(route(NAMED, Verb::Get, viewed(named.with(Parameter::names())), of_name))
        .merge(route("/api/v1/principals/{id}/explain", Verb::Get, explain, explained))
        .merge(route("/api/v1/principals/{id}/dry_run", Verb::Post, dry_run, tried))
}

/// What the views of a principal may be asked for.
fn asks() -> [Parameter; 3] {
    [
        Parameter::query("exclude_roles", text()),
        principals::RESOURCE.filter("fallback_principal_id"),
        Parameter::query("fallback_mode", words(&["per-target", "when-empty", "never"])),
    ]
}

fn viewed(operation: Operation) -> Operation {
    operation
        .with(asks())
        .with([Parameter::head("If-None-Match", text())])
        .gives(200, "The configuration", reference("EffectiveConfig"))
        .head("ETag", "Of the body")
        .head("X-Config-Revision", "For a later comparison; absent where something was excluded or added")
        .empty(304, "It is still the one that `If-None-Match` names")
}

async fn of_id(call: Call) -> Result<Response> {
    let id = oid(call.param(0), principals::TYPE)?;
    let tx = call.read().await?;
    let shown = view(&call, tx, id).await?;
    found(shown, principals::TYPE, call.param(0))
}

async fn of_name(call: Call) -> Result<Response> {
    let mut tx = call.read().await?;
    let (namespace, foreign_id) = (call.param(0), call.param(1));
    let row = tx.principal_named(&Name::new(namespace, foreign_id)).await?;
    let row = found_named(row, principals::TYPE, namespace, foreign_id)?;
    let shown = view(&call, tx, row.id).await?;
    found_named(shown, principals::TYPE, namespace, foreign_id)
}

/// `None` when there is no such principal.
async fn view(call: &Call, mut tx: ReadTx, id: PrincipalId) -> Result<Option<Response>> {
    let (load, exclude) = (asked(call, &mut tx, id).await?, excluded(call));
    let world = loaded(call, &mut tx, load, false).await?;
    let Some((row, version)) = world.principal() else { return Ok(None) };
    // Of the principal alone: what a later difference is taken against.
    let is_plain = exclude.is_empty() && load.fallback.is_none();
    let is_kept = !is_plain || tx.kept_views(id).await?.contains(&version);
    drop(tx);
    let effective = world.assemble(call.app.config(), &exclude);
    let body = effective.payload.redacted(&row.oid).to_string();
    if !is_kept {
        effective_diff::keep(call.app.store(), id, &row.namespace, version, &body).await;
    }
    let tag = etag(&body);
    let sent = call.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if sent.is_some_and(|sent| matches_etag(sent, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json_response(StatusCode::OK, body)
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    if is_plain {
        response.headers_mut().insert("x-config-revision", HeaderValue::from(version));
    }
    Ok(Some(response))
}

/// Every credential that some grant reaches, with what became of it.
async fn explained(call: Call) -> Result {
    let mut tx = call.read().await?;
    let row = principal(&mut tx, call.param(0)).await?;
    let load = asked(&call, &mut tx, row.id).await?;
    let world = loaded(&call, &mut tx, load, true).await?;
    drop(tx);
    let effective = world.assemble(call.app.config(), &excluded(&call));
    Ok(Answer::body(json!({ "data": explain(&effective.explained) })))
}

/// Which credentials would be put where, in a request that nobody sends.
async fn tried(call: Call) -> Result {
    let probe = Probe::parse(&mut call.attributes()?)?;
    let mut tx = call.read().await?;
    let row = principal(&mut tx, call.param(0)).await?;
    let load = asked(&call, &mut tx, row.id).await?;
    let world = loaded(&call, &mut tx, load, false).await?;
    drop(tx);
    let exclude = excluded(&call);
    let effective = world.assemble(call.app.config(), &exclude);
    let input = world.input(call.app.config(), &exclude);
    Ok(Answer::body(json!({ "data": dry_run(&effective, &input, &probe) })))
}

async fn loaded(call: &Call, tx: &mut ReadTx, load: Load, with_expired: bool) -> Result<World> {
    Ok(World::load(tx, load, with_expired, call.app.engine().parts(), call.app.config()).await?)
}

async fn principal(tx: &mut ReadTx, text: &str) -> Result<Principal> {
    let id: PrincipalId = oid(text, principals::TYPE)?;
    found(tx.principal(id).await?, principals::TYPE, text)
}

/// The principal, with the fallback that the query may name (`fallback_principal_id`, `fallback_mode`), as a proxy's
/// record does.
async fn asked(call: &Call, tx: &mut ReadTx, id: PrincipalId) -> Result<Load> {
    let text = |key: &str| call.query.value(key).filter(|text| !text.is_empty());
    let fallback = match text("fallback_principal_id") {
        Some(id) => Some(principal(tx, id).await?.id),
        None => None,
    };
    let mode = text("fallback_mode").map(|mode| {
        let problem = || ApiError::bad_request("fallback_mode must be one of per-target, when-empty, never");
        FallbackMode::parse(mode).ok_or_else(problem)
    });
    Ok(Load { principal: Some(id), fallback, mode: mode.transpose()? })
}

/// `exclude_roles`: foreign ids of roles whose grants do not count.
fn excluded(call: &Call) -> Vec<String> {
    let text = call.query.value("exclude_roles").unwrap_or_default();
    text.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect()
}
