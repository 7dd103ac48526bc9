//! `/api/v1/grants`, and the grants of a principal, a role and a secret.

use centaur_base::oid::{GrantId, PrincipalId, RoleId};
use centaur_store::{
    Grant, GrantFilter, Grantee, Micros, ReadTx, SAME_NAMESPACE, SecretId, StoreError, Upserted, WriteTx,
};
use serde_json::{Map, Value};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, oid};
use super::{list, principals, roles};
use crate::definition::SecretKind;
use crate::grant::{self, GrantRow};
use crate::openapi::{Parameter, Resource, Verb, text};
use crate::wire::ApiError;

const TYPE: &str = "Grant";

pub(super) const RESOURCE: Resource = Resource {
    collection: "grants",
    schema: "Grant",
    noun: "grant",
    prefix: "grant",
    example: "grant_VURnYeSg",
};

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/grants";
    const ITEM: &str = "/api/v1/grants/{id}";
    let filter = |key: &str| Parameter::query(key, text());
    let secrets = SecretKind::ALL.map(|kind| filter(kind.grant_key()));
    let grantees = [principals::RESOURCE.filter("principal_id"), roles::RESOURCE.filter("role_id")];
    let list = RESOURCE.list().with(grantees).with(secrets).with([filter("namespace")]).fails(&[404]);
    let create = RESOURCE.create().gives(200, "It was there already", RESOURCE.shown()).fails(&[404]);
    route(PATH, Verb::Get, list, all)
        .merge(route(PATH, Verb::Post, create, self::create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.update(), update))
        .merge(route(ITEM, Verb::Delete, RESOURCE.delete(), delete))
}

async fn one(call: Call) -> Result {
    let id: GrantId = oid(call.param(0), TYPE)?;
    let row = call.read().await?.grant(id).await?;
    Ok(Answer::one(shown(&found(row, TYPE, call.param(0))?)))
}

async fn all(call: Call) -> Result {
    let mut tx = call.read().await?;
    let text = |key: &str| call.query.value(key).filter(|text| !text.is_empty());
    let grantee = match (text("principal_id"), text("role_id")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("principal_id and role_id cannot be combined").into());
        }
        (Some(id), None) => Some(principal(&mut tx, id).await?),
        (None, Some(id)) => Some(role(&mut tx, id).await?),
        (None, None) => None,
    };
    let mut named = SecretKind::ALL.into_iter().filter_map(|kind| Some((kind, text(kind.grant_key())?)));
    let secret = match (named.next(), named.next()) {
        (Some(_), Some(_)) => return Err(ApiError::bad_request("only one secret can be named").into()),
        (Some((kind, id)), None) => Some(secret(&mut tx, kind, id).await?),
        _ => None,
    };
    let filter = GrantFilter { grantee, secret, namespace: text("namespace").map(str::to_owned) };
    listed(&call, &mut tx, &filter).await
}

/// `GET /api/v1/principals/:id/grants`
pub(super) async fn of_principal(call: Call) -> Result {
    let mut tx = call.read().await?;
    let grantee = Some(principal(&mut tx, call.param(0)).await?);
    listed(&call, &mut tx, &GrantFilter { grantee, ..GrantFilter::default() }).await
}

/// `GET /api/v1/roles/:id/grants`
pub(super) async fn of_role(call: Call) -> Result {
    let mut tx = call.read().await?;
    let grantee = Some(role(&mut tx, call.param(0)).await?);
    listed(&call, &mut tx, &GrantFilter { grantee, ..GrantFilter::default() }).await
}

/// `GET /api/v1/<secrets>/:id/grants`: who can use it.
pub(super) async fn of_secret(kind: SecretKind, call: Call) -> Result {
    let mut tx = call.read().await?;
    let secret = Some(secret(&mut tx, kind, call.param(0)).await?);
    listed(&call, &mut tx, &GrantFilter { secret, ..GrantFilter::default() }).await
}

async fn listed(call: &Call, tx: &mut ReadTx, filter: &GrantFilter) -> Result {
    let (page, rows) = list::page(call)?;
    Ok(list::listed(page, tx.grants(filter, rows).await?, shown))
}

async fn create(call: Call) -> Result {
    let written = call.write(|tx, call| Box::pin(created(tx, call))).await?;
    Ok(Answer::written(written.created, shown(&written.row)))
}

async fn created(tx: &mut WriteTx<'_>, call: &Call) -> Result<Upserted<Grant>> {
    let write = grant::parse(&mut call.attributes()?)?;
    let grantee = match &write.grantee {
        grant::Grantee::Principal(id) => principal(tx, id).await?,
        grant::Grantee::Role(id) => role(tx, id).await?,
    };
    let secret = secret(tx, write.kind, &write.secret_oid).await?;
    let made = tx.create_grant(grantee, secret, write.priority, write.expires_at.map(Micros)).await;
    made.map_err(|error| match error {
        StoreError::Invalid { rule } if rule == SAME_NAMESPACE => {
            ApiError::invalid("role", "must be in the same namespace as the secret").into()
        }
        error => error.into(),
    })
}

/// The priority alone can change.
async fn update(call: Call) -> Result {
    let written = call.write(|tx, call| {
        Box::pin(async move {
            let id: GrantId = oid(call.param(0), TYPE)?;
            let stored = found(tx.grant(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            let priority = grant::parse_update(&mut call.attributes()?)?;
            Ok(tx.update_grant(id, priority, None, None).await?)
        })
    });
    Ok(Answer::one(shown(&written.await?)))
}

async fn delete(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let id: GrantId = oid(call.param(0), TYPE)?;
            found(tx.grant(id).await?, TYPE, call.param(0))?;
            Ok(tx.delete_grant(id).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

async fn principal(tx: &mut ReadTx, text: &str) -> Result<Grantee> {
    let id: PrincipalId = oid(text, principals::TYPE)?;
    found(tx.principal(id).await?, principals::TYPE, text)?;
    Ok(Grantee::Principal(id))
}

async fn role(tx: &mut ReadTx, text: &str) -> Result<Grantee> {
    let id: RoleId = oid(text, roles::TYPE)?;
    found(tx.role(id).await?, roles::TYPE, text)?;
    Ok(Grantee::Role(id))
}

async fn secret(tx: &mut ReadTx, kind: SecretKind, text: &str) -> Result<SecretId> {
    let id = SecretId::parse(kind, text).map_err(|_| ApiError::unknown_oid(kind.type_name(), text))?;
    found(tx.secret(id).await?, kind.type_name(), text)?;
    Ok(id)
}

fn shown(row: &Grant) -> Map<String, Value> {
    grant::render(&GrantRow {
        id: row.id.to_string(),
        grantee: match row.grantee {
            Grantee::Principal(id) => grant::Grantee::Principal(id.to_string()),
            Grantee::Role(id) => grant::Grantee::Role(id.to_string()),
        },
        kind: row.secret.kind,
        secret_oid: row.secret.to_string(),
        priority: row.priority,
        expires_at: row.expires_at.map(|at| at.0),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
    })
}
