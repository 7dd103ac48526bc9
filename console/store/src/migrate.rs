//! The schema: embedded, forward only, all of it in one transaction under a lock.
//!
//! The lock is a row that the transaction updates first. Of several replicas that start at once one migrates; the
//! others wait for its commit, see that nothing is left to do and go on. A migration is never edited after release:
//! its digest is kept, and another digest under the same number stops the start.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::db::{Conn, args};
use crate::error::StoreError;
use crate::store::Pools;
use crate::time::Micros;

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal,)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/", $name, ".sql")),
        }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_ledger",
    2 "0002_users",
    3 "0003_principals",
    4 "0004_broker",
    5 "0005_secrets",
    6 "0006_grants",
    7 "0007_proxies",
    8 "0008_scoped_keys",
    9 "0009_audit_principals",
    10 "0010_config_views",
    11 "0011_generations",
    12 "0012_sign_in",
    13 "0013_broker_notices",
    14 "0014_generic_provider",
    15 "0015_grant_suggestions",
    16 "0016_saved_attempts",
};

/// The version of the schema this program works with.
pub const SCHEMA_VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Brings the schema to [`SCHEMA_VERSION`].
pub(crate) async fn migrate(pools: &Pools, now: Micros) -> Result<(), StoreError> {
    migrate_to(pools, now, SCHEMA_VERSION).await
}

/// Brings the schema to a version that this program knows, unless it is beyond it.
pub(crate) async fn migrate_to(pools: &Pools, now: Micros, version: i64) -> Result<(), StoreError> {
    prepare(pools).await?;
    let mut conn = pools.write().await?;
    conn.execute("UPDATE schema_lock SET turn = turn + 1 WHERE id = 1", vec![]).await?;
    let done = applied(&mut conn).await?;
    check(&done)?;
    for migration in MIGRATIONS.iter().skip(done.len()).take_while(|migration| migration.version <= version) {
        conn.script(migration.sql).await?;
        let row = args![migration.version, migration.name, digest(migration), now];
        conn.execute(
            "INSERT INTO schema_migrations (version, name, digest, at) VALUES ($1, $2, $3, $4)",
            row,
        )
        .await?;
    }
    let first = "INSERT INTO ledger (id, turn, audit_seq, audit_hash, change_seq) VALUES (1, 0, 0, $1, 0) \
                 ON CONFLICT (id) DO NOTHING";
    conn.execute(first, args![vec![0_u8; 32]]).await?;
    conn.commit().await
}

/// The version the database has now; 0 when it is empty.
pub(crate) async fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(applied(conn).await?.last().map_or(0, |(version, _)| *version))
}

/// The two tables that have to exist before a lock can be had. PostgreSQL lets two sessions that create one table at
/// the same time collide, `IF NOT EXISTS` or not; the one that loses finds the tables when it looks again.
async fn prepare(pools: &Pools) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        match try_prepare(pools).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == 5 || matches!(error, StoreError::Unavailable(_)) => return Err(error),
            Err(_) => attempt += 1,
        }
        tokio::time::sleep(Duration::from_millis(20 * attempt)).await;
    }
}

async fn try_prepare(pools: &Pools) -> Result<(), StoreError> {
    let mut conn = pools.write().await?;
    conn.script(PREPARE).await?;
    conn.execute("INSERT INTO schema_lock (id, turn) VALUES (1, 0) ON CONFLICT (id) DO NOTHING", vec![])
        .await?;
    conn.commit().await
}

const PREPARE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version  BIGINT NOT NULL PRIMARY KEY,
        name     TEXT   NOT NULL,
        digest   BYTEA  NOT NULL,
        at       BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS schema_lock (
        id    BIGINT NOT NULL PRIMARY KEY,
        turn  BIGINT NOT NULL
    );
";

async fn applied(conn: &mut Conn) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let rows = conn.rows("SELECT version, digest FROM schema_migrations ORDER BY version", vec![]).await?;
    rows.into_iter().map(|mut row| Ok((row.next()?, row.next()?))).collect()
}

/// What is applied has to be the beginning of what this program knows.
fn check(done: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
    if done.len() > MIGRATIONS.len() {
        let last = done.last().map_or(0, |(version, _)| *version);
        return Err(StoreError::Schema(format!(
            "the database is at version {last}, this program knows {SCHEMA_VERSION}; start a newer one"
        )));
    }
    for ((version, found), known) in done.iter().zip(MIGRATIONS) {
        if *version != known.version || *found != digest(known) {
            return Err(StoreError::Schema(format!("version {version} was applied with another text")));
        }
    }
    Ok(())
}

fn digest(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql).to_vec()
}

/// Name and text of every migration.
#[cfg(test)]
pub(crate) fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    MIGRATIONS.iter().map(|migration| (migration.name, migration.sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(count: usize) -> Vec<(i64, Vec<u8>)> {
        MIGRATIONS.iter().take(count).map(|migration| (migration.version, digest(migration))).collect()
    }

    #[test]
    fn versions_count_up_from_one() {
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, version)| migration.version == version));
    }

    #[test]
    fn an_edited_migration_stops_the_start() {
        let mut edited = done(2);
        edited[1].1[0] ^= 1;
        assert!(matches!(check(&edited), Err(StoreError::Schema(_))));
        assert!(check(&done(2)).is_ok());
    }

    #[test]
    fn a_newer_schema_stops_the_start() {
        let mut newer = done(MIGRATIONS.len());
        assert!(check(&newer).is_ok());
        newer.push((SCHEMA_VERSION + 1, vec![0; 32]));
        assert!(matches!(check(&newer), Err(StoreError::Schema(_))));
    }
}
