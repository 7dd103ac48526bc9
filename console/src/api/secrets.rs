//! The seven collections of secrets, which differ by the definition alone.

mod form;

use centaur_store::{Name, ReadTx, SecretId, StoredSecret, Upserted, WriteTx};
use serde_json::{Map, Value};

pub(crate) use self::form::{stored, stored_body, stored_common};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, found_named};
use super::{grants, list};
use crate::definition::{
    Body, Context, CredentialRef, Definition, Existing, KnownCredentials, RowMeta, SecretKind, Values,
    credential_refs, parse, render,
};
use crate::openapi::{Resource, Verb};
use crate::wire::{Address, ApiError, Attributes, DEFAULT_NAMESPACE, Identity, is_url_safe};

pub(super) fn routes(kind: SecretKind) -> Routes {
    let resource = resource(kind);
    let collection = format!("/api/v1/{}", kind.collection());
    let (item, grants) = (format!("{collection}/{{id}}"), format!("{collection}/{{id}}/grants"));
    let named = format!("{collection}/lookup/{{namespace}}/{{foreign_id}}");
    let granted = resource.of_one(format!("list{}Grants", resource.schema), "List the grants of a secret");
    let granted = granted.pages(grants::RESOURCE.shown());
    route(&collection, Verb::Get, resource.list_of_namespace(), move |call: Call| all(kind, call))
        .merge(route(&collection, Verb::Post, resource.create(), move |call: Call| create(kind, call)))
        .merge(route(&item, Verb::Get, resource.one(), move |call: Call| one(kind, call)))
        .merge(route(&item, Verb::Write, resource.upsert(), move |call: Call| put(kind, call)))
        .merge(route(&item, Verb::Delete, resource.delete_revision(), move |call: Call| delete(kind, call)))
        .merge(route(&named, Verb::Get, resource.lookup(), move |call: Call| lookup(kind, call)))
        .merge(route(&grants, Verb::Get, granted, move |call: Call| grants::of_secret(kind, call)))
}

const fn resource(kind: SecretKind) -> Resource {
    let (noun, example) = match kind {
        SecretKind::Static => ("static secret", "ssr_kxIQLCuJ"),
        SecretKind::GcpAuth => ("GCP auth secret", "gas_d7nzfeDO"),
        SecretKind::GcpIdToken => ("GCP ID token secret", "gid_vDERVphi"),
        SecretKind::AwsAuth => ("AWS auth secret", "aas_bFlFTaBo"),
        SecretKind::OauthToken => ("OAuth token secret", "ots_3EZCw9yq"),
        SecretKind::PgDsn => ("PostgreSQL DSN secret", "pgs_Rg2gJMTm"),
        SecretKind::Hmac => ("HMAC secret", "hms_v6ctzCE8"),
    };
    Resource { collection: kind.collection(), schema: kind.type_name(), noun, prefix: kind.prefix(), example }
}

async fn all(kind: SecretKind, call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let filter = list::filter(&call)?;
    let listed = call.read().await?.secrets(Some(kind), &filter, rows).await?;
    // A row that does not read fails the list: showing the rest would hide it.
    let bodies = listed.rows.iter().map(stored_body).collect::<std::result::Result<Vec<_>, _>>()?;
    let resources = listed.rows.iter().zip(&bodies).map(|(row, body)| shown(row, body)).collect();
    Ok(Answer::body(crate::wire::list(resources, page.meta(listed.total))))
}

async fn one(kind: SecretKind, call: Call) -> Result {
    let id = id(kind, call.param(0))?;
    let row = found(call.read().await?.secret(id).await?, kind.type_name(), call.param(0))?;
    Ok(Answer::one(shown(&row, &stored_body(&row)?)))
}

async fn lookup(kind: SecretKind, call: Call) -> Result {
    let (namespace, foreign_id) = (call.param(0), call.param(1));
    let row = call.read().await?.secret_named(kind, &Name::new(namespace, foreign_id)).await?;
    let row = found_named(row, kind.type_name(), namespace, foreign_id)?;
    Ok(Answer::one(shown(&row, &stored_body(&row)?)))
}

async fn create(kind: SecretKind, call: Call) -> Result {
    let made = call
        .write(move |tx, call| {
            Box::pin(async move {
                let mut attributes = call.attributes()?;
                let (definition, known) = read(tx, kind, &mut attributes, Address::New, None).await?;
                let (document, sources) = form::stored(&definition, |credential| known.id(credential));
                let Identity { namespace, foreign_id } = &definition.identity;
                Ok(tx.create_secret(kind, namespace, foreign_id.as_deref(), &document, &sources).await?)
            })
        })
        .await?;
    Ok(Answer::written(true, shown(&made, &stored_body(&made)?)))
}

async fn put(kind: SecretKind, call: Call) -> Result {
    let written = call.write(move |tx, call| Box::pin(upsert(tx, kind, call))).await?;
    Ok(Answer::written(written.created, shown(&written.row, &stored_body(&written.row)?)))
}

async fn upsert(tx: &mut WriteTx<'_>, kind: SecretKind, call: &Call) -> Result<Upserted<StoredSecret>> {
    let mut attributes = call.attributes()?;
    let text = call.param(0);
    if !kind.claims(text) {
        return upsert_named(tx, kind, call, &mut attributes).await;
    }
    let id = id(kind, text)?;
    let stored = found(tx.secret(id).await?, kind.type_name(), text)?;
    call.expect_revision(Some(stored.revision))?;
    let identity = Identity { namespace: stored.namespace.clone(), foreign_id: stored.foreign_id.clone() };
    let address = Address::Stored(&identity);
    let (definition, known) = read(tx, kind, &mut attributes, address, Some(&stored)).await?;
    let (document, sources) = form::stored(&definition, |credential| known.id(credential));
    Ok(Upserted { row: tx.update_secret(id, &document, &sources, None).await?, created: false })
}

async fn upsert_named(
    tx: &mut WriteTx<'_>,
    kind: SecretKind,
    call: &Call,
    attributes: &mut Attributes,
) -> Result<Upserted<StoredSecret>> {
    let foreign_id = call.param(0);
    let namespace = attributes.peek("namespace").and_then(Value::as_str).filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned();
    // A name that cannot be has no row; what is wrong with it is said below.
    let is_possible = is_url_safe(&namespace) && is_url_safe(foreign_id);
    let name = Name::new(namespace, foreign_id);
    let stored = if is_possible { tx.secret_named(kind, &name).await? } else { None };
    call.expect_revision(stored.as_ref().map(|stored| stored.revision))?;
    let address = Address::Named(foreign_id);
    let (definition, known) = read(tx, kind, attributes, address, stored.as_ref()).await?;
    let (document, sources) = form::stored(&definition, |credential| known.id(credential));
    Ok(tx.upsert_secret(kind, &name, &document, &sources, None).await?)
}

async fn delete(kind: SecretKind, call: Call) -> Result {
    call.write(move |tx, call| {
        Box::pin(async move {
            let id = id(kind, call.param(0))?;
            let stored = found(tx.secret(id).await?, kind.type_name(), call.param(0))?;
            call.expect_revision(Some(stored.revision))?;
            Ok(tx.delete_secret(id).await?)
        })
    })
    .await?;
    Ok(Answer::empty())
}

fn id(kind: SecretKind, text: &str) -> Result<SecretId> {
    SecretId::parse(kind, text).map_err(|_| ApiError::unknown_oid(kind.type_name(), text).into())
}

/// Reads a document with all that its checks ask for.
async fn read(
    tx: &mut ReadTx,
    kind: SecretKind,
    attributes: &mut Attributes,
    address: Address<'_>,
    stored: Option<&StoredSecret>,
) -> Result<(Definition, Credentials)> {
    let credentials = Credentials::of(tx, &credential_refs(attributes)).await?;
    let existing: Option<(Body, Values)> = match stored {
        Some(stored) => Some((stored_body(stored)?, tx.source_values(stored).await?.into_iter().collect())),
        None => None,
    };
    let existing = existing.as_ref().map(|(body, values)| Existing { body, values });
    let context = Context { existing, credentials: &credentials.known };
    let definition = parse(kind, attributes, address, &context)?;
    Ok((definition, credentials))
}

/// The broker credentials that a document names and that there are.
struct Credentials {
    known: KnownCredentials,
    ids: Vec<(CredentialRef, centaur_base::oid::BrokerCredentialId)>,
}

impl Credentials {
    async fn of(tx: &mut ReadTx, named: &[CredentialRef]) -> Result<Self> {
        let mut found = Self { known: KnownCredentials::default(), ids: Vec::new() };
        for credential in named {
            let row = match (credential.oid(), &credential.namespace) {
                (Some(oid), _) => tx.credential(oid).await?,
                (None, Some(namespace)) if is_url_safe(namespace) && is_url_safe(&credential.id) => {
                    tx.credential_named(&Name::new(namespace, &credential.id)).await?
                }
                _ => None,
            };
            let Some(row) = row else { continue };
            if let (None, Some(namespace)) = (credential.oid(), &credential.namespace) {
                found.known.names.insert((namespace.clone(), credential.id.clone()));
            } else {
                found.known.oids.insert(row.id);
            }
            found.ids.push((credential.clone(), row.id));
        }
        Ok(found)
    }

    fn id(&self, credential: &CredentialRef) -> Option<centaur_base::oid::BrokerCredentialId> {
        self.ids.iter().find(|(known, _)| known == credential).map(|(_, id)| *id)
    }
}

fn shown(row: &StoredSecret, body: &Body) -> Map<String, Value> {
    let meta = RowMeta {
        id: row.id.to_string(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        created_by: row.created_by.map(|id| id.to_string()),
        revision: row.revision,
        broker_credential_id: row.broker_credential.map(|id| id.to_string()),
    };
    let identity = Identity { namespace: row.namespace.clone(), foreign_id: row.foreign_id.clone() };
    render(&meta, &identity, &stored_common(row), body)
}
