//! Waking those who wait for a change.
//!
//! One task per process reads the number of the last change while somebody waits, and wakes all waiters when it grew;
//! writes of this process wake them at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centaur_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::log;
use crate::metrics::{SyncMetrics, Waiting};

/// How often the database is asked, for the writes of other replicas.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Feed {
    running: Mutex<Option<Arc<Reader>>>,
    metrics: SyncMetrics,
}

#[derive(Debug)]
struct Reader {
    last: watch::Sender<i64>,
    waiters: AtomicUsize,
}

/// Somebody who waits; as long as there is one, the feed is read.
pub(crate) struct Waiter {
    changes: watch::Receiver<i64>,
    reader: Arc<Reader>,
    _waiting: Waiting,
}

impl Waiter {
    /// Done after the next change.
    pub(crate) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The sender lives as long as this waiter; if not, there is nothing to wait for.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.reader.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Feed {
    pub(super) fn new(metrics: SyncMetrics) -> Self {
        Self { running: Mutex::default(), metrics }
    }

    /// A waiter for every change from now on. The first one starts the reader.
    pub(super) fn waiter(&self, store: &Store) -> Waiter {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = if let Some(reader) = running.as_ref().filter(|reader| reader.join()) {
            reader.clone()
        } else {
            let (last, _) = watch::channel(0);
            let reader = Arc::new(Reader { last, waiters: AtomicUsize::new(1) });
            tokio::spawn(run(reader.clone(), store.clone(), self.metrics.clone()));
            running.insert(reader).clone()
        };
        Waiter { changes: reader.last.subscribe(), reader, _waiting: self.metrics.waiting() }
    }
}

impl Reader {
    /// One waiter more, unless the reader has ended: it ends when the last waiter went.
    fn join(&self) -> bool {
        let more = |count| if count == ENDED { None } else { Some(count + 1) };
        self.waiters.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    fn end(&self) -> bool {
        self.waiters.compare_exchange(0, ENDED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// The count of a reader that has ended.
const ENDED: usize = usize::MAX;

async fn run(reader: Arc<Reader>, store: Store, metrics: SyncMetrics) {
    let mut local = store.changed();
    while !reader.end() {
        let read = last(&store).await;
        metrics.feed_read(read.is_ok());
        match read {
            // The first number wakes everybody too: what changed since the waiters looked is not known yet.
            Ok(seq) => drop(reader.last.send_if_modified(|last| std::mem::replace(last, seq) != seq)),
            Err(error) => {
                log("warn", "cannot read the change feed", &[("error", &error.to_string())]);
                sleep(EVERY * 10).await;
            }
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            changed = local.changed() => if changed.is_err() { sleep(EVERY).await },
        }
    }
}

async fn last(store: &Store) -> Result<i64, StoreError> {
    store.read().await?.last_change().await
}
