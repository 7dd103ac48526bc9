//! Counters of the syncs, for the engine and for who answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::sync::Counters;

/// Clones share the counters.
#[derive(Debug, Clone)]
pub(crate) struct SyncMetrics {
    requests: Family<Outcome, Counter>,
    duration: Histogram,
    waiting: Gauge<i64, AtomicI64>,
    built: Counter,
    reused: Counter,
    feed_reads: Family<FeedRead, Counter>,
    /// What the engine itself counts.
    pub(crate) counters: Arc<Counters>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FeedRead {
    result: &'static str,
}

impl Default for SyncMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: super::durations(),
            waiting: Gauge::default(),
            built: Counter::default(),
            reused: Counter::default(),
            feed_reads: Family::default(),
            counters: Arc::default(),
        }
    }
}

impl SyncMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("console_sync_requests", "Syncs by what came of them", self.requests.clone());
        r.register("console_sync_duration_seconds", "Of syncs that were not put off", self.duration.clone());
        r.register("console_sync_waiting", "Proxies that wait for a change now", self.waiting.clone());
        r.register("console_configurations_built", "Configurations made from rows", self.built.clone());
        r.register("console_configurations_reused", "Configurations that still stood", self.reused.clone());
        r.register("console_change_feed_reads", "Looks at the change feed", self.feed_reads.clone());
        r.register_collector(Box::new(Engine(self.counters.clone())));
    }

    /// A configuration was made from rows.
    pub(crate) fn built(&self) {
        self.built.inc();
    }

    /// A configuration that was made before still stood.
    pub(crate) fn reused(&self) {
        self.reused.inc();
    }

    /// The change feed was read, or could not be.
    pub(crate) fn feed_read(&self, ok: bool) {
        self.feed_reads.get_or_create(&FeedRead { result: if ok { "read" } else { "failed" } }).inc();
    }

    /// Counts one who waits, while the guard lives.
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    /// Follows one sync from its beginning.
    pub(crate) fn answering(&self) -> Answering {
        Answering { metrics: self.clone(), since: Instant::now(), put_off: false, outcome: "abandoned" }
    }
}

/// See [`SyncMetrics::waiting`].
#[derive(Debug)]
pub(crate) struct Waiting(Gauge<i64, AtomicI64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A sync under way. Dropped, it is counted: as `abandoned` when the proxy went before there was an answer.
#[derive(Debug)]
pub(crate) struct Answering {
    metrics: SyncMetrics,
    since: Instant,
    put_off: bool,
    outcome: &'static str,
}

impl Answering {
    /// The answer is put off until something changes.
    pub(crate) fn put_off(&mut self) {
        self.put_off = true;
    }

    /// It is answered: with a configuration, or that the one the proxy has stands.
    pub(crate) fn answered(&mut self, with_configuration: bool) {
        self.outcome = match (self.put_off, with_configuration) {
            (false, true) => "changed",
            (false, false) => "unchanged",
            (true, true) => "woken",
            (true, false) => "waited",
        };
    }

    /// It is refused.
    pub(crate) fn refused(&mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.metrics.requests.get_or_create(&Outcome { outcome: self.outcome }).inc();
        if !self.put_off {
            self.metrics.duration.observe(self.since.elapsed().as_secs_f64());
        }
    }
}

/// Reads the engine's counters at each scrape.
#[derive(Debug)]
struct Engine(Arc<Counters>);

impl Collector for Engine {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.counts();
        let all = [
            ("console_sync_wakes", "Waiting syncs that a change woke", counts.wakes),
            (
                "console_configuration_batches",
                "Reads for configurations, each for several",
                counts.build_batches,
            ),
            ("console_sync_proxies_read", "Proxies read from the database", counts.rows),
            (
                "console_change_feed_resets",
                "Times that everything was dropped, because not all changes were known",
                counts.resets,
            ),
            ("console_sync_notes", "Notes of what proxies told that were written", counts.notes),
            ("console_sync_note_batches", "Transactions that wrote them", counts.note_batches),
            (
                "console_sync_notes_lost",
                "Notes dropped, because too many could not be written",
                counts.notes_lost,
            ),
        ];
        for (name, help, value) in all {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        Ok(())
    }
}
