//! What conductor, world and origin say to each other: one JSON value per line on standard input and output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::contender::Contender;

/// What a world is given when it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorldSpec {
    /// Who is measured here.
    pub(crate) contender: Contender,
    /// Keys and certificates, made by the conductor.
    pub(crate) pki: PathBuf,
    /// A folder of this world's own.
    pub(crate) dir: PathBuf,
    /// Whether the world has a network namespace, and so port 53, to itself.
    pub(crate) private: bool,
}

/// What an origin is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OriginSpec {
    /// Where `origin.pem` and `origin.key` are.
    pub(crate) pki: PathBuf,
    /// Port of the DNS server; 0 picks one.
    pub(crate) dns_port: u16,
}

/// What an origin prints once it listens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct OriginUp {
    /// TLS.
    pub(crate) port: u16,
    /// TLS too, but HTTP/1.1 only and closed after each answer.
    pub(crate) closing_port: u16,
    /// DNS over UDP.
    pub(crate) dns_port: u16,
}

/// How the proxy is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Variant {
    /// Entries of the secrets list; all but the last are for hosts that are never called.
    pub(crate) bindings: usize,
    /// Whether responses are searched for the value (ours only).
    pub(crate) scrub: bool,
    /// Which CA signs the leaves.
    pub(crate) ca: CaKind,
    /// Every connection brings a new name, so that a limit on them has to be off.
    pub(crate) many_names: bool,
}

impl Default for Variant {
    fn default() -> Self {
        Self { bindings: 1, scrub: true, ca: CaKind::P256, many_names: false }
    }
}

/// Key of the interception CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum CaKind {
    /// ECDSA on P-256.
    P256,
    /// RSA of 4,096 bits, path length 1.
    Rsa4096,
}

/// Conductor to world.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Start the variant unless it runs, then put the load on it.
    Run(Variant, Load),
    /// Start a process of its own, take the time to the first verified answer, end it.
    Start(Variant),
    /// Start a process of its own; its memory idle, with 1,000 and with 3,000 tunnels; close them.
    Hold(Variant),
    /// The memory of that process now; end it.
    Release,
    /// End every proxy.
    Stop,
}

/// What the client does.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Load {
    /// HTTP/1.1, each connection one request after the other.
    KeepAlive {
        /// Connections at a time.
        connections: usize,
        /// Measured time.
        millis: u64,
    },
    /// HTTP/2.
    Multiplex {
        /// Connections at a time.
        connections: usize,
        /// Requests at a time on each.
        streams: usize,
        /// Measured time.
        millis: u64,
    },
    /// One HTTP/1.1 connection, every answer's time taken.
    Serial {
        /// Measured time.
        millis: u64,
    },
    /// A new TCP and TLS connection for every request, without resumption.
    NewTls {
        /// Connections at a time.
        workers: usize,
        /// Measured time.
        millis: u64,
        /// Which name each asks for.
        names: Names,
    },
    /// One long answer.
    Bulk {
        /// Its length.
        bytes: u64,
    },
}

/// Names of the `NewTls` load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Names {
    /// The same each time; the proxy may keep its connections to the origin.
    Same,
    /// The same each time, but the origin closes after each answer, so that the proxy opens as many as the client.
    SameClosing,
    /// Never the same twice. The origin closes after each answer here too.
    Fresh,
}

/// World to conductor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Of `KeepAlive`, `Multiplex`, `NewTls`.
    Rate {
        /// Verified answers per second.
        per_second: f64,
        /// Processor time of the proxy per answer, in microseconds; 0 for none.
        cpu_us: f64,
    },
    /// Of `Serial`, in microseconds.
    Latency {
        /// Median.
        p50_us: f64,
        /// 99 of 100 are at most this.
        p99_us: f64,
    },
    /// Of `Bulk`.
    Bulk {
        /// Verified body.
        mib_per_second: f64,
        /// Resident memory of the proxy before, KiB.
        before_kib: u64,
        /// The most while it ran.
        peak_kib: u64,
    },
    /// Of `Start`.
    Started {
        /// From starting the process to the end of the answer.
        millis: f64,
    },
    /// Of `Hold`; all in KiB.
    Held {
        /// A second after the start.
        idle_kib: u64,
        /// After one request.
        served_kib: u64,
        /// With 1,000 tunnels, each after one request.
        thousand_kib: u64,
        /// With 3,000.
        three_thousand_kib: u64,
    },
    /// Of `Release`.
    Rss {
        /// Resident memory.
        kib: u64,
    },
    /// Of `Stop`.
    Done,
    /// The contender has no such thing.
    Unsupported(String),
    /// It went wrong.
    Failed(String),
}
