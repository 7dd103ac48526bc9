//! `/api/v1/proxies`

use std::time::Duration;

use centaur_base::oid::{PrincipalId, ProxyId};
use centaur_store::{FallbackMode, Micros, Proxy, ProxyPatch, ReadTx, TokenHash};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, oid};
use super::{list, new_token, principals};
use crate::openapi::{Resource, Verb, reference};
use crate::wire::{ApiError, Attributes, Details, Reader, is_blank, required_name, timestamp};

pub(super) const TYPE: &str = "Proxy";
/// How long the old token stays good unless it is said otherwise, in seconds.
const GRACE: u64 = 60;
/// The longest that can be asked for, in seconds: a day.
const MOST_GRACE: u64 = 86_400;

pub(super) const RESOURCE: Resource = Resource {
    collection: "proxies",
    schema: "Proxy",
    noun: "proxy",
    prefix: "prx",
    example: "prx_42w9YMR0",
};

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/proxies";
    const ITEM: &str = "/api/v1/proxies/{id}";
    let list = RESOURCE.list().with([principals::RESOURCE.filter("principal_id")]).fails(&[404]);
    let create = RESOURCE.other("createProxy", "Register a proxy").numbered().takes(reference("ProxyWrite"));
    let create = create.gives(201, "Created", reference("NewProxy")).fails(&[404]);
    let rotate =
        RESOURCE.of_one("rotateProxyToken", "Give a proxy another token").may_take(reference("RotateToken"));
    let rotate = rotate.numbered().gives(200, "The new token", reference("NewProxy"));
    route(PATH, Verb::Get, list, all)
        .merge(route(PATH, Verb::Post, create, self::create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.update(), update))
        .merge(route(ITEM, Verb::Delete, RESOURCE.delete(), delete))
        .merge(route("/api/v1/proxies/{id}/rotate_token", Verb::Post, rotate, self::rotate))
}

async fn all(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    call.app.engine().settle().await;
    let mut tx = call.read().await?;
    let principal = match call.query.value("principal_id").filter(|text| !text.is_empty()) {
        Some(text) => Some(principal(&mut tx, text).await?),
        None => None,
    };
    let listed = tx.proxies(principal, rows).await?;
    let now = tx.now();
    Ok(list::listed(page, listed, |row| shown(row, now)))
}

async fn one(call: Call) -> Result {
    let id: ProxyId = oid(call.param(0), TYPE)?;
    call.app.engine().settle().await;
    let mut tx = call.read().await?;
    let row = found(tx.proxy(id).await?, TYPE, call.param(0))?;
    Ok(Answer::one(shown(&row, tx.now())))
}

/// The token is shown here and never again.
async fn create(call: Call) -> Result {
    let token = new_token("iprx_").map_err(|_| ApiError::internal())?;
    let hash = TokenHash::of(token.expose());
    let made = call
        .write(move |tx, call| {
            Box::pin(async move {
                let patch = patch(tx, &mut call.attributes()?, true).await?;
                Ok(tx.create_proxy(&patch, &hash).await?)
            })
        })
        .await?;
    let mut resource = written(&call, &made);
    resource.insert("token".to_owned(), token.expose().as_str().into());
    Ok(Answer::written(true, resource))
}

async fn update(call: Call) -> Result {
    let written = call.write(|tx, call| {
        Box::pin(async move {
            let id: ProxyId = oid(call.param(0), TYPE)?;
            let stored = found(tx.proxy(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            let patch = patch(tx, &mut call.attributes()?, false).await?;
            Ok(tx.update_proxy(id, &patch, None).await?)
        })
    });
    Ok(Answer::one(self::written(&call, &written.await?)))
}

/// A new token, shown here and never again; the old one goes after `grace_seconds`.
async fn rotate(call: Call) -> Result {
    let token = new_token("iprx_").map_err(|_| ApiError::internal())?;
    let hash = TokenHash::of(token.expose());
    let proxy = call
        .write(move |tx, call| {
            Box::pin(async move {
                let id: ProxyId = oid(call.param(0), TYPE)?;
                found(tx.proxy(id).await?, TYPE, call.param(0))?;
                let grace = match call.action()?.take("grace_seconds") {
                    None => GRACE,
                    Some(value) => {
                        value.as_u64().filter(|seconds| *seconds <= MOST_GRACE).ok_or_else(|| {
                            ApiError::invalid(
                                "grace_seconds",
                                format!("must be an integer from 0 to {MOST_GRACE}"),
                            )
                        })?
                    }
                };
                Ok(tx.rotate_proxy_token(id, &hash, Duration::from_secs(grace)).await?)
            })
        })
        .await?;
    let mut resource = written(&call, &proxy);
    resource.insert("token".to_owned(), token.expose().as_str().into());
    Ok(Answer::one(resource))
}

async fn delete(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let id: ProxyId = oid(call.param(0), TYPE)?;
            found(tx.proxy(id).await?, TYPE, call.param(0))?;
            Ok(tx.delete_proxy(id).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

/// What a request says: an absent attribute stays, null and a blank id clear.
async fn patch(tx: &mut ReadTx, attributes: &mut Attributes, create: bool) -> Result<ProxyPatch> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let name = (create || reader.has("name")).then(|| required_name(&mut reader)).flatten();
    let mut id = |key: &str| reader.has(key).then(|| reader.text(key).filter(|text| !is_blank(text)));
    let (principal_id, fallback_id) = (id("principal_id"), id("fallback_principal_id"));
    let fallback_mode = reader.has("fallback_mode").then(|| {
        let text = reader.text("fallback_mode").filter(|text| !is_blank(text))?;
        let mode = FallbackMode::parse(&text);
        if mode.is_none() {
            reader.reject("fallback_mode", "must be one of per-target, when-empty, never");
        }
        mode
    });
    problems.into_result()?;
    Ok(ProxyPatch {
        name,
        principal: named(tx, principal_id).await?,
        fallback_principal: named(tx, fallback_id).await?,
        fallback_mode,
    })
}

#[expect(clippy::option_option, reason = "a patch keeps, clears or sets: three states, as in the JSON")]
async fn named(tx: &mut ReadTx, id: Option<Option<String>>) -> Result<Option<Option<PrincipalId>>> {
    Ok(match id {
        None => None,
        Some(None) => Some(None),
        Some(Some(text)) => Some(Some(principal(tx, &text).await?)),
    })
}

async fn principal(tx: &mut ReadTx, text: &str) -> Result<PrincipalId> {
    let id: PrincipalId = oid(text, principals::TYPE)?;
    Ok(found(tx.principal(id).await?, principals::TYPE, text)?.id)
}

fn written(call: &Call, row: &Proxy) -> Map<String, Value> {
    shown(row, call.app.store().clock().now())
}

/// A proxy as it is at `now`.
pub(super) fn shown(row: &Proxy, now: Micros) -> Map<String, Value> {
    let at = |at: Option<Micros>| json!(at.map(|at| timestamp(at.0)));
    let status = if row.principal_id.is_some() { "assigned" } else { "unassigned" };
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(row.id));
    out.insert("name".to_owned(), json!(row.name));
    out.insert("principal_id".to_owned(), json!(row.principal_id));
    out.insert("status".to_owned(), status.into());
    out.insert("principal_assigned_at".to_owned(), at(row.principal_assigned_at));
    out.insert("created_at".to_owned(), timestamp(row.created_at.0).into());
    out.insert("updated_at".to_owned(), timestamp(row.updated_at.0).into());
    out.insert("fallback_principal_id".to_owned(), json!(row.fallback_principal_id));
    out.insert("fallback_mode".to_owned(), json!(row.fallback_mode));
    out.insert("last_seen_at".to_owned(), at(row.last_seen_at));
    out.insert("last_config_hash".to_owned(), json!(row.last_config_hash));
    out.insert("last_synced_at".to_owned(), at(row.last_synced_at));
    out.insert("client_version".to_owned(), json!(row.client_version));
    out.insert("generation".to_owned(), row.generation.into());
    out.insert("acknowledged_generation".to_owned(), json!(row.acknowledged_generation));
    out.insert("in_sync".to_owned(), row.in_sync(now).into());
    out.insert("applied_generation".to_owned(), json!(row.applied_generation));
    out.insert("rejected_config_hash".to_owned(), json!(row.rejected_config_hash));
    out.insert("created_by".to_owned(), json!(row.created_by));
    out.insert("revision".to_owned(), json!(row.revision));
    out
}
