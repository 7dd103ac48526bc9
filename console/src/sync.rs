//! The configurations of proxies as of now.
//!
//! An answer is for the state of the database that was read in the same request: what is kept from before is used only
//! when the versions read then are still those it was made from, and no time has passed that alone would change it
//! (console-api.md, section 15.7). So a withdrawal that was committed is in the very next answer.

mod cache;
mod feed;
mod world;

use std::time::Duration;

use centaur_base::oid::PrincipalId;
use centaur_store::{Proxy, ProxyAuth, ReadTx, Store, StoreError, TokenHash};

pub(crate) use self::feed::Waiter;
pub(crate) use self::world::{Load, World};

use self::cache::{Cache, Cached, Key, Versions};
use crate::config::Config;
use crate::effective::Assignment;
use crate::metrics::SyncMetrics;
use feed::Feed;

/// How long a request waits for another one that builds the same configuration.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is kept between requests.
#[derive(Debug)]
pub(crate) struct Engine {
    cache: Cache,
    feed: Feed,
    metrics: SyncMetrics,
}

/// What a proxy gets now.
#[derive(Debug)]
pub(crate) struct Current {
    /// As read with the rest.
    pub(crate) proxy: Proxy,
    /// Its principal and since when; `None` while it is unassigned.
    pub(crate) assignment: Option<Assignment>,
    /// `sha256:…`
    pub(crate) hash: String,
    /// The payload, and until when it stands.
    pub(crate) built: Cached,
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
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Without anything kept yet; counts into `metrics`.
    pub(crate) fn new(metrics: SyncMetrics) -> Self {
        Self { cache: Cache::default(), feed: Feed::new(metrics.clone()), metrics }
    }

    /// Starts to listen for changes; to be called before the state is read that changes are waited for.
    pub(crate) fn waiter(&self, store: &Store) -> Waiter {
        self.feed.waiter(store)
    }

    /// What the proxy of this token gets now.
    ///
    /// # Errors
    /// [`SyncError`]
    pub(crate) async fn current(
        &self,
        store: &Store,
        config: &Config,
        token: &TokenHash,
    ) -> Result<Current, SyncError> {
        let mut tx = store.read().await?;
        let proxy = live(&mut tx, token).await?;
        let key = key_of(&proxy);
        let versions = versions(&mut tx, &proxy).await?;
        let now = tx.now();
        drop(tx);
        if let Some(built) = self.cache.fresh(&key, versions, now) {
            self.metrics.reused();
            return Ok(current(proxy, built, config));
        }
        let slot = self.cache.slot(key);
        let mut turn =
            tokio::time::timeout(PATIENCE, slot.lock()).await.map_err(|_| SyncError::Rebuilding)?;
        // Everything anew, the token too: it may have taken a while until it was our turn.
        let mut tx = store.read().await?;
        let proxy = live(&mut tx, token).await?;
        if key_of(&proxy) != key {
            return Err(SyncError::Rebuilding);
        }
        let versions = self::versions(&mut tx, &proxy).await?;
        let now = tx.now();
        if let Some(built) = turn.as_ref().filter(|built| built.stands(versions, now)) {
            self.metrics.reused();
            return Ok(current(proxy, built.clone(), config));
        }
        let load = Load {
            principal: proxy.principal_id,
            fallback: proxy.fallback_principal_id,
            mode: proxy.fallback_mode,
            with_expired: false,
        };
        let world = World::load(&mut tx, load, config).await?;
        drop(tx);
        let effective = world.assemble(config, &[]);
        self.metrics.built();
        let built = Cached::new(versions, effective);
        *turn = Some(built.clone());
        self.cache.keep(key, built.clone());
        Ok(current(proxy, built, config))
    }
}

async fn live(tx: &mut ReadTx, token: &TokenHash) -> Result<Proxy, SyncError> {
    match tx.proxy_by_token(token).await? {
        ProxyAuth::Live(proxy) => Ok(*proxy),
        ProxyAuth::Revoked => Err(SyncError::Revoked),
        ProxyAuth::Unknown => Err(SyncError::Unknown),
    }
}

fn key_of(proxy: &Proxy) -> Key {
    Key { principal: proxy.principal_id, fallback: proxy.fallback_principal_id, mode: proxy.fallback_mode }
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

fn current(proxy: Proxy, built: Cached, config: &Config) -> Current {
    let assignment = proxy.principal_id.map(|id| assignment(id, &proxy));
    let hash = built.payload().hash(&config.hash_key, assignment.as_ref());
    Current { proxy, assignment, hash, built }
}

fn assignment(principal: PrincipalId, proxy: &Proxy) -> Assignment {
    Assignment {
        principal_oid: principal.to_string(),
        assigned_at: proxy.principal_assigned_at.map_or(0, |at| at.0),
        counter: proxy.assignment,
    }
}
