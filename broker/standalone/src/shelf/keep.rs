//! Reading documents: at the start until it works, every minute while a credential is dead, and when told to
//! (broker.md, section 21.5).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Fault, Shelf, Slot};
use crate::log::{Level, log};

/// Between two tries at the start: doubled from the first to the last.
const FIRST: Duration = Duration::from_secs(2);
const LAST: Duration = Duration::from_mins(1);
/// After this long without a document a credential counts as dead.
const GIVE_UP: Duration = Duration::from_mins(15);
/// How often a dead credential's document is read.
const LOOK: Duration = Duration::from_mins(1);

impl Shelf {
    /// Keeps what is known in step with the stores, for as long as it is polled.
    pub async fn keep(&self) {
        let mut tasks = JoinSet::new();
        for slot in self.0.slots.values() {
            tasks.spawn(keep(slot.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn keep(slot: Arc<Slot>) {
    let mut told = slot.context.reread.subscribe();
    first(&slot, &mut told).await;
    loop {
        let was_told = again(LOOK, &mut told).await;
        if was_told || slot.state().dead().is_some() {
            let was_dead = slot.state().dead().is_some();
            if let Err(fault) = look(&slot).await {
                complain(&slot, &fault);
            } else if was_dead && slot.state().dead().is_none() {
                log(Level::Info, "credential revived", [("credential", slot.config.id.as_str().into())]);
            }
        }
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

/// Waits; true when told to look before the time.
async fn again(delay: Duration, told: &mut watch::Receiver<u64>) -> bool {
    tokio::select! {
        () = sleep(delay) => false,
        Ok(()) = told.changed() => true,
    }
}

fn complain(slot: &Slot, fault: &Fault) {
    let fields = [("credential", slot.config.id.as_str().into()), ("error", fault.to_string().into())];
    log(Level::Error, "the document of a credential cannot be read", fields);
}
