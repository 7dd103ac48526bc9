//! `/api/v1/users`: who may sign in to the console, and as what.
//!
//! There is no deleting: what somebody did stands in the audit log under their id. Who shall not come in any more is
//! disabled.

use centaur_base::Secret;
use centaur_base::oid::UserId;
use centaur_store::{Identity, Listed, NewUser, ReadTx, StoreError, User, UserPatch, UserStatus, WriteTx};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::list;
use super::routes::{Routes, route};
use super::target::{found, oid};
use crate::config::is_address;
use crate::openapi::{Parameter, Resource, Verb, reference, words};
use crate::sign_in::password::{self, Unusable};
use crate::wire::{ApiError, Details, Reader, timestamp};

const TYPE: &str = "User";

const RESOURCE: Resource =
    Resource { collection: "users", schema: "User", noun: "user", prefix: "usr", example: "usr_bUKpYGeK" };

const STATUSES: [(&str, UserStatus); 3] =
    [("pending", UserStatus::Pending), ("active", UserStatus::Active), ("disabled", UserStatus::Disabled)];

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/users";
    const ITEM: &str = "/api/v1/users/{id}";
    let status = Parameter::query("status", words(&["", "pending", "active", "disabled"]));
    let sign_out = RESOURCE.of_one("signOutUser", "End every session of a user");
    let sign_out = sign_out.gives(200, "Ended", reference("UserSignOut"));
    route(PATH, Verb::Get, RESOURCE.list().with([status]).fails(&[422]), all)
        .merge(route(PATH, Verb::Post, RESOURCE.create(), create))
        .merge(route(ITEM, Verb::Get, RESOURCE.one(), one))
        .merge(route(ITEM, Verb::Write, RESOURCE.update(), update))
        .merge(route("/api/v1/users/{id}/sign_out", Verb::Post, sign_out, self::sign_out))
}

/// Users belong to no namespace: a key that is held to one may not even see them.
fn unlimited(call: &Call) -> Result<()> {
    match &call.key.namespace {
        Some(namespace) => Err(ApiError::outside_namespace(namespace).into()),
        None => Ok(()),
    }
}

async fn all(call: Call) -> Result {
    unlimited(&call)?;
    let (page, rows) = list::page(&call)?;
    let status = match call.query.value("status").filter(|word| !word.is_empty()) {
        None => None,
        Some(word) => Some(
            UserStatus::parse(word)
                .ok_or_else(|| ApiError::unprocessable("status must be one of pending, active, disabled"))?,
        ),
    };
    let mut tx = call.read().await?;
    let listed = tx.users(status, rows).await?;
    let mut rows = Vec::with_capacity(listed.rows.len());
    for user in &listed.rows {
        rows.push(full(&mut tx, user, &call).await?);
    }
    Ok(list::listed(page, Listed { rows, total: listed.total }, Map::clone))
}

async fn one(call: Call) -> Result {
    unlimited(&call)?;
    let id: UserId = oid(call.param(0), TYPE)?;
    let mut tx = call.read().await?;
    let user = found(tx.user(id).await?, TYPE, call.param(0))?;
    Ok(Answer::one(full(&mut tx, &user, &call).await?))
}

async fn create(call: Call) -> Result {
    unlimited(&call)?;
    let hash = &hashed(&call).await?;
    let made = call.write(|tx, call| {
        Box::pin(async move {
            let mut attributes = call.attributes()?;
            let mut problems = Details::new();
            let mut reader = Reader::new(&mut attributes, &mut problems);
            let email = reader.required_text("email").unwrap_or_default();
            if !email.is_empty() && !is_address(&email) {
                reader.reject("email", "must be an e-mail address");
            }
            let new = NewUser {
                email,
                name: reader.line("name").filter(|name| !name.is_empty()),
                status: status(&mut reader).unwrap_or(UserStatus::Active),
                admin: reader.flag("admin").unwrap_or(false),
                password_hash: hash.as_ref().map(copy),
                // Whoever makes a user vouches for the address.
                email_verified: true,
            };
            problems.into_result()?;
            let made = tx.create_user(&new).await?;
            Ok(full(tx, &made, call).await?)
        })
    });
    Ok(Answer::written(true, made.await?))
}

async fn update(call: Call) -> Result {
    unlimited(&call)?;
    let hash = &hashed(&call).await?;
    let written = call.write(|tx, call| {
        Box::pin(async move {
            let id: UserId = oid(call.param(0), TYPE)?;
            let before = found(tx.user(id).await?, TYPE, call.param(0))?;
            call.expect_revision(Some(before.revision))?;
            let mut attributes = call.attributes()?;
            let mut problems = Details::new();
            let mut reader = Reader::new(&mut attributes, &mut problems);
            if reader.text("email").is_some_and(|email| email.trim().to_lowercase() != before.email) {
                reader.reject("email", "cannot be changed");
            }
            let name = reader.has("name").then(|| reader.line("name").filter(|name| !name.is_empty()));
            let patch = UserPatch {
                name,
                status: status(&mut reader),
                admin: reader.flag("admin"),
                password_hash: hash.as_ref().map(copy),
                email_verified: None,
            };
            check(tx, call, &before, &patch, &mut problems).await?;
            problems.into_result()?;
            let after = tx.update_user(id, &patch, None).await?;
            Ok(full(tx, &after, call).await?)
        })
    });
    Ok(Answer::written(false, written.await?))
}

async fn sign_out(call: Call) -> Result {
    unlimited(&call)?;
    let ended = call.write(|tx, call| {
        Box::pin(async move {
            let id: UserId = oid(call.param(0), TYPE)?;
            found(tx.user(id).await?, TYPE, call.param(0))?;
            Ok(tx.end_sessions(id, None, "administrator").await?)
        })
    });
    Ok(Answer::body(json!({ "data": { "ended": ended.await? } })))
}

/// Nobody locks the own account out, and one administrator is always left.
async fn check(
    tx: &mut WriteTx<'_>,
    call: &Call,
    before: &User,
    patch: &UserPatch,
    problems: &mut Details,
) -> std::result::Result<(), StoreError> {
    let is_in = |status| status == UserStatus::Active;
    let administers = before.admin && is_in(before.status);
    let stays_in = patch.status.is_none_or(is_in);
    let is_own = before.id == call.key.user_id;
    if is_own && !stays_in {
        problems.add("status", "You can't disable your own account.");
    }
    if administers && !(stays_in && patch.admin.unwrap_or(true)) && tx.active_administrators().await? < 2 {
        let attribute = if stays_in { "admin" } else { "status" };
        problems.add(attribute, "would leave no administrator");
    }
    Ok(())
}

fn status(reader: &mut Reader<'_>) -> Option<UserStatus> {
    if reader.is_given("status") { reader.choice("status", &STATUSES) } else { None }
}

/// The hash of the password that was sent, which takes too long to be made inside of a transaction.
async fn hashed(call: &Call) -> Result<Option<Secret<String>>> {
    let mut attributes = call.attributes()?;
    let mut problems = Details::new();
    let password = Reader::new(&mut attributes, &mut problems).secret("password");
    problems.into_result()?;
    let Some(password) = password.filter(|password| !password.expose().is_empty()) else { return Ok(None) };
    match tokio::task::spawn_blocking(move || password::hash(&password)).await {
        Ok(Ok(hash)) => Ok(Some(hash)),
        Ok(Err(Unusable::Failed)) | Err(_) => Err(ApiError::internal().into()),
        Ok(Err(unusable)) => Err(ApiError::invalid("password", unusable.to_string()).into()),
    }
}

fn copy(secret: &Secret<String>) -> Secret<String> {
    Secret::new(secret.expose().clone())
}

async fn full(
    tx: &mut ReadTx,
    user: &User,
    call: &Call,
) -> std::result::Result<Map<String, Value>, StoreError> {
    let limits = call.app.config().sign_in.sessions;
    let identities = tx.identities(user.id).await?;
    let sessions = tx.sessions(user.id, limits).await?.len();
    Ok(shown(user, &identities, sessions))
}

fn shown(user: &User, identities: &[Identity], sessions: usize) -> Map<String, Value> {
    let time = |at: Option<centaur_store::Micros>| json!(at.map(|at| timestamp(at.0)));
    let providers: Vec<_> = identities
        .iter()
        .map(|identity| {
            json!({
                "provider": identity.provider,
                "email": identity.email,
                "email_verified": identity.email_verified,
                "slack_team": identity.slack_team,
                "last_sign_in_at": timestamp(identity.last_sign_in_at.0),
            })
        })
        .collect();
    Map::from_iter([
        ("id".to_owned(), json!(user.id)),
        ("email".to_owned(), json!(user.email)),
        ("name".to_owned(), json!(user.name)),
        ("status".to_owned(), json!(user.status)),
        ("admin".to_owned(), json!(user.admin)),
        ("has_password".to_owned(), json!(user.has_password)),
        ("email_verified".to_owned(), json!(user.email_verified)),
        ("identities".to_owned(), Value::Array(providers)),
        ("sessions".to_owned(), json!(sessions)),
        ("approved_at".to_owned(), time(user.approved_at)),
        ("approved_by".to_owned(), json!(user.approved_by)),
        ("revision".to_owned(), json!(user.revision)),
        ("created_at".to_owned(), timestamp(user.created_at.0).into()),
        ("updated_at".to_owned(), timestamp(user.updated_at.0).into()),
    ])
}
