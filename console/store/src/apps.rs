//! OAuth apps: registered clients whose consent flow mints credentials.

mod generic;

use std::collections::BTreeMap;

use centaur_base::Secret;
use centaur_base::oid::{OauthAppId, Oid, UserId};
use serde::Serialize;

pub use generic::{ClientAuthMethod, GenericProvider};

use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{Filter, Labels, Listed, Page, Query, json_object, json_text, places, search_text};
use crate::name::{Upserted, expect_revision};
use crate::seal::Place;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// A registered OAuth client, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OauthApp {
    /// Its id.
    pub id: OauthAppId,
    /// Its name in links, unique, fixed.
    pub slug: String,
    /// A description.
    pub description: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// Whose client it is.
    pub provider: String,
    /// What is known of a provider that is `generic`.
    pub generic: Option<GenericProvider>,
    /// The client id.
    pub client_id: String,
    /// What a consent may ask for.
    pub allowed_scopes: Vec<String>,
    /// Where minted credentials go.
    pub credential_namespace: String,
    /// Consents may begin.
    pub enabled: bool,
    /// What is done for principals that look like the account of a credential.
    pub auto_grant: AutoGrant,
    /// When the provider refused the client; gone when client id or secret change.
    pub client_rejected_at: Option<Micros>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Raised by every write.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

impl OauthApp {
    /// Whether its client has no secret.
    pub fn is_public(&self) -> bool {
        self.generic.as_ref().is_some_and(|generic| generic.client_auth == ClientAuthMethod::None)
    }
}

/// What to write into an app; `None` keeps what is there.
#[derive(Debug, Default)]
pub struct AppPatch {
    /// The description; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// All labels.
    pub labels: Option<Labels>,
    /// Whose client it is.
    pub provider: Option<String>,
    /// What is known of a provider that is `generic`; `Some(None)` for one that is not.
    pub generic: Option<Option<GenericProvider>>,
    /// The client id.
    pub client_id: Option<String>,
    /// The client's secret; needed at creation, empty for a client without one.
    pub client_secret: Option<Secret<String>>,
    /// What a consent may ask for.
    pub allowed_scopes: Option<Vec<String>>,
    /// Where minted credentials go. Default `default`.
    pub credential_namespace: Option<String>,
    /// Consents may begin. Default true.
    pub enabled: Option<bool>,
    /// What is done for principals that look like the account of a credential. Default nothing.
    pub auto_grant: Option<AutoGrant>,
}

/// What is done for principals that look like the account of a credential (broker.md, section 13). Granting without a
/// person is not among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoGrant {
    /// Nothing.
    #[default]
    Off,
    /// They are suggested.
    Suggest,
}

impl AutoGrant {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Off, Self::Suggest];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Suggest => "suggest",
        }
    }
}

const COLUMNS: &str = "id, slug, description, labels, provider, generic, client_id, allowed_scopes, credential_namespace, \
                       enabled, auto_grant, client_rejected_at, created_by, revision, created_at, updated_at";

impl ReadTx {
    /// The app of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn app(&mut self, id: OauthAppId) -> Result<Option<OauthApp>, StoreError> {
        self.one_app(format!("SELECT {COLUMNS} FROM oauth_apps WHERE id = $1"), args![id.row()]).await
    }

    /// The app of this slug.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn app_by_slug(&mut self, slug: &str) -> Result<Option<OauthApp>, StoreError> {
        self.one_app(format!("SELECT {COLUMNS} FROM oauth_apps WHERE slug = $1"), args![slug]).await
    }

    /// A page of apps. The filter's `foreign_id` is the slug; apps have no namespace.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn apps(&mut self, filter: &Filter, page: Page) -> Result<Listed<OauthApp>, StoreError> {
        let filter = Filter { namespace: None, ..filter.clone() };
        let mut query = Query::new("");
        query.filter(&filter, KIND, "slug = ?");
        if let Some(scope) = self.scope() {
            query.and("credential_namespace = ?", scope);
        }
        let listed = self.page(COLUMNS, "oauth_apps", query, page).await?;
        let rows = listed.rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }

    /// The client's secret; `None` when there is no such app.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when it does not open.
    pub async fn app_secret(&mut self, id: OauthAppId) -> Result<Option<Secret<String>>, StoreError> {
        let row = self.row("SELECT client_secret FROM oauth_apps WHERE id = $1", args![id.row()]).await?;
        let Some(mut row) = row else { return Ok(None) };
        Ok(Some(self.keys().open_text(place(id.row()), &row.next::<Vec<u8>>()?)?))
    }

    /// How many credentials an app has minted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn minted_credentials(&mut self, id: OauthAppId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM broker_credentials WHERE oauth_app_id = $1";
        Ok(self.number(sql, args![id.row()]).await?.unsigned_abs())
    }

    /// How many credentials each of these apps has minted; an app that has none is not in it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn minted_counts(
        &mut self,
        ids: &[OauthAppId],
    ) -> Result<BTreeMap<OauthAppId, u64>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!(
            "SELECT oauth_app_id, COUNT(*) FROM broker_credentials WHERE oauth_app_id IN ({}) GROUP BY oauth_app_id",
            places(ids.len())
        );
        let args = ids.iter().map(|id| Arg::from(id.row())).collect();
        let mut counts = BTreeMap::new();
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), args).await? {
            let id = OauthAppId::new(row.next()?);
            let count = row.next::<i64>()?.unsigned_abs();
            counts.extend(id.map(|id| (id, count)));
        }
        Ok(counts)
    }

    async fn one_app(&mut self, sql: String, args: Vec<Arg>) -> Result<Option<OauthApp>, StoreError> {
        let found = self.row(sqlx::AssertSqlSafe(sql), args).await?.map(read).transpose()?;
        found.iter().try_for_each(|app| self.within(&app.credential_namespace))?;
        Ok(found)
    }
}

impl WriteTx<'_> {
    /// Makes an app.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `slug`; [`StoreError::Invalid`] with the rule `client_secret` when there is none.
    pub async fn create_app(&mut self, slug: &str, patch: &AppPatch) -> Result<OauthApp, StoreError> {
        let missing = || StoreError::Invalid { rule: "client_secret".to_owned() };
        let secret = patch.client_secret.as_ref().ok_or_else(missing)?;
        let id = self.next_id("oauth_apps").await?;
        let mut app = OauthApp {
            id: OauthAppId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?,
            slug: slug.to_owned(),
            description: None,
            labels: Labels::new(),
            provider: String::new(),
            generic: None,
            client_id: String::new(),
            allowed_scopes: Vec::new(),
            credential_namespace: "default".to_owned(),
            enabled: true,
            auto_grant: AutoGrant::Off,
            client_rejected_at: None,
            created_by: self.actor.user(),
            revision: 1,
            created_at: self.now(),
            updated_at: self.now(),
        };
        apply(&mut app, patch);
        let sealed = self.keys().seal(place(id), secret.expose().as_bytes())?;
        let row = args![id, slug, sealed, self.actor.created_by(), self.now()];
        self.execute(INSERT, row).await?;
        self.store_app(&app).await?;
        self.record_app("create", None, Some(&app)).await?;
        Ok(app)
    }

    /// Writes an app. Its credentials refresh with the new client from then on.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Stale`] when `if_revision` is not the row's;
    /// [`StoreError::StillReferred`] when the provider would change under minted credentials, or what a generic one is
    /// ([`GenericProvider::moved_to`]).
    pub async fn update_app(
        &mut self,
        id: OauthAppId,
        patch: &AppPatch,
        if_revision: Option<i64>,
    ) -> Result<OauthApp, StoreError> {
        let before = self.app(id).await?.ok_or(StoreError::Missing { what: "OAuth app" })?;
        expect_revision(before.revision, if_revision)?;
        let mut after = before.clone();
        apply(&mut after, patch);
        // Refresh tokens must not reach another provider, and a subject means nobody at another one.
        let is_moved = after.provider != before.provider
            || before
                .generic
                .as_ref()
                .zip(after.generic.as_ref())
                .is_some_and(|(a, b)| a.moved_to(b).is_some());
        if is_moved && self.minted_credentials(id).await? > 0 {
            return Err(StoreError::StillReferred { by: "minted credentials" });
        }
        if after == before && patch.client_secret.is_none() {
            return Ok(before);
        }
        after.revision += 1;
        after.updated_at = self.now();
        self.store_app(&after).await?;
        if let Some(secret) = &patch.client_secret {
            let sealed = self.keys().seal(place(id.row()), secret.expose().as_bytes())?;
            let sql = "UPDATE oauth_apps SET client_secret = $2 WHERE id = $1";
            self.execute(sql, args![id.row(), sealed]).await?;
        }
        self.announce("app", Reach::Nobody).await?;
        self.record_app("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Writes the app of this slug, or makes it.
    ///
    /// # Errors
    /// As [`WriteTx::create_app`] and [`WriteTx::update_app`].
    pub async fn upsert_app(
        &mut self,
        slug: &str,
        patch: &AppPatch,
        if_revision: Option<i64>,
    ) -> Result<Upserted<OauthApp>, StoreError> {
        match self.app_by_slug(slug).await? {
            Some(found) => self.update_app(found.id, patch, if_revision).await.map(Upserted::updated),
            None => self.create_app(slug, patch).await.map(Upserted::created),
        }
    }

    /// Notes that the provider refused the client.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn reject_client(&mut self, id: OauthAppId) -> Result<(), StoreError> {
        let sql = "UPDATE oauth_apps SET client_rejected_at = $2 WHERE id = $1";
        let now = self.now();
        match self.execute(sql, args![id.row(), now]).await? {
            0 => Err(StoreError::Missing { what: "OAuth app" }),
            _ => Ok(()),
        }
    }

    /// Deletes an app that has no minted credentials.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::StillReferred`] by minted credentials.
    pub async fn delete_app(&mut self, id: OauthAppId) -> Result<(), StoreError> {
        let before = self.app(id).await?.ok_or(StoreError::Missing { what: "OAuth app" })?;
        if self.minted_credentials(id).await? > 0 {
            return Err(StoreError::StillReferred { by: "minted credentials" });
        }
        self.index_labels(KIND, id.row(), &Labels::new()).await?;
        self.execute("DELETE FROM oauth_apps WHERE id = $1", args![id.row()]).await?;
        self.record_app("delete", Some(&before), None).await
    }

    async fn store_app(&mut self, app: &OauthApp) -> Result<(), StoreError> {
        // Whose namespace the app's credentials go to decides who may have the app.
        self.within(&app.credential_namespace)?;
        let row = args![
            app.id.row(),
            &app.description,
            json_text(&app.labels)?,
            search_text(Some(&app.slug), app.description.as_deref()),
            &app.provider,
            &app.client_id,
            json_text(&app.allowed_scopes)?,
            &app.credential_namespace,
            app.enabled,
            app.client_rejected_at,
            app.revision,
            app.updated_at,
            app.generic.as_ref().map(json_text).transpose()?,
            app.auto_grant.as_str(),
        ];
        self.execute(UPDATE, row).await?;
        self.index_labels(KIND, app.id.row(), &app.labels).await
    }

    async fn record_app(
        &mut self,
        action: &'static str,
        before: Option<&OauthApp>,
        after: Option<&OauthApp>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let id = subject.id.row();
        self.record(Entry { action, kind: KIND, id, namespace: None, before, after }).await
    }
}

fn apply(app: &mut OauthApp, patch: &AppPatch) {
    let (client, generic) = (app.client_id.clone(), app.generic.clone());
    if let Some(description) = &patch.description {
        app.description.clone_from(description);
    }
    if let Some(labels) = &patch.labels {
        app.labels.clone_from(labels);
    }
    if let Some(generic) = &patch.generic {
        app.generic.clone_from(generic);
    }
    if let Some(scopes) = &patch.allowed_scopes {
        app.allowed_scopes.clone_from(scopes);
    }
    for (field, value) in [
        (&mut app.provider, &patch.provider),
        (&mut app.client_id, &patch.client_id),
        (&mut app.credential_namespace, &patch.credential_namespace),
    ] {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    app.enabled = patch.enabled.unwrap_or(app.enabled);
    app.auto_grant = patch.auto_grant.unwrap_or(app.auto_grant);
    if app.client_id != client || app.generic != generic || patch.client_secret.is_some() {
        app.client_rejected_at = None;
    }
}

fn read(mut row: Row) -> Result<OauthApp, StoreError> {
    let id = row.next()?;
    Ok(OauthApp {
        id: OauthAppId::new(id).ok_or(StoreError::inconsistent("oauth_apps", "id below one"))?,
        slug: row.next()?,
        description: row.next()?,
        labels: json_object("oauth_apps", &row.next::<String>()?)?,
        provider: row.next()?,
        generic: row
            .next::<Option<String>>()?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| StoreError::inconsistent("oauth_apps", "generic"))?,
        client_id: row.next()?,
        allowed_scopes: serde_json::from_str(&row.next::<String>()?)
            .map_err(|_| StoreError::inconsistent("oauth_apps", "allowed_scopes"))?,
        credential_namespace: row.next()?,
        enabled: row.flag()?,
        auto_grant: auto_grant(&row.next::<String>()?)?,
        client_rejected_at: row.next::<Option<i64>>()?.map(Micros),
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

fn auto_grant(text: &str) -> Result<AutoGrant, StoreError> {
    let known = AutoGrant::ALL.into_iter().find(|one| one.as_str() == text);
    known.ok_or(StoreError::inconsistent("oauth_apps", "auto_grant"))
}

fn place(row: i64) -> Place<'static> {
    Place { table: "oauth_apps", column: "client_secret", row, namespace: "" }
}

const KIND: &str = "oauth_app";

/// What cannot be left open; the rest follows at once.
const INSERT: &str = "INSERT INTO oauth_apps (id, slug, labels, search, provider, client_id, client_secret, \
     allowed_scopes, credential_namespace, enabled, created_by, revision, created_at, updated_at) \
     VALUES ($1, $2, '{}', '', '', '', $3, '[]', 'default', 1, $4, 1, $5, $5)";

const UPDATE: &str = "UPDATE oauth_apps SET description = $2, labels = $3, search = $4, provider = $5, client_id = $6, \
     allowed_scopes = $7, credential_namespace = $8, enabled = $9, client_rejected_at = $10, revision = $11, \
     updated_at = $12, generic = $13, auto_grant = $14 WHERE id = $1";
