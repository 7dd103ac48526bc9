//! What is open: exchanges, WebSockets, tunnels, relays. Each holds a ticket; when a new pipeline no longer grants what
//! one uses, its ticket is cut and its owner ends. An owner that cannot, because its client takes nothing, loses its
//! connection a moment later ([`Live::finish`]).

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::pipeline::{Pipeline, Used};

/// All that is open.
#[derive(Default)]
pub struct Live {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    tickets: HashMap<u64, Entry>,
}

struct Entry {
    used: Used,
    /// Gone once the ticket was cut.
    cut: Option<oneshot::Sender<()>>,
    connection: Connection,
}

/// Ends a connection from elsewhere.
pub type Connection = Arc<Notify>;

/// For how long an owner whose ticket was cut may say why it ends.
pub const LAST_WORDS: Duration = Duration::from_millis(400);

/// The right to go on. Dropped when its owner ends.
pub struct Ticket {
    live: Arc<Live>,
    id: u64,
    cut: oneshot::Receiver<()>,
}

impl Live {
    /// Notes what `decided` has let through. If another pipeline has come into force since, or its credentials were
    /// withdrawn, it is decided again: whoever is noted too late for [`Self::sweep`] finds that here.
    pub fn enter(
        self: &Arc<Self>,
        used: Used,
        connection: Connection,
        decided: &Arc<Pipeline>,
        current: impl FnOnce() -> Arc<Pipeline>,
    ) -> Ticket {
        let (cut, receiver) = oneshot::channel();
        let id = {
            let mut open = self.open();
            let id = open.next;
            open.next += 1;
            open.tickets.insert(id, Entry { used, cut: Some(cut), connection });
            id
        };
        let ticket = Ticket { live: self.clone(), id, cut: receiver };
        let current = current();
        if (current.is_withdrawn() || !Arc::ptr_eq(decided, &current))
            && let Some(entry) = self.open().tickets.get_mut(&id)
        {
            entry.recheck(&current);
        }
        ticket
    }

    /// Cuts everything that `pipeline`, which is in force already, does not grant. Returns how many.
    pub fn sweep(&self, pipeline: &Pipeline) -> usize {
        self.open().tickets.values_mut().map(|entry| usize::from(entry.recheck(pipeline))).sum()
    }

    /// Ends the connections of those that were cut and are still there, [`LAST_WORDS`] after [`Self::sweep`].
    pub async fn finish(self: Arc<Self>) {
        tokio::time::sleep(LAST_WORDS).await;
        for entry in self.open().tickets.values().filter(|entry| entry.cut.is_none()) {
            entry.connection.notify_one();
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open().tickets.len()
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn recheck(&mut self, pipeline: &Pipeline) -> bool {
        if pipeline.still_grants(&self.used) {
            return false;
        }
        // The other end is gone only together with this entry.
        self.cut.take().is_some_and(|cut| cut.send(()).is_ok())
    }
}

impl Ticket {
    /// Ready when it was cut.
    pub fn poll_revoked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cut.is_terminated() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.cut).poll(cx).map(|_| ())
    }

    /// Whether it was cut.
    pub fn is_revoked(&mut self) -> bool {
        self.cut.is_terminated() || self.cut.try_recv().is_ok()
    }

    /// Waits until it is cut.
    pub async fn revoked(&mut self) {
        std::future::poll_fn(|cx| self.poll_revoked(cx)).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.live.open().tickets.remove(&self.id);
    }
}

/// Waits until a ticket is cut; for ever without one.
pub async fn revoked(ticket: Option<&mut Ticket>) {
    match ticket {
        Some(ticket) => ticket.revoked().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
