//! `GET /api/v1/principals/:id/effective_config/diff?from=<revision>`: what a principal gets now against what it was
//! shown to get. Where the earlier view comes from: docs/decisions/0016-views-that-were-shown.md.

use centaur_base::Secret;
use centaur_base::oid::PrincipalId;
use centaur_store::{ReadTx, Store, StoreError};
use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::principals;
use super::routes::{Routes, route};
use super::target::{found, oid};
use crate::app::log;
use crate::effective::diff;
use crate::openapi::{Parameter, Verb, integer, reference};
use crate::sync::{Load, World};
use crate::wire::ApiError;

pub(super) fn routes() -> Routes {
    let from = Parameter::query("from", integer(Some(0), None)).required().example(1);
    let operation = principals::RESOURCE
        .of_one(
            "diffEffectiveConfig",
            "What a principal's proxies get now, against what they were shown to get",
        )
        .with([from])
        .gives(200, "The difference", reference("EffectiveDiff"));
    route("/api/v1/principals/{id}/effective_config/diff", Verb::Get, operation, compared)
}

async fn compared(call: Call) -> Result {
    let text = call.query.required("from")?;
    let from: i64 = text
        .parse()
        .ok()
        .filter(|from| *from >= 0)
        .ok_or_else(|| ApiError::bad_request("from must be a revision"))?;
    let id: PrincipalId = oid(call.param(0), principals::TYPE)?;
    let mut tx = call.read().await?;
    let row = found(tx.principal(id).await?, principals::TYPE, call.param(0))?;
    let kept = tx.kept_views(id).await?;
    let Some(before) = tx.kept_view(id, from).await? else {
        return Err(ApiError::unknown_view(from, &kept).into());
    };
    let now = view(&mut tx, id, &call).await?;
    drop(tx);
    let before: Value = serde_json::from_str(&before)
        .map_err(|_| StoreError::Inconsistent { table: "config_views", detail: "body".to_owned() })?;
    if !kept.contains(&row.config_version) {
        keep(call.app.store(), id, &row.namespace, row.config_version, &now.to_string()).await;
    }
    let mut data = json!({ "id": id, "from": from, "to": row.config_version });
    if let Value::Object(data) = &mut data {
        data.extend(diff(&before, &now));
    }
    Ok(Answer::body(json!({ "data": data })))
}

/// What the principal alone gets, without values.
async fn view(tx: &mut ReadTx, id: PrincipalId, call: &Call) -> Result<Value> {
    let load = Load { principal: Some(id), fallback: None, mode: None };
    let config = call.app.config();
    let world = World::load(tx, load, false, call.app.engine().parts(), config).await?;
    Ok(world.assemble(config, &[]).payload.redacted(&id.to_string()))
}

/// Keeps what was shown. That it cannot be kept is no reason not to show it.
pub(super) async fn keep(store: &Store, principal: PrincipalId, namespace: &str, version: i64, body: &str) {
    let body = Secret::new(body.to_owned());
    if let Err(error) = store.keep_view(principal, namespace, version, &body).await {
        log("warn", "cannot keep a view of a configuration", &[("error", &error.to_string())]);
    }
}
