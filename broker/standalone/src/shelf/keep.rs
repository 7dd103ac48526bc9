//! Reading documents: at the start until it works, every minute while a credential is dead, every five seconds while
//! another process is at it, and when told to (broker.md, section 21.5).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Fault, Shelf, Slot};
use crate::log::{Level, log};

/// Between two tries at the start: doubled from the first to the last.
const FIRST: Duration = Duration::from_secs(2);
const LAST: Duration = Duration::from_mins(1);
/// After this long without a document a credential counts as dead.
const GIVE_UP: Duration = Duration::from_mins(15);
/// How often a dead credential's document is read.
const LOOK: Duration = Duration::from_mins(1);
/// How often one is read that another process is at.
const LOOK_FOR_OTHER: Duration = Duration::from_secs(5);

impl Shelf {
    /// Keeps what is known in step with the stores, for as long as it is polled; also where there is nothing to keep.
    pub async fn keep(&self) -> Infallible {
        let mut tasks = JoinSet::new();
        for slot in self.0.slots.values() {
            tasks.spawn(keep(slot.clone()));
        }
        while tasks.join_next().await.is_some() {}
        std::future::pending().await
    }
}

async fn keep(slot: Arc<Slot>) {
    let mut told = slot.context.reread.subscribe();
    let mut news = slot.news.subscribe();
    first(&slot, &mut told).await;
    let mut last = Instant::now();
    loop {
        news.mark_unchanged();
        let next = slot.wants_reading().map(|after| last + after);
        tokio::select! {
            () = async { sleep_until(next.unwrap_or(last)).await }, if next.is_some() => {}
            Ok(()) = told.changed() => {}
            // What is wanted may be another by now.
            Ok(()) = news.changed() => continue,
        }
        let was_dead = slot.state().dead().is_some();
        if let Err(fault) = look(&slot).await {
            complain(&slot, &fault);
        } else if was_dead && slot.state().dead().is_none() {
            log(Level::Info, "credential revived", [("credential", slot.config.id.as_str().into())]);
        }
        last = Instant::now();
    }
}

impl Slot {
    /// How long after it was read the document is to be read again, if not before the next refresh.
    fn wants_reading(&self) -> Option<Duration> {
        let state = self.state();
        if state.dead().is_some() {
            return Some(LOOK);
        }
        state.is_others().then_some(LOOK_FOR_OTHER)
    }
}

async fn first(slot: &Slot, told: &mut watch::Receiver<u64>) {
    let began = Instant::now();
    let mut delay = FIRST;
    while let Err(fault) = look(slot).await {
        complain(slot, &fault);
        if began.elapsed() >= GIVE_UP {
            slot.state().missing = Some("blob_load_failed");
            slot.tell();
            return;
        }
        again(delay, told).await;
        delay = (delay * 2).min(LAST);
    }
    if slot.state().missing.is_some() {
        let fields = [("credential", slot.config.id.as_str().into()), ("store", slot.store.name().into())];
        log(Level::Warn, "the store holds no refresh token for it yet", fields);
    }
}

async fn look(slot: &Slot) -> Result<(), Fault> {
    let _gate = slot.gate.lock().await;
    slot.read().await.map_err(|fault| slot.fault(fault))
}

/// Waits, unless told to look before the time.
async fn again(delay: Duration, told: &mut watch::Receiver<u64>) {
    tokio::select! {
        () = sleep(delay) => {}
        Ok(()) = told.changed() => {}
    }
}

fn complain(slot: &Slot, fault: &Fault) {
    let fields = [("credential", slot.config.id.as_str().into()), ("error", fault.to_string().into())];
    log(Level::Error, "the document of a credential cannot be read", fields);
}
