//! The schema from every earlier version to this one, and that it asks for nothing that a distributed PostgreSQL lacks.

use super::on_both;
use super::world::World;
use crate::db::args;
use crate::migrate::{SCHEMA_VERSION, migrate_to, texts};
use crate::store::Pools;
use crate::*;

on_both!(every_earlier_version_is_brought_up_with_its_rows);

/// Rows that a release of this version may have left, by the version that brought their table.
const LEFT: &[(i64, &str)] = &[
    (
        2,
        "INSERT INTO users (id, email, status, admin, revision, created_at, updated_at) \
         VALUES (1, 'ada@example.com', 'active', 1, 1, 0, 0)",
    ),
    (
        2,
        "INSERT INTO api_keys (id, user_id, name, token_hash, created_at, updated_at) \
         SELECT 1, 1, 'ci', audit_hash, 0, 0 FROM ledger",
    ),
    (
        3,
        "INSERT INTO principals (id, namespace, foreign_id, labels, search, repo_cache, observability_enabled, \
         api_server_enabled, config_version, revision, created_at, updated_at) \
         VALUES (1, 'lab', 'ada', '{}', 'ada', 'all', 1, 0, 0, 1, 0, 0)",
    ),
    (
        12,
        "INSERT INTO sessions (id, token_hash, user_id, provider, as_operator, last_used_at, created_at) \
         SELECT 1, audit_hash, 1, 'password', 0, 0, 0 FROM ledger",
    ),
    (
        7,
        "INSERT INTO proxies (id, name, principal_id, assignment, acknowledged, revision, created_at, updated_at) \
         VALUES (1, 'edge', 1, 1, 0, 1, 0, 0)",
    ),
];

async fn every_earlier_version_is_brought_up_with_its_rows(world: World) {
    for version in 1..SCHEMA_VERSION {
        let (address, _directory) = world.fresh().await;
        let options = Options::new(super::world::ring(&["a"]));
        let pools = Pools::open(&address, &options).await.expect("a database");
        migrate_to(&pools, options.clock.now(), version).await.expect("migrated");
        let rows = LEFT.iter().filter(|(since, _)| *since <= version);
        let mut conn = pools.write().await.expect("a transaction");
        for (_, sql) in rows.clone() {
            conn.execute(*sql, vec![]).await.unwrap_or_else(|error| panic!("{version}: {sql}: {error:?}"));
        }
        conn.commit().await.expect("committed");
        close(pools).await;

        let store = Store::open(&address, options).await.unwrap_or_else(|error| panic!("{version}: {error}"));
        store.ready().await.expect("ready");
        let mut tx = store.read().await.expect("a transaction");
        for (table, since) in [("users", 2), ("api_keys", 2), ("principals", 3), ("proxies", 7)] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
            let count = tx.number(sql, args![]).await.expect("a count");
            assert_eq!(count, i64::from(since <= version), "{table}, from version {version}");
        }
        if version >= 2 {
            let unverified = "SELECT COUNT(*) FROM users WHERE email_verified = 0";
            assert_eq!(
                tx.number(unverified, vec![]).await.expect("a count"),
                0,
                "an administrator made them"
            );
            let limits = "SELECT COUNT(*) FROM api_keys WHERE namespace IS NULL AND read_only = 0";
            assert_eq!(tx.number(limits, vec![]).await.expect("a count"), 1, "a key of old has no limits");
        }
        drop(tx);
        let made: Result<Role, StoreError> = store
            .write(&Actor::system(), |tx| {
                Box::pin(async move { tx.create_role("lab", Some("new"), &RolePatch::default()).await })
            })
            .await;
        made.expect("a role");
        store.close().await;
    }
}

async fn close(pools: Pools) {
    match pools {
        Pools::Sqlite { write, read, .. } => {
            read.close().await;
            write.close().await;
        }
        Pools::Postgres(pool) => pool.close().await,
    }
}

/// What CockroachDB or YugabyteDB do not have, or have with another meaning; and what SQLite does not have.
const FORBIDDEN: &[&str] = &[
    "TRIGGER",
    "SEQUENCE",
    "SERIAL",
    "BIGSERIAL",
    "IDENTITY",
    "GENERATED",
    "NEXTVAL",
    "AUTOINCREMENT",
    "ROWID",
    "DEFERRABLE",
    "ADVISORY",
    "EXCLUDE",
    "EXTENSION",
    "FUNCTION",
    "INHERITS",
    "PARTITION",
    "UNLOGGED",
    "TABLESPACE",
    "LISTEN",
    "NOTIFY",
    "JSONB",
    "NOW",
    "CURRENT_TIMESTAMP",
    "ILIKE",
];

/// The words of a text, without comments and without what stands in quotes.
fn words(sql: &str) -> Vec<String> {
    let code: Vec<_> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let bare: Vec<_> = code.split('\'').step_by(2).collect();
    let bare = bare.join(" ");
    bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(str::to_ascii_uppercase).collect()
}

#[test]
fn migrations_use_no_word_that_a_distributed_postgresql_lacks() {
    for (name, sql) in texts() {
        let found: Vec<_> =
            words(sql).into_iter().filter(|word| FORBIDDEN.contains(&word.as_str())).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
        assert!(!sql.contains("::"), "{name}: a cast that only PostgreSQL has");
    }
    assert!(words("CREATE TRIGGER x -- no").contains(&"TRIGGER".to_owned()));
    assert!(!words("a 'TRIGGER' -- TRIGGER").contains(&"TRIGGER".to_owned()));
}

/// In queries: locks that are not rows, and what the schema may not have either.
#[test]
fn queries_take_no_lock_but_rows() {
    let mut files = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory").flatten().map(|entry| entry.path());
            files.extend(entries.filter(|path| !path.ends_with("tests") && !path.ends_with("tests.rs")));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file").to_ascii_lowercase();
        for forbidden in
            ["pg_advisory", "pg_try_advisory", "lock table", "nextval(", "create trigger", "::jsonb"]
        {
            assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
        }
        read += 1;
    }
    assert!(read > 20, "the sources were looked through");
}
