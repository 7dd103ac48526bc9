//! What a store counts of itself, since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::StoreError;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) audit_events: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) unavailable: AtomicU64,
}

/// The counts of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that wrote and were committed.
    pub commits: u64,
    /// Events they wrote into the audit log.
    pub audit_events: u64,
    /// Transactions that were run again because the engine had given them up.
    pub retries: u64,
    /// Transactions that were given up for good.
    pub busy: u64,
    /// Times that no connection could be had, or that one broke in a write.
    pub unavailable: u64,
}

impl Counters {
    pub(crate) fn now(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            commits: read(&self.commits),
            audit_events: read(&self.audit_events),
            retries: read(&self.retries),
            busy: read(&self.busy),
            unavailable: read(&self.unavailable),
        }
    }

    pub(crate) fn more(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Counts an error of the database itself, and passes it on.
    pub(crate) fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Unavailable(_)) = &result {
            Self::more(&self.unavailable, 1);
        }
        result
    }
}
