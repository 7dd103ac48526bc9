//! Writing credentials.

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, OauthAppId, Oid};

use super::material::place;
use super::{BrokerCredential, GrantType, KIND, Timing};
use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::args;
use crate::error::StoreError;
use crate::list::{Labels, json_text, search_text};
use crate::name::{Name, Upserted, expect_revision};
use crate::tx::WriteTx;

/// What to write into a credential; `None` keeps what is there, `Some(None)` takes it away.
#[derive(Debug, Default)]
pub struct CredentialPatch {
    /// The name for people.
    pub name: Option<Option<String>>,
    /// The description.
    pub description: Option<Option<String>>,
    /// All labels.
    pub labels: Option<Labels>,
    /// How it is refreshed.
    pub grant: Option<GrantType>,
    /// Where.
    pub token_endpoint: Option<String>,
    /// What for.
    pub scopes: Option<Vec<String>>,
    /// The client id.
    pub client_id: Option<Option<String>>,
    /// When it is refreshed.
    pub timing: Option<Timing>,
    /// The app whose client it uses.
    pub oauth_app: Option<Option<OauthAppId>>,
    /// Who it is at the provider.
    pub provider_subject: Option<Option<String>>,
    /// With which address.
    pub provider_email: Option<Option<String>>,
    /// The key of the consent that made it.
    pub external_user_key: Option<Option<String>>,
    /// The client's secret.
    pub client_secret: Option<Option<Secret<String>>>,
    /// The extra headers: their names in order, and all of them as a JSON object.
    pub token_endpoint_headers: Option<Option<(Vec<String>, Secret<String>)>>,
    /// A fresh refresh token. Like the next three it revives a dead credential and makes it due.
    pub refresh_token: Option<Secret<String>>,
    /// A fresh user name.
    pub username: Option<Secret<String>>,
    /// A fresh password.
    pub password: Option<Secret<String>>,
    /// A fresh API key.
    pub api_key: Option<Secret<String>>,
}

impl CredentialPatch {
    fn seeds(&self) -> bool {
        [&self.refresh_token, &self.username, &self.password, &self.api_key].into_iter().any(Option::is_some)
    }

    fn has_material(&self) -> bool {
        self.seeds() || self.client_secret.is_some() || self.token_endpoint_headers.is_some()
    }
}

impl WriteTx<'_> {
    /// Makes a credential. It is due at once, and the change feed wakes the engine for it.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `foreign_id` or `provider_subject`; [`StoreError::Missing`] for the app;
    /// [`StoreError::Invalid`] with the name of a broken constraint.
    pub async fn create_credential(
        &mut self,
        namespace: &str,
        foreign_id: Option<&str>,
        patch: &CredentialPatch,
    ) -> Result<BrokerCredential, StoreError> {
        let credential = self.insert_credential(namespace, foreign_id, patch).await?;
        self.record_credential("create", None, Some(&credential)).await?;
        Ok(credential)
    }

    /// As [`WriteTx::create_credential`], without an event.
    pub(super) async fn insert_credential(
        &mut self,
        namespace: &str,
        foreign_id: Option<&str>,
        patch: &CredentialPatch,
    ) -> Result<BrokerCredential, StoreError> {
        self.within(namespace)?;
        let row = self.next_id("broker_credentials").await?;
        let mut credential = BrokerCredential {
            id: BrokerCredentialId::new(row).ok_or(StoreError::inconsistent("id_counters", "below one"))?,
            namespace: namespace.to_owned(),
            foreign_id: foreign_id.map(str::to_owned),
            name: None,
            description: None,
            labels: Labels::new(),
            grant: GrantType::default(),
            token_endpoint: String::new(),
            scopes: Vec::new(),
            client_id: None,
            token_endpoint_header_names: Vec::new(),
            timing: Timing::default(),
            expires_at: None,
            last_refresh: None,
            next_attempt_at: None,
            failure_count: 0,
            dead: false,
            dead_reason: None,
            interrupted_at: None,
            seed_version: 0,
            oauth_app_id: None,
            provider_subject: None,
            provider_email: None,
            external_user_key: None,
            created_by: self.actor.user(),
            revision: 1,
            created_at: self.now(),
            updated_at: self.now(),
        };
        let values = args![row, namespace, foreign_id, self.actor.created_by(), self.now()];
        self.execute(INSERT, values).await?;
        self.apply_to_credential(&mut credential, patch).await?;
        self.store_credential(&credential, patch).await?;
        self.announce("credential", Reach::Nobody).await?;
        Ok(credential)
    }

    /// Writes a credential. Fresh material revives it, makes it due, and outdates an attempt that is under way.
    ///
    /// # Errors
    /// As [`WriteTx::create_credential`]; [`StoreError::Missing`]; [`StoreError::Stale`] when `if_revision` is not
    /// the row's.
    pub async fn update_credential(
        &mut self,
        id: BrokerCredentialId,
        patch: &CredentialPatch,
        if_revision: Option<i64>,
    ) -> Result<BrokerCredential, StoreError> {
        let before = self.credential(id).await?.ok_or(StoreError::Missing { what: "broker credential" })?;
        expect_revision(before.revision, if_revision)?;
        let mut after = before.clone();
        self.apply_to_credential(&mut after, patch).await?;
        if after == before && !patch.has_material() {
            return Ok(before);
        }
        after.revision += 1;
        after.updated_at = self.now();
        self.store_credential(&after, patch).await?;
        // Death and life decide what is delivered.
        self.announce("credential", Reach::Credential(id.row())).await?;
        self.record_credential("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Writes the credential of this name, or makes it.
    ///
    /// # Errors
    /// As [`WriteTx::create_credential`] and [`WriteTx::update_credential`].
    pub async fn upsert_credential(
        &mut self,
        name: &Name,
        patch: &CredentialPatch,
        if_revision: Option<i64>,
    ) -> Result<Upserted<BrokerCredential>, StoreError> {
        if let Some(found) = self.credential_named(name).await? {
            self.update_credential(found.id, patch, if_revision).await.map(Upserted::updated)
        } else {
            let made = self.create_credential(&name.namespace, Some(&name.foreign_id), patch).await;
            made.map(Upserted::created)
        }
    }

    /// Deletes a credential that no source refers to; the secret a consent made for it stays, without the link.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::StillReferred`] by secret sources.
    pub async fn delete_credential(&mut self, id: BrokerCredentialId) -> Result<(), StoreError> {
        let before = self.credential(id).await?.ok_or(StoreError::Missing { what: "broker credential" })?;
        let used = "SELECT 1 FROM secret_sources WHERE broker_credential_id = $1";
        if self.exists(used, args![id.row()]).await? {
            return Err(StoreError::StillReferred { by: "secret sources" });
        }
        self.index_labels(KIND, id.row(), &Labels::new()).await?;
        self.execute("DELETE FROM broker_credentials WHERE id = $1", args![id.row()]).await?;
        self.record_credential("delete", Some(&before), None).await
    }

    /// Makes a credential due now, and wakes the engine by the change feed.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Invalid`] with the rule [`NOT_REFRESHABLE`] when there is nothing to
    /// refresh it with.
    pub async fn schedule_refresh(&mut self, id: BrokerCredentialId) -> Result<BrokerCredential, StoreError> {
        let before = self.credential(id).await?.ok_or(StoreError::Missing { what: "broker credential" })?;
        if !self.exists(REFRESHABLE, args![id.row()]).await? {
            return Err(StoreError::Invalid { rule: NOT_REFRESHABLE.to_owned() });
        }
        let after = BrokerCredential { next_attempt_at: Some(self.now()), ..before.clone() };
        let sql = "UPDATE broker_credentials SET next_attempt_at = $2 WHERE id = $1";
        self.execute(sql, args![id.row(), after.next_attempt_at]).await?;
        self.announce("credential", Reach::Nobody).await?;
        self.record_credential("refresh", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Takes a credential from its app (broker.md, section 9): it gets the app's client and refreshes on its own, or
    /// with `discard` it loses its tokens and is dead.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for the credential and for the app.
    pub async fn unlink_credential(
        &mut self,
        id: BrokerCredentialId,
        app: OauthAppId,
        discard: bool,
    ) -> Result<BrokerCredential, StoreError> {
        let missing = StoreError::Missing { what: "OAuth app" };
        let secret = self.app_secret(app).await?.ok_or(missing)?;
        let client = self.app(app).await?.map(|app| app.client_id);
        let before = self.credential(id).await?.ok_or(StoreError::Missing { what: "broker credential" })?;
        let mut patch = CredentialPatch {
            oauth_app: Some(None),
            provider_subject: Some(None),
            ..CredentialPatch::default()
        };
        if !discard {
            patch.client_id = client.map(Some);
            patch.client_secret = Some(Some(secret));
        }
        let mut after = before.clone();
        self.apply_to_credential(&mut after, &patch).await?;
        if discard {
            after.dead = true;
            after.dead_reason = Some("unlinked".to_owned());
            after.next_attempt_at = None;
            // What an attempt that is under way brings is dropped.
            after.seed_version += 1;
            self.execute(DISCARD, args![id.row()]).await?;
            self.forget_notice(id.row()).await?;
        }
        after.revision += 1;
        after.updated_at = self.now();
        self.store_credential(&after, &patch).await?;
        self.announce("credential", Reach::Credential(id.row())).await?;
        self.record_credential("unlink", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    pub(super) async fn apply_to_credential(
        &mut self,
        credential: &mut BrokerCredential,
        patch: &CredentialPatch,
    ) -> Result<(), StoreError> {
        if let Some(Some(app)) = patch.oauth_app
            && !self.exists("SELECT 1 FROM oauth_apps WHERE id = $1", args![app.row()]).await?
        {
            return Err(StoreError::Missing { what: "OAuth app" });
        }
        set(&mut credential.name, patch.name.as_ref());
        set(&mut credential.description, patch.description.as_ref());
        set(&mut credential.labels, patch.labels.as_ref());
        set(&mut credential.grant, patch.grant.as_ref());
        set(&mut credential.token_endpoint, patch.token_endpoint.as_ref());
        set(&mut credential.scopes, patch.scopes.as_ref());
        set(&mut credential.client_id, patch.client_id.as_ref());
        set(&mut credential.timing, patch.timing.as_ref());
        set(&mut credential.oauth_app_id, patch.oauth_app.as_ref());
        set(&mut credential.provider_subject, patch.provider_subject.as_ref());
        set(&mut credential.provider_email, patch.provider_email.as_ref());
        set(&mut credential.external_user_key, patch.external_user_key.as_ref());
        if let Some(headers) = &patch.token_endpoint_headers {
            let names = headers.as_ref().map(|(names, _)| names.clone());
            credential.token_endpoint_header_names = names.unwrap_or_default();
        }
        if patch.seeds() {
            credential.dead = false;
            credential.dead_reason = None;
            credential.failure_count = 0;
            credential.interrupted_at = None;
            credential.next_attempt_at = Some(self.now());
            credential.seed_version += 1;
        }
        Ok(())
    }

    /// Writes the row, and of the material what the patch has.
    pub(super) async fn store_credential(
        &mut self,
        credential: &BrokerCredential,
        patch: &CredentialPatch,
    ) -> Result<(), StoreError> {
        let id = credential.id.row();
        let row = args![
            id,
            &credential.name,
            &credential.description,
            json_text(&credential.labels)?,
            search_text(credential.foreign_id.as_deref(), credential.name.as_deref()),
            credential.grant.as_str(),
            &credential.token_endpoint,
            json_text(&credential.scopes)?,
            &credential.client_id,
            json_text(&credential.token_endpoint_header_names)?,
            credential.timing.early_refresh_slack_seconds,
            credential.timing.early_refresh_fraction_ppm,
            credential.timing.max_refresh_interval_seconds,
            credential.timing.refresh_timeout_seconds,
            credential.next_attempt_at,
            credential.failure_count,
            credential.dead,
            &credential.dead_reason,
            credential.interrupted_at,
            credential.seed_version,
            credential.oauth_app_id.map(Oid::row),
            &credential.provider_subject,
            &credential.provider_email,
            &credential.external_user_key,
            credential.revision,
            credential.updated_at,
        ];
        self.execute(UPDATE, row).await?;
        if patch.seeds() {
            self.execute(OUTDATE, args![id]).await?;
            self.forget_notice(id).await?;
        }
        self.index_labels(KIND, id, &credential.labels).await?;
        let keys = self.keys();
        let headers = patch.token_endpoint_headers.as_ref();
        let columns = [
            ("client_secret", patch.client_secret.as_ref().map(Option::as_ref)),
            ("token_endpoint_headers", headers.map(|headers| headers.as_ref().map(|(_, values)| values))),
            ("refresh_token", patch.refresh_token.as_ref().map(Some)),
            ("username", patch.username.as_ref().map(Some)),
            ("password", patch.password.as_ref().map(Some)),
            ("api_key", patch.api_key.as_ref().map(Some)),
        ];
        for (column, value) in columns {
            let Some(value) = value else { continue };
            let at = place(column, id, &credential.namespace);
            let sealed = value.map(|value| keys.seal(at, value.expose().as_bytes())).transpose()?;
            let sql = format!("UPDATE broker_credentials SET {column} = $2 WHERE id = $1");
            self.execute(sqlx::AssertSqlSafe(sql), args![id, sealed]).await?;
        }
        Ok(())
    }

    pub(super) async fn record_credential(
        &mut self,
        action: &'static str,
        before: Option<&BrokerCredential>,
        after: Option<&BrokerCredential>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let (id, namespace) = (subject.id.row(), Some(subject.namespace.as_str()));
        self.record(Entry { action, kind: KIND, id, namespace, before, after }).await
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

/// The rule that a credential breaks which has nothing to be refreshed with.
pub const NOT_REFRESHABLE: &str = "refreshable";

const REFRESHABLE: &str = "SELECT 1 FROM broker_credentials WHERE id = $1 \
     AND (grant_type IN ('password', 'preqin') OR last_refresh IS NULL OR refresh_token IS NOT NULL)";

/// Who is at it with the older material has lost it, and what went before is of another family.
const OUTDATE: &str = "UPDATE broker_credentials SET attempt_id = NULL, lease_until = NULL, saved_attempt_id = NULL, \
     previous_refresh_token = NULL WHERE id = $1";

const DISCARD: &str = "UPDATE broker_credentials SET access_token = NULL, refresh_token = NULL, \
     previous_refresh_token = NULL, username = NULL, password = NULL, api_key = NULL WHERE id = $1";

/// What is the same for all new credentials; the rest follows at once.
const INSERT: &str = "INSERT INTO broker_credentials (id, namespace, foreign_id, labels, search, grant_type, \
     token_endpoint, scopes, token_endpoint_header_names, early_refresh_slack_seconds, early_refresh_fraction_ppm, \
     max_refresh_interval_seconds, refresh_timeout_seconds, failure_count, dead, seed_version, created_by, revision, \
     created_at, updated_at) \
     VALUES ($1, $2, $3, '{}', '', 'refresh_token', '', '[]', '[]', 300, 200000, 86400, 30, 0, 0, 0, $4, 1, $5, $5)";

const UPDATE: &str = "UPDATE broker_credentials SET name = $2, description = $3, labels = $4, search = $5, \
     grant_type = $6, token_endpoint = $7, scopes = $8, client_id = $9, token_endpoint_header_names = $10, \
     early_refresh_slack_seconds = $11, early_refresh_fraction_ppm = $12, max_refresh_interval_seconds = $13, \
     refresh_timeout_seconds = $14, next_attempt_at = $15, failure_count = $16, dead = $17, dead_reason = $18, \
     interrupted_at = $19, seed_version = $20, oauth_app_id = $21, provider_subject = $22, provider_email = $23, \
     external_user_key = $24, revision = $25, updated_at = $26 WHERE id = $1";
