//! Keys of the JSON API.

use std::time::Duration;

use centaur_base::oid::{ApiKeyId, Oid, UserId};
use serde::Serialize;

use crate::audit::Entry;
use crate::db::{Row, args};
use crate::error::StoreError;
use crate::list::{Listed, Page, Query};
use crate::store::Store;
use crate::time::Micros;
use crate::token::TokenHash;
use crate::tx::{ReadTx, WriteTx};
use crate::users::{self, User};

/// A key of the JSON API; its token is known to its user alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// A name for people.
    pub name: String,
    /// The one namespace it may read and write; `None` is all.
    pub namespace: Option<String>,
    /// It may only read.
    pub read_only: bool,
    /// About when it was last used.
    pub last_used_at: Option<Micros>,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// A key to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewApiKey {
    /// A name for people.
    pub name: String,
    /// The one namespace it may read and write; `None` is all.
    pub namespace: Option<String>,
    /// It may only read.
    pub read_only: bool,
}

impl NewApiKey {
    /// A key that may do all that its user may.
    pub fn unlimited(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

const COLUMNS: &str = "api_keys.id, api_keys.user_id, api_keys.name, api_keys.namespace, api_keys.read_only, \
                       api_keys.last_used_at, api_keys.created_at, api_keys.updated_at";

impl ReadTx {
    /// The key of a token, with its user as the user is now. Keys that were deleted are not found.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn api_key_by_token(
        &mut self,
        token: &TokenHash,
    ) -> Result<Option<(ApiKey, User)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {} FROM api_keys JOIN users ON users.id = api_keys.user_id \
             WHERE api_keys.token_hash = $1 AND api_keys.deleted_at IS NULL",
            users::COLUMNS
        );
        let row = self.row(sqlx::AssertSqlSafe(sql), args![token.bytes()]).await?;
        row.map(|mut row| Ok((read_cells(&mut row)?, users::read_cells(&mut row)?))).transpose()
    }

    /// A user's key, unless it was deleted. Another user's is not found.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn api_key(&mut self, owner: UserId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL");
        let row = self.row(sqlx::AssertSqlSafe(sql), args![id.row(), owner.row()]).await?;
        let found = row.map(|mut row| read_cells(&mut row)).transpose()?;
        found.iter().try_for_each(|key| self.within_any(key.namespace.as_deref()))?;
        Ok(found)
    }

    /// A page of a user's keys that were not deleted; of everybody's without a user.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn api_keys(
        &mut self,
        owner: Option<UserId>,
        page: Page,
    ) -> Result<Listed<ApiKey>, StoreError> {
        let mut query = Query::new("deleted_at IS NULL");
        if let Some(owner) = owner {
            query.and("user_id = ?", owner.row());
        }
        if let Some(scope) = self.scope() {
            query.and("namespace = ?", scope);
        }
        let listed = self.page(COLUMNS, "api_keys", query, page).await?;
        let rows = listed.rows.into_iter().map(|mut row| read_cells(&mut row)).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }
}

impl WriteTx<'_> {
    /// Makes a key for a user, held to a namespace, to reading, or to neither.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for the user; [`StoreError::Taken`] on `token`, also by a deleted key;
    /// [`StoreError::Invalid`] for an empty name.
    pub async fn create_api_key(
        &mut self,
        owner: UserId,
        new: &NewApiKey,
        token: &TokenHash,
    ) -> Result<ApiKey, StoreError> {
        self.within_any(new.namespace.as_deref())?;
        self.user(owner).await?.ok_or(StoreError::Missing { what: "user" })?;
        let id = self.next_id("api_keys").await?;
        let (name, namespace) = (&new.name, &new.namespace);
        let row = args![id, owner.row(), name, namespace, new.read_only, token.bytes(), self.now()];
        let sql = "INSERT INTO api_keys (id, user_id, name, namespace, read_only, token_hash, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        self.execute(sql, row).await?;
        let id = ApiKeyId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?;
        let made =
            self.api_key(owner, id).await?.ok_or(StoreError::inconsistent("api_keys", "just written"))?;
        self.record_key("create", None, Some(&made)).await?;
        Ok(made)
    }

    /// Deletes a user's key; its row stays, so that its token cannot come back.
    ///
    /// # Errors
    /// [`StoreError::Missing`], also for another user's key.
    pub async fn delete_api_key(&mut self, owner: UserId, id: ApiKeyId) -> Result<(), StoreError> {
        let before = self.api_key(owner, id).await?.ok_or(StoreError::Missing { what: "API key" })?;
        let sql = "UPDATE api_keys SET deleted_at = $2, updated_at = $2 WHERE id = $1";
        let now = self.now();
        self.execute(sql, args![id.row(), now]).await?;
        self.record_key("delete", Some(&before), None).await
    }

    /// Deletes all keys of a user, wherever they are held to.
    pub(crate) async fn delete_api_keys(&mut self, owner: UserId) -> Result<(), StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM api_keys WHERE user_id = $1 AND deleted_at IS NULL ORDER BY id");
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![owner.row()]).await?;
        let now = self.now();
        let sql =
            "UPDATE api_keys SET deleted_at = $2, updated_at = $2 WHERE user_id = $1 AND deleted_at IS NULL";
        self.execute(sql, args![owner.row(), now]).await?;
        for mut row in rows {
            self.record_key("delete", Some(&read_cells(&mut row)?), None).await?;
        }
        Ok(())
    }

    async fn record_key(
        &mut self,
        action: &'static str,
        before: Option<&ApiKey>,
        after: Option<&ApiKey>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let id = subject.id.row();
        let namespace = subject.namespace.as_deref();
        self.record(Entry { action, kind: "api_key", id, namespace, before, after }).await
    }
}

impl Store {
    /// Notes that a key was used, at most once a minute. No turn is waited for and nothing is audited: it is for
    /// display alone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn touch_api_key(&self, id: ApiKeyId) -> Result<(), StoreError> {
        let now = self.clock().now();
        let stale = Micros(now.0 - i64::try_from(TOUCH_INTERVAL.as_micros()).unwrap_or(i64::MAX));
        let mut conn = self.pools().write().await?;
        let sql = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 \
                   AND (last_used_at IS NULL OR last_used_at <= $3)";
        conn.execute(sql, args![id.row(), now, stale]).await?;
        conn.commit().await
    }
}

fn read_cells(row: &mut Row) -> Result<ApiKey, StoreError> {
    let wrong = || StoreError::inconsistent("api_keys", "id below one");
    Ok(ApiKey {
        id: ApiKeyId::new(row.next()?).ok_or_else(wrong)?,
        user_id: UserId::new(row.next()?).ok_or_else(wrong)?,
        name: row.next()?,
        namespace: row.next()?,
        read_only: row.flag()?,
        last_used_at: row.next::<Option<i64>>()?.map(Micros),
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

/// How exact `last_used_at` is.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);
