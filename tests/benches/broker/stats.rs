//! Samples of time.

use std::time::Duration;

/// Spans, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// One more.
    pub(crate) fn add(&mut self, span: Duration) {
        self.0.push(span);
    }

    /// In milliseconds, what `share` of them do not exceed; zero without samples.
    pub(crate) fn millis(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(0.0, |span| span.as_secs_f64() * 1e3)
    }

    /// `p50 … / p99 … ms`
    pub(crate) fn text(&self) -> String {
        format!("p50 {:.1} ms, **p99 {:.1} ms**", self.millis(0.5), self.millis(0.99))
    }
}
