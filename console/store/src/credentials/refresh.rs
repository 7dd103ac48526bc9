//! The lease of a refresh, and how it ends (broker.md, section 7.2).
//!
//! A claim is one conditional update with an owner and an expiry; no transaction is open while the provider is asked.
//! An outcome is written only by the owner, and only while nobody has supplied fresh material in between. New tokens are
//! stored first, by one statement that waits for no other writer; what follows from them comes in a transaction after
//! that.

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, OauthAppId, Oid};

use super::KIND;
use super::material::place;
use crate::actor::Actor;
use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::store::Store;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// Due: alive, refreshable, its time has come, and nobody is at it (broker.md, section 5).
macro_rules! due {
    ($now:literal) => {
        concat!(
            "dead = 0 AND (grant_type IN ('password', 'preqin') OR last_refresh IS NULL OR refresh_token IS NOT NULL) \
             AND (next_attempt_at IS NULL OR next_attempt_at <= ",
            $now,
            ") AND (lease_until IS NULL OR lease_until < ",
            $now,
            // Who asks with a client that was refused a moment ago is refused as well.
            ") AND NOT EXISTS (SELECT 1 FROM oauth_apps a WHERE a.id = broker_credentials.oauth_app_id \
               AND a.client_rejected_at > ",
            $now,
            " - 600000000)"
        )
    };
}
/// A claimed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The credential.
    pub credential: BrokerCredentialId,
    /// The owner's name for the attempt, unique.
    pub attempt_id: String,
    /// The material the attempt uses.
    pub seed_version: i64,
    /// When it began.
    pub started_at: Micros,
    /// An earlier attempt was begun and nobody knows how it ended.
    pub after_interruption: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Outcome {
    /// The provider gave a token.
    Minted(Minted),
    /// It may be tried again.
    Failed {
        /// When.
        next_attempt_at: Micros,
        /// What went wrong, as a code.
        code: String,
        /// The refresh token may have been used up.
        uncertain: bool,
    },
    /// It may not.
    Dead {
        /// Why.
        reason: String,
        /// The provider refused the linked app's client, and with it all credentials of the app.
        client_rejected: bool,
    },
}

/// What a provider gave.
#[derive(Debug)]
pub struct Minted {
    /// The access token.
    pub access_token: Secret<String>,
    /// The refresh token that replaces the stored one.
    pub refresh_token: Option<Secret<String>>,
    /// The stored refresh token was refused; it goes when none replaces it.
    pub forget_refresh_token: bool,
    /// When the access token ends.
    pub expires_at: Micros,
    /// When the request was sent.
    pub last_refresh: Micros,
    /// When the next refresh is due; `None` when there will be none.
    pub next_attempt_at: Option<Micros>,
}

/// An entry of the log of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub id: String,
    /// When it began.
    pub started_at: Micros,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// `success`, `retryable`, `dead`.
    pub result: String,
    /// The code of a failure.
    pub code: Option<String>,
    /// The provider gave another refresh token.
    pub rotated: bool,
}

impl ReadTx {
    /// Credentials that are due by `now`, with their endpoints, the longest waiting first, at most `limit`. Claimed ones
    /// whose lease has not ended are left out, and those of the endpoints `busy`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_credentials(
        &mut self,
        now: Micros,
        limit: u32,
        busy: &[String],
    ) -> Result<Vec<(BrokerCredentialId, String)>, StoreError> {
        let mut sql =
            concat!("SELECT id, token_endpoint FROM broker_credentials WHERE ", due!("$1")).to_owned();
        let mut args = args![now, i64::from(limit)];
        if !busy.is_empty() {
            let places: Vec<_> = (3..3 + busy.len()).map(|place| format!("${place}")).collect();
            sql.push_str(" AND token_endpoint NOT IN (");
            sql.push_str(&places.join(", "));
            sql.push(')');
            args.extend(busy.iter().map(|endpoint| Arg::from(endpoint.as_str())));
        }
        sql.push_str(" ORDER BY COALESCE(next_attempt_at, 0), id LIMIT $2");
        let mut due = Vec::new();
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), args).await? {
            let (id, endpoint) = (BrokerCredentialId::new(row.next()?), row.next()?);
            due.extend(id.map(|id| (id, endpoint)));
        }
        Ok(due)
    }

    /// When the first of those is due that are not due by `now`, or the first lease ends that has not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_due(&mut self, now: Micros) -> Result<Option<Micros>, StoreError> {
        let mut next = None;
        for sql in [NEXT, NEXT_FREE] {
            if let Some(mut row) = self.row(sql, args![now]).await? {
                let at = Micros(row.next()?);
                next = Some(next.map_or(at, |next: Micros| next.min(at)));
            }
        }
        Ok(next)
    }

    /// The last attempts of a credential, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn attempts(&mut self, id: BrokerCredentialId) -> Result<Vec<Attempt>, StoreError> {
        let sql = "SELECT attempt_id, started_at, duration_ms, result, code, rotated FROM broker_attempts \
                   WHERE credential_id = $1 ORDER BY started_at DESC, attempt_id";
        let rows = self.rows(sql, args![id.row()]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Attempt {
                    id: row.next()?,
                    started_at: Micros(row.next()?),
                    duration_ms: row.next()?,
                    result: row.next()?,
                    code: row.next()?,
                    rotated: row.flag()?,
                })
            })
            .collect()
    }
}

impl Store {
    /// As [`WriteTx::claim_refresh`], in a transaction of its own.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_refresh(
        &self,
        id: BrokerCredentialId,
        attempt_id: &str,
        now: Micros,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        self.write(&Actor::system(), |tx| {
            Box::pin(async move { tx.claim_refresh(id, attempt_id, now, lease).await })
        })
        .await
    }

    /// Stores the tokens of an attempt whose refresh token was replaced, and gives its lease back: one statement, outside
    /// of the turns in which transactions write, so that it waits for nobody but a writer of this credential. `sent` is
    /// the refresh token that was replaced. False when the lease is another's by now, or the credential got fresh
    /// material, or there is no new refresh token. [`WriteTx::conclude_refresh`] does the rest.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn save_tokens(
        &self,
        claim: &Claim,
        namespace: &str,
        sent: Option<&Secret<String>>,
        minted: &Minted,
    ) -> Result<bool, StoreError> {
        let Some(refresh_token) = &minted.refresh_token else { return Ok(false) };
        let id = claim.credential.row();
        let seal = |column, value: &Secret<String>| {
            self.keys().seal(place(column, id, namespace), value.expose().as_bytes())
        };
        let row = args![
            id,
            &claim.attempt_id,
            claim.seed_version,
            seal("access_token", &minted.access_token)?,
            minted.expires_at,
            minted.next_attempt_at,
            seal("refresh_token", refresh_token)?,
            sent.map(|sent| seal("previous_refresh_token", sent)).transpose()?,
        ];
        Ok(self.pools().execute(SAVE, row).await? > 0)
    }
}

impl WriteTx<'_> {
    /// Claims a due credential for `lease` from `now`, which should be the database's time. `None` when it is not due,
    /// gone, or claimed by another. A lease that has run out is an interruption, which the audit log is told of.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_refresh(
        &mut self,
        id: BrokerCredentialId,
        attempt_id: &str,
        now: Micros,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        let standing = "SELECT namespace, attempt_id, saved_attempt_id, oauth_app_id \
                        FROM broker_credentials WHERE id = $1";
        let Some(mut standing) = self.row(standing, args![id.row()]).await? else { return Ok(None) };
        let (namespace, lost): (String, Option<String>) = (standing.next()?, standing.next()?);
        let saved: Option<String> = standing.next()?;
        let app: Option<i64> = standing.next()?;
        let claimed = self.row(CLAIM, args![id.row(), now, attempt_id, now.after(lease)]).await?;
        let Some(mut row) = claimed else { return Ok(None) };
        let (seed_version, interrupted): (i64, Option<i64>) = (row.next()?, row.next()?);
        if let Some(lost) = lost {
            let log = args![id.row(), &lost, now, 0_i64, "interrupted", None::<&str>, false];
            self.execute(LOG, log).await?;
            self.audit_refresh(id, &namespace, "interrupted", None).await?;
        }
        if let Some(saved) = saved {
            // Whoever saved its tokens did not live to say so.
            let log = args![id.row(), &saved, now, 0_i64, "success", None::<&str>, true];
            self.execute(LOG, log).await?;
            self.announce("credential", Reach::Credential(id.row())).await?;
        }
        if let Some(app) = app {
            // Of the credentials of a refused client one is tried, and the others wait for what it meets.
            self.execute(TRY_CLIENT, args![app, now]).await?;
        }
        Ok(Some(Claim {
            credential: id,
            attempt_id: attempt_id.to_owned(),
            seed_version,
            started_at: now,
            after_interruption: interrupted.is_some(),
        }))
    }

    async fn audit_refresh(
        &mut self,
        id: BrokerCredentialId,
        namespace: &str,
        action: &'static str,
        code: Option<&str>,
    ) -> Result<(), StoreError> {
        let details = serde_json::json!({ "id": id, "code": code });
        let (kind, namespace) = (KIND, Some(namespace));
        let before = None::<&()>;
        self.record(Entry { action, kind, id: id.row(), namespace, before, after: Some(&details) }).await
    }

    /// Writes how an attempt ended, and gives its lease back. False when the lease is another's by now, or the
    /// credential got fresh material in between, which wins: then the outcome is dropped.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn conclude_refresh(
        &mut self,
        claim: &Claim,
        outcome: &Outcome,
        ended_at: Micros,
    ) -> Result<bool, StoreError> {
        let id = claim.credential.row();
        let owned = "SELECT namespace, seed_version, last_refresh, failure_count, oauth_app_id, saved_attempt_id \
                     FROM broker_credentials WHERE id = $1 AND (attempt_id = $2 OR saved_attempt_id = $2)";
        let Some(mut row) = self.row(owned, args![id, &claim.attempt_id]).await? else { return Ok(false) };
        let (namespace, seed_version): (String, i64) = (row.next()?, row.next()?);
        let (last_refresh, failures): (Option<i64>, i64) = (row.next()?, row.next()?);
        let (app, saved): (Option<i64>, Option<String>) = (row.next()?, row.next()?);
        if seed_version != claim.seed_version {
            let free = "UPDATE broker_credentials SET attempt_id = NULL, lease_until = NULL, \
                        saved_attempt_id = NULL WHERE id = $1";
            self.execute(free, args![id]).await?;
            return Ok(false);
        }
        // Changes of state; routine refreshes are in the log of attempts alone.
        let mut change = None;
        let (result, code, rotated) = match outcome {
            Outcome::Minted(minted) => {
                match saved {
                    Some(_) => drop(
                        self.execute(
                            SAVED,
                            args![id, minted.last_refresh, minted.expires_at, minted.next_attempt_at],
                        )
                        .await?,
                    ),
                    None => self.store_minted(id, &namespace, minted).await?,
                }
                if let Some(app) = app {
                    let accepted = "UPDATE oauth_apps SET client_rejected_at = NULL WHERE id = $1";
                    self.execute(accepted, args![app]).await?;
                }
                match last_refresh {
                    None => change = Some("minted"),
                    Some(_) if failures > 0 => change = Some("recovered"),
                    Some(_) => {}
                }
                ("success", None, minted.refresh_token.is_some())
            }
            Outcome::Failed { next_attempt_at, code, uncertain } => {
                let interrupted_at = uncertain.then_some(ended_at);
                self.execute(FAILED, args![id, *next_attempt_at, interrupted_at]).await?;
                if failures == 0 {
                    change = Some("failing");
                }
                ("retryable", Some(code.as_str()), false)
            }
            Outcome::Dead { reason, client_rejected } => {
                self.execute(DEAD, args![id, reason]).await?;
                self.leave_notice(id, &claim.attempt_id, reason, ended_at).await?;
                if let Some(app) = app.and_then(OauthAppId::new).filter(|_| *client_rejected) {
                    self.reject_client(app).await?;
                }
                change = Some("died");
                ("dead", Some(reason.as_str()), false)
            }
        };
        if !matches!(outcome, Outcome::Failed { .. }) {
            self.announce("credential", Reach::Credential(id)).await?;
        }
        let duration_ms = (ended_at.0 - claim.started_at.0).max(0) / 1_000;
        let log = args![id, &claim.attempt_id, claim.started_at, duration_ms, result, code, rotated];
        self.execute(LOG, log).await?;
        self.execute(FORGET, args![id, ATTEMPTS_KEPT]).await?;
        if let Some(change) = change {
            self.audit_refresh(claim.credential, &namespace, change, code).await?;
        }
        Ok(true)
    }

    async fn store_minted(&mut self, id: i64, namespace: &str, minted: &Minted) -> Result<(), StoreError> {
        let keys = self.keys();
        let seal = |column, value: &Secret<String>| {
            keys.seal(place(column, id, namespace), value.expose().as_bytes())
        };
        let access_token = seal("access_token", &minted.access_token)?;
        let row = args![id, access_token, minted.expires_at, minted.last_refresh, minted.next_attempt_at,];
        self.execute(MINTED, row).await?;
        let Some(refresh_token) = &minted.refresh_token else {
            let sql = if minted.forget_refresh_token { FORGET_TOKENS } else { FORGET_PREVIOUS };
            return self.execute(sql, args![id]).await.map(drop);
        };
        // The one it replaces is kept, sealed for its new column.
        let stored = "SELECT refresh_token FROM broker_credentials WHERE id = $1";
        let stored =
            self.row(stored, args![id]).await?.map(|mut row| row.next::<Option<Vec<u8>>>()).transpose()?;
        let previous = match stored.flatten() {
            Some(sealed) => {
                let opened = keys.open(place("refresh_token", id, namespace), &sealed)?;
                Some(keys.seal(place("previous_refresh_token", id, namespace), opened.expose())?)
            }
            None => None,
        };
        let row = args![id, seal("refresh_token", refresh_token)?, previous];
        let sql =
            "UPDATE broker_credentials SET refresh_token = $2, previous_refresh_token = $3 WHERE id = $1";
        self.execute(sql, row).await.map(drop)
    }
}

/// A lease that is still there has ended without an outcome.
const CLAIM: &str = concat!(
    "UPDATE broker_credentials SET attempt_id = $3, attempt_started_at = $2, lease_until = $4, \
     saved_attempt_id = NULL, \
     interrupted_at = CASE WHEN lease_until IS NULL THEN interrupted_at ELSE $2 END \
     WHERE id = $1 AND ",
    due!("$2"),
    " RETURNING seed_version, interrupted_at"
);

/// By the index on both columns.
const NEXT: &str = "SELECT next_attempt_at FROM broker_credentials WHERE dead = 0 AND next_attempt_at > $1 \
     ORDER BY next_attempt_at LIMIT 1";

/// By its index. A lease holds until its end, inclusive.
const NEXT_FREE: &str = "SELECT lease_until + 1 FROM broker_credentials WHERE lease_until >= $1 \
     ORDER BY lease_until LIMIT 1";

const MINTED: &str = "UPDATE broker_credentials SET access_token = $2, expires_at = $3, last_refresh = $4, \
     next_attempt_at = $5, failure_count = 0, dead = 0, dead_reason = NULL, interrupted_at = NULL, \
     attempt_id = NULL, lease_until = NULL WHERE id = $1";

/// What cannot be had again, and that nobody has to fear for it any more.
const SAVE: &str = "UPDATE broker_credentials SET access_token = $4, expires_at = $5, next_attempt_at = $6, \
     refresh_token = $7, previous_refresh_token = $8, interrupted_at = NULL, \
     attempt_id = NULL, lease_until = NULL, saved_attempt_id = $2 \
     WHERE id = $1 AND attempt_id = $2 AND seed_version = $3";

/// The rest of it; and the times again, which another writer may have read before and written since.
const SAVED: &str = "UPDATE broker_credentials SET last_refresh = $2, expires_at = $3, next_attempt_at = $4, \
     interrupted_at = NULL, failure_count = 0, dead = 0, dead_reason = NULL, saved_attempt_id = NULL WHERE id = $1";

const FAILED: &str = "UPDATE broker_credentials SET failure_count = failure_count + 1, next_attempt_at = $2, \
     interrupted_at = COALESCE($3, interrupted_at), attempt_id = NULL, lease_until = NULL WHERE id = $1";

/// A refused client counts as refused again until the attempt ends.
const TRY_CLIENT: &str =
    "UPDATE oauth_apps SET client_rejected_at = $2 WHERE id = $1 AND client_rejected_at IS NOT NULL";

/// The first reason stays.
const DEAD: &str = "UPDATE broker_credentials SET dead = 1, dead_reason = COALESCE(dead_reason, $2), \
     attempt_id = NULL, lease_until = NULL WHERE id = $1";

pub(super) const FORGET_TOKENS: &str =
    "UPDATE broker_credentials SET refresh_token = NULL, previous_refresh_token = NULL WHERE id = $1";

const FORGET_PREVIOUS: &str = "UPDATE broker_credentials SET previous_refresh_token = NULL WHERE id = $1";

const LOG: &str = "INSERT INTO broker_attempts (credential_id, attempt_id, started_at, duration_ms, result, code, \
     rotated) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const FORGET: &str = "DELETE FROM broker_attempts WHERE credential_id = $1 AND attempt_id NOT IN \
     (SELECT attempt_id FROM broker_attempts WHERE credential_id = $1 ORDER BY started_at DESC, attempt_id LIMIT $2)";

const ATTEMPTS_KEPT: i64 = 50;
