//! One read of the change feed for all who ask at about the same time.
//!
//! Who asks joins the next read, never one that runs: a read that began after a request arrived sees every change that
//! was committed before it did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use centaur_store::{Store, StoreError};
use tokio::sync::oneshot;

use super::counters::Counters;
use super::state::State;
use crate::app::log;
use crate::metrics::SyncMetrics;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    state: Mutex<State>,
    next: Mutex<Next>,
    pub(super) counters: Arc<Counters>,
    pub(super) metrics: SyncMetrics,
}

/// The read that begins next.
#[derive(Debug, Default)]
struct Next {
    joined: Vec<oneshot::Sender<Result<(), Unread>>>,
    is_running: bool,
}

/// The feed could not be read; the cause is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread;

impl Shared {
    pub(super) fn new(store: Store, most_bytes: usize, metrics: SyncMetrics) -> Self {
        let state = Mutex::new(State::new(most_bytes));
        Self { store, state, next: Mutex::default(), counters: metrics.counters.clone(), metrics }
    }

    /// The state. Whoever takes it gives it back before waiting for anything.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Done when the state holds as of a moment after the call.
    pub(super) async fn fresh(self: &Arc<Self>) -> Result<(), Unread> {
        let (done, is_done) = oneshot::channel();
        let is_running = {
            let mut next = self.next();
            next.joined.push(done);
            std::mem::replace(&mut next.is_running, true)
        };
        if !is_running {
            // A task, so that one who goes away takes no one's read along.
            tokio::spawn(Running(self.clone()).run());
        }
        is_done.await.unwrap_or(Err(Unread))
    }

    async fn read(&self) -> Result<(), StoreError> {
        // Only this task moves it on.
        let last = self.state().last;
        let moved = self.store.moved_since(last).await?;
        self.counters.reads.add();
        if moved.everything && last >= 0 {
            self.counters.resets.add();
        }
        if moved.seq != last {
            self.state().apply(&moved);
        }
        Ok(())
    }
}

/// The one task that reads. When it ends, however it does, the next one may begin.
struct Running(Arc<Shared>);

impl Running {
    async fn run(self) {
        loop {
            let joined = {
                let mut next = self.0.next();
                if next.joined.is_empty() {
                    next.is_running = false;
                    return;
                }
                std::mem::take(&mut next.joined)
            };
            let read = self.0.read().await;
            self.0.metrics.feed_read(read.is_ok());
            let result = read.map_err(|error| {
                log("warn", "cannot read the change feed", &[("error", &error.to_string())]);
                Unread
            });
            for one in joined {
                // Who left needs no answer.
                let _ = one.send(result);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut next = self.0.next();
            next.is_running = false;
            next.joined.clear();
        }
    }
}
