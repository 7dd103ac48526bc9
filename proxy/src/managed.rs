//! Managed mode: the policy comes from a control plane and is replaced while the proxy runs.
//!
//! Listeners are open from the start and refuse everything ([`crate::pipeline::Gate`]) until the control plane has
//! answered once. Then [`run`] asks again and again: [`timing`] says when, [`apply`] turns an answer into a pipeline,
//! all of it or nothing, [`live`] closes what is open and no longer granted, [`status`] keeps what `/v1/status` shows.
//! Without an answer for too long, credentials are withdrawn and the rest goes on. [`keep`] can hold the configuration on
//! disk, for a start without a control plane.
//!
//! Read first: [`run`]. `docs/managed-mode.md` says the same for operators.

pub mod apply;
pub mod keep;
pub mod live;
pub mod run;
pub mod settings;
pub mod status;
pub mod timing;

use std::sync::Arc;

use tokio::sync::Notify;

use self::live::Live;
use self::status::Status;

/// What the rest of the program sees of managed mode.
#[derive(Default)]
pub struct Managed {
    /// What `/v1/status` shows.
    pub status: Status,
    /// What is open, to be closed when it is no longer granted.
    pub live: Arc<Live>,
    poke: Notify,
}

impl Managed {
    /// Asks for a sync now. Several before it begins are one; one during a sync is one more after it.
    pub fn poke(&self) {
        self.status.poked();
        self.poke.notify_one();
    }

    /// Waits until a sync is asked for that has not begun.
    async fn poked(&self) {
        while !self.status.is_pending() {
            self.poke.notified().await;
        }
    }
}
