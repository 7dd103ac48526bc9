//! What the engine has done, for metrics and tests.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.add_many(1);
    }

    pub(super) fn add_many(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted; shared with the metrics, which tell it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(super) reads: Count,
    pub(super) resets: Count,
    pub(super) rows: Count,
    pub(super) builds: Count,
    pub(super) build_batches: Count,
    pub(super) wakes: Count,
    pub(super) notes: Count,
    pub(super) note_batches: Count,
    pub(super) notes_lost: Count,
}

/// How often something was done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncCounts {
    /// Reads of the change feed, each for all requests of that moment.
    pub reads: u64,
    /// Reads after which everything was dropped, because not all changes were known any more.
    pub resets: u64,
    /// Proxies that were read from the database.
    pub rows: u64,
    /// Configurations that were built.
    pub builds: u64,
    /// In so many batches, each of one read.
    pub build_batches: u64,
    /// Waiting syncs that were woken by a change.
    pub wakes: u64,
    /// Notes about proxies that were written.
    pub notes: u64,
    /// In so many batches.
    pub note_batches: u64,
    /// Notes that were dropped because too many could not be written.
    pub notes_lost: u64,
}

impl Counters {
    pub(crate) fn counts(&self) -> SyncCounts {
        SyncCounts {
            reads: self.reads.get(),
            resets: self.resets.get(),
            rows: self.rows.get(),
            builds: self.builds.get(),
            build_batches: self.build_batches.get(),
            wakes: self.wakes.get(),
            notes: self.notes.get(),
            note_batches: self.note_batches.get(),
            notes_lost: self.notes_lost.get(),
        }
    }
}
