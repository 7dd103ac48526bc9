//! A proxy as far as the console sees it: it syncs, waits, takes what is new, and comes back when it was cut off.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::stats::now_us;
use crate::wire::{self, Wire};

/// What all pollers of a fleet report.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many wait with what was current.
    pub(crate) waiting: AtomicUsize,
    /// Answers that said nothing new.
    pub(crate) renewals: AtomicU64,
    /// Connections that broke or could not be made.
    pub(crate) failures: AtomicU64,
    moments: Mutex<Moments>,
    /// Told of every moment and of everybody who begins to wait.
    pub(crate) news: Notify,
}

#[derive(Debug, Default)]
struct Moments {
    changes: Vec<u64>,
    joins: Vec<u64>,
    error: Option<String>,
}

impl Tally {
    /// When new configurations arrived since this was last asked, if they are at least so many.
    pub(crate) fn changes(&self, least: usize) -> Option<Vec<u64>> {
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        (moments.changes.len() >= least).then(|| std::mem::take(&mut moments.changes))
    }

    /// When each new connection had its first answer since this was last asked, if they are at least so many.
    pub(crate) fn joins(&self, least: usize) -> Option<Vec<u64>> {
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        (moments.joins.len() >= least).then(|| std::mem::take(&mut moments.joins))
    }

    /// What the last failure was.
    pub(crate) fn last_error(&self) -> String {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).error.clone().unwrap_or_default()
    }

    fn note(&self, what: impl FnOnce(&mut Moments)) {
        what(&mut self.moments.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_waiters();
    }
}

/// Counts who waits, for as long as it lives.
struct Waiting<'a>(&'a Tally);

impl<'a> Waiting<'a> {
    fn new(tally: &'a Tally) -> Self {
        tally.waiting.fetch_add(1, Ordering::SeqCst);
        tally.news.notify_waiters();
        Self(tally)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One proxy.
pub(crate) struct Poller {
    address: SocketAddr,
    token: String,
    hash: String,
    generation: u64,
    failures: u32,
    /// From 0.9 to 1.1, so that not all come back at once.
    pace: f64,
    /// Seconds that it lets the console wait.
    wait: u64,
    /// Held until the first answer.
    turn: Option<OwnedSemaphorePermit>,
}

impl Poller {
    /// The proxy of number `at`, which begins with the end of a turn.
    pub(crate) fn new(address: SocketAddr, at: usize, wait: u64, turn: OwnedSemaphorePermit) -> Self {
        let pace = 0.9 + 0.2 * ((at.wrapping_mul(2_654_435_761) >> 8) % 1_000) as f64 / 1_000.0;
        Self {
            address,
            token: crate::seed::token(at),
            hash: String::new(),
            generation: 0,
            failures: 0,
            pace,
            wait,
            turn: Some(turn),
        }
    }

    /// Goes on for ever.
    pub(crate) async fn run(mut self, tally: Arc<Tally>) {
        loop {
            if let Err(error) = self.connected(&tally).await {
                tally.failures.fetch_add(1, Ordering::SeqCst);
                tally.note(|moments| moments.error = Some(format!("{error:#}")));
            }
            // 1, 2, 4, 8, 16, 30, 30 … s, as the proxy.
            let pause = (1_u64 << self.failures.min(5)).min(30);
            self.failures += 1;
            tokio::time::sleep(Duration::from_secs(pause).mul_f64(self.pace)).await;
        }
    }

    async fn connected(&mut self, tally: &Tally) -> anyhow::Result<()> {
        let mut wire = Wire::connect(self.address).await?;
        let mut is_first = true;
        loop {
            // After a failure it asks for an answer at once, as the proxy.
            let wait = if self.failures > 0 { 0 } else { self.wait };
            let request = wire::sync(self.address, &self.token, &self.hash, self.generation, wait);
            let waiting = (wait > 0 && !self.hash.is_empty()).then(|| Waiting::new(tally));
            let answer = wire.exchange(&request).await?;
            drop(waiting);
            ensure!(
                answer.status == 200,
                "status {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
            let (at, hash) = (now_us(), wire::hash(&answer.body)?);
            self.failures = 0;
            let is_new = hash != self.hash;
            if is_new {
                hash.clone_into(&mut self.hash);
                self.generation += 1;
            } else {
                tally.renewals.fetch_add(1, Ordering::Relaxed);
            }
            if is_first || is_new {
                tally.note(|moments| {
                    moments.joins.extend(is_first.then_some(at));
                    // The first configuration of all is no change.
                    moments.changes.extend((is_new && self.turn.is_none()).then_some(at));
                });
            }
            is_first = false;
            self.turn = None;
        }
    }
}
