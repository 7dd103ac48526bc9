//! What proxies tell, gathered and written for many of them at once.
//!
//! An acknowledgement that is new is written at once, anything else within a second. A failure costs the proxy nothing
//! and is tried again.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use centaur_base::oid::ProxyId;
use centaur_store::{Proxy, Seen};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::acknowledged::Acknowledgements;
use super::reads::Shared;
use crate::app::log;

/// How often what a proxy tells is written, when nothing in it is new; microseconds.
const NOTE_EVERY: i64 = 30_000_000;
/// How long what is new may stay unwritten when nobody waits for it; also the pause after a failure.
const LAZY: Duration = Duration::from_secs(1);
/// How long acknowledgements are gathered; again while more come, up to so many times.
const GATHER: Duration = Duration::from_millis(10);
const GATHERS: usize = 10;
/// Notes that wait for the database; what is more is lost, and told again by a later sync.
const MOST: usize = 131_072;
/// Proxies of which it is remembered what they told; past that, all are forgotten, which costs a write each.
const MOST_TOLD: usize = 524_288;

/// What a proxy told last, as far as it says whether something is new.
#[derive(Debug, Clone, Copy)]
struct Told {
    print: u64,
    /// Generation, and until when; `None` when its hash was not the current one.
    acknowledged: Option<(i64, Option<i64>)>,
    at: i64,
}

#[derive(Debug)]
pub(super) struct Notes {
    shared: Arc<Shared>,
    pub(super) acknowledged: Acknowledgements,
    inner: Mutex<Inner>,
    urgent: Notify,
    /// Held while notes are written.
    writing: tokio::sync::Mutex<()>,
    state: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    pending: HashMap<ProxyId, Seen>,
    /// Acknowledgements that were followed by something else before they were written; written first.
    overtaken: HashMap<ProxyId, Seen>,
    told: HashMap<ProxyId, Told>,
    is_running: bool,
}

impl Notes {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            acknowledged: Acknowledgements::new(shared.store.clone()),
            shared,
            inner: Mutex::default(),
            urgent: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            state: RandomState::new(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the database says that a proxy told, unless it told something since.
    pub(super) fn learn(&self, proxy: &Proxy) {
        let print = self.state.hash_one((
            &proxy.last_config_hash,
            &proxy.client_version,
            &proxy.applied_generation,
            &proxy.rejected_config_hash,
        ));
        let at = proxy.last_seen_at.map_or(i64::MIN, |at| at.0);
        let until = proxy.acknowledged_until.map(|until| until.0);
        let is_other = until.is_some_and(|until| until <= at);
        let acknowledged = proxy.acknowledged_generation.filter(|_| !is_other).map(|number| (number, until));
        let mut inner = self.inner();
        if !inner.pending.contains_key(&proxy.id) {
            inner.told.insert(proxy.id, Told { print, acknowledged, at });
        }
    }

    /// Takes a note, when it says something new or some time has passed.
    pub(super) fn take(self: &Arc<Self>, seen: Seen) {
        let print = self.state.hash_one((
            &seen.config_hash,
            &seen.client_version,
            &seen.applied_generation,
            &seen.rejected_config_hash,
        ));
        let acknowledged = seen.acknowledges.map(|it| (it.generation, it.until.map(|until| until.0)));
        let told = Told { print, acknowledged, at: seen.at.0 };
        let mut inner = self.inner();
        let before = inner.told.get(&seen.proxy).copied();
        let is_same = |before: Told| before.print == print && before.acknowledged == acknowledged;
        let is_recent = |before: Told| told.at.saturating_sub(before.at) < NOTE_EVERY;
        if before.is_some_and(|before| is_same(before) && is_recent(before)) {
            return;
        }
        if inner.pending.len() >= MOST && !inner.pending.contains_key(&seen.proxy) {
            self.shared.counters.notes_lost.add();
            return;
        }
        if inner.told.len() >= MOST_TOLD {
            inner.told.clear();
        }
        inner.told.insert(seen.proxy, told);
        let (proxy, acknowledges) = (seen.proxy, seen.acknowledges.is_some());
        if let Some(before) = inner.pending.insert(proxy, seen)
            && before.acknowledges.is_some()
            && !acknowledges
        {
            inner.overtaken.insert(proxy, before);
        }
        if !std::mem::replace(&mut inner.is_running, true) {
            tokio::spawn(run(self.clone()));
        }
        drop(inner);
        if acknowledged.is_some() && before.and_then(|before| before.acknowledged) != acknowledged {
            self.urgent.notify_one();
        }
    }

    /// Writes all that was taken before the call. Whether that went well; if not, it is kept for the next time.
    pub(super) async fn flush(&self) -> bool {
        let _turn = self.writing.lock().await;
        let (overtaken, pending) = {
            let mut inner = self.inner();
            (std::mem::take(&mut inner.overtaken), std::mem::take(&mut inner.pending))
        };
        // Both, though the first may fail: what fails is kept, where it was.
        let first = self.write(overtaken, |inner| &mut inner.overtaken).await;
        let second = self.write(pending, |inner| &mut inner.pending).await;
        first && second
    }

    /// Writes some; what could not be written goes back to where it was.
    async fn write(
        &self,
        batch: HashMap<ProxyId, Seen>,
        back: fn(&mut Inner) -> &mut HashMap<ProxyId, Seen>,
    ) -> bool {
        if batch.is_empty() {
            return true;
        }
        let batch: Vec<Seen> = batch.into_values().collect();
        if let Err(error) = self.shared.store.note_syncs(&batch).await {
            log("warn", "cannot note what proxies tell", &[("error", &error.to_string())]);
            let mut inner = self.inner();
            let back = back(&mut inner);
            for seen in batch {
                // What came in the meantime is newer.
                back.entry(seen.proxy).or_insert(seen);
            }
            return false;
        }
        self.shared.counters.notes.add_many(batch.len());
        self.shared.counters.note_batches.add();
        self.acknowledged.wake(batch.iter().map(|seen| seen.proxy));
        true
    }

    /// Waits for more. A change of many is acknowledged by all of them at about the same time, and to write while the last
    /// of them wait for their answers would keep them waiting.
    async fn gather(&self) {
        let mut known = self.inner().pending.len();
        for _ in 0..GATHERS {
            sleep(GATHER).await;
            let now = self.inner().pending.len();
            if now == std::mem::replace(&mut known, now) {
                return;
            }
        }
    }

    /// Whether all is written; then the task that writes ends, and the next note starts another one.
    fn is_done(&self) -> bool {
        let mut inner = self.inner();
        inner.is_running = !(inner.pending.is_empty() && inner.overtaken.is_empty());
        !inner.is_running
    }

    /// Has what is read next hold what proxies told here before.
    pub(super) async fn settle(&self) {
        // Also while a batch is on its way.
        if self.inner().is_running {
            self.flush().await;
        }
    }
}

async fn run(notes: Arc<Notes>) {
    loop {
        if timeout(LAZY, notes.urgent.notified()).await.is_ok() {
            notes.gather().await;
        }
        if !notes.flush().await {
            sleep(LAZY).await;
        }
        if notes.is_done() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use centaur_base::oid::Oid as _;
    use centaur_store::{Acknowledged, KeyRing, Micros, Options, Store};

    use super::*;
    use crate::metrics::SyncMetrics;

    fn seen(at: i64, hash: &str, acknowledges: Option<i64>) -> Seen {
        let of = |generation| Acknowledged { assignment: 1, generation, until: None };
        Seen {
            proxy: ProxyId::new(7).expect("an id"),
            at: Micros(at),
            config_hash: Some(hash.to_owned()),
            client_version: None,
            applied_generation: None,
            rejected_config_hash: None,
            acknowledges: acknowledges.map(of),
        }
    }

    #[tokio::test]
    async fn what_could_not_be_written_stays_in_its_order() {
        let keys = KeyRing::single("one", &centaur_base::Secret::new([7; 32])).expect("keys");
        let store = Store::open("sqlite::memory:", Options::new(keys)).await.expect("a store");
        let shared = Arc::new(Shared::new(store.clone(), 1_000, SyncMetrics::default()));
        let notes = Arc::new(Notes::new(shared));
        store.close().await;
        notes.take(seen(1, "a", Some(3)));
        notes.take(seen(2, "b", None));
        for _ in 0..2 {
            assert!(!notes.flush().await);
            assert!(!notes.is_done(), "it is tried again");
            let inner = notes.inner();
            let times = |of: &HashMap<ProxyId, Seen>| of.values().map(|seen| seen.at.0).collect::<Vec<_>>();
            assert_eq!((times(&inner.overtaken), times(&inner.pending)), (vec![1], vec![2]));
        }
        // A newer one takes the place of the newer one, not of the acknowledgement.
        notes.take(seen(3, "c", None));
        assert!(!notes.flush().await);
        let inner = notes.inner();
        assert_eq!(
            (inner.overtaken.len(), inner.pending.values().next().map(|seen| seen.at.0)),
            (1, Some(3))
        );
    }
}
