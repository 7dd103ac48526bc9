//! The store as the refresh engine needs it: claims and outcomes over the rows of `broker_credentials`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::BrokerCredentialId;
use centaur_broker as engine;
use centaur_broker::{Claimed, Due, Facts, Moment, Ready, Timing};
use centaur_oauth::{ClientAuth, Credential, Grant};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::apps::{ClientAuthMethod, OauthApp};
use crate::credentials::{BrokerCredential, Claim, GrantType, Minted, Outcome, Timing as StoredTiming};
use crate::error::StoreError;
use crate::seal::{KeyRing, Place};
use crate::store::Store;
use crate::time::{Clock, Micros};
use crate::tx::{ReadTx, WriteTx};

/// Where providers were moved to: by name, an origin that replaces scheme, host and port of their endpoints (decision
/// 15).
pub type MovedProviders = BTreeMap<String, String>;

/// A store for the engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Broker {
    store: Store,
    moved: Arc<MovedProviders>,
}

impl Broker {
    /// Over this store.
    pub fn new(store: Store, moved: MovedProviders) -> Self {
        Self { store, moved: Arc::new(moved) }
    }

    /// The database's time, in a transaction; that of the store's clock where tests move it.
    async fn time(&self, tx: &mut ReadTx) -> Result<Micros, StoreError> {
        match self.store.clock() {
            Clock::System => tx.database_time().await,
            Clock::Manual(_) => Ok(self.store.clock().now()),
        }
    }

    async fn claimed(
        &self,
        tx: &mut WriteTx<'_>,
        key: &str,
        attempt: &str,
    ) -> Result<Option<Claimed>, StoreError> {
        let Some(row) = tx.credential(id(key)?).await? else { return Ok(None) };
        let timing = timing(&row.timing);
        let now = self.time(tx).await?;
        let Some(claim) = tx.claim_refresh(row.id, attempt, now, timing.lease()).await? else {
            return Ok(None);
        };
        let credential = self.credential(tx, &row).await?;
        let facts = Facts {
            grant: credential.grant,
            has_refresh_token: credential.material.refresh_token.is_some(),
            has_initial: credential.has_initial(),
            has_client: credential.client_id.is_some(),
            timing,
            failure_count: u32::try_from(row.failure_count).unwrap_or(u32::MAX),
        };
        let claim = engine::Claim {
            key: key.to_owned(),
            attempt: claim.attempt_id,
            seed_version: claim.seed_version,
            started_at: Moment(claim.started_at.0),
            after_interruption: claim.after_interruption,
        };
        Ok(Some(Claimed { claim, namespace: row.namespace, lease: timing.lease(), facts, credential }))
    }

    /// What calls are made from: the client is the app's where there is one (broker.md, section 2).
    async fn credential(&self, tx: &mut ReadTx, row: &BrokerCredential) -> Result<Credential, StoreError> {
        let material = tx.credential_material(row.id).await?.unwrap_or_default();
        let app = match row.oauth_app_id {
            Some(id) => tx.app(id).await?,
            None => None,
        };
        let client_secret = match &app {
            Some(app) if app.is_public() => None,
            Some(app) => tx.app_secret(app.id).await?,
            None => material.client_secret,
        };
        let app_client = app.as_ref().map(|app| app.client_id.clone()).filter(|id| !id.is_empty());
        let provider = match (&app, row.grant) {
            (Some(app), _) => Some(app.provider.as_str()),
            (None, GrantType::Preqin) => Some("preqin"),
            (None, _) => None,
        };
        Ok(Credential {
            grant: match row.grant {
                GrantType::RefreshToken => Grant::RefreshToken,
                GrantType::Password => Grant::Password,
                GrantType::Preqin => Grant::Preqin,
            },
            endpoint: moved_endpoint(&self.moved, provider, &row.token_endpoint),
            client_id: app_client.or_else(|| row.client_id.clone()),
            client_secret: client_secret.filter(|secret| !secret.expose().is_empty()),
            client_auth: app.as_ref().map_or(ClientAuth::Post, client_auth),
            scopes: if app.as_ref().is_none_or(sends_scopes) { row.scopes.clone() } else { Vec::new() },
            headers: headers(material.token_endpoint_headers.as_ref())?,
            material: centaur_oauth::Material {
                refresh_token: material.refresh_token,
                username: material.username,
                password: material.password,
                api_key: material.api_key,
            },
            subject: row.provider_subject.clone(),
            timeout: timing(&row.timing).timeout,
        })
    }
}

/// Where an endpoint of a provider is now.
pub fn moved_endpoint(moved: &MovedProviders, provider: Option<&str>, endpoint: &str) -> String {
    let Some(base) = provider.and_then(|provider| moved.get(provider)) else {
        return endpoint.to_owned();
    };
    let rest = endpoint.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    format!("{}{path}", base.trim_end_matches('/'))
}

/// Whether a provider wants the scopes again (broker.md, section 3).
fn sends_scopes(app: &OauthApp) -> bool {
    matches!(app.provider.as_str(), "google" | "granola" | "linear")
}

/// How the client of an app says who it is. One without a secret names itself in the form.
pub fn client_auth(app: &OauthApp) -> ClientAuth {
    match app.generic.as_ref().map(|generic| generic.client_auth) {
        Some(ClientAuthMethod::Basic) => ClientAuth::Basic,
        Some(ClientAuthMethod::Post | ClientAuthMethod::None) | None => ClientAuth::Post,
    }
}

/// As the engine wants it.
pub(crate) fn timing(row: &StoredTiming) -> Timing {
    let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    Timing {
        slack: seconds(row.early_refresh_slack_seconds),
        fraction_ppm: u32::try_from(row.early_refresh_fraction_ppm).unwrap_or(0),
        longest: seconds(row.max_refresh_interval_seconds),
        timeout: seconds(row.refresh_timeout_seconds),
    }
}

fn headers(stored: Option<&Secret<String>>) -> Result<Vec<(String, Secret<String>)>, StoreError> {
    let Some(stored) = stored else { return Ok(Vec::new()) };
    let wrong = StoreError::inconsistent("broker_credentials", "token_endpoint_headers");
    let named: BTreeMap<String, String> = serde_json::from_str(stored.expose()).map_err(|_| wrong)?;
    Ok(named.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

fn id(key: &str) -> Result<BrokerCredentialId, StoreError> {
    key.parse().map_err(|_| StoreError::inconsistent("broker_credentials", "an id"))
}

impl engine::Store for Broker {
    type Error = StoreError;

    async fn due(&self, limit: u32, busy: &[String]) -> Result<Due, StoreError> {
        let mut tx = self.store.read().await?;
        let now = self.time(&mut tx).await?;
        let ready = tx.due_credentials(now, limit, busy).await?;
        let next = tx.next_due(now).await?.map(|at| Moment(at.0).since(Moment(now.0)));
        let ready = ready.into_iter().map(|(id, endpoint)| Ready { key: id.to_string(), endpoint }).collect();
        Ok(Due { ready, next })
    }

    async fn claim(&self, key: &str, attempt: &str) -> Result<Option<Claimed>, StoreError> {
        let system = Actor::system();
        self.store.write(&system, |tx| Box::pin(async move { self.claimed(tx, key, attempt).await })).await
    }

    async fn save_tokens(&self, claimed: &Claimed, minted: &engine::Minted) -> Result<bool, StoreError> {
        let sent = claimed.credential.material.refresh_token.as_ref();
        let (claim, minted) = (stored_claim(&claimed.claim)?, stored_minted(minted));
        self.store.save_tokens(&claim, &claimed.namespace, sent, &minted).await
    }

    async fn conclude(&self, claim: &engine::Claim, outcome: &engine::Outcome) -> Result<bool, StoreError> {
        let claim = &stored_claim(claim)?;
        let outcome = &stored(outcome);
        let system = Actor::system();
        let concluded = self.store.write(&system, |tx| {
            Box::pin(async move {
                let ended_at = self.time(tx).await?;
                tx.conclude_refresh(claim, outcome, ended_at).await
            })
        });
        concluded.await
    }

    async fn now(&self) -> Result<Moment, StoreError> {
        let mut tx = self.store.read().await?;
        self.time(&mut tx).await.map(|now| Moment(now.0))
    }

    fn changes(&self) -> watch::Receiver<i64> {
        self.store.changed()
    }
}

fn stored_claim(claim: &engine::Claim) -> Result<Claim, StoreError> {
    Ok(Claim {
        credential: id(&claim.key)?,
        attempt_id: claim.attempt.clone(),
        seed_version: claim.seed_version,
        started_at: Micros(claim.started_at.0),
        after_interruption: claim.after_interruption,
    })
}

fn stored_minted(minted: &engine::Minted) -> Minted {
    let copy = |secret: &Secret<String>| Secret::new(secret.expose().clone());
    Minted {
        access_token: copy(&minted.access_token),
        refresh_token: minted.refresh_token.as_ref().map(copy),
        forget_refresh_token: minted.forget_refresh_token,
        expires_at: Micros(minted.expires_at.0),
        last_refresh: Micros(minted.last_refresh.0),
        next_attempt_at: Some(Micros(minted.next_attempt_at.0)),
    }
}

fn stored(outcome: &engine::Outcome) -> Outcome {
    match outcome {
        engine::Outcome::Minted(minted) => Outcome::Minted(stored_minted(minted)),
        engine::Outcome::Failed { next_attempt_at, not_before: _, code, uncertain } => Outcome::Failed {
            next_attempt_at: Micros(next_attempt_at.0),
            code: code.clone(),
            uncertain: *uncertain,
        },
        engine::Outcome::Dead { reason, client_rejected } => {
            Outcome::Dead { reason: reason.clone(), client_rejected: *client_rejected }
        }
    }
}

/// Seals the files of the spool with the keys of the columns.
#[derive(Debug, Clone)]
pub struct SpoolSeal(pub Arc<KeyRing>);

impl engine::Seal for SpoolSeal {
    fn seal(&self, attempt: &str, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.seal(spool(attempt), plain).ok()
    }

    fn open(&self, attempt: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let opened = self.0.open(spool(attempt), sealed).ok()?;
        Some(Zeroizing::new(opened.expose().clone()))
    }
}

/// A file of the spool is no row: the attempt stands where a namespace would.
fn spool(attempt: &str) -> Place<'_> {
    Place { table: "broker_spool", column: "outcome", row: 0, namespace: attempt }
}
