//! The configurations of proxies as of now.
//!
//! An answer is for a state of the database that was read after the request arrived (console-api.md, section 15.7): by
//! a read of the change feed that all requests of that moment share, and, where the changes so far name something that
//! is kept, by reading that anew. So a withdrawal that was committed is in the very next answer, while an unchanged
//! configuration costs a part of one small query.

mod acknowledged;
mod built;
mod counters;
mod feed;
mod notes;
mod reads;
mod state;
mod wake;
mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centaur_base::oid::ProxyId;
use centaur_store::{Acknowledged, Micros, Proxy, ProxyAuth, ReadTx, Seen, Store, StoreError, TokenHash};

pub use self::counters::SyncCounts;

pub(crate) use self::acknowledged::Acknowledgement;
pub(crate) use self::built::Lists;
pub(crate) use self::counters::Counters;
pub(crate) use self::feed::Waiting;
pub(crate) use self::state::Known;
pub(crate) use self::wake::Wake;
pub(crate) use self::world::{Load, World};

use self::built::{Built, Key, Versions};
use self::feed::Feed;
use self::notes::Notes;
use self::reads::{Shared, Unread};
use self::state::{Hit, Look};
use crate::config::Config;
use crate::metrics::SyncMetrics;

/// How long a request waits for another one that builds the same configuration.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is kept between requests.
#[derive(Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
    feed: Feed,
    notes: Arc<Notes>,
    /// One builder per configuration.
    building: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

/// What a proxy gets now.
pub(crate) struct Current {
    pub(crate) proxy: Arc<Known>,
    /// `sha256:…`
    pub(crate) hash: String,
    /// The number of the change that made it what it is for this proxy.
    pub(crate) generation: i64,
    /// When time alone changes it.
    pub(crate) changes_at: Option<Micros>,
    /// The lists, unless they had to make room.
    pub(crate) lists: Option<Lists>,
    /// For the next change that names the proxy, when it was asked for and the configuration was kept.
    pub(crate) wake: Option<Wake>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    /// The token is nobody's.
    #[error("unknown token")]
    Unknown,
    /// The token is that of a proxy that was deleted.
    #[error("revoked token")]
    Revoked,
    /// Another request builds the same configuration, and takes long.
    #[error("being rebuilt")]
    Rebuilding,
    /// The change feed could not be read.
    #[error("the change feed cannot be read")]
    Unread,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Unread> for SyncError {
    fn from(_: Unread) -> Self {
        Self::Unread
    }
}

impl Engine {
    /// Nothing is read before the first sync. Counts into `metrics`.
    pub(crate) fn new(store: &Store, config: &Config, metrics: SyncMetrics) -> Self {
        let notices = config.notices.then(|| store.notices());
        let shared = Arc::new(Shared::new(store.clone(), config.sync_memory, metrics));
        let notes = Arc::new(Notes::new(shared.clone()));
        Self { shared, feed: Feed::new(notices), notes, building: Mutex::default() }
    }

    /// What it has done.
    pub(crate) fn counts(&self) -> SyncCounts {
        self.shared.counters.counts()
    }

    /// While this is kept, those who wait for a change are woken.
    pub(crate) fn waiting(&self) -> Waiting {
        self.feed.wait(&self.shared)
    }

    /// What the proxy of this token gets, as of a moment after the call. `wake`: with a wake for the next change.
    ///
    /// # Errors
    /// [`SyncError`]
    pub(crate) async fn current(
        &self,
        config: &Config,
        token: &TokenHash,
        wake: bool,
    ) -> Result<Current, SyncError> {
        self.shared.fresh().await?;
        self.known(config, token, wake).await
    }

    /// As [`Engine::current`], for a request that was woken: who woke it has read the feed.
    ///
    /// # Errors
    /// [`SyncError`]
    pub(crate) async fn woken(&self, config: &Config, token: &TokenHash) -> Result<Current, SyncError> {
        self.shared.counters.wakes.add();
        self.known(config, token, true).await
    }

    /// As [`Engine::current`], with the lists in any case.
    ///
    /// # Errors
    /// [`SyncError`]
    pub(crate) async fn whole(&self, config: &Config, token: &TokenHash) -> Result<Current, SyncError> {
        self.shared.fresh().await?;
        let key = match self.look(token, false) {
            Look::Hit(hit) if hit.built.lists.is_some() => return Ok(self.kept(*hit, config)),
            Look::Hit(hit) => hit.proxy.key,
            Look::Build(key) => key,
            Look::Nothing => self.read_row(token).await?,
        };
        let is_whole = |hit: &Hit| hit.built.lists.is_some();
        self.build(config, token, key, false, is_whole).await
    }

    async fn known(&self, config: &Config, token: &TokenHash, wake: bool) -> Result<Current, SyncError> {
        let key = match self.look(token, wake) {
            Look::Hit(hit) => return Ok(self.kept(*hit, config)),
            Look::Build(key) => key,
            Look::Nothing => {
                let key = self.read_row(token).await?;
                if let Look::Hit(hit) = self.look(token, wake) {
                    return Ok(self.kept(*hit, config));
                }
                key
            }
        };
        self.build(config, token, key, wake, |_| true).await
    }

    fn kept(&self, hit: Hit, config: &Config) -> Current {
        self.shared.metrics.reused();
        current(hit, config)
    }

    fn look(&self, token: &TokenHash, wake: bool) -> Look {
        let now = self.shared.store.clock().now();
        self.shared.state().look(token, now, wake)
    }

    /// Reads the proxy of a token; what its configuration is made from.
    async fn read_row(&self, token: &TokenHash) -> Result<Key, SyncError> {
        let mut tx = self.shared.store.read().await?;
        let read = self.read_proxy(&mut tx, token).await?;
        Ok(read.proxy.key)
    }

    async fn read_proxy(&self, tx: &mut ReadTx, token: &TokenHash) -> Result<ReadProxy, SyncError> {
        self.shared.counters.rows.add();
        let seq = tx.last_change().await?;
        let (proxy, until) = match tx.proxy_by_token(token).await? {
            ProxyAuth::Live { proxy, until } => (proxy, until),
            ProxyAuth::Revoked => return Err(SyncError::Revoked),
            ProxyAuth::Unknown => return Err(SyncError::Unknown),
        };
        let versions = versions(tx, &proxy).await?;
        self.notes.learn(&proxy);
        let (known, generation) = (Arc::new(Known::of(&proxy)), proxy.generation);
        self.shared.state().put_row(seq, *token, known.clone(), until, versions);
        Ok(ReadProxy { proxy: known, versions, generation })
    }

    /// Builds a configuration, or waits for who does. `serves`: whether what was built in the meantime will do.
    async fn build(
        &self,
        config: &Config,
        token: &TokenHash,
        key: Key,
        wake: bool,
        serves: impl Fn(&Hit) -> bool,
    ) -> Result<Current, SyncError> {
        let slot = self.slot(key);
        let _turn = tokio::time::timeout(PATIENCE, slot.lock()).await.map_err(|_| SyncError::Rebuilding)?;
        if let Look::Hit(hit) = self.look(token, wake)
            && serves(&hit)
        {
            return Ok(self.kept(*hit, config));
        }
        // Everything anew, the token too: it may have taken a while until it was our turn.
        let mut tx = self.shared.store.read().await?;
        let ReadProxy { proxy, versions, generation } = self.read_proxy(&mut tx, token).await?;
        if proxy.key != key {
            return Err(SyncError::Rebuilding);
        }
        let load =
            Load { principal: key.principal, fallback: key.fallback, mode: key.mode, with_expired: false };
        let world = World::load(&mut tx, load, config).await?;
        drop(tx);
        let built = Built::new(versions, &world.assemble(config, &[]), config);
        self.shared.counters.builds.add();
        self.shared.metrics.built();
        self.shared.state().put_built(key, built.clone());
        Ok(current(Hit { proxy, generation, built, wake: None }, config))
    }

    /// The turn to build a configuration. Turns that nobody waits for are forgotten here.
    fn slot(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if building.len() >= SLOTS {
            building.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        building.entry(key).or_default().clone()
    }

    /// Keeps what a proxy tells.
    pub(crate) fn note(&self, seen: Seen) {
        self.notes.take(seen);
    }

    /// Has what is read next hold what proxies told this process before.
    pub(crate) async fn settle(&self) {
        self.notes.settle().await;
    }

    /// Writes what proxies told, and hears of other replicas no more.
    pub(crate) async fn end(&self) {
        self.feed.end();
        self.notes.flush().await;
    }

    /// Somebody who waits for what a proxy tells.
    pub(crate) fn acknowledgement(&self, proxy: ProxyId) -> Acknowledgement {
        self.notes.acknowledged.wait(proxy)
    }
}

/// Turns that are kept though nobody may be waiting for them.
const SLOTS: usize = 256;

struct ReadProxy {
    proxy: Arc<Known>,
    versions: Versions,
    generation: i64,
}

impl Current {
    /// What a proxy acknowledges that echoes the hash.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        Acknowledged { assignment: self.proxy.counter, generation: self.generation, until: self.changes_at }
    }
}

async fn versions(tx: &mut ReadTx, proxy: &Proxy) -> Result<Versions, StoreError> {
    let mut of = [None, None];
    for (version, principal) in of.iter_mut().zip([proxy.principal_id, proxy.fallback_principal_id]) {
        if let Some(principal) = principal {
            *version = tx.config_version(principal).await?;
        }
    }
    Ok(Versions(of))
}

fn current(hit: Hit, config: &Config) -> Current {
    let Hit { proxy, generation, built, wake } = hit;
    let hash = built.digest.hash(&config.hash_key, proxy.assignment.as_ref());
    Current { proxy, hash, generation, changes_at: built.changes_at, lists: built.lists, wake }
}
