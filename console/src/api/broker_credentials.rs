//! `/api/v1/broker_credentials`: what is kept of a credential whose access token is refreshed. Its material is
//! written and never shown.
//!
//! Refreshing is the engine's work. What an operator asks for here is a time in the row: fresh material and `refresh`
//! make the credential due at once, and that wakes the engine.

mod form;
mod revoke;
mod shown;
mod suggestions;

pub(crate) use suggestions::BASES;

use std::collections::BTreeMap;

use centaur_base::oid::BrokerCredentialId;
use centaur_store::{
    BrokerCredential, CredentialLinks, GrantType, Name, ReadTx, StoreError, Upserted, WriteTx,
};
use serde_json::{Map, Value, json};

use self::form::Stored;
use super::answer::{Answer, Result};
use super::call::Call;
use super::failure::Failure;
use super::list;
use super::routes::{Routes, route};
use super::target::{Target, found, found_named, oid};
use crate::openapi::{Parameter, Resource, Verb, any_object, list_of, reference, words};
use crate::wire::{Address, ApiError, Attributes, DEFAULT_NAMESPACE, Details, Identity, Reader, is_url_safe};

pub(super) const TYPE: &str = "BrokerCredential";

const RESOURCE: Resource = Resource {
    collection: "broker_credentials",
    schema: "BrokerCredential",
    noun: "broker credential",
    prefix: "bcr",
    example: "bcr_9M4ZKJbu",
};

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/broker_credentials";
    const ITEM: &str = "/api/v1/broker_credentials/{id}";
    const NAMED: &str = "/api/v1/broker_credentials/lookup/{namespace}/{foreign_id}";
    let revoke = Parameter::query("revoke", words(&["", "false", "true", "1"]));
    let revoked = json!({"type":"object","required":["data"],"properties":{"data":{"type":"object",
        "required":["id","revocation"],"properties":{"id":{"type":"string"},"revocation":{"type":"object",
        "required":["result","code"],"properties":{"result":words(&["revoked", "failed", "unsupported"]),
        "code":{"type":["string","null"]}}}}}}});
    let delete = RESOURCE.delete_revision().with([revoke]).fails(&[422]);
    let delete = delete.answers(200, "Deleted, and what the provider said", revoked);
    let references =
        RESOURCE.of_one("listBrokerCredentialReferences", "List the secrets that use a broker credential");
    let references = references.gives(200, "All of them", list_of(reference("BrokerCredentialReference")));
    let attempts = RESOURCE
        .of_one(
            "listBrokerCredentialAttempts",
            "List the last refreshes of a broker credential, newest first",
        )
        .gives(200, "At most 50", list_of(reference("BrokerCredentialAttempt")));
    let refresh = RESOURCE
        .of_one("refreshBrokerCredential", "Make a broker credential due at once")
        .may_take(any_object())
        .gives(202, "It is due", RESOURCE.shown())
        .fails(&[409]);
    let unlink = RESOURCE
        .of_one("unlinkBrokerCredential", "Take a broker credential from its OAuth app")
        .numbered()
        .with([Parameter::if_match()])
        .may_take(reference("Unlink"))
        .gives(200, "It is on its own", RESOURCE.shown())
        .fails(&[409]);
    route(PATH, Verb::Get, RESOURCE.list_of_namespace(), all)
        .merge(route(PATH, Verb::Post, RESOURCE.create(), create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.upsert(), put))
        .merge(route(ITEM, Verb::Delete, delete, self::delete))
        .merge(route(NAMED, Verb::Get, RESOURCE.lookup(), lookup))
        .merge(route("/api/v1/broker_credentials/{id}/attempts", Verb::Get, attempts, self::attempts))
        .merge(route("/api/v1/broker_credentials/{id}/references", Verb::Get, references, self::references))
        .merge(route("/api/v1/broker_credentials/{id}/refresh", Verb::Post, refresh, self::refresh))
        .merge(route("/api/v1/broker_credentials/{id}/unlink", Verb::Post, unlink, self::unlink))
        .merge(suggestions::routes())
}

async fn all(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let filter = list::filter(&call)?;
    let mut tx = call.read().await?;
    let listed = tx.credentials(None, &filter, rows).await?;
    let ids: Vec<_> = listed.rows.iter().map(|row| row.id).collect();
    let links = tx.credential_links(&ids).await?;
    let now = tx.now().0;
    Ok(list::listed(page, listed, |row| shown::resource(row, &of(&links, row), now)))
}

async fn one(call: Call) -> Result {
    let mut tx = call.read().await?;
    let row = by_id(&mut tx, call.param(0)).await?;
    Ok(Answer::one(resource(&mut tx, &row).await?))
}

async fn lookup(call: Call) -> Result {
    let (namespace, foreign_id) = (call.param(0), call.param(1));
    let mut tx = call.read().await?;
    let row = tx.credential_named(&Name::new(namespace, foreign_id)).await?;
    let row = found_named(row, TYPE, namespace, foreign_id)?;
    Ok(Answer::one(resource(&mut tx, &row).await?))
}

async fn create(call: Call) -> Result {
    let made = call.write(|tx, call| {
        Box::pin(async move {
            let mut attributes = call.attributes()?;
            let (identity, patch) = read(call, &mut attributes, Address::New, None)?;
            let Identity { namespace, foreign_id } = &identity;
            let row = tx.create_credential(namespace, foreign_id.as_deref(), &patch).await?;
            resource(tx, &row).await
        })
    });
    Ok(Answer::written(true, made.await?))
}

async fn put(call: Call) -> Result {
    let written = call.write(|tx, call| {
        Box::pin(async move {
            let written = upsert(tx, call).await?;
            Ok((written.created, resource(tx, &written.row).await?))
        })
    });
    let (created, resource) = written.await?;
    Ok(Answer::written(created, resource))
}

async fn upsert(tx: &mut WriteTx<'_>, call: &Call) -> Result<Upserted<BrokerCredential>> {
    let mut attributes = call.attributes()?;
    match Target::of(call.param(0), TYPE)? {
        Target::Id(id) => {
            let row = found(tx.credential(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(row.revision))?;
            let stored = stored(tx, row).await?;
            let identity = Identity {
                namespace: stored.row.namespace.clone(),
                foreign_id: stored.row.foreign_id.clone(),
            };
            let (_, patch) = read(call, &mut attributes, Address::Stored(&identity), Some(&stored))?;
            Ok(Upserted { row: tx.update_credential(id, &patch, None).await?, created: false })
        }
        Target::Name(foreign_id) => {
            let namespace = attributes.peek("namespace").and_then(Value::as_str);
            let namespace = namespace.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_NAMESPACE).to_owned();
            // A name that cannot be has no row; what is wrong with it is said below.
            let is_possible = is_url_safe(&namespace) && is_url_safe(&foreign_id);
            let name = Name::new(namespace, foreign_id.as_str());
            let row = if is_possible { tx.credential_named(&name).await? } else { None };
            call.expect_revision(row.as_ref().map(|row| row.revision))?;
            let stored = match row {
                Some(row) => Some(stored(tx, row).await?),
                None => None,
            };
            let (_, patch) = read(call, &mut attributes, Address::Named(&foreign_id), stored.as_ref())?;
            Ok(tx.upsert_credential(&name, &patch, None).await?)
        }
    }
}

/// With `revoke=true` the provider is asked to take the grant back, once, when the credential is gone; the answer says
/// what came of it.
async fn delete(call: Call) -> Result {
    let revoke = match call.query.value("revoke") {
        None | Some("" | "false") => false,
        Some("true" | "1") => true,
        Some(_) => return Err(ApiError::unprocessable("revoke must be true or false").into()),
    };
    let deleted = call.write(|tx, call| {
        Box::pin(async move {
            let row = by_id(tx, call.param(0)).await?;
            call.expect_revision(Some(row.revision))?;
            let plan = if revoke { Some(revoke::plan(tx, &row, call).await?) } else { None };
            tx.delete_credential(row.id).await.map_err(|error| match error {
                StoreError::StillReferred { .. } => ApiError::conflict(REFERENCED).into(),
                error => Failure::from(error),
            })?;
            Ok((row.id, plan))
        })
    });
    let (id, plan) = deleted.await?;
    let Some(plan) = plan else { return Ok(Answer::empty()) };
    let revocation = revoke::carry_out(plan, id, call).await;
    Ok(Answer::body(json!({ "data": { "id": id, "revocation": revocation } })))
}

const REFERENCED: &str =
    "is referenced by one or more token_broker secret sources; remove those references first";

/// The secrets with a source that takes its value from the credential.
async fn references(call: Call) -> Result {
    let mut tx = call.read().await?;
    let row = by_id(&mut tx, call.param(0)).await?;
    let secrets = tx.secrets_using(row.id).await?;
    let shown: Vec<_> = secrets
        .iter()
        .map(|secret| {
            json!({
                "id": secret.id,
                "type": secret.id.kind.collection(),
                "namespace": secret.namespace,
                "foreign_id": secret.foreign_id,
                "name": secret.document.name,
            })
        })
        .collect();
    Ok(Answer::body(json!({ "data": shown })))
}

/// What came of the last refreshes.
async fn attempts(call: Call) -> Result {
    let mut tx = call.read().await?;
    let row = by_id(&mut tx, call.param(0)).await?;
    let attempts = tx.attempts(row.id).await?;
    let shown: Vec<_> = attempts.iter().map(shown::attempt).collect();
    Ok(Answer::body(json!({ "data": shown })))
}

/// Makes it due; the answer is the record, before anything has happened.
async fn refresh(call: Call) -> Result {
    let scheduled = call.write(|tx, call| {
        Box::pin(async move {
            call.action()?;
            let row = by_id(tx, call.param(0)).await?;
            if row.dead {
                return Err(ApiError::conflict("credential is dead; supply fresh credentials").into());
            }
            let row = tx.schedule_refresh(row.id).await.map_err(|error| match error {
                StoreError::Invalid { .. } => {
                    ApiError::conflict("credential has no refresh token; supply fresh credentials").into()
                }
                error => Failure::from(error),
            })?;
            resource(tx, &row).await
        })
    });
    Ok(Answer::accepted(scheduled.await?))
}

/// Takes the credential from its OAuth app: with the app's client, or (`discard`) without anything to refresh with.
async fn unlink(call: Call) -> Result {
    let unlinked = call.write(|tx, call| {
        Box::pin(async move {
            let mut attributes = call.action()?;
            let mut problems = Details::new();
            let discard = Reader::new(&mut attributes, &mut problems).flag("discard").unwrap_or(false);
            problems.into_result()?;
            let row = by_id(tx, call.param(0)).await?;
            call.expect_revision(Some(row.revision))?;
            let Some(app) = row.oauth_app_id else {
                return Err(ApiError::conflict("credential is not linked to an OAuth app").into());
            };
            let row = tx.unlink_credential(row.id, app, discard).await?;
            resource(tx, &row).await
        })
    });
    Ok(Answer::one(unlinked.await?))
}

async fn by_id(tx: &mut ReadTx, text: &str) -> Result<BrokerCredential> {
    let id: BrokerCredentialId = oid(text, TYPE)?;
    found(tx.credential(id).await?, TYPE, text)
}

/// What a partial write is checked against. The material is only opened where a grant needs it to be there.
async fn stored(tx: &mut ReadTx, row: BrokerCredential) -> Result<Stored> {
    let material = tx.credential_material(row.id).await?.unwrap_or_default();
    Ok(Stored {
        has_username: material.username.is_some(),
        has_password: material.password.is_some(),
        has_api_key: material.api_key.is_some(),
        row,
    })
}

fn read(
    call: &Call,
    attributes: &mut Attributes,
    address: Address<'_>,
    stored: Option<&Stored>,
) -> Result<(Identity, centaur_store::CredentialPatch)> {
    Ok(form::parse(attributes, address, stored, &call.app.config().token_endpoints)?)
}

async fn resource(tx: &mut ReadTx, row: &BrokerCredential) -> Result<Map<String, Value>> {
    let links = tx.credential_links(&[row.id]).await?;
    Ok(shown::resource(row, &of(&links, row), tx.now().0))
}

fn of(links: &BTreeMap<BrokerCredentialId, CredentialLinks>, row: &BrokerCredential) -> CredentialLinks {
    links.get(&row.id).cloned().unwrap_or_default()
}

/// Where Preqin takes its values, whatever a request says.
const PREQIN_ENDPOINT: &str = "https://api.preqin.com/connect/token";

const GRANTS: [(&str, GrantType); 3] = [
    ("refresh_token", GrantType::RefreshToken),
    ("password", GrantType::Password),
    ("preqin", GrantType::Preqin),
];
