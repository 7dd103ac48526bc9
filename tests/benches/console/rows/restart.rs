//! A console that is killed under a thousand waiting proxies, and started again.

use std::time::Duration;

use centaur_e2e::bench::text::megabytes;
use centaur_e2e::real::Database;
use serde_json::json;

use crate::args::Args;
use crate::fleet::Fleet;
use crate::program::Console;
use crate::stats::{Samples, now_us};
use crate::table::Cell;

const PROXIES: usize = 1_000;
const PATIENCE: Duration = Duration::from_mins(1);
/// Milliseconds, and MB of a million bytes.
const AIM: (f64, f64) = (5_000.0, 256.0);

/// From the start of the process until every proxy has an answer, and the most memory until all wait again.
///
/// # Errors
/// When a proxy does not return.
pub(super) async fn measure(args: &Args, database: &Database) -> anyhow::Result<Cell> {
    let console = Console::start(args, &database.address()).await?;
    let address = console.address;
    let mut fleet = Fleet::new();
    fleet.join(address, 0, PROXIES, 55, PATIENCE).await?;
    drop(console);
    let started = now_us();
    let mut console = Console::spawn(args, &database.address(), address)?;
    let (ready, returned) = tokio::join!(console.ready(), fleet.returned(PROXIES, PATIENCE));
    ready?;
    let mut samples = Samples::default();
    samples.add_since(started, &returned?);
    fleet.all_wait(PATIENCE).await?;
    let (median, all, peak) =
        (samples.millis(0.5), samples.millis(1.0), megabytes(console.peak_kib() as f64));
    Ok(Cell {
        text: format!("**{:.1} s** (half after {:.1} s), at most **{peak:.0} MB**", all / 1e3, median / 1e3),
        met: all < AIM.0 && peak < AIM.1,
        figures: json!({"all_ms": all, "median_ms": median, "peak_rss_mb": peak}),
    })
}
