//! Counters for Prometheus. Labels are closed sets: no host, no path, nothing a client can make up.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::audit::Action;

/// All metrics of a process. Cheap to update, shared by reference.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
    connections: Gauge<i64, AtomicI64>,
    tunnels: Gauge<i64, AtomicI64>,
    swaps: Counter,
    scrubbed: Counter,
    minted: Counter,
    handshakes_failed: Counter,
    reloads: Family<ReloadLabels, Counter>,
    allow_all: Gauge<i64, AtomicI64>,
    syncs: Family<ReloadLabels, Counter>,
    withdrawn: Gauge<i64, AtomicI64>,
    /// Requests under way, also for the drain.
    in_flight: Gauge<i64, AtomicI64>,
    bytes: Family<DirectionLabels, Counter<u64, AtomicU64>>,
    /// Members of the families above that almost every exchange needs, looked up once.
    allowed: Counter,
    request_bytes: Counter<u64, AtomicU64>,
    response_bytes: Counter<u64, AtomicU64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    action: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DirectionLabels {
    direction: Direction,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "label values are lower case")]
enum Direction {
    request,
    response,
}

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

impl Metrics {
    /// Registers everything.
    pub fn new() -> Arc<Self> {
        let requests = Family::<RequestLabels, Counter>::default();
        let bytes = Family::<DirectionLabels, Counter<u64, AtomicU64>>::default();
        let allowed = RequestLabels { action: Action::Allow.as_str(), reason: "" };
        let [request_bytes, response_bytes] = [Direction::request, Direction::response]
            .map(|direction| bytes.get_or_create_owned(&DirectionLabels { direction }));
        let mut metrics = Self {
            registry: Registry::with_prefix("iron_proxy"),
            allowed: requests.get_or_create_owned(&allowed),
            requests,
            duration: Histogram::new(BUCKETS),
            connections: Gauge::default(),
            tunnels: Gauge::default(),
            swaps: Counter::default(),
            scrubbed: Counter::default(),
            minted: Counter::default(),
            handshakes_failed: Counter::default(),
            reloads: Family::default(),
            allow_all: Gauge::default(),
            syncs: Family::default(),
            withdrawn: Gauge::default(),
            in_flight: Gauge::default(),
            bytes,
            request_bytes,
            response_bytes,
        };
        let r = &mut metrics.registry;
        r.register("requests", "Audit lines by action and reason", metrics.requests.clone());
        r.register(
            "request_duration_seconds",
            "From the head to the end of the answer",
            metrics.duration.clone(),
        );
        r.register("connections", "Client connections open", metrics.connections.clone());
        r.register(
            "tunnels",
            "CONNECT and SOCKS tunnels, relays and WebSockets open",
            metrics.tunnels.clone(),
        );
        r.register("requests_with_credential", "Requests in which a value was placed", metrics.swaps.clone());
        r.register("scrubbed", "Occurrences of values taken out of responses", metrics.scrubbed.clone());
        r.register("leaf_certificates_minted", "Leaf certificates made", metrics.minted.clone());
        r.register(
            "tls_handshakes_failed",
            "TLS handshakes with clients that failed",
            metrics.handshakes_failed.clone(),
        );
        r.register("reloads", "Configuration reloads", metrics.reloads.clone());
        r.register("allow_all", "1 while no allowlist restricts anything", metrics.allow_all.clone());
        r.register("syncs", "Calls to the control plane", metrics.syncs.clone());
        r.register(
            "credentials_withdrawn",
            "1 while the control plane has been silent for too long",
            metrics.withdrawn.clone(),
        );
        r.register("requests_in_flight", "Requests under way", metrics.in_flight.clone());
        r.register("body_bytes", "Bytes of bodies", metrics.bytes.clone());
        Arc::new(metrics)
    }

    /// One audit line.
    pub fn request(&self, action: Action, reason: Option<&'static str>, took: Duration) {
        if (action, reason) == (Action::Allow, None) {
            self.allowed.inc();
        } else {
            let labels = RequestLabels { action: action.as_str(), reason: reason.unwrap_or("") };
            self.requests.get_or_create(&labels).inc();
        }
        self.duration.observe(took.as_secs_f64());
    }

    /// Bytes of a finished exchange.
    pub fn body_bytes(&self, request: u64, response: u64) {
        if request > 0 {
            self.request_bytes.inc_by(request);
        }
        if response > 0 {
            self.response_bytes.inc_by(response);
        }
    }

    /// A value was placed in a request.
    pub fn swapped(&self) {
        self.swaps.inc();
    }

    /// Values taken out of a response.
    pub fn scrubbed(&self, count: u64) {
        if count > 0 {
            self.scrubbed.inc_by(count);
        }
    }

    /// A leaf was made.
    pub fn minted(&self) {
        self.minted.inc();
    }

    /// A client's handshake failed.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// A reload ended.
    pub fn reloaded(&self, ok: bool) {
        self.reloads.get_or_create(&ReloadLabels { result: if ok { "applied" } else { "refused" } }).inc();
    }

    /// Whether everything is allowed.
    pub fn set_allow_all(&self, on: bool) {
        self.allow_all.set(i64::from(on));
    }

    /// A sync ended.
    pub fn synced(&self, result: &'static str) {
        self.syncs.get_or_create(&ReloadLabels { result }).inc();
    }

    /// Whether credentials are withdrawn.
    pub fn set_credentials_withdrawn(&self, on: bool) {
        self.withdrawn.set(i64::from(on));
    }

    /// Counts a connection while the guard lives.
    pub fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Counts a tunnel while the guard lives.
    pub fn tunnel(&self) -> Counted {
        Counted::new(&self.tunnels)
    }

    /// Counts a request while the guard lives.
    pub fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// Requests under way now.
    pub fn requests_in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// Client connections open now.
    pub fn open_connections(&self) -> i64 {
        self.connections.get()
    }

    /// The text a scrape gets.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

/// One more in a gauge, until dropped.
pub struct Counted(Gauge<i64, AtomicI64>);

impl Counted {
    fn new(gauge: &Gauge<i64, AtomicI64>) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
