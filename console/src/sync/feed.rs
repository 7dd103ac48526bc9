//! Reading the change feed while somebody waits.
//!
//! One task per process does it: at once for writes of this process and after a notice of another one, and otherwise
//! by a poll. It ends with the last who waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centaur_store::Notices;
use tokio::time::sleep;

use super::reads::Shared;
use crate::metrics;

/// How often the database is asked, for the writes of other replicas.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Feed {
    running: Mutex<Option<Arc<AtomicUsize>>>,
    notices: Mutex<Option<Arc<Notices>>>,
}

/// Somebody who waits; as long as there is one, the feed is read.
pub(crate) struct Waiting {
    count: Arc<AtomicUsize>,
    _counted: metrics::Waiting,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The count of a reader that has ended.
const ENDED: usize = usize::MAX;

impl Feed {
    pub(super) fn new(notices: Option<Notices>) -> Self {
        Self { running: Mutex::default(), notices: Mutex::new(notices.map(Arc::new)) }
    }

    /// One more who waits. The first one starts the reader.
    pub(super) fn wait(&self, shared: &Arc<Shared>) -> Waiting {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let more = |count: usize| (count != ENDED).then(|| count + 1);
        if let Some(waiting) = running.as_ref()
            && waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
        {
            return Waiting { count: waiting.clone(), _counted: shared.metrics.waiting() };
        }
        let waiting = running.insert(Arc::new(AtomicUsize::new(1))).clone();
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::spawn(run(waiting.clone(), shared.clone(), notices));
        Waiting { count: waiting, _counted: shared.metrics.waiting() }
    }

    /// Notices of other replicas are not waited for any more.
    pub(super) fn end(&self) {
        drop(self.notices.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

async fn run(waiting: Arc<AtomicUsize>, shared: Arc<Shared>, notices: Option<Arc<Notices>>) {
    let mut changed = shared.store.changed();
    let heard = async || match &notices {
        Some(notices) => notices.heard().await,
        None => std::future::pending().await,
    };
    while waiting.compare_exchange(0, ENDED, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        if shared.fresh().await.is_err() {
            sleep(EVERY * 10).await;
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = heard() => {}
            changed = changed.changed() => if changed.is_err() { sleep(EVERY).await },
        }
    }
}
