//! The rows of the table: what each runs, and how its cells are made.
//!
//! Machines drift, so contenders take turns in short rounds (first to last, then last to first, …). A share is
//! computed inside each round, against what `direct` did in that same round; cells show medians over the rounds.

mod series;
mod shares;
mod single;

use std::time::Duration;

use clap::ValueEnum;

use self::shares::{against_direct, against_itself, bulk};
use self::single::{latency, memory, start};
use crate::args::Args;
use crate::contender::Contender;
use crate::fleet::Fleet;
use crate::report::Line;
use crate::wire::{CaKind, Load, Names, Variant};

/// A row, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// HTTP/1.1 keep-alive, 32 connections.
    #[value(name = "h1")]
    H1,
    /// The same with 1,000 bindings.
    #[value(name = "h1-1000")]
    H1Bindings,
    /// HTTP/2, 8 connections of 16 streams.
    #[value(name = "h2")]
    H2,
    /// One client, added time per request.
    #[value(name = "latency")]
    Latency,
    /// New TLS connections, the leaf is there.
    #[value(name = "tls")]
    Tls,
    /// New TLS connections, each leaf is minted; P-256 CA.
    #[value(name = "tls-cold-p256")]
    ColdP256,
    /// The same under an RSA-4096 CA.
    #[value(name = "tls-cold-rsa")]
    ColdRsa,
    /// 1 GiB, responses not searched.
    #[value(name = "bulk")]
    Bulk,
    /// 1 GiB, responses searched for the value.
    #[value(name = "bulk-scrub")]
    BulkScrub,
    /// Resident memory.
    #[value(name = "memory")]
    Memory,
    /// Start to first swapped request.
    #[value(name = "start")]
    Start,
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    rounds: usize,
    millis: u64,
    rest: Duration,
}

impl From<&Args> for Pace {
    fn from(args: &Args) -> Self {
        if args.full {
            return Self { rounds: 5, millis: 4_000, rest: Duration::from_mins(1) };
        }
        Self { rounds: args.rounds.max(1), millis: args.millis.max(100), rest: Duration::from_secs(10) }
    }
}

/// Connections of the keep-alive rows.
const CONNECTIONS: usize = 32;
/// Connections of the HTTP/2 row, and streams on each.
const MULTIPLEX: (usize, usize) = (8, 16);
/// New connections at a time.
const TLS_WORKERS: usize = 16;

impl Row {
    /// First column.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::H1 => "HTTP/1.1 keep-alive, 32 connections",
            Self::H1Bindings => "the same with 1,000 bindings",
            Self::H2 => "HTTP/2, 8 connections of 16 streams",
            Self::Latency => "one client, added p50 / p99",
            Self::Tls => "new TLS connections, warm leaf",
            Self::ColdP256 => "the same, cold leaf, P-256 CA",
            Self::ColdRsa => "the same, cold leaf, RSA-4096 CA",
            Self::Bulk => "1 GiB through, scrub off",
            Self::BulkScrub => "1 GiB through, scrub on",
            Self::Memory => "RSS idle / 1,000 idle tunnels / after closing 3,000",
            Self::Start => "start to first swapped request",
        }
    }

    /// Second column: what ours should reach.
    pub(crate) const fn aim(self) -> &'static str {
        match self {
            Self::H1 | Self::H2 => "0.45 of direct",
            Self::H1Bindings => "0.95 of one binding",
            Self::Latency => "0.1 ms / 0.5 ms",
            Self::Tls => "0.4 of direct",
            Self::ColdP256 | Self::ColdRsa => "0.6 of warm",
            Self::Bulk => "0.5 of direct, RSS flat",
            Self::BulkScrub => "0.35 of direct, RSS flat",
            Self::Memory => "8 MB / 40 MB / idle + 20 %",
            Self::Start => "30 ms",
        }
    }
}

/// Measures one row.
pub(crate) fn measure(row: Row, fleet: &mut Fleet, pace: &Pace) -> Vec<Line> {
    let Pace { rounds, millis, .. } = *pace;
    let keep_alive = Load::KeepAlive { connections: CONNECTIONS, millis };
    let plain = Variant::default();
    let tls = |names| Load::NewTls { workers: TLS_WORKERS, millis, names };
    match row {
        Row::H1 => vec![against_direct(row, fleet, rounds, keep_alive, plain, |_| true, 0.45)],
        Row::H2 => {
            let load = Load::Multiplex { connections: MULTIPLEX.0, streams: MULTIPLEX.1, millis };
            vec![against_direct(row, fleet, rounds, load, plain, |_| true, 0.45)]
        }
        Row::Tls => vec![against_direct(row, fleet, rounds, tls(Names::Same), plain, |_| true, 0.4)],
        Row::H1Bindings => {
            let many = Variant { bindings: 1_000, ..plain };
            let pair = [(plain, keep_alive), (many, keep_alive)];
            let takes = |contender: &Contender| contender.swaps();
            vec![against_itself(row, fleet, rounds, pair, takes, "of one binding", 0.95)]
        }
        Row::ColdP256 | Row::ColdRsa => {
            let ca = if row == Row::ColdRsa { CaKind::Rsa4096 } else { CaKind::P256 };
            let warm = Variant { ca, many_names: true, ..plain };
            let pair = [(warm, tls(Names::SameClosing)), (warm, tls(Names::Fresh))];
            // Names that only our DNS server knows: who cannot be told of it needs a namespace to meet it in.
            let private = fleet.private();
            let takes = |contender: &Contender| contender.takes_yaml() || private && contender.intercepts();
            vec![against_itself(row, fleet, rounds, pair, takes, "of warm", 0.6)]
        }
        Row::Bulk => {
            let variant = Variant { scrub: false, ..plain };
            vec![bulk(row, fleet, rounds, variant, |_| true, 0.5)]
        }
        Row::BulkScrub => {
            let takes = |contender: &Contender| matches!(contender, Contender::Direct | Contender::Ours(_));
            vec![bulk(row, fleet, rounds, plain, takes, 0.35)]
        }
        Row::Latency => vec![latency(row, fleet, rounds, millis)],
        Row::Memory => vec![memory(row, fleet, pace.rest)],
        Row::Start => vec![start(row, fleet)],
    }
}
