//! Measures how the console keeps credentials fresh: what proxies wait beyond the provider's time, what ten thousand
//! credentials cost, how soon a seed has its first token, and how long an answer is nowhere but in memory.
//!
//! The provider is `centaur_e2e::strict` on a thread of this process; the console is a process of its own
//! (`CENTAUR_CONSOLE_BIN`). Each figure has a file under `rows/`.

mod rows;
mod stats;
mod table;
mod waiter;
mod world;

use std::process::ExitCode;

use centaur_e2e::bench::usage;
use clap::Parser;

use rows::Row;

/// Measures the refresh engine of the console.
#[derive(Debug, Parser)]
struct Args {
    /// Rows to measure, separated by commas; all if absent.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Row>,
    /// Proxies that wait.
    #[arg(long, default_value_t = 1_000)]
    waiters: usize,
    /// Credentials that are kept fresh.
    #[arg(long, default_value_t = 10_000)]
    credentials: usize,
    /// For how many seconds they are.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Refreshes and seeds per figure.
    #[arg(long, default_value_t = 30)]
    repeats: usize,
    /// Writes the table to docs/performance.md.
    #[arg(long)]
    write: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Speaks to the person in front, on standard error.
#[expect(clippy::print_stderr, reason = "the bench talks to a person")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn main() -> ExitCode {
    let args = Args::parse();
    usage::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result =
        runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(rows::conduct(&args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
