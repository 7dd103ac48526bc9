//! Rotation of encryption keys while serving.
//!
//! All sealed columns are walked in batches, each in a transaction of its own. A value under an old key is wrapped
//! anew and written back only where it still is what was read, so that a write in between wins. It can be stopped and
//! started at any time: what is done is done.

use crate::db::args;
use crate::error::StoreError;
use crate::seal::{Place, key_id};
use crate::store::Store;

/// What [`Store::reseal_all`] did, or [`Store::seal_status`] counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values under the first key, those that were just wrapped anew included.
    pub current: u64,
    /// Values that were under an older key.
    pub outdated: u64,
}

/// Every sealed column: table, column, and what gives the row's namespace.
const SEALED: &[(&str, &str, &str)] = &[
    ("oauth_apps", "client_secret", "''"),
    ("broker_credentials", "client_secret", "namespace"),
    ("broker_credentials", "token_endpoint_headers", "namespace"),
    ("broker_credentials", "refresh_token", "namespace"),
    ("broker_credentials", "previous_refresh_token", "namespace"),
    ("broker_credentials", "username", "namespace"),
    ("broker_credentials", "password", "namespace"),
    ("broker_credentials", "api_key", "namespace"),
    ("broker_credentials", "access_token", "namespace"),
    (
        "config_views",
        "body",
        "(SELECT namespace FROM principals WHERE principals.id = config_views.principal_id)",
    ),
    (
        "secret_sources",
        "value",
        "(SELECT namespace FROM secrets WHERE secrets.id = secret_sources.secret_id)",
    ),
];

impl Store {
    /// Wraps every sealed value under the first key, `batch` rows at a time.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when a value does not open: nothing of its batch is written, all before it is.
    pub async fn reseal_all(&self, batch: u32) -> Result<Resealed, StoreError> {
        self.walk(batch, true).await
    }

    /// How many values are under the first key, and how many are not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn seal_status(&self) -> Result<Resealed, StoreError> {
        self.walk(STATUS_BATCH, false).await
    }

    async fn walk(&self, batch: u32, reseal: bool) -> Result<Resealed, StoreError> {
        let mut total = Resealed::default();
        for (table, column, namespace) in SEALED {
            let select = format!(
                "SELECT id, {namespace}, {column} FROM {table} \
                 WHERE id > $1 AND {column} IS NOT NULL ORDER BY id LIMIT $2"
            );
            let update = format!("UPDATE {table} SET {column} = $2 WHERE id = $1 AND {column} = $3");
            let mut last = 0;
            loop {
                let done = self.step((table, column), (&select, &update), (last, batch), reseal).await?;
                let Some((row, counts)) = done else { break };
                last = row;
                total.current += counts.current;
                total.outdated += counts.outdated;
            }
        }
        Ok(total)
    }

    /// One batch of a column after the row `last`; its last row and counts, `None` at the end.
    async fn step(
        &self,
        (table, column): (&'static str, &'static str),
        (select, update): (&str, &str),
        (last, batch): (i64, u32),
        reseal: bool,
    ) -> Result<Option<(i64, Resealed)>, StoreError> {
        let pools = self.pools();
        let mut conn = if reseal { pools.write().await? } else { pools.read().await? };
        let rows =
            conn.rows(sqlx::AssertSqlSafe(select.to_owned()), args![last, i64::from(batch.max(1))]).await?;
        let mut end = None;
        let mut counts = Resealed::default();
        for mut row in rows {
            let (id, namespace, sealed): (i64, String, Vec<u8>) = (row.next()?, row.next()?, row.next()?);
            end = Some(id);
            if key_id(&sealed) == Some(self.keys().primary()) {
                counts.current += 1;
                continue;
            }
            counts.outdated += 1;
            if !reseal {
                continue;
            }
            let place = Place { table, column, row: id, namespace: &namespace };
            if let Some(anew) = self.keys().reseal(place, &sealed)? {
                conn.execute(sqlx::AssertSqlSafe(update.to_owned()), args![id, anew, sealed]).await?;
                counts.current += 1;
            }
        }
        conn.commit().await?;
        Ok(end.map(|end| (end, counts)))
    }
}

const STATUS_BATCH: u32 = 500;
