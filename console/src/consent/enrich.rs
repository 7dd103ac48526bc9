//! Finding out later who an account is that could not be asked at once (broker.md, section 12).

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::BrokerCredentialId;
use centaur_store::{
    Actor, BrokerCredential, Consent, Labels, NewCredential, OauthApp, StoreError, StoredSecret, WriteTx,
};

use super::account::{Account, PENDING};
use super::mint::{copy, wrapper_name};
use super::profile;
use crate::api::{stored, stored_body, stored_common};
use crate::app::{App, log};
use crate::definition::{Body, Definition, Values};
use crate::provider::{Identity as AccountBy, Provider, Strategy};
use crate::wire::Identity;

/// When it is tried, after the one before.
const TRIES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
];
/// How many accounts are taken up after a start.
const MOST: u32 = 1_000;

/// Tries in the background, until the account is known or five tries have failed.
pub(super) fn begin(app: &App, credential: BrokerCredentialId) {
    let app = app.clone();
    tokio::spawn(async move {
        let mut stopping = app.stopping();
        for wait in TRIES {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            match settle(&app, credential).await {
                Ok(Settled::Known | Settled::Gone) => return,
                Ok(Settled::Later) => {}
                Err(error) => {
                    let fields = [("credential", &*credential.to_string()), ("error", &error.to_string())];
                    log("warn", "an account could not be named", &fields);
                }
            }
        }
    });
}

/// Takes up the accounts that an earlier process has left.
pub(crate) async fn resume(app: &App) {
    let pending = async { app.store().read().await?.credentials_of_subjects_like(PENDING, MOST).await };
    match pending.await {
        Ok(pending) => pending.into_iter().for_each(|credential| begin(app, credential)),
        Err(error) => log("warn", "accounts without a name", &[("error", &error.to_string())]),
    }
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// It is known now.
    Known,
    /// There is no such credential any more, or nobody to ask.
    Gone,
    /// Not yet.
    Later,
}

async fn settle(app: &App, id: BrokerCredentialId) -> Result<Settled, StoreError> {
    let mut tx = app.store().read().await?;
    let Some(row) = tx.credential(id).await? else { return Ok(Settled::Gone) };
    let of = match row.oauth_app_id {
        Some(of) => tx.app(of).await?,
        None => None,
    };
    let strategy = of.as_ref().and_then(|of| Provider::strategy(of, &app.config().broker.moved));
    let (Some(of), Some(strategy)) = (of, strategy) else { return Ok(Settled::Gone) };
    let Some(profile) = &strategy.profile else { return Ok(Settled::Gone) };
    let access = tx.access_token(id).await?;
    let now = tx.now();
    drop(tx);
    let Some(token) = access.as_ref().and_then(|access| access.usable(now)) else {
        return Ok(Settled::Later);
    };
    let Ok(found) = profile::read(app.oauth(), profile, token, Some(&row.scopes)).await else {
        return Ok(Settled::Later);
    };
    let pending = row.provider_subject.as_deref().is_none_or(|subject| subject.starts_with(PENDING));
    if !pending && row.provider_subject.as_deref() != Some(&found.subject) {
        // Somebody else's profile is no name for this account.
        return Ok(Settled::Gone);
    }
    let (of, strategy, found) = (&of, &strategy, &found);
    let token = &copy(token);
    let (actor, seen) = (Actor::system(), &row);
    let settled = app
        .store()
        .write(&actor, |tx| Box::pin(async move { write(tx, seen, of, strategy, found, token).await }));
    settled.await
}

/// `seen` is the credential whose token was asked about.
async fn write(
    tx: &mut WriteTx<'_>,
    seen: &BrokerCredential,
    app: &OauthApp,
    strategy: &Strategy,
    found: &Account,
    token: &Secret<String>,
) -> Result<Settled, StoreError> {
    let Some(row) = tx.credential(seen.id).await? else { return Ok(Settled::Gone) };
    let token_of = |row: &BrokerCredential| (row.seed_version, row.last_refresh, row.oauth_app_id);
    if token_of(&row) != token_of(seen) {
        // It has another token by now, which may be another account's.
        return Ok(Settled::Later);
    }
    match tx.credential_of_subject(app.id, &found.subject).await? {
        Some(older) if older.id != row.id => merge(tx, &row, &older, found, token).await,
        _ => rename(tx, &row, strategy, found).await.map(|()| Settled::Known),
    }
}

/// The credential gets its subject, its address and its name; its wrapper follows. What an operator has renamed keeps
/// its name.
async fn rename(
    tx: &mut WriteTx<'_>,
    row: &BrokerCredential,
    strategy: &Strategy,
    found: &Account,
) -> Result<(), StoreError> {
    let title = found.title(&strategy.display_name);
    let is_ours = row.name.as_deref().is_some_and(|name| is_given(name, row, strategy));
    let name = is_ours.then_some(title.as_str());
    tx.identify_credential(row.id, Some(&found.subject), found.email.as_deref(), name).await?;
    let (Some(before), Some(title)) = (row.name.as_deref(), name) else { return Ok(()) };
    let links = tx.credential_links(&[row.id]).await?;
    let Some(wrapper) = links.get(&row.id).and_then(|links| links.wrapper) else { return Ok(()) };
    let Some(wrapper) = tx.secret(wrapper).await? else { return Ok(()) };
    if wrapper.document.name.as_deref() == Some(&wrapper_name(before)) {
        let mut definition = definition(&wrapper)?;
        definition.common.name = Some(wrapper_name(title));
        let credential = wrapper.sources.first().and_then(|source| source.broker_credential);
        let (document, sources) = stored(&definition, |_| credential);
        tx.update_secret(wrapper.id, &document, &sources, None).await?;
    }
    Ok(())
}

/// Whether a name is one that a consent gave: of an account that was pending, or known by its subject or address alone.
fn is_given(name: &str, row: &BrokerCredential, strategy: &Strategy) -> bool {
    let Some(whose) = name.strip_prefix(&format!("{} – ", strategy.display_name)) else { return false };
    let noun = match &strategy.identity {
        AccountBy::Unsaid(noun) => noun.clone(),
        AccountBy::IdToken(_) | AccountBy::Slack(_) => format!("{} account", strategy.display_name),
    };
    let known = [row.provider_subject.as_deref(), row.provider_email.as_deref()];
    whose == format!("Pending {noun}") || known.contains(&Some(whose))
}

/// The account has a credential already: that one gets the tokens, unless it got others after these were given, for a
/// refresh token must be in one place. Secrets that took their value from the newer one take it from the older one; the
/// wrapper goes unless somebody was granted it.
async fn merge(
    tx: &mut WriteTx<'_>,
    newer: &BrokerCredential,
    older: &BrokerCredential,
    found: &Account,
    token: &Secret<String>,
) -> Result<Settled, StoreError> {
    if tx.is_being_refreshed(newer.id).await? {
        // What it brings would be for a credential that is gone.
        return Ok(Settled::Later);
    }
    let (Some(app), Some(asked_at)) = (newer.oauth_app_id, newer.last_refresh) else {
        return Ok(Settled::Gone);
    };
    let material = tx.credential_material(newer.id).await?.unwrap_or_default();
    let lifetime = newer.expires_at.map(|end| Duration::from_micros((end.0 - asked_at.0).unsigned_abs()));
    let consent = Consent {
        app,
        subject: found.subject.clone(),
        email: found.email.clone(),
        labels: Labels::new(),
        scopes: newer.scopes.clone(),
        access_token: copy(token),
        refresh_token: material.refresh_token,
        asked_at,
        lifetime,
        spread: 0.0,
        new: NewCredential {
            namespace: older.namespace.clone(),
            foreign_id: older.foreign_id.clone().unwrap_or_default(),
            name: older.name.clone().unwrap_or_default(),
            token_endpoint: older.token_endpoint.clone(),
            external_user_key: String::new(),
        },
    };
    if older.dead || older.updated_at <= newer.created_at {
        tx.consent(&consent).await?;
    }
    let wrapper = tx.credential_links(&[newer.id]).await?.get(&newer.id).and_then(|links| links.wrapper);
    if let Some(wrapper) = wrapper
        && !tx.is_granted(wrapper).await?
    {
        tx.delete_secret(wrapper).await?;
    }
    tx.repoint_secrets(newer, older.id).await?;
    tx.delete_credential(newer.id).await?;
    Ok(Settled::Known)
}

fn definition(secret: &StoredSecret) -> Result<Definition, StoreError> {
    let body: Body = stored_body(secret)?;
    let identity = Identity { namespace: secret.namespace.clone(), foreign_id: secret.foreign_id.clone() };
    Ok(Definition { identity, common: stored_common(secret), body, values: Values::default() })
}
