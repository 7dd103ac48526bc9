//! `/api/v1/api_keys`: the caller's own.

use axum::Router;
use axum::routing::MethodFilter;
use centaur_base::oid::ApiKeyId;
use centaur_store::{ApiKey, TokenHash};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::target::{found, oid};
use super::{list, new_token, route};
use crate::app::App;
use crate::wire::{ApiError, Details, Reader, required_name, timestamp};

const TYPE: &str = "ApiKey";

pub(super) fn routes() -> Router<App> {
    const PATH: &str = "/api/v1/api_keys";
    route(PATH, MethodFilter::GET, all)
        .merge(route(PATH, MethodFilter::POST, create))
        .merge(route("/api/v1/api_keys/{id}", MethodFilter::GET, one))
        .merge(route("/api/v1/api_keys/{id}", MethodFilter::DELETE, delete))
}

async fn all(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let listed = call.read().await?.api_keys(Some(call.key.user_id), rows).await?;
    Ok(list::listed(page, listed, shown))
}

async fn one(call: Call) -> Result {
    let id: ApiKeyId = oid(call.param(0), TYPE)?;
    let row = call.read().await?.api_key(call.key.user_id, id).await?;
    Ok(Answer::one(shown(&found(row, TYPE, call.param(0))?)))
}

/// The token is shown here and never again.
async fn create(call: Call) -> Result {
    let token = new_token("iak_").map_err(|_| ApiError::internal())?;
    let hash = TokenHash::of(token.expose());
    let made = call
        .write(move |tx, call| {
            Box::pin(async move {
                let (mut attributes, mut problems) = (call.attributes()?, Details::new());
                let name = required_name(&mut Reader::new(&mut attributes, &mut problems));
                problems.into_result()?;
                Ok(tx.create_api_key(call.key.user_id, &name.unwrap_or_default(), &hash).await?)
            })
        })
        .await?;
    let mut resource = shown(&made);
    resource.insert("token".to_owned(), token.expose().as_str().into());
    Ok(Answer::written(true, resource))
}

async fn delete(call: Call) -> Result {
    let id: ApiKeyId = oid(call.param(0), TYPE)?;
    if id == call.key.id {
        return Err(ApiError::self_revocation().into());
    }
    call.write(move |tx, call| {
        Box::pin(async move {
            found(tx.api_key(call.key.user_id, id).await?, TYPE, call.param(0))?;
            Ok(tx.delete_api_key(call.key.user_id, id).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

fn shown(row: &ApiKey) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(row.id));
    out.insert("name".to_owned(), json!(row.name));
    out.insert("created_at".to_owned(), timestamp(row.created_at.0).into());
    out.insert("updated_at".to_owned(), timestamp(row.updated_at.0).into());
    out.insert("last_used_at".to_owned(), json!(row.last_used_at.map(|at| timestamp(at.0))));
    out
}
