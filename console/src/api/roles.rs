//! `/api/v1/roles`

use centaur_base::oid::{Oid as _, RoleId};
use centaur_store::{Name, Role, RolePatch, Upserted, WriteTx};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{Target, found, found_named, oid};
use super::{grants, list, principals};
use crate::openapi::{Resource, Verb};
use crate::wire::{Address, Attributes, Details, Identity, Reader, identity, labels, name, timestamp};

pub(super) const TYPE: &str = "Role";

pub(super) const RESOURCE: Resource =
    Resource { collection: "roles", schema: "Role", noun: "role", prefix: "role", example: "role_1Uc5uCJR" };

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/roles";
    const ITEM: &str = "/api/v1/roles/{id}";
    const NAMED: &str = "/api/v1/roles/lookup/{namespace}/{foreign_id}";
    let grants = RESOURCE.of_one("listRoleGrants", "List the grants of a role");
    let grants = grants.pages(grants::RESOURCE.shown());
    let holders = RESOURCE.of_one("listRolePrincipals", "List the principals that hold a role");
    let holders = holders.pages(principals::RESOURCE.shown());
    route(PATH, Verb::Get, RESOURCE.list_of_namespace(), all)
        .merge(route(PATH, Verb::Post, RESOURCE.create(), create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.upsert(), put))
        .merge(route(ITEM, Verb::Delete, RESOURCE.delete_revision(), delete))
        .merge(route(NAMED, Verb::Get, RESOURCE.lookup(), lookup))
        .merge(route("/api/v1/roles/{id}/grants", Verb::Get, grants, grants::of_role))
        .merge(route("/api/v1/roles/{id}/principals", Verb::Get, holders, self::holders))
}

async fn all(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let filter = list::filter(&call)?;
    let listed = call.read().await?.roles(&filter, rows).await?;
    Ok(list::listed(page, listed, shown))
}

async fn one(call: Call) -> Result {
    let id = oid(call.param(0), TYPE)?;
    let row = call.read().await?.role(id).await?;
    Ok(Answer::one(shown(&found(row, TYPE, call.param(0))?)))
}

async fn lookup(call: Call) -> Result {
    let (namespace, foreign_id) = (call.param(0), call.param(1));
    let row = call.read().await?.role_named(&Name::new(namespace, foreign_id)).await?;
    Ok(Answer::one(shown(&found_named(row, TYPE, namespace, foreign_id)?)))
}

async fn holders(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let id = oid(call.param(0), TYPE)?;
    let mut tx = call.read().await?;
    found(tx.role(id).await?, TYPE, call.param(0))?;
    let listed = tx.holders_of(id, rows).await?;
    Ok(list::listed(page, listed, principals::shown))
}

async fn create(call: Call) -> Result {
    let made = call.write(|tx, call| {
        Box::pin(async move {
            let (identity, patch) = parse(&mut call.attributes()?, Address::New)?;
            Ok(tx.create_role(&identity.namespace, identity.foreign_id.as_deref(), &patch).await?)
        })
    });
    Ok(Answer::written(true, shown(&made.await?)))
}

async fn put(call: Call) -> Result {
    let written = call.write(|tx, call| Box::pin(upsert(tx, call))).await?;
    Ok(Answer::written(written.created, shown(&written.row)))
}

async fn upsert(tx: &mut WriteTx<'_>, call: &Call) -> Result<Upserted<Role>> {
    let mut attributes = call.attributes()?;
    match Target::of(call.param(0), TYPE)? {
        Target::Id(id) => {
            let stored = found(tx.role(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            let identity = Identity { namespace: stored.namespace, foreign_id: stored.foreign_id };
            let (_, patch) = parse(&mut attributes, Address::Stored(&identity))?;
            Ok(Upserted { row: tx.update_role(id, &patch, None).await?, created: false })
        }
        Target::Name(foreign_id) => {
            let (identity, patch) = parse(&mut attributes, Address::Named(&foreign_id))?;
            let name = Name::new(&identity.namespace, foreign_id);
            let stored = tx.role_named(&name).await?;
            call.expect_revision(stored.map(|stored| stored.revision))?;
            Ok(tx.upsert_role(&name, &patch, None).await?)
        }
    }
}

async fn delete(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let id: RoleId = oid(call.param(0), TYPE)?;
            let stored = found(tx.role(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            Ok(tx.delete_role(id).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

/// A partial write: what is absent stays.
fn parse(
    attributes: &mut Attributes,
    address: Address<'_>,
) -> std::result::Result<(Identity, RolePatch), Details> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let identity = identity(&mut reader, RoleId::PREFIX, address);
    let patch = RolePatch {
        name: reader.has("name").then(|| name(&mut reader)),
        labels: reader.has("labels").then(|| labels(&mut reader)),
    };
    problems.into_result()?;
    Ok((identity, patch))
}

pub(super) fn shown(row: &Role) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(row.id));
    out.insert("namespace".to_owned(), json!(row.namespace));
    out.insert("foreign_id".to_owned(), json!(row.foreign_id));
    out.insert("name".to_owned(), json!(row.name));
    out.insert("labels".to_owned(), json!(row.labels));
    out.insert("created_at".to_owned(), timestamp(row.created_at.0).into());
    out.insert("updated_at".to_owned(), timestamp(row.updated_at.0).into());
    out.insert("created_by".to_owned(), json!(row.created_by));
    out.insert("revision".to_owned(), json!(row.revision));
    out
}
