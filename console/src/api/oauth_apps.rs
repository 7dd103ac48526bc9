//! `/api/v1/oauth_apps`: registered OAuth clients, by slug. The client's secret is written and never shown.

mod generic;

pub(crate) use generic::{METHODS, SEPARATORS};

use centaur_base::Secret;
use centaur_base::oid::{OauthAppId, Oid as _};
use centaur_store::{
    AppPatch, AutoGrant, ClientAuthMethod, Filter, OauthApp, ReadTx, StoreError, Upserted, WriteTx,
};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::failure::Failure;
use super::list;
use super::routes::{Routes, route};
use super::target::{Target, found, oid};
use crate::openapi::{Parameter, Resource, Verb, text};
use crate::provider::Provider;
use crate::wire::{
    ApiError, Attributes, DEFAULT_NAMESPACE, Details, LabelFilter, Reader, check_url_safe, description,
    is_blank, labels, slug, timestamp,
};

const TYPE: &str = "OauthApp";

const RESOURCE: Resource = Resource {
    collection: "oauth_apps",
    schema: "OauthApp",
    noun: "OAuth app",
    prefix: "oap",
    example: "oap_5orZbcpF",
};

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/oauth_apps";
    const ITEM: &str = "/api/v1/oauth_apps/{id}";
    let filters = [Parameter::labels(), Parameter::query("q", text()), Parameter::query("slug", text())];
    let lookup = RESOURCE.other("lookUpOauthApp", "Get an OAuth app by its slug");
    let lookup = lookup.with([Parameter::path("slug", text())]).gives(200, "Found", RESOURCE.shown());
    route(PATH, Verb::Get, RESOURCE.list().with(filters), all)
        .merge(route(PATH, Verb::Post, RESOURCE.create(), create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.upsert(), put))
        .merge(route(ITEM, Verb::Delete, RESOURCE.delete_revision(), delete))
        .merge(route("/api/v1/oauth_apps/lookup/{slug}", Verb::Get, lookup, self::lookup))
}

async fn all(call: Call) -> Result {
    let (page, rows) = list::page(&call)?;
    let text = |key: &str| call.query.value(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let filter = Filter {
        namespace: None,
        foreign_id: text("slug"),
        labels: LabelFilter::from_query(&call.query)?.pairs().to_vec(),
        q: text("q"),
    };
    let mut tx = call.read().await?;
    let listed = tx.apps(&filter, rows).await?;
    let ids: Vec<_> = listed.rows.iter().map(|row| row.id).collect();
    let counts = tx.minted_counts(&ids).await?;
    let minted = |row: &OauthApp| counts.get(&row.id).copied().unwrap_or_default();
    Ok(list::listed(page, listed, |row| shown(&call, row, minted(row))))
}

async fn one(call: Call) -> Result {
    let mut tx = call.read().await?;
    let row = by_id(&mut tx, call.param(0)).await?;
    Ok(Answer::one(resource(&mut tx, &call, &row).await?))
}

async fn lookup(call: Call) -> Result {
    let mut tx = call.read().await?;
    let row = tx.app_by_slug(call.param(0)).await?;
    let row = row.ok_or_else(|| ApiError::unknown_slug(call.param(0)))?;
    Ok(Answer::one(resource(&mut tx, &call, &row).await?))
}

async fn create(call: Call) -> Result {
    let made = call.write(|tx, call| {
        Box::pin(async move {
            let (slug, patch) = parse(call, &mut call.attributes()?, None, None)?;
            let row = tx.create_app(&slug, &patch).await?;
            resource(tx, call, &row).await
        })
    });
    Ok(Answer::written(true, made.await?))
}

async fn put(call: Call) -> Result {
    let written = call.write(|tx, call| {
        Box::pin(async move {
            let written = upsert(tx, call).await?;
            Ok((written.created, resource(tx, call, &written.row).await?))
        })
    });
    let (created, resource) = written.await?;
    Ok(Answer::written(created, resource))
}

async fn upsert(tx: &mut WriteTx<'_>, call: &Call) -> Result<Upserted<OauthApp>> {
    let mut attributes = call.attributes()?;
    let (address, stored) = match Target::of(call.param(0), TYPE)? {
        Target::Id(id) => (None, Some(found(tx.app(id).await?, TYPE, call.param(0))?)),
        Target::Name(slug) => {
            let stored = tx.app_by_slug(&slug).await?;
            (Some(slug), stored)
        }
    };
    call.expect_revision(stored.as_ref().map(|stored| stored.revision))?;
    let (slug, patch) = parse(call, &mut attributes, address.as_deref(), stored.as_ref())?;
    let Some(stored) = stored else { return Ok(tx.upsert_app(&slug, &patch, None).await?) };
    let row = tx.update_app(stored.id, &patch, None).await.map_err(|error| match error {
        StoreError::StillReferred { .. } => {
            let generic = stored.generic.as_ref().zip(patch.generic.as_ref().and_then(Option::as_ref));
            let member = generic.and_then(|(before, after)| before.moved_to(after)).unwrap_or("provider");
            ApiError::invalid(member, "cannot change while minted credentials exist").into()
        }
        error => Failure::from(error),
    })?;
    Ok(Upserted { row, created: false })
}

async fn delete(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let row = by_id(tx, call.param(0)).await?;
            call.expect_revision(Some(row.revision))?;
            tx.delete_app(row.id).await.map_err(|error| match error {
                StoreError::StillReferred { .. } => ApiError::conflict(MINTED).into(),
                error => error.into(),
            })
        })
    })
    .await?;
    Ok(Answer::empty())
}

const MINTED: &str = "Cannot delete record because dependent broker credentials exist";

async fn by_id(tx: &mut ReadTx, text: &str) -> Result<OauthApp> {
    let id: OauthAppId = oid(text, TYPE)?;
    found(tx.app(id).await?, TYPE, text)
}

/// A partial write; without `stored` it has to be complete. `address` is the slug of the path.
fn parse(
    call: &Call,
    attributes: &mut Attributes,
    address: Option<&str>,
    stored: Option<&OauthApp>,
) -> std::result::Result<(String, AppPatch), Details> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let reader = &mut reader;
    let slug = read_slug(reader, address, stored);
    let create = stored.is_none();
    let provider = (create || reader.has("provider")).then(|| provider(reader)).flatten();
    let named = provider.as_deref().or(stored.map(|stored| stored.provider.as_str()));
    let rules = &call.app.config().token_endpoints;
    let generic = named.and_then(|named| generic::read(reader, named, stored, rules));
    let about = generic.as_ref().map_or(stored.and_then(|stored| stored.generic.as_ref()), Option::as_ref);
    let is_public = about.is_some_and(|about| about.client_auth == ClientAuthMethod::None);
    // A client that had no secret and is to name itself with one needs it.
    let needs_secret = create || stored.is_some_and(OauthApp::is_public);
    let patch = AppPatch {
        description: reader.has("description").then(|| description(reader)),
        labels: reader.has("labels").then(|| labels(reader)),
        provider,
        client_id: (create || reader.has("client_id")).then(|| reader.required_line("client_id")).flatten(),
        client_secret: client_secret(reader, needs_secret, is_public),
        generic,
        allowed_scopes: (create || reader.has("allowed_scopes")).then(|| scopes(reader)).flatten(),
        credential_namespace: reader.has("credential_namespace").then(|| namespace(reader)),
        enabled: reader.flag("enabled"),
        auto_grant: reader.is_given("auto_grant").then(|| auto_grant(reader)).flatten(),
    };
    problems.into_result()?;
    Ok((slug, patch))
}

/// The slug is in the links and in the redirect URIs that providers know: it never changes.
fn read_slug(reader: &mut Reader<'_>, address: Option<&str>, stored: Option<&OauthApp>) -> String {
    if address.is_none() && stored.is_none() {
        return slug(reader).unwrap_or_default();
    }
    let fixed = stored.map(|stored| stored.slug.as_str()).or(address).unwrap_or_default().to_owned();
    let sent = reader.text("slug").filter(|sent| !is_blank(sent));
    if sent.is_some_and(|sent| sent != fixed) {
        let message = if stored.is_some() { "is immutable" } else { "does not match the address" };
        reader.reject("slug", message);
    }
    if stored.is_none() {
        check_url_safe(&fixed, "slug", Some(OauthAppId::PREFIX), reader.problems());
    }
    fixed
}

fn provider(reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.value("provider");
    let known = name.as_ref().and_then(Value::as_str).and_then(Provider::named);
    if known.is_none() {
        reader.reject("provider", "is not a supported provider");
    }
    known.map(|provider| provider.as_str().to_owned())
}

/// Blank keeps what is stored; a client without a secret has an empty one.
fn client_secret(reader: &mut Reader<'_>, is_needed: bool, is_public: bool) -> Option<Secret<String>> {
    let before = reader.problems().under("client_secret").len();
    let secret = reader.secret("client_secret").filter(|secret| !is_blank(secret.expose()));
    if is_public {
        return secret.or_else(|| is_needed.then(|| Secret::new(String::new())));
    }
    if is_needed && secret.is_none() && reader.problems().under("client_secret").len() == before {
        reader.reject("client_secret", "can't be blank");
    }
    secret
}

fn scopes(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    const SCOPES: &str = "must be a non-empty array of non-blank strings";
    let before = reader.problems().under("allowed_scopes").len();
    let scopes = reader.texts("allowed_scopes", SCOPES, SCOPES).filter(|scopes| !scopes.is_empty());
    if scopes.is_none() && reader.problems().under("allowed_scopes").len() == before {
        reader.reject("allowed_scopes", SCOPES);
    }
    scopes
}

fn auto_grant(reader: &mut Reader<'_>) -> Option<AutoGrant> {
    reader.choice("auto_grant", &AutoGrant::ALL.map(|one| (one.as_str(), one)))
}

fn namespace(reader: &mut Reader<'_>) -> String {
    let namespace = reader.text("credential_namespace").filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    check_url_safe(&namespace, "credential_namespace", None, reader.problems());
    namespace
}

async fn resource(tx: &mut ReadTx, call: &Call, row: &OauthApp) -> Result<Map<String, Value>> {
    let minted = tx.minted_credentials(row.id).await?;
    Ok(shown(call, row, minted))
}

/// The reference's members in its order, then ours.
fn shown(call: &Call, row: &OauthApp, minted: u64) -> Map<String, Value> {
    let public = call.app.config().public_url.as_deref();
    let link = |end: &str| json!(public.map(|public| format!("{public}/oauth/{}/{end}", row.slug)));
    let members = [
        ("id", json!(row.id)),
        ("slug", json!(row.slug)),
        ("description", json!(row.description)),
        ("labels", json!(row.labels)),
        ("provider", json!(row.provider)),
        ("client_id", json!(row.client_id)),
        ("allowed_scopes", json!(row.allowed_scopes)),
        ("credential_namespace", json!(row.credential_namespace)),
        ("enabled", row.enabled.into()),
        ("created_at", timestamp(row.created_at.0).into()),
        ("updated_at", timestamp(row.updated_at.0).into()),
        ("start_url", link("start")),
        ("redirect_uri", link("callback")),
        ("minted_credentials_count", minted.into()),
        ("client_rejected_at", json!(row.client_rejected_at.map(|at| timestamp(at.0)))),
        ("created_by", json!(row.created_by)),
        ("auto_grant", row.auto_grant.as_str().into()),
        ("revision", row.revision.into()),
    ];
    let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
    members.chain(generic::shown(row)).collect()
}
