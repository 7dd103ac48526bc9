//! What is counted, for Prometheus (broker.md, section 19). Labels are ids of the configuration and codes from a short
//! alphabet; no client can make one up.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use centaur_broker::{Event, Moment};
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::moment;
use crate::shelf::Shelf;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    attempts: Family<Attempted, Counter>,
    duration: Family<Credential, Histogram, fn() -> Histogram>,
    unsaved: Histogram,
    interrupted: Family<Credential, Counter>,
    failed_writes: Family<Credential, Counter>,
    answers: Family<Answered, Counter>,
    age: Family<Credential, Gauge<f64, AtomicU64>>,
    left: Family<Credential, Gauge<f64, AtomicU64>>,
    pending: Family<Credential, Gauge>,
    dead: Family<Dead, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Attempted {
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
struct Answered {
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
    role: &'static str,
}

fn durations() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let mut metrics = Self {
            registry: Registry::default(),
            attempts: Family::default(),
            duration: Family::new_with_constructor(durations),
            unsaved: Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0]),
            interrupted: Family::default(),
            failed_writes: Family::default(),
            answers: Family::default(),
            age: Family::default(),
            left: Family::default(),
            pending: Family::default(),
            dead: Family::default(),
        };
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION"), role: "token-broker" }).set(1);
        let (m, r) = (&metrics, &mut registry);
        r.register("centaur_build_info", "1, and what runs", build);
        r.register("broker_refresh_attempts", "Refreshes that ended", m.attempts.clone());
        r.register(
            "broker_refresh_duration_seconds",
            "From the claim to the stored outcome",
            m.duration.clone(),
        );
        r.register(
            "broker_unsaved_seconds",
            "From a provider's answer to its being stored",
            m.unsaved.clone(),
        );
        r.register("broker_interrupted", "Attempts that may send a used token", m.interrupted.clone());
        r.register(
            "broker_store_write_failures",
            "Outcomes that a store did not take",
            m.failed_writes.clone(),
        );
        r.register("broker_token_requests", "Answers to clients, by status", m.answers.clone());
        r.register("broker_token_age_seconds", "Since the access token was asked for", m.age.clone());
        r.register("broker_token_time_to_expiry_seconds", "Until the access token ends", m.left.clone());
        r.register("broker_rotation_pending", "1 while a token is not stored yet", m.pending.clone());
        r.register("broker_credential_dead", "1 for a dead credential, with its code", m.dead.clone());
        metrics.registry = registry;
        metrics
    }

    /// Counts what the engine tells.
    pub fn observe(&self, event: &Event<'_>) {
        let of = |key: &str| Credential { credential_id: key.to_owned() };
        match event {
            Event::Interrupted { key } => {
                self.interrupted.get_or_create(&of(key)).inc();
            }
            Event::Concluded { key, result, code, took, unsaved } => {
                self.concluded(key, result, code.unwrap_or_default(), *took);
                if *result == "success" {
                    self.unsaved.observe(unsaved.as_secs_f64());
                }
            }
            Event::Waiting { key, .. } => {
                self.failed_writes.get_or_create(&of(key)).inc();
            }
            Event::Superseded { .. }
            | Event::Replayed { .. }
            | Event::Spool(_)
            | Event::Store(_)
            | Event::Abandoned { .. } => {}
        }
    }

    fn concluded(&self, key: &str, result: &str, code: &str, took: Duration) {
        let result = match result {
            "success" => "success",
            "dead" => "unrecoverable_error",
            _ => "transient_error",
        };
        let (credential_id, error_code) = (key.to_owned(), code.to_owned());
        self.attempts.get_or_create(&Attempted { credential_id, result, error_code }).inc();
        self.duration
            .get_or_create(&Credential { credential_id: key.to_owned() })
            .observe(took.as_secs_f64());
    }

    /// One answer to a client.
    pub fn answered(&self, status: StatusCode) {
        self.answers.get_or_create(&Answered { status: status.as_u16() }).inc();
    }

    /// The text a scrape gets, in the form 0.0.4.
    pub fn render(&self, shelf: &Shelf) -> String {
        let now = moment::now();
        let seconds = |from: Moment, to: Moment| (to.0 - from.0) as f64 / 1e6;
        self.dead.clear();
        self.age.clear();
        self.left.clear();
        for (id, health) in shelf.health() {
            let of = Credential { credential_id: id.clone() };
            if let Some(at) = health.last_refresh {
                self.age.get_or_create(&of).set(seconds(at, now));
            }
            if let Some(end) = health.expires_at {
                self.left.get_or_create(&of).set(seconds(now, end));
            }
            self.pending.get_or_create(&of).set(i64::from(health.is_unsaved));
            if health.status == "dead" {
                let reason = health.reason.unwrap_or_default();
                self.dead.get_or_create(&Dead { credential_id: id, reason }).set(1);
            }
        }
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
