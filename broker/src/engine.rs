//! The engine: finds what is due, runs attempts, a bounded number at a time, and ends in good order
//! (broker.md, section 7.3).

mod run;
mod slots;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::chance::Chance;
use crate::provider::Provider;
use crate::spool::{Spool, SpoolError};
use crate::store::{Ready, Store};
use slots::Slots;

/// How an engine works.
pub struct Options {
    /// Attempts at a time. Default 16.
    pub at_once: usize,
    /// Of these, at one host. Default 4.
    pub per_host: usize,
    /// How often it looks without being woken: other replicas' writes do not wake. Default 30 s.
    pub tick: Duration,
    /// Where answers wait that the store did not take. Default none.
    pub spool: Option<Spool>,
    /// Spreads.
    pub chance: Chance,
    /// Hears what happens.
    pub observer: Box<dyn Fn(&Event<'_>) + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            at_once: 16,
            per_host: 4,
            tick: Duration::from_secs(30),
            spool: None,
            chance: Chance::new(),
            observer: Box::new(|_| ()),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

/// What happens; without material.
#[derive(Debug)]
pub enum Event<'a> {
    /// An attempt began that may send a refresh token that was used.
    Interrupted {
        /// The credential.
        key: &'a str,
    },
    /// An attempt ended, and how it ended is stored.
    Concluded {
        /// The credential.
        key: &'a str,
        /// `success`, `retryable` or `dead`.
        result: &'static str,
        /// The code of a failure.
        code: Option<&'a str>,
        /// From the claim to the stored outcome.
        took: Duration,
        /// From the provider's answer until nothing of it could get lost any more: what an interruption in between could
        /// cost. Where there are no new tokens, until the outcome was stored.
        unsaved: Duration,
    },
    /// How an attempt ended was not stored: the credential was seeded or claimed in between.
    Superseded {
        /// The credential.
        key: &'a str,
    },
    /// How an attempt ended cannot be stored yet; it waits in memory.
    Waiting {
        /// The credential.
        key: &'a str,
        /// What the store says.
        error: &'a str,
        /// Its tokens are stored, or it is in the spool as well: the death of this process costs nothing.
        is_safe: bool,
    },
    /// An outcome of an earlier process was found in the spool.
    Replayed {
        /// The credential.
        key: &'a str,
        /// It was stored; otherwise the credential has moved on.
        stored: bool,
    },
    /// The spool failed.
    Spool(&'a SpoolError),
    /// The store failed.
    Store(&'a str),
    /// The engine was told to stop, and attempts did not end in time.
    Abandoned {
        /// How many.
        attempts: usize,
    },
}

/// Keeps the credentials of a store fresh. Any number of engines may work on one store.
#[derive(Debug)]
pub struct Engine<S, P> {
    shared: Arc<Shared<S, P>>,
}

#[derive(Debug)]
struct Shared<S, P> {
    store: S,
    provider: P,
    options: Options,
    /// The longest time that any attempt was given so far.
    longest: watch::Sender<Duration>,
}

/// How many due credentials are asked for at once.
const BATCH: u32 = 256;
/// Between two looks at least; wakes come in bursts.
const BREATH: Duration = Duration::from_millis(20);
/// How long a credential is left alone whose attempt failed in the store.
const REST: Duration = Duration::from_secs(5);
/// After stopping, attempts get their time and this much more.
const DRAIN: Duration = Duration::from_secs(5);

impl<S: Store, P: Provider> Engine<S, P> {
    /// An engine that does nothing yet.
    pub fn new(store: S, provider: P, options: Options) -> Self {
        Self {
            shared: Arc::new(Shared { store, provider, options, longest: watch::channel(Duration::ZERO).0 }),
        }
    }

    /// Stores what an earlier process left in the spool, then works until `stop` is done; then begins nothing new and
    /// waits for what is under way. Must not be dropped before it ends: attempts would end with it.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let shared = &self.shared;
        tokio::select! {
            () = shared.replay() => {}
            () = &mut stop => return,
        }
        let mut changes = shared.store.changes();
        let mut work = Work::new(&shared.options);
        loop {
            changes.mark_unchanged();
            let next = work.fill(shared).await;
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = work.tasks.join_next_with_id() => work.ended(ended),
                Ok(()) = changes.changed() => {}
                () = sleep_until(next) => {}
            }
            sleep(BREATH).await;
            while let Some(ended) = work.tasks.try_join_next_with_id() {
                work.ended(ended);
            }
        }
        work.drain(shared).await;
    }
}

/// What is under way.
struct Work {
    /// Each answers whether the store failed.
    tasks: JoinSet<bool>,
    keys: HashMap<Id, String>,
    slots: Slots,
    resting: HashMap<String, Instant>,
}

impl Work {
    fn new(options: &Options) -> Self {
        Self {
            tasks: JoinSet::new(),
            keys: HashMap::new(),
            slots: Slots::new(options.at_once, options.per_host),
            resting: HashMap::new(),
        }
    }

    /// Begins as many attempts as may be; returns when to look again.
    async fn fill<S: Store, P: Provider>(&mut self, shared: &Arc<Shared<S, P>>) -> Instant {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let mut wake = now + shared.options.tick;
        loop {
            if self.slots.is_full() {
                return wake;
            }
            let due = match shared.store.due(BATCH, &self.slots.busy()).await {
                Ok(due) => due,
                Err(error) => {
                    (shared.options.observer)(&Event::Store(&error.to_string()));
                    return now + REST;
                }
            };
            let mut began = false;
            let whole_batch = due.ready.len() == BATCH as usize;
            for ready in due.ready {
                began |= self.begin(shared, ready);
            }
            if let Some(next) = due.next {
                wake = wake.min(now + next);
            }
            // A batch of one busy host may hide what is due at others.
            if !(began && whole_batch) {
                break;
            }
        }
        self.resting.values().fold(wake, |wake, until| wake.min(*until))
    }

    fn begin<S: Store, P: Provider>(&mut self, shared: &Arc<Shared<S, P>>, ready: Ready) -> bool {
        if self.resting.contains_key(&ready.key) || !self.slots.take(&ready) {
            return false;
        }
        let (shared, key) = (shared.clone(), ready.key);
        let task = self.tasks.spawn({
            let key = key.clone();
            async move { shared.attempt(&key).await }
        });
        self.keys.insert(task.id(), key);
        true
    }

    /// An attempt that panicked counts as one that failed.
    fn ended(&mut self, ended: Result<(Id, bool), JoinError>) {
        let (id, failed) = ended.unwrap_or_else(|error| (error.id(), true));
        let Some(key) = self.keys.remove(&id) else { return };
        self.slots.free(&key);
        if failed {
            self.resting.insert(key, Instant::now() + REST);
        }
    }

    async fn drain<S: Store, P: Provider>(mut self, shared: &Shared<S, P>) {
        let until = Instant::now() + *shared.longest.borrow() + DRAIN;
        while !self.tasks.is_empty() {
            if timeout_at(until, self.tasks.join_next()).await.is_err() {
                let attempts = self.tasks.len();
                return (shared.options.observer)(&Event::Abandoned { attempts });
            }
        }
    }
}
