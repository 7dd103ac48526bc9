//! How the registered proxies stand.

use std::time::Duration;

use crate::db::args;
use crate::error::StoreError;
use crate::tx::ReadTx;

/// Registered proxies by when they last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Within the time in question.
    pub seen: i64,
    /// Before it.
    pub silent: i64,
    /// Not yet.
    pub never: i64,
}

impl ReadTx {
    /// Counts the proxies that asked within this time, before it, and never.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn proxy_counts(&mut self, within: Duration) -> Result<ProxyCounts, StoreError> {
        let since = self.now().0 - i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
        let sql = "SELECT COUNT(*), COUNT(last_seen_at), COUNT(CASE WHEN last_seen_at >= $1 THEN 1 END) FROM proxies";
        let row = self.row(sql, args![since]).await?;
        let mut row = row.ok_or(StoreError::inconsistent("proxies", "no count"))?;
        let (all, asked, seen): (i64, i64, i64) = (row.next()?, row.next()?, row.next()?);
        Ok(ProxyCounts { seen, silent: asked - seen, never: all - asked })
    }
}
