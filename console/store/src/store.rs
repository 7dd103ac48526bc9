//! The database: opened, migrated, and given out as transactions.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgPool, SqlitePool};
use tokio::sync::watch;

use crate::actor::Actor;
use crate::counters::{Counters, Counts};
use crate::db::{Arg, Conn, bind, storable};
use crate::error::StoreError;
use crate::file::DatabaseFile;
use crate::migrate::{self, migrate};
use crate::seal::KeyRing;
use crate::time::{Clock, Micros};
use crate::tx::{ReadTx, WriteTx};

/// What a store is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The keys that seal sensitive columns.
    pub keys: Arc<KeyRing>,
    /// Where times of rows come from.
    pub clock: Clock,
    /// Connections for reading (SQLite), or for everything (PostgreSQL). Default 8.
    pub connections: u32,
    /// How long a caller waits for a connection. Default 5 s.
    pub patience: Duration,
}

impl Options {
    /// The defaults with these keys and the machine's clock.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys: Arc::new(keys), clock: Clock::System, connections: 8, patience: Duration::from_secs(5) }
    }
}

/// The store. Cheap to clone; clones share the connections.
///
/// One transaction writes at a time, on both engines: SQLite has it so, and on PostgreSQL each writer first updates
/// the one row of the table `ledger`. That makes the audit chain and the change feed free of gaps, upserts free of
/// races and deadlocks impossible; a writer holds its turn for a few milliseconds. Readers never wait for writers.
///
/// A task must not open a transaction while it holds another one: with `sqlite::memory:` there is one connection.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Arc<Pools>,
    options: Options,
    changed: Arc<watch::Sender<i64>>,
    counters: Arc<Counters>,
}

/// What a transaction does: a boxed future that borrows it.
pub type Work<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// The connections of one engine.
#[derive(Debug)]
pub(crate) enum Pools {
    Sqlite {
        /// One connection, so that writers of this process queue instead of polling the file's lock.
        write: SqlitePool,
        /// Readers see the last commit; with WAL they wait for no writer.
        read: SqlitePool,
        /// `None` in memory.
        file: Option<DatabaseFile>,
    },
    Postgres(PgPool),
}

impl Store {
    /// Opens `sqlite:PATH`, `sqlite::memory:` or `postgres://…` and brings the schema up to date. A new SQLite file
    /// is readable by its owner alone.
    ///
    /// # Errors
    /// [`StoreError::Address`] when the address is none of these, [`StoreError::Unavailable`] when the database does
    /// not answer, [`StoreError::Schema`] when it is newer than this program or was migrated with another text.
    pub async fn open(address: &str, options: Options) -> Result<Self, StoreError> {
        let pools = Pools::open(address, &options).await?;
        migrate(&pools, options.clock.now()).await?;
        let (changed, _) = watch::channel(0);
        Ok(Self { pools: Arc::new(pools), options, changed: Arc::new(changed), counters: Arc::default() })
    }

    /// A transaction that reads one state of the database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read(&self) -> Result<ReadTx, StoreError> {
        let conn = self.counters.note(self.pools.read().await)?;
        Ok(ReadTx::new(conn, self.options.clock.now(), self.options.keys.clone()))
    }

    /// As [`Store::read`], held to one namespace: the rows of others are refused with [`StoreError::OutOfScope`], and
    /// lists leave them out. `None` is no limit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn read_within(&self, scope: Option<String>) -> Result<ReadTx, StoreError> {
        Ok(self.read().await?.held_to(scope))
    }

    /// Runs `work` in a transaction that writes, and commits when it succeeds. When the engine gave up because of
    /// another transaction, all of it is run again, so `work` must have no effect outside the transaction.
    ///
    /// `work` is a closure that boxes an `async move` block, which may borrow what lives as long as `'c`:
    /// `store.write(&actor, |tx| Box::pin(async move { tx.delete_role(id).await })).await`.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Busy`] when it failed too often; [`StoreError::Unavailable`].
    pub async fn write<'c, T, E, F>(&self, actor: &Actor, work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut WriteTx<'c>) -> Work<'t, T, E>,
        E: From<StoreError>,
    {
        self.write_numbered(actor, work).await.map(|(value, _)| value)
    }

    /// As [`Store::write`], with the number of the last change in it that may alter what a proxy gets.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_numbered<'c, T, E, F>(&self, actor: &Actor, mut work: F) -> Result<(T, Option<i64>), E>
    where
        F: for<'t> FnMut(&'t mut WriteTx<'c>) -> Work<'t, T, E>,
        E: From<StoreError>,
    {
        let mut attempt = 1;
        loop {
            let (error, again) = match self.attempt(actor, &mut work).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            if !again || attempt == ATTEMPTS {
                Counters::more(&self.counters.busy, again.into());
                return Err(error);
            }
            Counters::more(&self.counters.retries, 1);
            tokio::time::sleep(Duration::from_millis(5 << attempt)).await;
            attempt += 1;
        }
    }

    /// One try; with the error comes whether another one can help.
    async fn attempt<'c, T, E, F>(&self, actor: &Actor, work: &mut F) -> Result<(T, Option<i64>), (E, bool)>
    where
        F: for<'t> FnMut(&'t mut WriteTx<'c>) -> Work<'t, T, E>,
        E: From<StoreError>,
    {
        let failed = |error: StoreError| {
            let again = error.is_transient();
            (E::from(error), again)
        };
        let mut tx = self.begin(actor).await.map_err(failed)?;
        let value = match work(&mut tx).await {
            Ok(value) => value,
            Err(error) => return Err((error, tx.gave_up())),
        };
        let (events, reached) = (tx.audit_events_written(), tx.reached);
        let seq = self.counters.note(tx.commit().await).map_err(failed)?;
        Counters::more(&self.counters.commits, 1);
        Counters::more(&self.counters.audit_events, events);
        self.changed.send_if_modified(|last| {
            let newer = seq > *last;
            *last = seq.max(*last);
            newer
        });
        Ok((value, reached))
    }

    async fn begin<'c>(&self, actor: &Actor) -> Result<WriteTx<'c>, StoreError> {
        let conn = self.counters.note(self.pools.write().await)?;
        let read = ReadTx::new(conn, self.options.clock.now(), self.options.keys.clone());
        WriteTx::begin(read, actor.clone()).await
    }

    /// The number of the last change this process has written. Waiting on it shortens a poll of the change feed;
    /// changes of other replicas do not show here.
    pub fn changed(&self) -> watch::Receiver<i64> {
        self.changed.subscribe()
    }

    /// The database's own time, for leases that several replicas compare.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn database_time(&self) -> Result<Micros, StoreError> {
        let mut conn = self.pools.read().await?;
        let sql = conn.clock();
        conn.number(sql, vec![]).await.map(Micros)
    }

    /// Whether the database answers and has the schema of this program.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Schema`].
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut conn = self.pools.read().await?;
        let found = migrate::version(&mut conn).await?;
        if found != migrate::SCHEMA_VERSION {
            return Err(StoreError::Schema(format!("the database is at version {found}")));
        }
        Ok(())
    }

    /// What happened since the store was opened; clones count together.
    pub fn counts(&self) -> Counts {
        self.counters.now()
    }

    /// The keys that seal sensitive columns.
    pub fn keys(&self) -> &KeyRing {
        &self.options.keys
    }

    /// The store's clock.
    pub fn clock(&self) -> &Clock {
        &self.options.clock
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Closes all connections, after the transactions that are open.
    pub async fn close(&self) {
        match &*self.pools {
            Pools::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl Pools {
    pub(crate) async fn open(address: &str, options: &Options) -> Result<Self, StoreError> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            return Self::open_sqlite(path.strip_prefix("//").unwrap_or(path), options).await;
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Self::open_postgres(address, options).await;
        }
        Err(StoreError::Address("must begin with sqlite: or postgres://".to_owned()))
    }

    async fn open_sqlite(path: &str, options: &Options) -> Result<Self, StoreError> {
        let base = SqliteConnectOptions::new()
            .foreign_keys(true)
            // A commit that was answered survives a loss of power.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(options.patience);
        let pool = || {
            // Nothing is between us and the file that could break unnoticed.
            let options =
                SqlitePoolOptions::new().acquire_timeout(options.patience).test_before_acquire(false);
            options.idle_timeout(None).max_lifetime(None)
        };
        if path == ":memory:" {
            let only = pool().max_connections(1).connect_with(base.in_memory(true)).await?;
            return Ok(Self::Sqlite { write: only.clone(), read: only, file: None });
        }
        if path.is_empty() {
            return Err(StoreError::Address("sqlite: needs a path".to_owned()));
        }
        create_private(Path::new(path))?;
        // Before SQLite opens it: what takes its place in between is noticed, too.
        let file = Some(DatabaseFile::at(Path::new(path))?);
        let base = base.filename(path).journal_mode(SqliteJournalMode::Wal);
        let write = pool().max_connections(1).connect_with(base.clone()).await?;
        let read = pool().max_connections(options.connections).connect_with(base).await?;
        Ok(Self::Sqlite { write, read, file })
    }

    async fn open_postgres(address: &str, options: &Options) -> Result<Self, StoreError> {
        // The driver's text may repeat the address, which may hold a password.
        let connect: PgConnectOptions =
            address.parse().map_err(|_| StoreError::Address("is not a PostgreSQL URL".to_owned()))?;
        let connect = connect.application_name("centaur");
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.patience)
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    // One that answered a moment ago is not asked whether it is there: that is a whole round trip.
                    if state.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // A writer that hangs must not keep its turn.
                    sqlx::raw_sql(
                        "SET idle_in_transaction_session_timeout = '30s'; SET statement_timeout = '30s'",
                    )
                    .execute(connection)
                    .await
                    .map(drop)
                })
            })
            .connect_with(connect)
            .await?;
        Ok(Self::Postgres(pool))
    }

    /// Whether the database is still where it was opened.
    fn is_there(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { file: Some(file), .. } => file.is_there(),
            Self::Sqlite { file: None, .. } | Self::Postgres(_) => Ok(()),
        }
    }

    pub(crate) async fn read(&self) -> Result<Conn, StoreError> {
        self.is_there()?;
        Ok(match self {
            Self::Sqlite { read, .. } => Conn::Sqlite(read.begin_with("BEGIN DEFERRED").await?),
            Self::Postgres(pool) => {
                Conn::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// The one number that a query without arguments gives, outside of a transaction.
    pub(crate) async fn number(&self, sql: &'static str) -> Result<i64, StoreError> {
        self.is_there()?;
        Ok(match self {
            Self::Sqlite { read, .. } => sqlx::query_scalar(sql).fetch_one(read).await?,
            Self::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
        })
    }

    /// One statement, committed by itself; how many rows it touched.
    pub(crate) async fn execute(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        self.is_there()?;
        storable(&args)?;
        Ok(match self {
            Self::Sqlite { write, .. } => bind!(sql, args).execute(write).await?.rows_affected(),
            Self::Postgres(pool) => bind!(sql, args).execute(pool).await?.rows_affected(),
        })
    }

    pub(crate) async fn write(&self) -> Result<Conn, StoreError> {
        self.is_there()?;
        Ok(match self {
            Self::Sqlite { write, .. } => Conn::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => {
                Conn::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
            }
        })
    }
}

/// Makes the file for its owner alone, before SQLite would make it for everybody; its side files get the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))
}

/// How long a connection is believed to be there after it was used.
const TRUSTED: Duration = Duration::from_secs(1);

/// How often a transaction is tried before its caller hears that the database is busy.
const ATTEMPTS: u32 = 6;
