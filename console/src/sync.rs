//! The configurations of proxies as of now.
//!
//! An answer is for a state of the database that was read after the request arrived (console-api.md, section 15.7): by
//! a read of the change feed that all requests of that moment share, and, where the changes so far name something that
//! is kept, by reading that anew. So a withdrawal that was committed is in the very next answer, while an unchanged
//! configuration costs a part of one small query.

mod acknowledged;
mod builder;
mod built;
mod counters;
mod feed;
mod notes;
mod parts;
mod reads;
mod state;
mod wake;
mod world;

use std::sync::Arc;

use centaur_base::oid::ProxyId;
use centaur_store::{Acknowledged, Micros, Proxy, ProxyAuth, ReadTx, Seen, Store, StoreError, TokenHash};

pub use self::counters::SyncCounts;

pub(crate) use self::acknowledged::Acknowledgement;
pub(crate) use self::built::Lists;
pub(crate) use self::counters::Counters;
pub(crate) use self::feed::Waiting;
pub(crate) use self::parts::Parts;
pub(crate) use self::state::Known;
pub(crate) use self::wake::Wake;
pub(crate) use self::world::{Load, World};

use self::builder::{Builder, Made, Unbuilt};
use self::built::Versions;
use self::feed::Feed;
use self::notes::Notes;
use self::reads::{Shared, Unread};
use self::state::{Hit, Look};
use crate::config::Config;
use crate::metrics::SyncMetrics;

/// How often memory is looked into for what was just put in, before it is read apart from that: other changes may take it
/// out at once.
const LOOKS: usize = 3;

/// What is kept between requests.
#[derive(Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
    feed: Feed,
    notes: Arc<Notes>,
    builder: Arc<Builder>,
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
    /// Very many are built at the same time, and it takes long.
    #[error("being rebuilt")]
    Rebuilding,
    /// The change feed could not be read.
    #[error("the change feed cannot be read")]
    Unread,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store, as all hear who waited for the same read.
    #[error(transparent)]
    Unbuilt(Arc<StoreError>),
}

impl From<Unbuilt> for SyncError {
    fn from(why: Unbuilt) -> Self {
        match why {
            Unbuilt::Late => Self::Rebuilding,
            Unbuilt::Store(error) => Self::Unbuilt(error),
        }
    }
}

impl From<Unread> for SyncError {
    fn from(_: Unread) -> Self {
        Self::Unread
    }
}

impl Engine {
    /// Nothing is read before the first sync. Counts into `metrics`.
    pub(crate) fn new(store: &Store, config: &Arc<Config>, metrics: SyncMetrics) -> Self {
        let notices = config.notices.then(|| store.notices());
        let shared = Arc::new(Shared::new(store.clone(), config.sync_memory, metrics));
        let notes = Arc::new(Notes::new(shared.clone()));
        let builder = Builder::new(shared.clone(), config.clone());
        Self { shared, feed: Feed::new(notices), notes, builder }
    }

    /// Secrets that were read before.
    pub(crate) fn parts(&self) -> &Parts {
        &self.builder.parts
    }

    /// Forgets what was not used for a while.
    pub(crate) fn tidy(&self) {
        self.builder.parts.tidy(self.shared.store.clock().now());
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
        self.found(config, token, false, true).await
    }

    async fn known(&self, config: &Config, token: &TokenHash, wake: bool) -> Result<Current, SyncError> {
        self.found(config, token, wake, false).await
    }

    /// What memory has, which holds as of a moment after the call, or what is built. `whole`: with the lists.
    async fn found(
        &self,
        config: &Config,
        token: &TokenHash,
        wake: bool,
        whole: bool,
    ) -> Result<Current, SyncError> {
        let serves = |hit: &Hit| !whole || hit.built.lists.is_some();
        for _ in 0..LOOKS {
            let proxy = match self.look(token, wake) {
                Look::Hit(hit) if serves(&hit) => {
                    self.shared.metrics.reused();
                    return Ok(current(*hit, config));
                }
                Look::Hit(hit) => hit.proxy,
                Look::Build(proxy) => proxy,
                Look::Nothing => {
                    let mut tx = self.shared.store.read().await?;
                    self.read_proxy(&mut tx, token).await?;
                    continue;
                }
            };
            let patience = if wake { builder::WOKEN } else { builder::AT_ONCE };
            let made = self.builder.build(proxy.key, patience).await?;
            let last = self.shared.state().last;
            if made.change > last {
                // Until then nobody knows whether it is still the proxy's.
                self.shared.fresh().await?;
            }
            match self.look(token, wake) {
                Look::Hit(hit) if serves(&hit) => return Ok(current(*hit, config)),
                Look::Hit(hit) if Arc::ptr_eq(&hit.proxy, &proxy) => return Ok(made.of(proxy, config)),
                // Something else changed since it was built; it is later than the call all the same.
                Look::Build(still) if Arc::ptr_eq(&still, &proxy) => return Ok(made.of(proxy, config)),
                _ => {}
            }
        }
        // All at one moment, the token too.
        let mut tx = self.shared.store.read().await?;
        let proxy = self.read_proxy(&mut tx, token).await?;
        let made = self.builder.alone(&mut tx, proxy.key).await?;
        Ok(made.of(proxy, config))
    }

    fn look(&self, token: &TokenHash, wake: bool) -> Look {
        let now = self.shared.store.clock().now();
        self.shared.state().look(token, now, wake)
    }

    async fn read_proxy(&self, tx: &mut ReadTx, token: &TokenHash) -> Result<Arc<Known>, SyncError> {
        self.shared.counters.rows.add();
        let seq = tx.last_change().await?;
        let (proxy, until) = match tx.proxy_by_token(token).await? {
            ProxyAuth::Live { proxy, until } => (proxy, until),
            ProxyAuth::Revoked => return Err(SyncError::Revoked),
            ProxyAuth::Unknown => return Err(SyncError::Unknown),
        };
        let versions = versions(tx, &proxy).await?;
        self.notes.learn(&proxy);
        let known = Arc::new(Known::of(&proxy));
        self.shared.state().put_row(seq, *token, known.clone(), until, versions);
        Ok(known)
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

impl Made {
    /// As what a proxy gets, without a wake.
    fn of(self, proxy: Arc<Known>, config: &Config) -> Current {
        let generation = proxy.generation(self.built.versions);
        current(Hit { proxy, generation, built: self.built, wake: None }, config)
    }
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
