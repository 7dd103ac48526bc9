//! The credentials, as the engine and the API see them: what is known of each in memory, and its document in a store.
//!
//! A document is both the credential and the lease on it (decision 32): before a refresh token is sent, a note that
//! it is being sent is written on top of the document that holds it, on condition that it is still that document. So a
//! second writer is refused before it sends anything, a token that somebody replaced is noticed before it is used,
//! and whoever reads the document after a crash knows that the token may be used up.
//!
//! Read first: `Slot` with its `State`; then `engine.rs`, the two writes; then `asking.rs`, what clients get.

mod asking;
mod engine;
mod keep;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use centaur_broker::{Chance, Moment};
use tokio::sync::watch;

pub use asking::Asked;
pub use state::Health;

use crate::blob::Blob;
use crate::config::CredentialConfig;
use crate::moment;
use crate::stores::{self, BlobStore, StoreError};
use state::State;

/// The credentials. Clones share them.
#[derive(Debug, Clone)]
pub struct Shelf(Arc<Inner>);

struct Inner {
    slots: BTreeMap<String, Arc<Slot>>,
    context: Arc<Context>,
}

/// What all credentials share.
struct Context {
    /// Moves whenever something may have become due earlier.
    changes: watch::Sender<i64>,
    /// Moves when all documents are to be read again.
    reread: watch::Sender<u64>,
    /// True when no further attempt begins.
    stopping: watch::Sender<bool>,
    chance: Chance,
    clock: fn() -> Moment,
    /// The name of this process in documents.
    writer: String,
}

/// One credential.
struct Slot {
    config: CredentialConfig,
    store: Arc<dyn BlobStore>,
    state: Mutex<State>,
    /// Held by who reads or writes the document.
    gate: tokio::sync::Mutex<()>,
    /// Moves with the state.
    news: watch::Sender<u64>,
    context: Arc<Context>,
}

/// Why nothing was done; without material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The store.
    #[error("store: {0}")]
    Store(String),
    /// A source of the client.
    #[error("{0}")]
    Source(String),
    /// There is no such credential.
    #[error("there is no such credential")]
    Unknown,
}

impl Shelf {
    /// The credentials of a configuration, of which nothing is read yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(credentials: Vec<CredentialConfig>) -> Result<Self, getrandom::Error> {
        let with_stores = credentials.into_iter().map(|config| {
            let store = stores::open(&config.store);
            (config, store)
        });
        Self::with_stores(with_stores, moment::now)
    }

    /// [`Shelf::new`] with stores that are open already, and a clock.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn with_stores(
        credentials: impl IntoIterator<Item = (CredentialConfig, Arc<dyn BlobStore>)>,
        clock: fn() -> Moment,
    ) -> Result<Self, getrandom::Error> {
        let context = Arc::new(Context {
            changes: watch::channel(0).0,
            reread: watch::channel(0).0,
            stopping: watch::channel(false).0,
            chance: Chance::new(),
            clock,
            writer: name()?,
        });
        let slot = |(config, store): (CredentialConfig, Arc<dyn BlobStore>)| {
            let id = config.id.clone();
            let slot = Slot {
                config,
                store,
                state: Mutex::default(),
                gate: tokio::sync::Mutex::default(),
                news: watch::channel(0).0,
                context: context.clone(),
            };
            (id, Arc::new(slot))
        };
        let slots = credentials.into_iter().map(slot).collect();
        Ok(Self(Arc::new(Inner { slots, context })))
    }

    /// Has every document read again, soon.
    pub fn reread(&self) {
        self.0.context.reread.send_modify(|count| *count += 1);
    }

    /// No further attempt will begin: who waits for one should not.
    pub fn stop(&self) {
        self.0.context.stopping.send_replace(true);
        self.0.slots.values().for_each(|slot| slot.tell());
    }

    /// How every credential is.
    pub fn health(&self) -> Vec<(String, Health)> {
        let now = (self.0.context.clock)();
        self.0.slots.iter().map(|(id, slot)| (id.clone(), slot.state().health(now))).collect()
    }

    fn slot(&self, id: &str) -> Option<&Arc<Slot>> {
        self.0.slots.get(id)
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        (self.context.clock)()
    }

    /// Wakes who waits for this credential.
    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// Has the engine look.
    fn wake(&self) {
        self.context.changes.send_modify(|count| *count += 1);
    }

    /// Reads the document and takes what is new in it. The caller holds the gate.
    async fn read(&self) -> Result<(), Fault> {
        let stored = self.store.load().await.map_err(|error| self.store_fault(&error))?;
        let blob = match &stored {
            None => None,
            Some(stored) => Blob::parse(stored.text.expose())
                .map_err(|error| Fault::Store(format!("{}: {error}", self.store.name())))?,
        };
        let version = stored.map(|stored| stored.version);
        {
            let mut state = self.state();
            state.take(blob, version, self.now(), self);
            state.fault = None;
        }
        self.tell();
        self.wake();
        Ok(())
    }

    fn store_fault(&self, error: &StoreError) -> Fault {
        Fault::Store(format!("{}: {error}", self.store.name()))
    }

    /// Notes why nothing could be done, for those who wait.
    fn fault(&self, fault: Fault) -> Fault {
        self.state().fault = Some(fault.clone());
        self.tell();
        fault
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.slots.keys()).finish()
    }
}

/// A name that no other process has.
fn name() -> Result<String, getrandom::Error> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random)?;
    Ok(format!("{:016x}", u64::from_le_bytes(random)))
}

#[cfg(test)]
mod tests;
