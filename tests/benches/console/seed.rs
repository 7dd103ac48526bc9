//! Databases with very many rows, written past the console while none runs.
//!
//! What is wanted of the rows is their number, so they come from a few statements of the database itself: principals,
//! grants and proxies by recursion, the digests of tokens in batches. Secrets are made through the API, since their
//! values are sealed.

use std::fmt::Write as _;

use anyhow::ensure;
use centaur_base::oid::{Oid as _, PrincipalId};
use centaur_e2e::real::Database;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use crate::args::Args;
use crate::operator::{Operator, secret};
use crate::program::Console;

/// Rows that are not written by the console have numbers from here on.
const FIRST: i64 = 1_000_000;
/// Grants of a wide principal.
pub(crate) const WIDE: usize = 100;
/// Digests per statement.
const BATCH: usize = 1_000;
/// A time for all rows: some moment in 2024, in microseconds.
const THEN: i64 = 1_720_000_000_000_000;

/// What to fill a database with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Principals, numbered from 0.
    pub(crate) principals: usize,
    /// Grants of each; the first, if there is any, is of the first secret.
    pub(crate) grants: usize,
    /// Further principals, behind the others, with [`WIDE`] grants.
    pub(crate) wide: usize,
    /// Every principal whose number this divides is granted the second secret too; 0: none is.
    pub(crate) stride: usize,
    /// Proxies, numbered from 0, each of the principal of its number, and round again.
    pub(crate) proxies: usize,
    /// Secrets, each for another host.
    pub(crate) secrets: usize,
}

/// The token of the proxy of this number.
pub(crate) fn token(at: usize) -> String {
    format!("iprx_{:064x}", at + 1)
}

/// The id of the principal of this number.
pub(crate) fn principal(at: usize) -> String {
    let row = FIRST + i64::try_from(at).unwrap_or_default();
    PrincipalId::new(row).map(|id| id.to_string()).unwrap_or_default()
}

/// Fills an empty database; the ids of the secrets.
///
/// # Errors
/// When the console or the database refuses something.
pub(crate) async fn fill(args: &Args, database: &Database, plan: Plan) -> anyhow::Result<Vec<String>> {
    let console = Console::start(args, &database.address()).await?;
    let operator = Operator::new(console.address);
    let mut secrets = Vec::with_capacity(plan.secrets);
    for at in 0..plan.secrets {
        secrets.push(operator.make("static_secrets", &secret(at, &format!("fake-value-{at}"))).await?);
    }
    drop(console);
    let mut raw = Raw::open(database).await?;
    for statement in statements(plan) {
        raw.run(statement).await?;
    }
    for first in (0..plan.proxies).step_by(BATCH) {
        let numbers = first..plan.proxies.min(first + BATCH);
        let rows: Vec<String> = numbers.map(|at| raw.token_row(at)).collect();
        let sql =
            "INSERT INTO proxy_tokens (token_hash, proxy_id, valid_until, revoked_at, created_at) VALUES ";
        raw.run(format!("{sql}{}", rows.join(","))).await?;
    }
    if matches!(raw, Raw::Postgres(_)) {
        // As it does by itself after a while; SQLite does not.
        raw.run("ANALYZE".to_owned()).await?;
    }
    let written = raw.number("SELECT COUNT(*) FROM proxies").await?;
    ensure!(written == i64::try_from(plan.proxies)?, "{written} proxies were written");
    Ok(secrets)
}

fn statements(plan: Plan) -> Vec<String> {
    let Plan { principals, grants, wide, stride, proxies, secrets } = plan;
    let counter = |name: &str| {
        format!(
            "INSERT INTO id_counters (name, last) VALUES ('{name}', {}) \
             ON CONFLICT (name) DO UPDATE SET last = excluded.last",
            2 * FIRST + 100_000_000
        )
    };
    let mut all = vec![format!(
        "INSERT INTO principals (id, namespace, foreign_id, name, labels, search, repo_cache, \
             observability_enabled, api_server_enabled, config_version, created_by, revision, created_at, updated_at) \
         {} SELECT {FIRST} + i, 'default', 'bench-' || i, NULL, '{{}}', 'bench-' || i, 'none', \
             0, 0, 0, NULL, 1, {THEN}, {THEN} FROM n",
        up_to(principals + wide)
    )];
    // The first two secrets are those that many hold; of the others a principal has consecutive ones.
    let others = secrets.saturating_sub(2).max(1);
    let mut granted = 0;
    let mut grant = |first: usize, count: usize, each: usize, secret: String| {
        let sql = format!(
            "INSERT INTO grants (id, principal_id, role_id, role_namespace, secret_id, priority, expires_at, \
                 created_by, revision, created_at, updated_at) \
             {} SELECT {} + i, {} + i / {each}, NULL, NULL, (SELECT MIN(id) FROM secrets) + {secret}, 0, NULL, \
                 NULL, 1, {THEN}, {THEN} FROM n",
            up_to(count * each),
            FIRST + granted,
            FIRST + i64::try_from(first).unwrap_or_default(),
        );
        granted += i64::try_from(count * each).unwrap_or_default();
        sql
    };
    let next = |each: usize| format!("2 + ((i / {each}) * 7 + i % {each}) % {others}");
    if grants > 0 {
        all.push(grant(0, principals, 1, "0".to_owned()));
    }
    if grants > 1 {
        all.push(grant(0, principals, grants - 1, next(grants - 1)));
    }
    if wide > 0 {
        all.push(grant(principals, wide, WIDE, next(WIDE)));
    }
    if stride > 0 {
        let sql = grant(0, principals, 1, "1".to_owned());
        all.push(format!("{sql} WHERE i % {stride} = 0"));
    }
    all.push(format!(
        "INSERT INTO proxies (id, name, principal_id, principal_assigned_at, assignment, acknowledged, \
             created_by, revision, created_at, updated_at) \
         {} SELECT {FIRST} + i, 'bench-' || i, {FIRST} + i % {principals}, {THEN}, 1, 0, NULL, 1, {THEN}, {THEN} FROM n",
        up_to(proxies)
    ));
    all.extend(["principals", "grants", "proxies"].map(counter));
    all
}

/// A table `n` of the numbers below `count`.
fn up_to(count: usize) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 WHERE {count} > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"
    )
}

/// A connection past the store.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    /// Of this database.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn open(database: &Database) -> anyhow::Result<Self> {
        let address = database.address();
        Ok(match database {
            Database::Sqlite(_) => Self::Sqlite(SqliteConnection::connect(&address).await?),
            Database::Postgres(_) => Self::Postgres(PgConnection::connect(&address).await?),
        })
    }

    async fn run(&mut self, sql: String) -> anyhow::Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop)?,
            Self::Postgres(connection) => sql.execute(connection).await.map(drop)?,
        }
        Ok(())
    }

    /// The one number that a query gives.
    ///
    /// # Errors
    /// When it gives none.
    pub(crate) async fn number(&mut self, sql: &'static str) -> anyhow::Result<i64> {
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query(sql).fetch_one(connection).await?.try_get(0)?,
            Self::Postgres(connection) => sqlx::query(sql).fetch_one(connection).await?.try_get(0)?,
        })
    }

    fn token_row(&self, at: usize) -> String {
        let mut digest = String::with_capacity(64);
        for byte in Sha256::digest(token(at)) {
            let _ = write!(digest, "{byte:02x}");
        }
        let digest = match self {
            Self::Sqlite(_) => format!("x'{digest}'"),
            Self::Postgres(_) => format!("decode('{digest}', 'hex')"),
        };
        format!("({digest}, {FIRST} + {at}, NULL, NULL, {THEN})")
    }
}
