//! Broker credentials: OAuth-like credentials whose access token is kept fresh.
//!
//! Here are the record and its sealed material. Claiming a refresh and recording its outcome is in `refresh.rs`.

mod consent;
mod death;
mod links;
mod material;
mod refresh;
mod stand;
mod suggestions;
mod write;

use centaur_base::oid::{BrokerCredentialId, OauthAppId, Oid, UserId};
use serde::{Serialize, Serializer};

pub use consent::{Consent, Consented, NewCredential};
pub use death::DeathNotice;
pub use links::CredentialLinks;
pub use material::{AccessToken, Material};
pub use refresh::{Attempt, Claim, Minted, Outcome};
pub use stand::CredentialStand;
pub use write::{CredentialPatch, NOT_REFRESHABLE};

use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{Filter, Labels, Listed, Page, Query, json_object};
use crate::name::Name;
use crate::time::Micros;
use crate::tx::ReadTx;

/// A broker credential, without any material.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BrokerCredential {
    /// Its id.
    pub id: BrokerCredentialId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs, unique in the namespace.
    pub foreign_id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// A description.
    pub description: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// How it is refreshed.
    pub grant: GrantType,
    /// Where.
    pub token_endpoint: String,
    /// What for.
    pub scopes: Vec<String>,
    /// Its own client id; a linked app has another.
    pub client_id: Option<String>,
    /// Names of the extra headers, in the order given.
    pub token_endpoint_header_names: Vec<String>,
    /// When it is refreshed.
    pub timing: Timing,
    /// When the access token ends.
    pub expires_at: Option<Micros>,
    /// When it was last refreshed: before the request was sent.
    pub last_refresh: Option<Micros>,
    /// When the next attempt is due; `None` is at once, or never for what cannot be refreshed.
    pub next_attempt_at: Option<Micros>,
    /// Retryable failures in a row.
    pub failure_count: i64,
    /// It will not be tried again until it gets fresh material.
    pub dead: bool,
    /// Why.
    pub dead_reason: Option<String>,
    /// An attempt was begun and nobody knows how it ended.
    pub interrupted_at: Option<Micros>,
    /// Raised when it gets fresh material.
    #[serde(skip)]
    pub seed_version: i64,
    /// The app whose client it uses.
    pub oauth_app_id: Option<OauthAppId>,
    /// Who it is at the provider.
    pub provider_subject: Option<String>,
    /// With which address.
    pub provider_email: Option<String>,
    /// The key of the consent that made it.
    pub external_user_key: Option<String>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Raised by every write, though not by a refresh.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// When a credential is refreshed (broker.md, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// Seconds before the end of the token, at least.
    pub early_refresh_slack_seconds: i64,
    /// Millionths of the token's life before its end.
    pub early_refresh_fraction_ppm: i64,
    /// Seconds between two refreshes, at most.
    pub max_refresh_interval_seconds: i64,
    /// Seconds for one attempt.
    pub refresh_timeout_seconds: i64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            early_refresh_slack_seconds: 300,
            early_refresh_fraction_ppm: 200_000,
            max_refresh_interval_seconds: 86_400,
            refresh_timeout_seconds: 30,
        }
    }
}

/// How a credential is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GrantType {
    /// With a refresh token.
    #[default]
    RefreshToken,
    /// With user name and password.
    Password,
    /// With user name and API key, at Preqin.
    Preqin,
}

impl GrantType {
    /// As the API and the table write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::Preqin => "preqin",
        }
    }

    /// The inverse of [`GrantType::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::RefreshToken, Self::Password, Self::Preqin].into_iter().find(|known| known.as_str() == text)
    }
}

impl Serialize for GrantType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

const COLUMNS: &str = "id, namespace, foreign_id, name, description, labels, grant_type, token_endpoint, scopes, \
     client_id, token_endpoint_header_names, early_refresh_slack_seconds, early_refresh_fraction_ppm, \
     max_refresh_interval_seconds, refresh_timeout_seconds, expires_at, last_refresh, next_attempt_at, \
     failure_count, dead, dead_reason, interrupted_at, seed_version, oauth_app_id, provider_subject, \
     provider_email, external_user_key, created_by, revision, created_at, updated_at";

impl ReadTx {
    /// The credential of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credential(
        &mut self,
        id: BrokerCredentialId,
    ) -> Result<Option<BrokerCredential>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM broker_credentials WHERE id = $1");
        self.one_credential(sql, args![id.row()]).await
    }

    /// The credential of this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credential_named(&mut self, name: &Name) -> Result<Option<BrokerCredential>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM broker_credentials WHERE namespace = $1 AND foreign_id = $2");
        self.one_credential(sql, args![&name.namespace, &name.foreign_id]).await
    }

    /// A page of credentials; of one app, when it is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credentials(
        &mut self,
        app: Option<OauthAppId>,
        filter: &Filter,
        page: Page,
    ) -> Result<Listed<BrokerCredential>, StoreError> {
        let mut query = Query::new("");
        if let Some(app) = app {
            query.and("oauth_app_id = ?", app.row());
        }
        query.filter(&self.narrowed(filter)?, KIND, "foreign_id = ?");
        let listed = self.page(COLUMNS, "broker_credentials", query, page).await?;
        let rows = listed.rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }

    async fn one_credential(
        &mut self,
        sql: String,
        args: Vec<Arg>,
    ) -> Result<Option<BrokerCredential>, StoreError> {
        let found = self.row(sqlx::AssertSqlSafe(sql), args).await?.map(read).transpose()?;
        found.iter().try_for_each(|credential| self.within(&credential.namespace))?;
        Ok(found)
    }
}

fn read(mut row: Row) -> Result<BrokerCredential, StoreError> {
    let wrong = |detail| StoreError::inconsistent("broker_credentials", detail);
    let texts = |text: String| serde_json::from_str(&text).map_err(|_| wrong("a list of texts"));
    Ok(BrokerCredential {
        id: BrokerCredentialId::new(row.next()?).ok_or(wrong("id below one"))?,
        namespace: row.next()?,
        foreign_id: row.next()?,
        name: row.next()?,
        description: row.next()?,
        labels: json_object("broker_credentials", &row.next::<String>()?)?,
        grant: GrantType::parse(&row.next::<String>()?).ok_or(wrong("grant_type"))?,
        token_endpoint: row.next()?,
        scopes: texts(row.next()?)?,
        client_id: row.next()?,
        token_endpoint_header_names: texts(row.next()?)?,
        timing: Timing {
            early_refresh_slack_seconds: row.next()?,
            early_refresh_fraction_ppm: row.next()?,
            max_refresh_interval_seconds: row.next()?,
            refresh_timeout_seconds: row.next()?,
        },
        expires_at: row.next::<Option<i64>>()?.map(Micros),
        last_refresh: row.next::<Option<i64>>()?.map(Micros),
        next_attempt_at: row.next::<Option<i64>>()?.map(Micros),
        failure_count: row.next()?,
        dead: row.flag()?,
        dead_reason: row.next()?,
        interrupted_at: row.next::<Option<i64>>()?.map(Micros),
        seed_version: row.next()?,
        oauth_app_id: row.next::<Option<i64>>()?.and_then(OauthAppId::new),
        provider_subject: row.next()?,
        provider_email: row.next()?,
        external_user_key: row.next()?,
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

pub(crate) const KIND: &str = "broker_credential";
