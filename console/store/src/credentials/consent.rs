//! What a consent writes (broker.md, section 11.4): a credential per app and account, made once and refilled by each
//! later consent of the same account.

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, OauthAppId, Oid, UserId};
use centaur_broker::{Moment, next_of_assumed, next_refresh};
use centaur_oauth::blames_token;

use super::material::place;
use super::refresh::FORGET_TOKENS;
use super::write::CredentialPatch;
use super::{BrokerCredential, Timing};
use crate::broker::timing as engine_timing;
use crate::changes::Reach;
use crate::db::args;
use crate::error::StoreError;
use crate::list::Labels;
use crate::name::Name;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// What a consent brought.
#[derive(Debug)]
pub struct Consent {
    /// The app.
    pub app: OauthAppId,
    /// Who consented, at the provider.
    pub subject: String,
    /// With which address; `None` leaves the one that is known.
    pub email: Option<String>,
    /// Labels that are added.
    pub labels: Labels,
    /// What was granted.
    pub scopes: Vec<String>,
    /// The access token.
    pub access_token: Secret<String>,
    /// The refresh token; `None` leaves the one that is stored.
    pub refresh_token: Option<Secret<String>>,
    /// When the provider was asked.
    pub asked_at: Micros,
    /// How long the access token lives; `None` when the provider named none.
    pub lifetime: Option<Duration>,
    /// From 0 to 1: spreads credentials that are minted together.
    pub spread: f64,
    /// What a credential is made with that is not there yet.
    pub new: NewCredential,
}

/// What a consent gives to a credential that it makes, and leaves alone in one that is there.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs; another credential of that name adds a number to it.
    pub foreign_id: String,
    /// Its name for people.
    pub name: String,
    /// Where it is refreshed.
    pub token_endpoint: String,
    /// The key of the consent.
    pub external_user_key: String,
}

/// What a consent came to.
#[derive(Debug, Clone)]
pub struct Consented {
    /// The credential.
    pub credential: BrokerCredential,
    /// It was made just now.
    pub created: bool,
}

impl ReadTx {
    /// The credential that an account has with an app.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credential_of_subject(
        &mut self,
        app: OauthAppId,
        subject: &str,
    ) -> Result<Option<BrokerCredential>, StoreError> {
        let sql = "SELECT id FROM broker_credentials WHERE oauth_app_id = $1 AND provider_subject = $2";
        let Some(mut row) = self.row(sql, args![app.row(), subject]).await? else { return Ok(None) };
        match BrokerCredentialId::new(row.next()?) {
            Some(id) => self.credential(id).await,
            None => Ok(None),
        }
    }

    /// The credentials of consents whose subject begins like this, which has neither `%` nor `_`: accounts that nobody has
    /// named yet.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credentials_of_subjects_like(
        &mut self,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<BrokerCredentialId>, StoreError> {
        let sql = "SELECT id FROM broker_credentials WHERE oauth_app_id IS NOT NULL \
                   AND provider_subject LIKE $1 ORDER BY id LIMIT $2";
        let rows = self.rows(sql, args![format!("{prefix}%"), i64::from(limit)]).await?;
        let ids = rows.into_iter().map(|mut row| row.next::<i64>().map(BrokerCredentialId::new));
        Ok(ids.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Whether an attempt to refresh it is under way.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_being_refreshed(&mut self, id: BrokerCredentialId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM broker_credentials WHERE id = $1 AND attempt_id IS NOT NULL";
        self.exists(sql, args![id.row()]).await
    }
}

impl WriteTx<'_> {
    /// Writes what a consent brought into the credential of its app and account, which is made when there is none. It is
    /// alive afterwards, whatever it was. An attempt that is under way is outdated when there is a fresh refresh token;
    /// without one it goes on, for the token that it may be replacing is still the only one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the app is gone; [`StoreError::Taken`] when somebody else made it meanwhile.
    pub async fn consent(&mut self, consent: &Consent) -> Result<Consented, StoreError> {
        let before = self.credential_of_subject(consent.app, &consent.subject).await?;
        let id = match &before {
            Some(before) => before.id,
            None => self.new_credential(consent).await?,
        };
        let missing = StoreError::inconsistent("broker_credentials", "a row that was just written is gone");
        let mut after = self.credential(id).await?.ok_or(missing)?;
        let patch = CredentialPatch {
            scopes: Some(consent.scopes.clone()),
            provider_email: consent.email.clone().map(Some),
            refresh_token: consent.refresh_token.as_ref().map(copy),
            ..CredentialPatch::default()
        };
        self.apply_to_credential(&mut after, &patch).await?;
        if consent.refresh_token.is_none() && after.dead {
            self.revive(&mut after).await?;
        }
        after.labels.extend(consent.labels.clone());
        after.dead = false;
        after.dead_reason = None;
        after.failure_count = 0;
        let is_refreshable = consent.refresh_token.is_some() || self.has_refresh_token(id).await?;
        let (expires_at, next) = schedule(consent, &after.timing, is_refreshable);
        after.expires_at = Some(expires_at);
        after.last_refresh = Some(consent.asked_at);
        after.next_attempt_at = next;
        after.created_by = after.created_by.or(self.actor.user());
        after.updated_at = self.now();
        if before.is_some() {
            after.revision += 1;
        }
        self.store_credential(&after, &patch).await?;
        let sealed = self.keys().seal(
            place("access_token", id.row(), &after.namespace),
            consent.access_token.expose().as_bytes(),
        )?;
        let created_by = after.created_by.map(UserId::row);
        let row = args![id.row(), sealed, expires_at, consent.asked_at, created_by];
        self.execute(TOKEN, row).await?;
        self.announce("credential", Reach::Credential(id.row())).await?;
        self.record_credential("consent", before.as_ref(), Some(&after)).await?;
        Ok(Consented { credential: after, created: before.is_none() })
    }

    /// Writes who an account turned out to be. `None` leaves what is there.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Taken`] when another credential of the app is that account's.
    pub async fn identify_credential(
        &mut self,
        id: BrokerCredentialId,
        subject: Option<&str>,
        email: Option<&str>,
        name: Option<&str>,
    ) -> Result<BrokerCredential, StoreError> {
        let patch = CredentialPatch {
            provider_subject: subject.map(|subject| Some(subject.to_owned())),
            provider_email: email.map(|email| Some(email.to_owned())),
            name: name.map(|name| Some(name.to_owned())),
            ..CredentialPatch::default()
        };
        self.update_credential(id, &patch, None).await
    }

    /// A dead credential gets an access token and no refresh token. Nobody is told of its death any more; and a refresh
    /// token that was refused is not sent again, for that may cost the grant that was just given.
    async fn revive(&mut self, credential: &mut BrokerCredential) -> Result<(), StoreError> {
        let id = credential.id.row();
        self.forget_notice(id).await?;
        let reason = credential.dead_reason.as_deref().unwrap_or_default();
        if blames_token(reason.strip_prefix("interrupted_").unwrap_or(reason)) {
            self.execute(FORGET_TOKENS, args![id]).await?;
            credential.seed_version += 1;
            credential.interrupted_at = None;
        }
        Ok(())
    }

    async fn new_credential(&mut self, consent: &Consent) -> Result<BrokerCredentialId, StoreError> {
        let NewCredential { namespace, name, token_endpoint, external_user_key, .. } = consent.new.clone();
        let foreign_id = self.free_name(&consent.new).await?;
        let patch = CredentialPatch {
            name: Some(Some(name)),
            token_endpoint: Some(token_endpoint),
            external_user_key: Some(Some(external_user_key)),
            oauth_app: Some(Some(consent.app)),
            provider_subject: Some(Some(consent.subject.clone())),
            ..CredentialPatch::default()
        };
        let id = self.insert_credential(&namespace, foreign_id.as_deref(), &patch).await?.id;
        Ok(id)
    }

    /// A credential that was taken from its app keeps its name, and its account may consent again.
    async fn free_name(&mut self, new: &NewCredential) -> Result<Option<String>, StoreError> {
        const MOST: u32 = 100;
        for number in 1..MOST {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let room = LONGEST_NAME.saturating_sub(suffix.len());
            // Names for programs are ASCII.
            let name = format!("{}{suffix}", new.foreign_id.get(..room).unwrap_or(&new.foreign_id));
            if self.credential_named(&Name::new(&new.namespace, &name)).await?.is_none() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    async fn has_refresh_token(&mut self, id: BrokerCredentialId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM broker_credentials WHERE id = $1 AND refresh_token IS NOT NULL";
        self.exists(sql, args![id.row()]).await
    }
}

/// When the token ends, and when it is refreshed. One that cannot be refreshed and names no end has none.
fn schedule(consent: &Consent, timing: &Timing, is_refreshable: bool) -> (Micros, Option<Micros>) {
    let asked = Moment(consent.asked_at.0);
    let next = |lifetime| match consent.lifetime {
        Some(_) => next_refresh(&engine_timing(timing), asked, lifetime, consent.spread),
        None => next_of_assumed(asked, lifetime),
    };
    let lifetime = consent.lifetime.unwrap_or(if is_refreshable { ASSUMED } else { ENDLESS });
    let ends = consent.asked_at.after(lifetime);
    (ends, is_refreshable.then(|| Micros(next(lifetime).0)))
}

fn copy(secret: &Secret<String>) -> Secret<String> {
    Secret::new(secret.expose().clone())
}

/// Characters of a name for programs.
const LONGEST_NAME: usize = 255;
/// Of a token that can be refreshed and whose lifetime nobody named.
const ASSUMED: Duration = Duration::from_mins(5);
/// Of a token that cannot be refreshed and whose lifetime nobody named: ten years.
const ENDLESS: Duration = Duration::from_hours(87_600);

const TOKEN: &str = "UPDATE broker_credentials SET access_token = $2, expires_at = $3, last_refresh = $4, \
     created_by = $5 WHERE id = $1";
