//! What is counted of the refresh engine (broker.md, section 19).
//!
//! Credentials are named by their ids, the one place in the metrics where something has an id: an alert that one died
//! is of no use without saying which. No metric has more than 200 series; what has no room counts as `other`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centaur_store::{CredentialStand, Micros};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::capped::Capped;
use super::{OTHER, durations};

/// Clones count into the same.
#[derive(Clone)]
pub(crate) struct BrokerMetrics {
    attempts: Arc<Capped<Attempt, Counter>>,
    duration: Histogram,
    unsaved: Histogram,
    pending: Gauge<i64, AtomicI64>,
    /// Credentials with an outcome that waits in memory.
    waiting: Arc<Mutex<BTreeSet<String>>>,
    interrupted: Counter,
    notices: Family<Told, Counter>,
    age: Family<Credential, Gauge<f64, AtomicU64>>,
    time_to_expiry: Family<Credential, Gauge<f64, AtomicU64>>,
    dead: Family<Dead, Gauge<i64, AtomicI64>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Attempt {
    credential_id: String,
    result: &'static str,
    error_code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Credential {
    credential_id: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Dead {
    credential_id: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Told {
    result: &'static str,
}

/// Upper bounds in seconds of what should take less than five milliseconds.
const SHORT: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 1.0, 10.0, 60.0];

impl Default for BrokerMetrics {
    fn default() -> Self {
        Self {
            attempts: Arc::new(Capped::new(Counter::default)),
            duration: durations(),
            unsaved: Histogram::new(SHORT),
            pending: Gauge::default(),
            waiting: Arc::default(),
            interrupted: Counter::default(),
            notices: Family::default(),
            age: Family::default(),
            time_to_expiry: Family::default(),
            dead: Family::default(),
        }
    }
}

impl BrokerMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("broker_refresh_attempts", "Refreshes that ended", self.attempts.family.clone());
        r.register(
            "broker_refresh_duration_seconds",
            "From the claim to the stored outcome",
            self.duration.clone(),
        );
        r.register(
            "broker_unsaved_seconds",
            "From the provider's answer to the stored outcome",
            self.unsaved.clone(),
        );
        r.register(
            "broker_rotation_pending",
            "Outcomes that wait in memory for the database",
            self.pending.clone(),
        );
        r.register(
            "broker_interrupted",
            "Attempts begun after one of which nobody knows how it ended",
            self.interrupted.clone(),
        );
        r.register("broker_notices", "Notices of deaths, and what came of them", self.notices.clone());
        r.register(
            "broker_token_age_seconds",
            "Since the access token was asked for; of those that end first",
            self.age.clone(),
        );
        r.register(
            "broker_token_time_to_expiry_seconds",
            "Until the access token ends, below zero since it has; of those that end first",
            self.time_to_expiry.clone(),
        );
        r.register("broker_credential_dead", "1: it is not refreshed any more", self.dead.clone());
    }

    /// A refresh ended. False when it had to be counted as `other`.
    pub(crate) fn concluded(&self, key: &str, result: &str, code: Option<&str>) -> bool {
        let result = match result {
            "success" => "success",
            "retryable" => "transient_error",
            _ => "unrecoverable_error",
        };
        let labels = Attempt {
            credential_id: key.to_owned(),
            result,
            error_code: code.unwrap_or_default().to_owned(),
        };
        let other = || Attempt { credential_id: OTHER.to_owned(), result, error_code: OTHER.to_owned() };
        self.attempts.with(&labels, other, |count| {
            count.inc();
        })
    }

    /// How long it took, and how long the answer was nowhere but in memory.
    pub(crate) fn took(&self, took: Duration, unsaved: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.unsaved.observe(unsaved.as_secs_f64());
    }

    pub(crate) fn interrupted(&self) {
        self.interrupted.inc();
    }

    /// An outcome waits in memory, or does no more.
    pub(crate) fn waits(&self, key: &str, waits: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waits {
            waiting.insert(key.to_owned());
        } else {
            waiting.remove(key);
        }
        self.pending.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
    }

    /// What came of telling of a death: `sent`, `failed` or `given_up`.
    pub(crate) fn told(&self, result: &'static str) {
        self.notices.get_or_create(&Told { result }).inc();
    }

    /// Notes how credentials stand; `None` when nobody knows.
    pub(crate) fn set_standing(&self, standing: Option<(&[CredentialStand], Micros)>) {
        self.age.clear();
        self.time_to_expiry.clear();
        self.dead.clear();
        let Some((standing, now)) = standing else { return };
        for stand in standing {
            let credential_id = stand.id.to_string();
            if let Some(reason) = &stand.dead {
                self.dead.get_or_create(&Dead { credential_id, reason: reason.clone() }).set(1);
                continue;
            }
            let credential = Credential { credential_id };
            if let Some(at) = stand.last_refresh {
                self.age.get_or_create(&credential).set(seconds(now.0 - at.0));
            }
            if let Some(at) = stand.expires_at {
                self.time_to_expiry.get_or_create(&credential).set(seconds(at.0 - now.0));
            }
        }
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
