//! `/api/v1/api_keys`: the caller's own.

use centaur_base::oid::ApiKeyId;
use centaur_store::{ApiKey, NewApiKey, TokenHash};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, oid};
use super::{list, new_token};
use crate::openapi::{Resource, Verb, reference};
use crate::wire::{ApiError, Attributes, Details, Reader, check_url_safe, required_name, timestamp};

const TYPE: &str = "ApiKey";

const RESOURCE: Resource = Resource {
    collection: "api_keys",
    schema: "ApiKey",
    noun: "API key",
    prefix: "ak",
    example: "ak_a8GHKFtL",
};

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/api_keys";
    const ITEM: &str = "/api/v1/api_keys/{id}";
    let create =
        RESOURCE.other("createApiKey", "Create an API key of the caller").takes(reference("ApiKeyWrite"));
    let create = create.gives(201, "Created", reference("NewApiKey"));
    route(PATH, Verb::Get, RESOURCE.list(), all)
        .merge(route(PATH, Verb::Post, create, self::create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Delete, RESOURCE.delete().fails(&[422]), delete))
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
                let new = parse(&mut call.attributes()?, call.key.namespace.as_deref())?;
                Ok(tx.create_api_key(call.key.user_id, &new, &hash).await?)
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

/// A key that is made by one which is limited to a namespace is limited to it too.
fn parse(attributes: &mut Attributes, scope: Option<&str>) -> std::result::Result<NewApiKey, Details> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let name = required_name(&mut reader).unwrap_or_default();
    let namespace = reader.text("namespace").filter(|text| !text.is_empty());
    let namespace = namespace.or(scope.map(str::to_owned));
    if let Some(namespace) = &namespace {
        check_url_safe(namespace, "namespace", None, reader.problems());
    }
    let read_only = reader.flag("read_only").unwrap_or(false);
    problems.into_result()?;
    Ok(NewApiKey { name, namespace, read_only })
}

fn shown(row: &ApiKey) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(row.id));
    out.insert("name".to_owned(), json!(row.name));
    out.insert("created_at".to_owned(), timestamp(row.created_at.0).into());
    out.insert("updated_at".to_owned(), timestamp(row.updated_at.0).into());
    out.insert("last_used_at".to_owned(), json!(row.last_used_at.map(|at| timestamp(at.0))));
    out.insert("namespace".to_owned(), json!(row.namespace));
    out.insert("read_only".to_owned(), row.read_only.into());
    out
}
