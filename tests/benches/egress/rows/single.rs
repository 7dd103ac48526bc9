//! Rows that are times and sizes.

use std::time::{Duration, Instant};

use super::Row;
use super::series::{SLOW, Series, Step, direct_series, figure, interleave, median, steps, trouble};
use crate::contender::Contender;
use crate::fleet::{Fleet, say};
use crate::report::{self, Line};
use crate::wire::{Load, Order, Outcome, Variant};

/// Starts that are timed; half of [`SLOW`] in sum ends it earlier.
const STARTS: usize = 10;

/// One client, one connection.
pub(super) fn latency(row: Row, fleet: &mut Fleet, rounds: usize, millis: u64) -> Line {
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

/// A proxy of its own for each; all rest at the same time.
pub(super) fn memory(row: Row, fleet: &mut Fleet, rest: Duration) -> Line {
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    let columns: Vec<usize> = (0..contenders.len()).filter(|&at| contenders[at].intercepts()).collect();
    let held: Vec<Outcome> = columns
        .iter()
        .map(|&at| {
            say(&format!("  {}: opening 3,000 tunnels", contenders[at].name()));
            fleet.order(at, Order::Hold(Variant::default()))
        })
        .collect();
    if held.iter().any(|outcome| matches!(outcome, Outcome::Held { .. })) {
        say(&format!("  all closed, waiting {} s", rest.as_secs()));
        std::thread::sleep(rest);
    }
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

/// Started again and again.
pub(super) fn start(row: Row, fleet: &mut Fleet) -> Line {
    let mut line = Line::new(row.title(), row.aim(), fleet.names().len());
    let contenders = fleet.contenders();
    let mut series: Vec<Series> = vec![Vec::new(); contenders.len()];
    let mut spent = vec![Duration::ZERO; contenders.len()];
    for _ in 0..STARTS {
        for (column, contender) in contenders.iter().enumerate() {
            let failed = matches!(series[column].last(), Some(Outcome::Failed(_)));
            if !contender.intercepts() || failed || spent[column] > SLOW / 2 {
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
