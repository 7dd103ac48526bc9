//! `/api/v1/principals`

use centaur_base::oid::PrincipalId;
use centaur_store::{Name, Principal, PrincipalPatch, RepoCache, SlackPermission, Upserted, WriteTx};
use serde_json::{Map, Value};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{Target, found, found_named, oid};
use super::{grants, list};
use crate::openapi::{Resource, Verb, reference};
use crate::principal::{self, PrincipalRow, PrincipalWrite};
use crate::wire::{Address, Change, Identity};

pub(super) const TYPE: &str = "Principal";

pub(super) const RESOURCE: Resource = Resource {
    collection: "principals",
    schema: "Principal",
    noun: "principal",
    prefix: "prn",
    example: "prn_5CO4fITZ",
};

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/principals";
    const ITEM: &str = "/api/v1/principals/{id}";
    const NAMED: &str = "/api/v1/principals/lookup/{namespace}/{foreign_id}";
    let slack = RESOURCE
        .of_one(
            "putSlackPermission",
            "Let a principal do something in a Slack channel; a flag that is absent is on",
        )
        .numbered()
        .takes(reference("SlackPermissionWrite"))
        .gives(200, "Replaced", reference("SlackPermission"))
        .gives(201, "Created", reference("SlackPermission"));
    let grants = RESOURCE.of_one("listPrincipalGrants", "List the direct grants of a principal");
    let grants = grants.pages(grants::RESOURCE.shown());
    route(PATH, Verb::Get, RESOURCE.list_of_namespace(), all)
        .merge(route(PATH, Verb::Post, RESOURCE.create(), create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.upsert(), put))
        .merge(route(ITEM, Verb::Delete, RESOURCE.delete_revision(), delete))
        .merge(route(NAMED, Verb::Get, RESOURCE.lookup(), lookup))
        .merge(route("/api/v1/principals/{id}/slack_channel_permissions", Verb::Post, slack, put_slack))
        .merge(route("/api/v1/principals/{id}/grants", Verb::Get, grants, grants::of_principal))
}

async fn all(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let filter = list::filter(&call)?;
    let listed = call.read().await?.principals(&filter, rows).await?;
    Ok(list::listed(page, listed, shown))
}

async fn one(call: Call) -> Result {
    let id = oid(call.param(0), TYPE)?;
    let row = call.read().await?.principal(id).await?;
    Ok(Answer::one(shown(&found(row, TYPE, call.param(0))?)))
}

async fn lookup(call: Call) -> Result {
    let (namespace, foreign_id) = (call.param(0), call.param(1));
    let row = call.read().await?.principal_named(&Name::new(namespace, foreign_id)).await?;
    Ok(Answer::one(shown(&found_named(row, TYPE, namespace, foreign_id)?)))
}

async fn create(call: Call) -> Result {
    let made = call.write(|tx, call| {
        Box::pin(async move {
            let write = principal::parse(&mut call.attributes()?, Address::New)?;
            let Identity { namespace, foreign_id } = &write.identity;
            Ok(tx.create_principal(namespace, foreign_id.as_deref(), &patch(&write)).await?)
        })
    });
    Ok(Answer::written(true, shown(&made.await?)))
}

async fn put(call: Call) -> Result {
    let written = call.write(|tx, call| Box::pin(upsert(tx, call))).await?;
    Ok(Answer::written(written.created, shown(&written.row)))
}

async fn upsert(tx: &mut WriteTx<'_>, call: &Call) -> Result<Upserted<Principal>> {
    let mut attributes = call.attributes()?;
    match Target::of(call.param(0), TYPE)? {
        Target::Id(id) => {
            let stored = found(tx.principal(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            let identity = Identity { namespace: stored.namespace, foreign_id: stored.foreign_id };
            let write = principal::parse(&mut attributes, Address::Stored(&identity))?;
            Ok(Upserted { row: tx.update_principal(id, &patch(&write), None).await?, created: false })
        }
        Target::Name(foreign_id) => {
            let write = principal::parse(&mut attributes, Address::Named(&foreign_id))?;
            let name = Name::new(&write.identity.namespace, foreign_id);
            let stored = tx.principal_named(&name).await?;
            call.expect_revision(stored.map(|stored| stored.revision))?;
            Ok(tx.upsert_principal(&name, &patch(&write), None).await?)
        }
    }
}

async fn delete(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let id: PrincipalId = oid(call.param(0), TYPE)?;
            let stored = found(tx.principal(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            Ok(tx.delete_principal(id).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

async fn put_slack(call: Call) -> Result {
    let written = call
        .write(|tx, call| {
            Box::pin(async move {
                let id: PrincipalId = oid(call.param(0), TYPE)?;
                found(tx.principal(id).await?, TYPE, call.param(0))?;
                let row = principal::slack_permission(&mut call.attributes()?)?;
                Ok(tx.upsert_slack_permission(id, stored_slack(&row)).await?)
            })
        })
        .await?;
    let row = wire_slack(&written.row).shown();
    let Value::Object(row) = row else { return Ok(Answer::written(written.created, Map::new())) };
    Ok(Answer::written(written.created, row))
}

fn patch(write: &PrincipalWrite) -> PrincipalPatch {
    PrincipalPatch {
        name: match &write.name {
            Change::Keep => None,
            Change::Set(name) => Some(name.clone()),
        },
        labels: write.labels.clone(),
        repo_cache: write.repo_cache.and_then(|cache| RepoCache::parse(cache.as_str())),
        observability_enabled: write.observability,
        api_server_enabled: write.api_server,
        slack: write.slack.as_ref().map(|rows| rows.iter().map(stored_slack).collect()),
    }
}

fn stored_slack(row: &principal::SlackPermission) -> SlackPermission {
    SlackPermission {
        channel_id: row.channel_id.clone(),
        channel_name: row.channel_name.clone(),
        upload_enabled: row.upload,
        download_enabled: row.download,
        history_enabled: row.history,
    }
}

fn wire_slack(row: &SlackPermission) -> principal::SlackPermission {
    principal::SlackPermission {
        channel_id: row.channel_id.clone(),
        channel_name: row.channel_name.clone(),
        upload: row.upload_enabled,
        download: row.download_enabled,
        history: row.history_enabled,
    }
}

pub(super) fn shown(row: &Principal) -> Map<String, Value> {
    let cache = principal::RepoCache::named(row.repo_cache.as_str());
    principal::render(&PrincipalRow {
        id: row.id.to_string(),
        identity: Identity { namespace: row.namespace.clone(), foreign_id: row.foreign_id.clone() },
        name: row.name.clone(),
        labels: row.labels.clone(),
        repo_cache: cache.unwrap_or(principal::RepoCache::None),
        observability: row.observability_enabled,
        api_server: row.api_server_enabled,
        slack: row.slack.iter().map(wire_slack).collect(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        created_by: row.created_by.map(|id| id.to_string()),
        revision: row.revision,
    })
}
