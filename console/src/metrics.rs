//! What is counted of the console, for Prometheus (operations.md, section 6.2). Labels are closed sets: templates of
//! routes, words of this program. No name, no id but those of credentials, nothing that a client can make up.
//!
//! To add one: a field, its line in [`Metrics::new`] or in the collector of
//! `process` or `stored`, and its row in docs/console.md.

mod broker;
mod capped;
mod process;
mod stored;
mod sync;

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use centaur_store::{Micros, ProxyCounts, SCHEMA_VERSION, Store};
use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::broker::BrokerMetrics;
use self::capped::Capped;
pub(crate) use self::sync::{Answering, SyncMetrics, Waiting};

/// All metrics of a process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Capped<Answered, Counter>,
    duration: Capped<Route, Histogram>,
    in_flight: Gauge<i64, AtomicI64>,
    failed_authentications: Family<Token, Counter>,
    logins: Family<Login, Counter>,
    logouts: Counter,
    proxies: Family<State, Gauge<i64, AtomicI64>>,
    dropped: Family<Metric, Counter>,
    chore_at: Family<Chore, Gauge<f64, AtomicU64>>,
    chore_took: Family<Chore, Gauge<f64, AtomicU64>>,
    chore_failures: Family<Chore, Counter>,
    /// Of the refresh engine.
    pub(crate) broker: BrokerMetrics,
    consents: Capped<Consent, Counter>,
    /// Of the syncs; shared with who answers them.
    pub(crate) sync: SyncMetrics,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status_class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Token {
    token: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Login {
    provider: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Metric {
    metric: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Chore {
    chore: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Consent {
    app: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
    commit: &'static str,
    role: &'static str,
}

/// Upper bounds of durations, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 60.0];

fn durations() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn new(store: &Store) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Capped::new(Counter::default),
            duration: Capped::new(durations),
            in_flight: Gauge::default(),
            failed_authentications: Family::default(),
            logins: Family::default(),
            logouts: Counter::default(),
            proxies: Family::default(),
            dropped: Family::default(),
            chore_at: Family::default(),
            chore_took: Family::default(),
            chore_failures: Family::default(),
            broker: BrokerMetrics::default(),
            consents: Capped::new(Counter::default),
            sync: SyncMetrics::default(),
        };
        let build = Family::<Build, Gauge>::default();
        let version = env!("CARGO_PKG_VERSION");
        let commit = option_env!("CENTAUR_COMMIT").unwrap_or("unknown");
        build.get_or_create(&Build { version, commit, role: "console" }).set(1);
        let schema = Gauge::<i64, AtomicI64>::default();
        schema.set(SCHEMA_VERSION);
        let r = &mut metrics.registry;
        r.register("http_server_requests", "Requests answered", metrics.requests.family.clone());
        r.register(
            "http_server_request_duration_seconds",
            "From the head of a request to the head of its answer",
            metrics.duration.family.clone(),
        );
        r.register("http_server_requests_in_flight", "Requests under way", metrics.in_flight.clone());
        r.register(
            "console_authentication_failures",
            "Requests with a token that is none",
            metrics.failed_authentications.clone(),
        );
        r.register("console_logins", "Attempts to sign in with a browser", metrics.logins.clone());
        r.register("console_logouts", "Sessions that were signed out", metrics.logouts.clone());
        r.register("oauth_consents", "Consents that ended", metrics.consents.family.clone());
        r.register("console_proxies", "Registered proxies", metrics.proxies.clone());
        r.register(
            "centaur_metric_series_dropped",
            "Counts that went to the series other",
            metrics.dropped.clone(),
        );
        r.register(
            "console_chore_last_run_timestamp_seconds",
            "When it last ended",
            metrics.chore_at.clone(),
        );
        r.register("console_chore_duration_seconds", "How long it last took", metrics.chore_took.clone());
        r.register("console_chore_failures", "How often it failed", metrics.chore_failures.clone());
        r.register("centaur_build_info", "1, and what runs", build);
        r.register("centaur_migration_version", "Version of the schema", schema);
        metrics.broker.register(r);
        metrics.sync.register(r);
        r.register_collector(Box::new(stored::Stored(store.clone())));
        r.register_collector(Box::new(process::Process));
        metrics
    }

    /// Counts a request as one that is under way, while the guard lives.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// One answer. `route` is a template.
    pub(crate) fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let (method, status_class) = (method_label(method), class_label(status));
        let labels = Answered { method, route: route.to_owned(), status_class };
        let other = || Answered { method: OTHER, route: OTHER.to_owned(), status_class };
        let has_room = self.requests.with(&labels, other, |count| {
            count.inc();
        });
        self.dropped_unless(has_room, "http_server_requests");
        let labels = Route { method, route: route.to_owned() };
        let other = || Route { method: OTHER, route: OTHER.to_owned() };
        let has_room = self.duration.with(&labels, other, |times| times.observe(took.as_secs_f64()));
        self.dropped_unless(has_room, "http_server_request_duration_seconds");
    }

    /// A refresh ended.
    pub(crate) fn refreshed(&self, credential: &str, result: &str, code: Option<&str>) {
        let has_room = self.broker.concluded(credential, result, code);
        self.dropped_unless(has_room, "broker_refresh_attempts");
    }

    fn dropped_unless(&self, has_room: bool, metric: &'static str) {
        if !has_room {
            self.dropped.get_or_create(&Metric { metric }).inc();
        }
    }

    /// A token that is none; `token` says of which kind it should have been.
    pub(crate) fn failed_authentication(&self, token: &'static str) {
        self.failed_authentications.get_or_create(&Token { token }).inc();
    }

    /// An attempt to sign in, by a password or a provider.
    pub(crate) fn login(&self, provider: &'static str, result: &'static str) {
        self.logins.get_or_create(&Login { provider, result }).inc();
    }

    /// A chore ended.
    pub(crate) fn chore(&self, chore: &'static str, succeeded: bool, took: Duration, now: Micros) {
        let labels = Chore { chore };
        self.chore_at.get_or_create(&labels).set(now.0 as f64 / 1e6);
        self.chore_took.get_or_create(&labels).set(took.as_secs_f64());
        let failures = self.chore_failures.get_or_create(&labels);
        if !succeeded {
            failures.inc();
        }
    }

    /// Somebody signed out.
    pub(crate) fn logout(&self) {
        self.logouts.inc();
    }

    /// A consent that ended. `app` is a slug that is registered, or empty.
    pub(crate) fn consent(&self, app: &str, result: &'static str) {
        let labels = Consent { app: app.to_owned(), result };
        let other = || Consent { app: OTHER.to_owned(), result };
        let has_room = self.consents.with(&labels, other, |count| {
            count.inc();
        });
        self.dropped_unless(has_room, "oauth_consents");
    }

    /// Notes how the registered proxies stand; `None` when nobody knows.
    pub(crate) fn set_proxies(&self, counts: Option<ProxyCounts>) {
        let Some(counts) = counts else { return self.proxies.clear() };
        for (state, count) in [("seen", counts.seen), ("silent", counts.silent), ("never", counts.never)] {
            self.proxies.get_or_create(&State { state }).set(count);
        }
    }

    /// The text a scrape gets, in the form 0.0.4.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

/// See [`Metrics::in_flight`].
pub(crate) struct InFlight(Gauge<i64, AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

const OTHER: &str = "other";

fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

fn class_label(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    }
}

#[cfg(test)]
mod tests;
