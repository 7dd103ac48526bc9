//! A metric with labels that has no more series than it may.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::family::Family;

/// Series of one metric; what comes later counts as `other`.
pub(super) const MOST_SERIES: usize = 200;

pub(super) struct Capped<S, M> {
    pub(super) family: Family<S, M, fn() -> M>,
    series: AtomicUsize,
}

impl<S: Clone + Hash + Eq, M> Capped<S, M> {
    pub(super) fn new(make: fn() -> M) -> Self {
        Self { family: Family::new_with_constructor(make), series: AtomicUsize::new(0) }
    }

    /// Changes the metric with these labels, or that of all for which there is no room, and says whether there was.
    pub(super) fn with(&self, labels: &S, other: impl FnOnce() -> S, change: impl FnOnce(&M)) -> bool {
        if let Some(known) = self.family.get(labels) {
            change(&known);
            return true;
        }
        // Two that come with the same new labels at once take room for two, which costs one series and no count.
        let more = |count| if count < MOST_SERIES { Some(count + 1) } else { None };
        if self.series.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            change(&self.family.get_or_create(labels));
            return true;
        }
        change(&self.family.get_or_create(&other()));
        false
    }
}
