//! Samples of time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970: a clock that several processes share.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Times in microseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    /// One more.
    pub(crate) fn add(&mut self, micros: u64) {
        self.0.push(micros);
    }

    /// Of each moment, how long after `since` it was; before it counts as zero.
    pub(crate) fn add_since(&mut self, since: u64, moments: &[u64]) {
        self.0.extend(moments.iter().map(|at| at.saturating_sub(since)));
    }

    /// Those of another too.
    pub(crate) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds, what `share` of them do not exceed; zero without samples.
    pub(crate) fn millis(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(0.0, |micros| *micros as f64 / 1e3)
    }
}
