//! Word of changes between replicas, where PostgreSQL carries it. It shortens a poll and replaces none: a notice may be
//! lost, and an engine may not know how.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::store::{Pools, Store};

const CHANNEL: &str = "centaur_changes";
const NOTIFY: &str = "NOTIFY centaur_changes";
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Feature not supported, syntax error, insufficient privilege: trying again changes nothing.
const NEVER: &[&str] = &["0A000", "42601", "42501"];

/// Sends word of this process's changes and hears of those of others, as long as it is kept.
#[derive(Debug)]
pub struct Notices {
    heard: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Notices {
    /// Done after a notice; one that came since the last call counts.
    pub async fn heard(&self) {
        self.heard.notified().await;
    }
}

impl Store {
    /// Notices between replicas. On SQLite, and where the engine refuses, none ever comes.
    pub fn notices(&self) -> Notices {
        let (heard, mut tasks) = (Arc::new(Notify::new()), JoinSet::new());
        if let Pools::Postgres(pool) = self.pools() {
            tasks.spawn(listen(pool.clone(), heard.clone()));
            tasks.spawn(tell(pool.clone(), self.changed()));
        }
        Notices { heard, _tasks: tasks }
    }
}

/// Listens on one connection of its own, and on a new one when that breaks.
async fn listen(pool: PgPool, heard: Arc<Notify>) {
    loop {
        match hear(&pool, &heard).await {
            Err(error) if is_final(&error) || pool.is_closed() => return,
            Err(_) => sleep(PAUSE).await,
            Ok(never) => match never {},
        }
    }
}

async fn hear(pool: &PgPool, heard: &Notify) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was told while nobody listened.
    heard.notify_one();
    loop {
        listener.recv().await?;
        heard.notify_one();
    }
}

/// Outside of the transaction that changed something: an engine that refuses would end that, too.
async fn tell(pool: PgPool, mut changed: tokio::sync::watch::Receiver<i64>) {
    while changed.changed().await.is_ok() {
        if let Err(error) = sqlx::raw_sql(NOTIFY).execute(&pool).await {
            if is_final(&error) || pool.is_closed() {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

fn is_final(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| NEVER.contains(&code.as_ref()))
}
