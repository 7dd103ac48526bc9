//! Steps that take turns, and what is made of their outcomes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::contender::Contender;
use crate::fleet::Fleet;
use crate::report;
use crate::wire::{Load, Order, Outcome, Variant};

/// A measurement that takes longer is not repeated.
pub(super) const SLOW: Duration = Duration::from_secs(8);

/// One thing to run in each round.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) column: usize,
    pub(super) variant: Variant,
    pub(super) load: Load,
}

/// Outcomes of a step, round by round; shorter than the rounds when it went wrong or is slow.
pub(super) type Series = Vec<Outcome>;

/// Runs each step once per round, in turns.
pub(super) fn interleave(fleet: &mut Fleet, rounds: usize, steps: &[Step]) -> Vec<Series> {
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

/// The steps of all contenders that take a row.
pub(super) fn steps(
    fleet: &Fleet,
    takes: impl Fn(&Contender) -> bool,
    make: impl Fn(usize) -> Vec<Step>,
) -> Vec<Step> {
    let contenders = fleet.contenders();
    (0..contenders.len()).filter(|&at| takes(&contenders[at])).flat_map(make).collect()
}

/// What `direct` did; empty when it does not take part.
pub(super) fn direct_series(fleet: &Fleet, steps: &[Step], series: &[Series]) -> Series {
    let contenders = fleet.contenders();
    let at = steps.iter().position(|step| !contenders[step.column].is_proxy());
    at.map(|at| series[at].clone()).unwrap_or_default()
}

/// The one number of an outcome that a share or a median is made of.
pub(super) const fn figure(outcome: &Outcome) -> Option<f64> {
    match outcome {
        Outcome::Rate { per_second, .. } => Some(*per_second),
        Outcome::Bulk { mib_per_second, .. } => Some(*mib_per_second),
        Outcome::Started { millis } => Some(*millis),
        _ => None,
    }
}

/// Median over the rounds of `own` by `base`.
pub(super) fn median_share(own: &[Outcome], base: &[Outcome]) -> Option<f64> {
    median(own.iter().zip(base).filter_map(|(own, base)| Some(figure(own)? / figure(base)?)))
}

/// Rate, share, and processor time of the proxy per answer.
pub(super) fn rate_cell(own: &[Outcome], share: Option<f64>, of: &str) -> String {
    let Some(rate) = median(own.iter().filter_map(figure)) else { return trouble(own) };
    let mut cell = format!("{}/s", report::thousands(rate));
    if let Some(share) = share {
        let _ = write!(cell, ", **{share:.2}**{of}");
    }
    let cpu = median(own.iter().filter_map(|outcome| match outcome {
        Outcome::Rate { cpu_us, .. } if *cpu_us > 0.0 => Some(*cpu_us),
        _ => None,
    }));
    if let Some(cpu) = cpu {
        let _ = write!(cell, ", {} µs", report::short(cpu));
    }
    cell
}

/// Why there is no figure.
pub(super) fn trouble(series: &[Outcome]) -> String {
    match series.last() {
        Some(Outcome::Unsupported(what)) => what.clone(),
        Some(Outcome::Failed(reason)) => {
            // One short line without a bar, since it stands in a table.
            let short: String = reason.chars().take(120).collect();
            format!("failed: {}", short.replace(['\n', '|'], " "))
        }
        _ => "—".to_owned(),
    }
}

/// The middle of what is there; the mean of the two middle ones of an even number.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
