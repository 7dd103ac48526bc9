//! The effective configuration of one principal, as operators read it.

use std::time::Instant;

use anyhow::ensure;
use centaur_e2e::real::{Database, KEY};
use serde_json::json;

use crate::args::Args;
use crate::program::Console;
use crate::seed;
use crate::stats::Samples;
use crate::table::Cell;
use crate::wire::{self, Wire};

/// Calls of each kind.
const CALLS: usize = 300;
/// Milliseconds.
const AIM: f64 = 10.0;

/// One call after the other, of the principals from `first` on: each for the first time, then one of them again.
///
/// # Errors
/// When an answer is missing or wrong.
pub(super) async fn measure(args: &Args, database: &Database, first: usize) -> anyhow::Result<Cell> {
    let console = Console::start(args, &database.address()).await?;
    let mut wire = Wire::connect(console.address).await?;
    let (mut cold, mut warm) = (Samples::default(), Samples::default());
    for (at, is_first) in
        (first..first + CALLS).map(|at| (at, true)).chain((0..CALLS).map(|_| (first, false)))
    {
        let path = format!("/api/v1/principals/{}/effective_config", seed::principal(at));
        let sent = Instant::now();
        let answer = wire.exchange(&wire::get(console.address, &path, KEY)).await?;
        let took = u64::try_from(sent.elapsed().as_micros())?;
        ensure!(answer.status == 200 && answer.body.len() > 1_000, "status {}", answer.status);
        if is_first { cold.add(took) } else { warm.add(took) }
    }
    let (cold, warm) = ([cold.millis(0.5), cold.millis(0.99)], [warm.millis(0.5), warm.millis(0.99)]);
    Ok(Cell {
        text: format!(
            "first call p50 {:.1} / **p99 {:.1} ms**, again p50 {:.1} / **p99 {:.1} ms**",
            cold[0], cold[1], warm[0], warm[1]
        ),
        met: cold[1].max(warm[1]) < AIM,
        figures: json!({
            "first_p50_ms": cold[0], "first_p99_ms": cold[1], "again_p50_ms": warm[0], "again_p99_ms": warm[1],
        }),
    })
}
