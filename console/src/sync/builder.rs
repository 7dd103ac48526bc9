//! Building configurations, those of many principals together.
//!
//! Who asks for one joins the next batch, never one that runs: what a batch reads was committed after all who are in
//! it had asked, or before. A batch takes whoever is there when it begins, so that one alone waits for nobody, and a
//! change that reaches many costs a few queries for hundreds of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use centaur_store::{ReadTx, StoreError};
use tokio::sync::oneshot;

use super::built::{Built, Key};
use super::parts::Parts;
use super::reads::Shared;
use super::world::{World, Worlds};
use crate::config::Config;

/// Batches that are under way at a time: one that waits for the database and one that computes.
const AT_A_TIME: usize = 2;
/// Configurations of a batch, at most.
const MOST: usize = 256;
/// Grants of a batch, about: principals that hold many are fewer.
const MOST_GRANTS: usize = 8_192;
/// How many are assembled before others get a turn.
const STRETCH: usize = 16;
/// How long somebody waits who came for an answer at once (console-api.md, section 15.7).
pub(super) const AT_ONCE: Duration = Duration::from_secs(5);
/// How long somebody waits who waits for a change anyway. When very many are woken at once the last has to wait for all
/// others, and to send it away would have it come again.
pub(super) const WOKEN: Duration = Duration::from_secs(20);

/// What a batch made for one who asked.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) built: Built,
    /// The number of the last change that is in it.
    pub(super) change: i64,
}

/// Why there is none.
#[derive(Debug, Clone)]
pub(super) enum Unbuilt {
    /// It took too long.
    Late,
    /// The store.
    Store(Arc<StoreError>),
}

type Answer = Result<Made, Unbuilt>;

#[derive(Debug)]
pub(super) struct Builder {
    shared: Arc<Shared>,
    config: Arc<Config>,
    pub(super) parts: Parts,
    queue: Mutex<Queue>,
    own: Weak<Self>,
}

#[derive(Debug)]
struct Queue {
    asked: HashMap<Key, Vec<oneshot::Sender<Answer>>>,
    order: VecDeque<Key>,
    running: usize,
    /// Grants that a configuration had lately.
    grants: usize,
}

impl Builder {
    pub(super) fn new(shared: Arc<Shared>, config: Arc<Config>) -> Arc<Self> {
        // The lists of an answer have seven eighths, so that both together stay near what was set.
        let parts = Parts::new(config.sync_memory / 8);
        let queue =
            Queue { asked: HashMap::new(), order: VecDeque::new(), running: 0, grants: MOST_GRANTS / 16 };
        Arc::new_cyclic(|own| Self { shared, config, parts, queue: Mutex::new(queue), own: own.clone() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds a configuration, with its lists, from what the database has at a moment after the call; within `patience`.
    pub(super) async fn build(&self, key: Key, patience: Duration) -> Answer {
        let (answer, answered) = oneshot::channel();
        let is_another = {
            let mut queue = self.queue();
            let Queue { asked, order, .. } = &mut *queue;
            let first = || {
                order.push_back(key);
                Vec::new()
            };
            asked.entry(key).or_insert_with(first).push(answer);
            let is_another = queue.running < AT_A_TIME;
            queue.running += usize::from(is_another);
            is_another
        };
        if is_another && let Some(own) = self.own.upgrade() {
            // A task, so that one who goes away takes no one's batch along.
            tokio::spawn(Running(own).run());
        }
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Unbuilt::Late),
        }
    }

    /// Who is built for next; without anybody, one batch fewer is under way.
    fn next(&self) -> Option<Batch> {
        let mut queue = self.queue();
        let many = (MOST_GRANTS / queue.grants.max(1)).clamp(1, MOST);
        let mut batch = Batch::new();
        while batch.len() < many
            && let Some(key) = queue.order.pop_front()
        {
            let mut askers = queue.asked.remove(&key).unwrap_or_default();
            // Who left needs no configuration.
            askers.retain(|asker| !asker.is_closed());
            if !askers.is_empty() {
                batch.push((key, askers));
            }
        }
        if batch.is_empty() {
            queue.running -= 1;
            return None;
        }
        Some(batch)
    }

    async fn answer(&self, mut batch: Batch) {
        // What was built since it was asked for.
        let now = self.shared.store.clock().now();
        let (change, standing) = {
            let state = self.shared.state();
            (state.last, batch.iter().map(|(key, _)| state.standing(key, now)).collect::<Vec<_>>())
        };
        let mut standing = standing.into_iter();
        batch.retain_mut(|(_, askers)| {
            let Some(built) = standing.next().flatten() else { return true };
            tell(askers, &Ok(Made { built, change }));
            false
        });
        let keys: Vec<Key> = batch.iter().map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return;
        }
        match self.make(&keys).await {
            Ok(made) => {
                for ((_, askers), made) in batch.iter_mut().zip(made) {
                    tell(askers, &Ok(made));
                }
            }
            // One that cannot be built must not be in the way of the others.
            Err(error) if keys.len() > 1 && !is_outage(&error) => {
                for (key, askers) in &mut batch {
                    let made = self.make(&[*key]).await;
                    let made = made.map_err(|error| Unbuilt::Store(Arc::new(error)));
                    tell(askers, &made.and_then(|made| made.into_iter().next().ok_or(Unbuilt::Late)));
                }
            }
            Err(error) => {
                let error = Unbuilt::Store(Arc::new(error));
                for (_, askers) in &mut batch {
                    tell(askers, &Err(error.clone()));
                }
            }
        }
    }

    async fn make(&self, keys: &[Key]) -> Result<Vec<Made>, StoreError> {
        let loads: Vec<_> = keys.iter().map(Key::load).collect();
        let mut tx = self.shared.store.read().await?;
        let worlds = Worlds::load(&mut tx, &loads, false, &self.parts, &self.config).await?;
        drop(tx);
        self.shared.counters.build_batches.add();
        self.queue().grants = worlds.grants.div_ceil(keys.len());
        let mut all = Vec::with_capacity(keys.len());
        for (at, (key, world)) in keys.iter().zip(&worlds.of).enumerate() {
            if at % STRETCH == STRETCH - 1 {
                tokio::task::yield_now().await;
            }
            all.push(self.put(*key, &worlds, world));
        }
        Ok(all)
    }

    /// Assembles one and keeps it.
    fn put(&self, key: Key, worlds: &Worlds, world: &World) -> Made {
        let built = Built::new(worlds.versions(key), &world.assemble(&self.config, &[]), &self.config);
        self.shared.counters.builds.add();
        self.shared.metrics.built();
        self.shared.state().put_built(worlds.change, key, built.clone());
        Made { built, change: worlds.change }
    }

    /// Builds one in a transaction that was begun, which is at `change`.
    pub(super) async fn alone(&self, tx: &mut ReadTx, key: Key) -> Result<Made, StoreError> {
        let worlds = Worlds::load(tx, &[key.load()], false, &self.parts, &self.config).await?;
        self.shared.counters.build_batches.add();
        let made = worlds.of.first().map(|world| self.put(key, &worlds, world));
        made.ok_or_else(|| StoreError::Inconsistent {
            table: "principals",
            detail: "none was read".to_owned(),
        })
    }
}

type Batch = Vec<(Key, Vec<oneshot::Sender<Answer>>)>;

fn tell(askers: &mut Vec<oneshot::Sender<Answer>>, answer: &Answer) {
    for asker in askers.drain(..) {
        // Who left needs no answer.
        let _ = asker.send(answer.clone());
    }
}

fn is_outage(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Busy)
}

/// One batch after the other, until nobody asks. When it ends, however it does, another one may begin.
struct Running(Arc<Builder>);

impl Running {
    async fn run(self) {
        while let Some(batch) = self.0.next() {
            self.0.answer(batch).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue().running -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
