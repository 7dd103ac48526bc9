//! Waiting until proxies have acknowledged something: woken by the notes of this process, and by one poll for all who
//! wait for those of other replicas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use centaur_base::oid::ProxyId;
use centaur_store::{Micros, Store, StoreError};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::app::log;

/// How often the database is asked.
const EVERY: Duration = Duration::from_millis(250);

/// Those who are waited for.
#[derive(Debug, Clone)]
pub(super) struct Acknowledgements(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    waited: Mutex<Waited>,
}

#[derive(Debug, Default)]
struct Waited {
    by: HashMap<ProxyId, Entry>,
    is_polled: bool,
}

#[derive(Debug)]
struct Entry {
    notify: Arc<Notify>,
    waiting: usize,
    /// What the last poll found.
    last: Option<Found>,
}

/// Generation and end of what was acknowledged; `None` of a proxy that is gone.
type Found = Option<(Option<i64>, Option<Micros>)>;

/// Somebody who waits for one proxy.
pub(crate) struct Acknowledgement {
    all: Acknowledgements,
    proxy: ProxyId,
    notify: Arc<Notify>,
}

impl Acknowledgement {
    /// Made before the row is read, done when the row may be another one.
    pub(crate) fn told(&self) -> impl Future<Output = ()> + use<> {
        self.notify.clone().notified_owned()
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        let mut waited = self.all.waited();
        if let Some(entry) = waited.by.get_mut(&self.proxy) {
            entry.waiting -= 1;
            if entry.waiting == 0 {
                waited.by.remove(&self.proxy);
            }
        }
    }
}

impl Acknowledgements {
    pub(super) fn new(store: Store) -> Self {
        Self(Arc::new(Inner { store, waited: Mutex::default() }))
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.0.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more who waits for a proxy.
    pub(super) fn wait(&self, proxy: ProxyId) -> Acknowledgement {
        let mut waited = self.waited();
        let entry = || Entry { notify: Arc::default(), waiting: 0, last: None };
        let entry = waited.by.entry(proxy).or_insert_with(entry);
        entry.waiting += 1;
        let notify = entry.notify.clone();
        if !std::mem::replace(&mut waited.is_polled, true) {
            tokio::spawn(poll(self.clone()));
        }
        Acknowledgement { all: self.clone(), proxy, notify }
    }

    /// Notes about these proxies were written.
    pub(super) fn wake(&self, proxies: impl IntoIterator<Item = ProxyId>) {
        let waited = self.waited();
        if waited.by.is_empty() {
            return;
        }
        for entry in proxies.into_iter().filter_map(|proxy| waited.by.get(&proxy)) {
            entry.notify.notify_waiters();
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let proxies: Vec<ProxyId> = self.waited().by.keys().copied().collect();
        let found = self.0.store.read().await?.acknowledged(&proxies).await?;
        let found: HashMap<_, _> =
            found.into_iter().map(|(id, number, until)| (id, (number, until))).collect();
        let mut waited = self.waited();
        for proxy in proxies {
            let Some(entry) = waited.by.get_mut(&proxy) else { continue };
            let now = Some(found.get(&proxy).copied());
            if std::mem::replace(&mut entry.last, now) != now {
                entry.notify.notify_waiters();
            }
        }
        Ok(())
    }
}

async fn poll(all: Acknowledgements) {
    loop {
        sleep(EVERY).await;
        {
            let mut waited = all.waited();
            if waited.by.is_empty() {
                waited.is_polled = false;
                return;
            }
        }
        if let Err(error) = all.look().await {
            log("warn", "cannot read acknowledgements", &[("error", &error.to_string())]);
        }
    }
}
