//! The rows of the table: what each runs, and how its cells are made.
//!
//! Machines drift, so contenders take turns in short rounds (first to last, then last to first, …). A share is
//! computed inside each round, against what `direct` did in that same round; cells show medians over the rounds.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::args::Args;
use crate::contender::Contender;
use crate::fleet::{Fleet, say};
use crate::report::{self, Line};
use crate::wire::{CaKind, Load, Names, Order, Outcome, Variant};

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
            return Self { rounds: 5, millis: 4_000, rest: Duration::from_secs(60) };
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
/// Length of the long answer.
const LONG: u64 = 1 << 30;
/// How much the proxy may grow during it and still count as flat, KiB.
const FLAT_KIB: u64 = 4 << 10;
/// A measurement that takes longer is not repeated.
const SLOW: Duration = Duration::from_secs(8);
/// Starts that are timed; [`SLOW`] in sum ends it earlier.
const STARTS: usize = 10;

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
    const fn aim(self) -> &'static str {
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
            let takes = |contender: &Contender| contender.is_proxy();
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

/// One thing to run in each round.
#[derive(Clone, Copy)]
struct Step {
    column: usize,
    variant: Variant,
    load: Load,
}

/// Outcomes of a step, round by round; shorter than the rounds when it went wrong or is slow.
type Series = Vec<Outcome>;

fn interleave(fleet: &mut Fleet, rounds: usize, steps: &[Step]) -> Vec<Series> {
    let mut series: Vec<Series> = vec![Vec::new(); steps.len()];
    let mut over = vec![false; steps.len()];
    for round in 0..rounds {
        let mut turn: Vec<usize> = (0..steps.len()).collect();
        if round % 2 == 1 {
            turn.reverse();
        }
        for at in turn {
            if over[at] {
                continue;
            }
            let Step { column, variant, load } = steps[at];
            let begin = Instant::now();
            let outcome = fleet.order(column, Order::Run(variant, load));
            let wrong = matches!(outcome, Outcome::Failed(_) | Outcome::Unsupported(_));
            over[at] = wrong || begin.elapsed() > SLOW;
            series[at].push(outcome);
        }
    }
    series
}

/// One line: every contender that `takes` it, as a share of direct.
fn against_direct(
    row: Row,
    fleet: &mut Fleet,
    rounds: usize,
    load: Load,
    variant: Variant,
    takes: impl Fn(&Contender) -> bool,
    aim: f64,
) -> Line {
    let steps = steps(fleet, takes, |column| vec![Step { column, variant, load }]);
    let series = interleave(fleet, rounds, &steps);
    let direct = direct_series(fleet, &steps, &series);
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    for (step, own) in steps.iter().zip(&series) {
        let contender = &contenders[step.column];
        let share = contender.is_proxy().then(|| median_share(own, &direct)).flatten();
        line.cells[step.column] = rate_cell(own, share, "");
        if matches!(contender, Contender::Ours(_)) {
            line.met = share.map(|share| share >= aim);
        }
    }
    line
}

/// One line: every contender that `takes` it in two ways, the second as a share of the first.
fn against_itself(
    row: Row,
    fleet: &mut Fleet,
    rounds: usize,
    pair: [(Variant, Load); 2],
    takes: impl Fn(&Contender) -> bool,
    of: &str,
    aim: f64,
) -> Line {
    let steps = steps(fleet, takes, |column| {
        pair.iter().map(|&(variant, load)| Step { column, variant, load }).collect()
    });
    let series = interleave(fleet, rounds, &steps);
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    for (steps, pair) in steps.chunks(2).zip(series.chunks(2)) {
        let [base, own] = pair else { continue };
        let column = steps[0].column;
        let share = median_share(own, base);
        line.cells[column] = rate_cell(own, share, &format!(" {of}"));
        if matches!(contenders[column], Contender::Ours(_)) {
            line.met = share.map(|share| share >= aim);
        }
    }
    line
}

fn bulk(
    row: Row,
    fleet: &mut Fleet,
    rounds: usize,
    variant: Variant,
    takes: impl Fn(&Contender) -> bool,
    aim: f64,
) -> Line {
    let load = Load::Bulk { bytes: LONG };
    let steps = steps(fleet, takes, |column| vec![Step { column, variant, load }]);
    let series = interleave(fleet, rounds, &steps);
    let direct = direct_series(fleet, &steps, &series);
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    for (step, own) in steps.iter().zip(&series) {
        let contender = &contenders[step.column];
        let Some(speed) = median(own.iter().filter_map(figure)) else {
            line.cells[step.column] = trouble(own);
            continue;
        };
        let mut cell = format!("{} MiB/s", report::thousands(speed));
        if contender.is_proxy() {
            let share = median_share(own, &direct);
            if let Some(share) = share {
                cell += &format!(", **{share:.2}**");
            }
            let growth = median(own.iter().filter_map(|outcome| match outcome {
                Outcome::Bulk { before_kib, peak_kib, .. } => {
                    Some(peak_kib.saturating_sub(*before_kib) as f64)
                }
                _ => None,
            }));
            let growth = growth.unwrap_or_default();
            cell += &format!(", RSS +{:.1} MB", report::megabytes(growth));
            if matches!(contender, Contender::Ours(_)) {
                line.met = share.map(|share| share >= aim && growth <= FLAT_KIB as f64);
            }
        }
        line.cells[step.column] = cell;
    }
    line
}

fn latency(row: Row, fleet: &mut Fleet, rounds: usize, millis: u64) -> Line {
    let load = Load::Serial { millis };
    let steps = steps(fleet, |_| true, |column| vec![Step { column, variant: Variant::default(), load }]);
    let series = interleave(fleet, rounds, &steps);
    let direct = direct_series(fleet, &steps, &series);
    let both = |outcome: &Outcome| match outcome {
        Outcome::Latency { p50_us, p99_us } => Some((*p50_us, *p99_us)),
        _ => None,
    };
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    for (step, own) in steps.iter().zip(&series) {
        let contender = &contenders[step.column];
        let added = |pick: fn((f64, f64)) -> f64| {
            median(
                own.iter()
                    .zip(&direct)
                    .filter_map(|(own, direct)| Some(pick(both(own)?) - pick(both(direct)?))),
            )
        };
        let total = |pick: fn((f64, f64)) -> f64| median(own.iter().filter_map(both).map(pick));
        let (Some(p50), Some(p99)) = (total(|it| it.0), total(|it| it.1)) else {
            line.cells[step.column] = trouble(own);
            continue;
        };
        let (p50_ms, p99_ms) = (p50 / 1e3, p99 / 1e3);
        line.cells[step.column] = match (contender.is_proxy(), added(|it| it.0), added(|it| it.1)) {
            (true, Some(more), Some(more_p99)) => {
                if matches!(contender, Contender::Ours(_)) {
                    line.met = Some(more < 100.0 && more_p99 < 500.0);
                }
                format!("**+{:.3} / +{:.3} ms**", more / 1e3, more_p99 / 1e3)
            }
            _ => format!("{p50_ms:.3} / {p99_ms:.3} ms"),
        };
    }
    line
}

fn memory(row: Row, fleet: &mut Fleet, rest: Duration) -> Line {
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    let columns: Vec<usize> = (0..contenders.len()).filter(|&at| contenders[at].is_proxy()).collect();
    let held: Vec<Outcome> = columns
        .iter()
        .map(|&at| {
            say(&format!("  {}: opening 3,000 tunnels", contenders[at].name()));
            fleet.order(at, Order::Hold(Variant::default()))
        })
        .collect();
    say(&format!("  all closed, waiting {} s", rest.as_secs()));
    std::thread::sleep(rest);
    for (&column, held) in columns.iter().zip(held) {
        let after = fleet.order(column, Order::Release);
        let (Outcome::Held { idle_kib, served_kib, thousand_kib, three_thousand_kib }, Outcome::Rss { kib }) =
            (&held, &after)
        else {
            line.cells[column] = trouble(&[held]);
            continue;
        };
        let mb = |kib: &u64| report::megabytes(*kib as f64);
        line.cells[column] = format!(
            "**{:.1} / {:.1} / {:.1} MB** ({:.1} after one request, {:.1} with 3,000 open)",
            mb(idle_kib),
            mb(thousand_kib),
            mb(kib),
            mb(served_kib),
            mb(three_thousand_kib),
        );
        if matches!(contenders[column], Contender::Ours(_)) {
            let small = mb(idle_kib) < 8.0 && mb(thousand_kib) < 40.0;
            line.met = Some(small && mb(kib) <= 1.2 * mb(idle_kib));
        }
    }
    line.note = Some(format!("memory after closing is read after {} s", rest.as_secs()));
    line
}

fn start(row: Row, fleet: &mut Fleet) -> Line {
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    let mut series: Vec<Series> = vec![Vec::new(); contenders.len()];
    let mut spent = vec![Duration::ZERO; contenders.len()];
    for _ in 0..STARTS {
        for (column, contender) in contenders.iter().enumerate() {
            let failed = matches!(series[column].last(), Some(Outcome::Failed(_)));
            if !contender.is_proxy() || failed || spent[column] > SLOW / 2 {
                continue;
            }
            let begin = Instant::now();
            series[column].push(fleet.order(column, Order::Start(Variant::default())));
            spent[column] += begin.elapsed();
        }
    }
    for (column, own) in series.iter().enumerate().filter(|(_, own)| !own.is_empty()) {
        let Some(millis) = median(own.iter().filter_map(figure)) else {
            line.cells[column] = trouble(own);
            continue;
        };
        line.cells[column] = format!("**{} ms**", report::short(millis));
        if matches!(contenders[column], Contender::Ours(_)) {
            line.met = Some(millis < 30.0);
        }
    }
    line
}

fn steps(fleet: &Fleet, takes: impl Fn(&Contender) -> bool, make: impl Fn(usize) -> Vec<Step>) -> Vec<Step> {
    let contenders = fleet.contenders();
    (0..contenders.len()).filter(|&at| takes(&contenders[at])).flat_map(make).collect()
}

fn direct_series(fleet: &Fleet, steps: &[Step], series: &[Series]) -> Series {
    let contenders = fleet.contenders();
    let at = steps.iter().position(|step| !contenders[step.column].is_proxy());
    at.map(|at| series[at].clone()).unwrap_or_default()
}

/// The one number of an outcome that a share or a median is made of.
const fn figure(outcome: &Outcome) -> Option<f64> {
    match outcome {
        Outcome::Rate { per_second, .. } => Some(*per_second),
        Outcome::Bulk { mib_per_second, .. } => Some(*mib_per_second),
        Outcome::Started { millis } => Some(*millis),
        _ => None,
    }
}

fn median_share(own: &[Outcome], base: &[Outcome]) -> Option<f64> {
    median(own.iter().zip(base).filter_map(|(own, base)| Some(figure(own)? / figure(base)?)))
}

fn rate_cell(own: &[Outcome], share: Option<f64>, of: &str) -> String {
    let Some(rate) = median(own.iter().filter_map(figure)) else { return trouble(own) };
    let mut cell = format!("{}/s", report::thousands(rate));
    if let Some(share) = share {
        cell += &format!(", **{share:.2}**{of}");
    }
    let cpu = median(own.iter().filter_map(|outcome| match outcome {
        Outcome::Rate { cpu_us, .. } if *cpu_us > 0.0 => Some(*cpu_us),
        _ => None,
    }));
    if let Some(cpu) = cpu {
        cell += &format!(", {} µs", report::short(cpu));
    }
    cell
}

fn trouble(series: &[Outcome]) -> String {
    match series.last() {
        Some(Outcome::Unsupported(what)) => what.clone(),
        Some(Outcome::Failed(reason)) => format!("failed: {reason}"),
        _ => "—".to_owned(),
    }
}

/// The middle of what is there; the mean of the two middle ones of an even number.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
