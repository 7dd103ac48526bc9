//! Registered proxies and their tokens.

mod counts;

use std::time::Duration;

use centaur_base::oid::{Oid, PrincipalId, ProxyId, UserId};
use serde::Serialize;

use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Row, args};
use crate::error::StoreError;
use crate::list::{Listed, Page, Query};
use crate::name::expect_revision;
use crate::time::Micros;
use crate::token::TokenHash;
use crate::tx::{ReadTx, WriteTx};

pub use counts::ProxyCounts;

/// A running proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proxy {
    /// Its id.
    pub id: ProxyId,
    /// A name for people.
    pub name: String,
    /// Whose grants it gets.
    pub principal_id: Option<PrincipalId>,
    /// Whose grants fill the gaps.
    pub fallback_principal_id: Option<PrincipalId>,
    /// How; `None` leaves it to the deployment.
    pub fallback_mode: Option<FallbackMode>,
    /// When the principal last changed; `None` while unassigned.
    pub principal_assigned_at: Option<Micros>,
    /// Raised whenever one of the principals or the mode changes: part of the hash of the configuration.
    pub assignment: i64,
    /// The assignment under which the proxy last echoed the hash that was current.
    #[serde(skip)]
    pub acknowledged: i64,
    /// The number of the change that made its configuration what it is: never less than before.
    #[serde(skip)]
    pub generation: i64,
    /// The greatest number for which it echoed the hash that was current.
    #[serde(skip)]
    pub acknowledged_generation: Option<i64>,
    /// When what it acknowledged ends by itself, or ended because it said that it has something else.
    #[serde(skip)]
    pub acknowledged_until: Option<Micros>,
    /// How many configurations it says it has put in force.
    #[serde(skip)]
    pub applied_generation: Option<i64>,
    /// The hash of the configuration that it says it refused.
    #[serde(skip)]
    pub rejected_config_hash: Option<String>,
    /// The hash it last echoed.
    #[serde(skip)]
    pub last_config_hash: Option<String>,
    /// When it last asked.
    #[serde(skip)]
    pub last_seen_at: Option<Micros>,
    /// When it last echoed the hash that was current.
    #[serde(skip)]
    pub last_synced_at: Option<Micros>,
    /// What it says it is.
    #[serde(skip)]
    pub client_version: Option<String>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Raised by every write, though not by what a sync notes.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// When the fallback principal's grants count (perms-and-tools.md, section 4.7). The strictest of several is their
/// maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackMode {
    /// For targets for which the principal has nothing.
    PerTarget,
    /// When the principal has nothing at all beyond its default roles.
    WhenEmpty,
    /// Never.
    Never,
}

impl FallbackMode {
    /// As the API and the table write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerTarget => "per-target",
            Self::WhenEmpty => "when-empty",
            Self::Never => "never",
        }
    }

    /// The inverse of [`FallbackMode::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PerTarget, Self::WhenEmpty, Self::Never].into_iter().find(|known| known.as_str() == text)
    }
}

impl Proxy {
    /// Whether what it last said it has is what it should have at `now`.
    pub fn in_sync(&self, now: Micros) -> bool {
        self.acknowledged_generation == Some(self.generation)
            && self.acknowledged_until.is_none_or(|until| now < until)
    }
}

/// What to write into a proxy; `None` keeps what is there, `Some(None)` takes it away.
#[derive(Debug, Clone, Default)]
pub struct ProxyPatch {
    /// The name.
    pub name: Option<String>,
    /// Whose grants it gets.
    pub principal: Option<Option<PrincipalId>>,
    /// Whose grants fill the gaps.
    pub fallback_principal: Option<Option<PrincipalId>>,
    /// How.
    pub fallback_mode: Option<Option<FallbackMode>>,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyAuth {
    /// That of a proxy.
    Live {
        /// The proxy.
        proxy: Box<Proxy>,
        /// The end of the token's grace, if it has one.
        until: Option<Micros>,
    },
    /// That of a proxy that was deleted.
    Revoked,
    /// Nobody's, or one whose grace is over.
    Unknown,
}

const COLUMNS: &str = "id, name, principal_id, fallback_principal_id, fallback_mode, principal_assigned_at, \
                       assignment, acknowledged, last_config_hash, last_seen_at, last_synced_at, client_version, \
                       created_by, revision, created_at, updated_at, acknowledged_generation, acknowledged_until, \
                       applied_generation, rejected_config_hash, assigned_change, \
                       (SELECT config_version FROM principals p WHERE p.id = proxies.principal_id), \
                       (SELECT config_version FROM principals p WHERE p.id = proxies.fallback_principal_id)";

impl ReadTx {
    /// The proxy of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn proxy(&mut self, id: ProxyId) -> Result<Option<Proxy>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM proxies WHERE id = $1");
        let found = self.row(sqlx::AssertSqlSafe(sql), args![id.row()]).await?.map(read).transpose()?;
        if let Some(proxy) = &found {
            self.proxy_within(proxy).await?;
        }
        Ok(found)
    }

    /// A proxy is of its principal's namespace, and without one of none.
    async fn proxy_within(&mut self, proxy: &Proxy) -> Result<(), StoreError> {
        if self.scope().is_none() {
            return Ok(());
        }
        let principal = proxy.principal_id.map_or(0, Oid::row);
        let sql = "SELECT namespace FROM principals WHERE id = $1";
        let namespace: Option<String> =
            self.row(sql, args![principal]).await?.map(|mut row| row.next()).transpose()?;
        self.within_any(namespace.as_deref())
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn proxy_by_token(&mut self, token: &TokenHash) -> Result<ProxyAuth, StoreError> {
        let sql = "SELECT proxy_id, valid_until, revoked_at FROM proxy_tokens WHERE token_hash = $1";
        let Some(mut row) = self.row(sql, args![token.bytes()]).await? else { return Ok(ProxyAuth::Unknown) };
        let (id, valid_until, revoked_at): (i64, Option<i64>, Option<i64>) =
            (row.next()?, row.next()?, row.next()?);
        if revoked_at.is_some() {
            return Ok(ProxyAuth::Revoked);
        }
        if valid_until.is_some_and(|until| until <= self.now().0) {
            return Ok(ProxyAuth::Unknown);
        }
        let id = ProxyId::new(id).ok_or(StoreError::inconsistent("proxy_tokens", "proxy_id"))?;
        let proxy = self.proxy(id).await?.ok_or(StoreError::inconsistent("proxy_tokens", "no such proxy"))?;
        Ok(ProxyAuth::Live { proxy: Box::new(proxy), until: valid_until.map(Micros) })
    }

    /// A page of proxies; of one principal, when it is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn proxies(
        &mut self,
        principal: Option<PrincipalId>,
        page: Page,
    ) -> Result<Listed<Proxy>, StoreError> {
        let mut query = Query::new("");
        if let Some(principal) = principal {
            query.and("principal_id = ?", principal.row());
        }
        if let Some(scope) = self.scope() {
            query.and("principal_id IN (SELECT id FROM principals WHERE namespace = ?)", scope);
        }
        let listed = self.page(COLUMNS, "proxies", query, page).await?;
        let rows = listed.rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }
}

impl WriteTx<'_> {
    /// Registers a proxy with its token.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for a principal; [`StoreError::Taken`] on `token`, also by a proxy that was deleted;
    /// [`StoreError::Invalid`] for an empty name.
    pub async fn create_proxy(&mut self, patch: &ProxyPatch, token: &TokenHash) -> Result<Proxy, StoreError> {
        let id = self.next_id("proxies").await?;
        let mut proxy = Proxy {
            id: ProxyId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?,
            name: String::new(),
            principal_id: None,
            fallback_principal_id: None,
            fallback_mode: None,
            principal_assigned_at: None,
            assignment: 0,
            acknowledged: 0,
            generation: 0,
            acknowledged_generation: None,
            acknowledged_until: None,
            applied_generation: None,
            rejected_config_hash: None,
            last_config_hash: None,
            last_seen_at: None,
            last_synced_at: None,
            client_version: None,
            created_by: self.actor.user(),
            revision: 1,
            created_at: self.now(),
            updated_at: self.now(),
        };
        self.apply_to_proxy(&mut proxy, patch).await?;
        proxy.generation = self.announce("proxy", Reach::Proxy(id)).await?;
        let row = args![
            id,
            &proxy.name,
            proxy.principal_id.map(Oid::row),
            proxy.fallback_principal_id.map(Oid::row),
            proxy.fallback_mode.map(FallbackMode::as_str),
            proxy.principal_assigned_at,
            proxy.assignment,
            self.actor.created_by(),
            self.now(),
            proxy.generation,
        ];
        self.execute(INSERT, row).await?;
        self.insert_token(id, token).await?;
        self.record_proxy("create", None, Some(&proxy)).await?;
        Ok(proxy)
    }

    /// Writes a proxy. The same principal again changes nothing, its time neither.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for the proxy, or a principal; [`StoreError::Stale`] when `if_revision` is not the
    /// row's; [`StoreError::Invalid`] for an empty name.
    pub async fn update_proxy(
        &mut self,
        id: ProxyId,
        patch: &ProxyPatch,
        if_revision: Option<i64>,
    ) -> Result<Proxy, StoreError> {
        let before = self.proxy(id).await?.ok_or(StoreError::Missing { what: "proxy" })?;
        expect_revision(before.revision, if_revision)?;
        let mut after = before.clone();
        self.apply_to_proxy(&mut after, patch).await?;
        if after == before {
            return Ok(before);
        }
        after.revision += 1;
        after.updated_at = self.now();
        let assigned_change = if after.assignment == before.assignment {
            None
        } else {
            after.generation = self.announce("proxy", Reach::Proxy(id.row())).await?;
            Some(after.generation)
        };
        let row = args![
            id.row(),
            &after.name,
            after.principal_id.map(Oid::row),
            after.fallback_principal_id.map(Oid::row),
            after.fallback_mode.map(FallbackMode::as_str),
            after.principal_assigned_at,
            after.assignment,
            after.revision,
            after.updated_at,
            assigned_change,
        ];
        self.execute(UPDATE, row).await?;
        self.record_proxy("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Gives a proxy a new token. The old ones stay good for `grace`, or go at once when it is zero.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Taken`] on `token`.
    pub async fn rotate_proxy_token(
        &mut self,
        id: ProxyId,
        token: &TokenHash,
        grace: Duration,
    ) -> Result<Proxy, StoreError> {
        let proxy = self.proxy(id).await?.ok_or(StoreError::Missing { what: "proxy" })?;
        let until = self.now().after(grace);
        // A token whose grace runs already keeps the earlier end.
        let sql = "UPDATE proxy_tokens SET valid_until = $2 \
                   WHERE proxy_id = $1 AND (valid_until IS NULL OR valid_until > $2)";
        self.execute(sql, args![id.row(), until]).await?;
        self.insert_token(id.row(), token).await?;
        self.announce("proxy", Reach::Proxy(id.row())).await?;
        self.record_proxy("rotate_token", None, Some(&proxy)).await?;
        Ok(proxy)
    }

    /// Deletes a proxy. Its tokens stay as tombstones, so that it can be told that it is revoked.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn delete_proxy(&mut self, id: ProxyId) -> Result<(), StoreError> {
        let before = self.proxy(id).await?.ok_or(StoreError::Missing { what: "proxy" })?;
        let now = self.now();
        self.execute("UPDATE proxy_tokens SET revoked_at = $2 WHERE proxy_id = $1", args![id.row(), now])
            .await?;
        self.execute("DELETE FROM proxies WHERE id = $1", args![id.row()]).await?;
        self.announce("proxy", Reach::Proxy(id.row())).await?;
        self.record_proxy("delete", Some(&before), None).await
    }

    /// Takes a principal that is about to go from all proxies that have it.
    pub(crate) async fn unassign_proxies_of(&mut self, principal: PrincipalId) -> Result<(), StoreError> {
        // Who may delete a principal may be held to its namespace; its proxies lose it wherever they are.
        let scope = self.replace_scope(None);
        let done = self.unassign_all(principal).await;
        self.replace_scope(scope);
        done
    }

    async fn unassign_all(&mut self, principal: PrincipalId) -> Result<(), StoreError> {
        let sql = "SELECT id FROM proxies WHERE principal_id = $1 OR fallback_principal_id = $1 ORDER BY id";
        for mut row in self.rows(sql, args![principal.row()]).await? {
            let id = ProxyId::new(row.next()?).ok_or(StoreError::inconsistent("proxies", "id below one"))?;
            let proxy = self.proxy(id).await?.ok_or(StoreError::inconsistent("proxies", "gone"))?;
            let clear = |current: Option<PrincipalId>| (current == Some(principal)).then_some(None);
            let patch = ProxyPatch {
                principal: clear(proxy.principal_id),
                fallback_principal: clear(proxy.fallback_principal_id),
                ..ProxyPatch::default()
            };
            self.update_proxy(id, &patch, None).await?;
        }
        Ok(())
    }

    async fn apply_to_proxy(&mut self, proxy: &mut Proxy, patch: &ProxyPatch) -> Result<(), StoreError> {
        let was = (proxy.principal_id, proxy.fallback_principal_id, proxy.fallback_mode);
        if let Some(name) = &patch.name {
            proxy.name.clone_from(name);
        }
        for principal in [patch.principal, patch.fallback_principal].into_iter().flatten().flatten() {
            self.principal(principal).await?.ok_or(StoreError::Missing { what: "principal" })?;
        }
        proxy.principal_id = patch.principal.unwrap_or(proxy.principal_id);
        proxy.fallback_principal_id = patch.fallback_principal.unwrap_or(proxy.fallback_principal_id);
        proxy.fallback_mode = patch.fallback_mode.unwrap_or(proxy.fallback_mode);
        if was.0 != proxy.principal_id {
            proxy.principal_assigned_at = proxy.principal_id.map(|_| self.now());
        }
        if was != (proxy.principal_id, proxy.fallback_principal_id, proxy.fallback_mode) {
            proxy.assignment += 1;
        }
        self.proxy_within(proxy).await
    }

    async fn insert_token(&mut self, proxy: i64, token: &TokenHash) -> Result<(), StoreError> {
        let sql = "INSERT INTO proxy_tokens (token_hash, proxy_id, created_at) VALUES ($1, $2, $3)";
        let now = self.now();
        self.execute(sql, args![token.bytes(), proxy, now]).await.map(drop)
    }

    async fn record_proxy(
        &mut self,
        action: &'static str,
        before: Option<&Proxy>,
        after: Option<&Proxy>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let id = subject.id.row();
        self.record(Entry { action, kind: "proxy", id, namespace: None, before, after }).await
    }
}

fn read(mut row: Row) -> Result<Proxy, StoreError> {
    let id = row.next()?;
    let mut proxy = Proxy {
        id: ProxyId::new(id).ok_or(StoreError::inconsistent("proxies", "id below one"))?,
        name: row.next()?,
        principal_id: row.next::<Option<i64>>()?.and_then(PrincipalId::new),
        fallback_principal_id: row.next::<Option<i64>>()?.and_then(PrincipalId::new),
        fallback_mode: row.next::<Option<String>>()?.as_deref().and_then(FallbackMode::parse),
        principal_assigned_at: row.next::<Option<i64>>()?.map(Micros),
        assignment: row.next()?,
        acknowledged: row.next()?,
        generation: 0,
        last_config_hash: row.next()?,
        last_seen_at: row.next::<Option<i64>>()?.map(Micros),
        last_synced_at: row.next::<Option<i64>>()?.map(Micros),
        client_version: row.next()?,
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
        acknowledged_generation: row.next()?,
        acknowledged_until: row.next::<Option<i64>>()?.map(Micros),
        applied_generation: row.next()?,
        rejected_config_hash: row.next()?,
    };
    let (assigned, principal, fallback): (i64, Option<i64>, Option<i64>) =
        (row.next()?, row.next()?, row.next()?);
    proxy.generation = assigned.max(principal.unwrap_or(0)).max(fallback.unwrap_or(0));
    Ok(proxy)
}

const INSERT: &str = "INSERT INTO proxies (id, name, principal_id, fallback_principal_id, fallback_mode, \
     principal_assigned_at, assignment, acknowledged, created_by, revision, created_at, updated_at, \
     assigned_change) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, 1, $9, $9, $10)";

const UPDATE: &str = "UPDATE proxies SET name = $2, principal_id = $3, fallback_principal_id = $4, \
     fallback_mode = $5, principal_assigned_at = $6, assignment = $7, revision = $8, updated_at = $9, \
     assigned_change = COALESCE($10, assigned_change) WHERE id = $1";
