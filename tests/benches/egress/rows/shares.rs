//! Rows that are shares: of direct, or of the same contender under another load.

use std::fmt::Write as _;

use super::Row;
use super::series::{
    Step, direct_series, figure, interleave, median, median_share, rate_cell, steps, trouble,
};
use crate::contender::Contender;
use crate::fleet::Fleet;
use crate::report::{self, Line};
use crate::wire::{Load, Outcome, Variant};

/// Length of the long answer.
const LONG: u64 = 1 << 30;
/// How much the proxy may grow during it and still count as flat, KiB.
const FLAT_KIB: u64 = 4 << 10;

/// One line: every contender that `takes` it, as a share of direct.
pub(super) fn against_direct(
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
pub(super) fn against_itself(
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

/// One line: a long answer, with the memory it took.
pub(super) fn bulk(
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
                let _ = write!(cell, ", **{share:.2}**");
            }
            let growth = median(own.iter().filter_map(|outcome| match outcome {
                Outcome::Bulk { before_kib, peak_kib, .. } => {
                    Some(peak_kib.saturating_sub(*before_kib) as f64)
                }
                _ => None,
            }));
            let growth = growth.unwrap_or_default();
            let _ = write!(cell, ", RSS +{:.1} MB", report::megabytes(growth));
            if matches!(contender, Contender::Ours(_)) {
                line.met = share.map(|share| share >= aim && growth <= FLAT_KIB as f64);
            }
        }
        line.cells[step.column] = cell;
    }
    line
}
