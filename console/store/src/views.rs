//! What principals were shown to get, by version, so that it can be compared with what they get now.

use centaur_base::Secret;
use centaur_base::oid::{Oid as _, PrincipalId};

use crate::db::args;
use crate::error::StoreError;
use crate::seal::Place;
use crate::store::Store;
use crate::tx::{NEXT_ID, ReadTx};

/// Versions that are kept per principal.
pub const VIEWS_KEPT: i64 = 32;

impl ReadTx {
    /// The versions for which a view of the principal is kept, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kept_views(&mut self, principal: PrincipalId) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT version FROM config_views WHERE principal_id = $1 ORDER BY version";
        let rows = self.rows(sql, args![principal.row()]).await?;
        rows.into_iter().map(|mut row| row.next()).collect()
    }

    /// The view of a principal that is kept for a version.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when it does not open.
    pub async fn kept_view(
        &mut self,
        principal: PrincipalId,
        version: i64,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT v.id, p.namespace, v.body FROM config_views v JOIN principals p ON p.id = v.principal_id \
                   WHERE v.principal_id = $1 AND v.version = $2";
        let Some(mut row) = self.row(sql, args![principal.row(), version]).await? else { return Ok(None) };
        let (id, namespace, sealed): (i64, String, Vec<u8>) = (row.next()?, row.next()?, row.next()?);
        let body = self.keys().open_text(place(id, &namespace), &sealed)?;
        Ok(Some(body.expose().clone()))
    }
}

impl Store {
    /// Keeps a view of a principal of this namespace, and forgets the oldest ones. The first one that was shown for a
    /// version stays. No turn is waited for and nothing is audited: it changes nothing that anybody may do.
    ///
    /// # Errors
    /// Those of the database, also when the principal is gone.
    pub async fn keep_view(
        &self,
        principal: PrincipalId,
        namespace: &str,
        version: i64,
        body: &Secret<String>,
    ) -> Result<(), StoreError> {
        let mut conn = self.pools().write().await?;
        let id = conn.number(NEXT_ID, args!["config_views"]).await?;
        let sealed = self.keys().seal(place(id, namespace), body.expose().as_bytes())?;
        let now = self.clock().now();
        let values = args![id, principal.row(), version, sealed, now];
        if conn.execute(INSERT, values).await? > 0 {
            conn.execute(FORGET, args![principal.row(), VIEWS_KEPT]).await?;
        }
        conn.commit().await
    }
}

const INSERT: &str = "INSERT INTO config_views (id, principal_id, version, body, created_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (principal_id, version) DO NOTHING";

fn place(row: i64, namespace: &str) -> Place<'_> {
    Place { table: "config_views", column: "body", row, namespace }
}

const FORGET: &str = "DELETE FROM config_views WHERE principal_id = $1 AND version NOT IN \
     (SELECT version FROM config_views WHERE principal_id = $1 ORDER BY version DESC LIMIT $2)";
