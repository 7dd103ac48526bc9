//! What the store counts by itself.

use std::fmt;

use centaur_store::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// Reads the store's counters at each scrape.
#[derive(Debug)]
pub(super) struct Stored(pub(super) Store);

impl Collector for Stored {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.counts();
        let all = [
            ("console_store_commits", "Transactions that wrote and were committed", counts.commits),
            ("console_audit_events", "Events written into the audit log", counts.audit_events),
            (
                "console_store_retries",
                "Transactions run again because the engine had given them up",
                counts.retries,
            ),
            ("console_store_busy", "Transactions given up for good", counts.busy),
            ("console_store_unavailable", "Times that no connection could be had", counts.unavailable),
        ];
        for (name, help, value) in all {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        Ok(())
    }
}
