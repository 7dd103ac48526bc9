//! Proxies of one process, and what they saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::poller::{Poller, Tally};

/// How many connect and make their first sync at a time.
const AT_A_TIME: usize = 32;

/// Proxies that run until this is dropped.
pub(crate) struct Fleet {
    tally: Arc<Tally>,
    pollers: JoinSet<()>,
    begin: Arc<Semaphore>,
}

impl Fleet {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        Self { tally: Arc::default(), pollers: JoinSet::new(), begin: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Adds the proxies of the numbers from `first` on, and waits until all wait with what is current.
    ///
    /// # Errors
    /// When they do not within `patience`.
    pub(crate) async fn join(
        &mut self,
        address: SocketAddr,
        first: usize,
        count: usize,
        wait: u64,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        for at in first..first + count {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(turn) = timeout(left, self.begin.clone().acquire_owned()).await else {
                return self.late("to join");
            };
            self.pollers.spawn(Poller::new(address, at, wait, turn?).run(self.tally.clone()));
        }
        self.all_wait(until.saturating_duration_since(Instant::now())).await?;
        self.tally.joins(0);
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.pollers.len()
    }

    /// Waits until all wait with what is current.
    ///
    /// # Errors
    /// When they do not within `patience`.
    pub(crate) async fn all_wait(&self, patience: Duration) -> anyhow::Result<()> {
        self.until("to wait", patience, |tally| {
            (tally.waiting.load(Ordering::SeqCst) >= self.len()).then_some(())
        })
        .await
    }

    /// Waits until so many had a new configuration since the last time, and tells when each had it.
    ///
    /// # Errors
    /// When they do not within `patience`.
    pub(crate) async fn changed(&self, least: usize, patience: Duration) -> anyhow::Result<Vec<u64>> {
        self.until("to get a change", patience, |tally| tally.changes(least)).await
    }

    /// Waits until so many were answered on a new connection, and tells when each was.
    ///
    /// # Errors
    /// When they do not within `patience`.
    pub(crate) async fn returned(&self, least: usize, patience: Duration) -> anyhow::Result<Vec<u64>> {
        self.until("to return", patience, |tally| tally.joins(least)).await
    }

    /// Answers so far that said nothing new, and connections that failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.tally.renewals.load(Ordering::Relaxed), self.tally.failures.load(Ordering::SeqCst))
    }

    async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        probe: impl Fn(&Tally) -> Option<T>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + patience;
        loop {
            let news = self.tally.news.notified();
            if let Some(found) = probe(&self.tally) {
                return Ok(found);
            }
            if Instant::now() >= until {
                return self.late(what);
            }
            // The end of the patience is looked at now and then, news or not.
            let _ = timeout(Duration::from_millis(100), news).await;
        }
    }

    fn late<T>(&self, what: &str) -> anyhow::Result<T> {
        let (all, waiting) = (self.len(), self.tally.waiting.load(Ordering::SeqCst));
        let failures = self.tally.failures.load(Ordering::SeqCst);
        let error = self.tally.last_error();
        bail!("proxies took too long {what}: {all} started, {waiting} wait, {failures} failures {error}")
    }
}
