//! What syncs tell about proxies, written for many of them at once.

use std::fmt::Write as _;

use centaur_base::oid::{Oid, ProxyId};

use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::list::{filled, some_at_a_time};
use crate::store::Store;
use crate::time::Micros;
use crate::tx::ReadTx;

/// What a sync tells about a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub proxy: ProxyId,
    /// When.
    pub at: Micros,
    /// The hash it sent.
    pub config_hash: Option<String>,
    /// `User-Agent`
    pub client_version: Option<String>,
    /// How many configurations it says it has put in force.
    pub applied_generation: Option<i64>,
    /// The hash it says it refused.
    pub rejected_config_hash: Option<String>,
    /// The hash it sent is the current one.
    pub acknowledges: Option<Acknowledged>,
}

/// What a proxy acknowledges when it echoes the hash that is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The assignment; one that is past does not count.
    pub assignment: i64,
    /// The generation.
    pub generation: i64,
    /// When time alone makes it another configuration.
    pub until: Option<Micros>,
}

/// Rows of one statement; fewer are filled up, so that there are few different statements.
const SIZES: [usize; 3] = [1, 16, 256];
/// Arguments of a row.
const CELLS: usize = 9;

impl ReadTx {
    /// What these proxies have acknowledged: generation, and when that ends or ended. Those that are gone are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn acknowledged(
        &mut self,
        proxies: &[ProxyId],
    ) -> Result<Vec<(ProxyId, Option<i64>, Option<Micros>)>, StoreError> {
        let mut all = Vec::with_capacity(proxies.len());
        for some in some_at_a_time(proxies) {
            let (places, ids) = filled(1, some.iter().map(|id| Arg::from(id.row())).collect());
            let sql = format!(
                "SELECT id, acknowledged_generation, acknowledged_until FROM proxies WHERE id IN ({places})"
            );
            for mut row in self.rows(sqlx::AssertSqlSafe(sql), ids).await? {
                if let Some(id) = ProxyId::new(row.next()?) {
                    all.push((id, row.next()?, row.next::<Option<i64>>()?.map(Micros)));
                }
            }
        }
        Ok(all)
    }
}

impl Store {
    /// Notes what syncs tell. No turn is waited for and nothing is audited. Proxies that are gone are passed over.
    ///
    /// # Errors
    /// Those of the database; the notes before the statement that failed are written.
    pub async fn note_syncs(&self, seen: &[Seen]) -> Result<(), StoreError> {
        let mut seen: Vec<&Seen> = seen.iter().collect();
        // Two replicas that note the same proxies take the rows in the same order.
        seen.sort_by_key(|seen| seen.proxy.row());
        for some in seen.chunks(SIZES[2]) {
            let size = SIZES.into_iter().find(|size| some.len() <= *size).unwrap_or(some.len());
            let mut cells: Vec<Arg> = some.iter().flat_map(|seen| row(seen)).collect();
            for _ in some.len()..size {
                cells.extend(nobody());
            }
            let mut conn = self.pools().write().await?;
            let sql = statement(size, conn.has_named_places());
            conn.execute(sqlx::AssertSqlSafe(sql), cells).await?;
            conn.commit().await?;
        }
        Ok(())
    }
}

fn row(seen: &Seen) -> Vec<Arg> {
    let acknowledges = seen.acknowledges;
    args![
        seen.proxy.row(),
        seen.at,
        &seen.config_hash,
        &seen.client_version,
        seen.applied_generation,
        &seen.rejected_config_hash,
        acknowledges.map(|acknowledged| acknowledged.assignment),
        acknowledges.map(|acknowledged| acknowledged.generation),
        acknowledges.and_then(|acknowledged| acknowledged.until),
    ]
}

/// A row that is about no proxy.
fn nobody() -> Vec<Arg> {
    let (number, text) = (Option::<i64>::None, Option::<&str>::None);
    args![0_i64, 0_i64, text, text, number, text, number, number, number]
}

/// For so many rows. Both engines call the columns of a list of values `column1`, `column2`, …
///
/// `named`: SQLite takes `$1` for a name and looks through all names for each argument that is bound, which for two
/// thousand of them costs more than all the rest.
fn statement(rows: usize, named: bool) -> String {
    let mut values = String::new();
    for row in 0..rows {
        values.push_str(if row == 0 { "(" } else { ", (" });
        for cell in 1..=CELLS {
            let comma = if cell == 1 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = if named {
                write!(values, "{comma}?")
            } else {
                write!(values, "{comma}${}", row * CELLS + cell)
            };
        }
        values.push(')');
    }
    format!(
        "UPDATE proxies SET last_seen_at = v.column2, last_config_hash = v.column3, client_version = v.column4, \
         applied_generation = v.column5, rejected_config_hash = v.column6, \
         acknowledged = CASE WHEN assignment = v.column7 THEN assignment ELSE acknowledged END, \
         last_synced_at = CASE WHEN assignment = v.column7 THEN v.column2 ELSE last_synced_at END, \
         acknowledged_generation = CASE WHEN assignment = v.column7 AND \
             COALESCE(acknowledged_generation, -1) < v.column8 THEN v.column8 ELSE acknowledged_generation END, \
         acknowledged_until = CASE WHEN assignment = v.column7 THEN v.column9 \
             WHEN v.column7 IS NULL AND COALESCE(last_seen_at, 0) <= v.column2 THEN v.column2 \
             ELSE acknowledged_until END \
         FROM (VALUES {values}) AS v WHERE proxies.id = v.column1"
    )
}
