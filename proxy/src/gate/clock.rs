//! What a connection's time limits count from.

use std::time::{Duration, Instant};

use super::{Gate, Inner, Phase};
use crate::config::Timeouts;

/// The shortest pause between two looks at the clock of a connection.
pub const CLOCK_STEP: Duration = Duration::from_millis(100);

/// How long a connection is idle before the parser, which holds 16 KiB of buffers, is put away.
const REST_AFTER: Duration = Duration::from_millis(500);

/// Since when it has been what it is.
pub(super) struct Clock {
    pub(super) head_started: Option<Instant>,
    pub(super) idle_since: Instant,
    pub(super) progress: Instant,
    pub(super) first: bool,
    pub(super) busy: bool,
    pub(super) write_blocked: bool,
    pub(super) stalled: bool,
    pub(super) takes_interim: bool,
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// The head did not arrive whole in time.
    Head,
    /// Nothing was asked for a long time.
    Idle,
    /// A body, in either direction, made no progress.
    Stalled,
    /// Nothing was asked for a moment: the parser and its buffers may be put away.
    Restful,
}

impl Clock {
    /// Of a connection that was just accepted.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            head_started: None,
            idle_since: now,
            progress: now,
            first: true,
            busy: false,
            write_blocked: false,
            stalled: false,
            takes_interim: false,
        }
    }
}

impl<T> Gate<T> {
    /// An exchange begins: time limits change from idle to progress.
    pub fn begin(&self) {
        let mut inner = self.lock();
        let now = Instant::now();
        inner.clock.head_started = None;
        inner.clock.busy = true;
        inner.clock.first = false;
        inner.clock.progress = now;
    }

    /// The exchange is over.
    pub fn finish(&self) {
        let mut inner = self.lock();
        inner.clock.busy = false;
        inner.clock.idle_since = Instant::now();
    }

    /// When the next time limit runs out and which; `None` while nobody is late.
    pub fn deadline(&self, timeouts: &Timeouts) -> Option<(Instant, Overdue)> {
        let inner = self.lock();
        let clock = &inner.clock;
        if clock.busy {
            let body = matches!(inner.phase, Phase::Body(_) | Phase::Chunked(_));
            let waits = body || clock.write_blocked;
            return waits.then(|| (clock.progress + timeouts.stalled_body, Overdue::Stalled));
        }
        Some(match clock.head_started {
            Some(at) => (at + timeouts.request_head, Overdue::Head),
            None if inner.is_at_rest() => (clock.idle_since + REST_AFTER, Overdue::Restful),
            None if clock.first => (clock.idle_since + timeouts.request_head, Overdue::Head),
            None => (clock.idle_since + timeouts.idle_keep_alive, Overdue::Idle),
        })
    }

    /// When a connection on which nothing is asked has been idle for too long.
    pub fn idle_deadline(&self, timeouts: &Timeouts) -> (Instant, Overdue) {
        let clock = &self.lock().clock;
        if clock.first {
            (clock.idle_since + timeouts.request_head, Overdue::Head)
        } else {
            (clock.idle_since + timeouts.idle_keep_alive, Overdue::Idle)
        }
    }

    /// Tells the exchange under way that its client has stalled. False when it was told before.
    pub fn stall(&self) -> bool {
        !std::mem::replace(&mut self.lock().clock.stalled, true)
    }

    /// Whether the exchange under way was told that its client has stalled.
    pub fn is_stalled(&self) -> bool {
        self.lock().clock.stalled
    }

    /// Whether a head has begun to arrive (an idle connection that times out was no request).
    pub fn head_begun(&self) -> bool {
        self.lock().clock.head_started.is_some()
    }
}

impl<T> Inner<T> {
    /// Whether nothing is under way in either direction, so that a parser that starts anew has missed nothing.
    fn is_at_rest(&self) -> bool {
        let clock = &self.clock;
        matches!(self.phase, Phase::Head)
            && !(clock.busy || clock.write_blocked || self.end_after || self.read_closed)
            && clock.head_started.is_none()
            && self.flushed
            && self.inbox.is_empty()
            && self.admitted.is_empty()
            && self.interim.is_empty()
            && self.read_error.is_none()
    }
}
