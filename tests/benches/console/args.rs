//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::row::Row;

/// Measures the console.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Rows to measure, separated by commas; all if absent.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Row>,
    /// Databases, separated by commas; both if absent.
    #[arg(long, value_delimiter = ',')]
    pub(crate) engines: Vec<Engine>,
    /// The program `centaur-console`.
    #[arg(long)]
    pub(crate) console: PathBuf,
    /// The program `iron-proxy`.
    #[arg(long)]
    pub(crate) proxy: PathBuf,
    /// Proxies that wait in the simulation, over all replicas; fewer when descriptors do not suffice.
    #[arg(long, default_value_t = 8_000)]
    pub(crate) waiters: usize,
    /// Consoles of the simulation.
    #[arg(long, default_value_t = 4)]
    pub(crate) replicas: usize,
    /// For how many seconds a proxy of the simulation lets its console wait.
    #[arg(long, default_value_t = 55)]
    pub(crate) seconds_to_wait: u64,
    /// For how many seconds the simulation only waits.
    #[arg(long, default_value_t = 20)]
    pub(crate) rest: u64,
    /// Changes per row of obedience.
    #[arg(long, default_value_t = 30)]
    pub(crate) changes: usize,
    /// Length of a timed stretch, in milliseconds.
    #[arg(long, default_value_t = 3_000)]
    pub(crate) millis: u64,
    /// Writes the tables to docs/performance.md and docs/scale.md, as far as rows were measured.
    #[arg(long)]
    pub(crate) write: bool,
    /// Where the figures go as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Where consoles log, instead of nowhere.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// The part this process plays; set by the program itself.
    #[arg(long, hide = true)]
    pub(crate) role: Option<Role>,
}

/// A part of the bench that runs as its own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Holds connections.
    Waiters,
}

/// A database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// A file.
    Sqlite,
    /// A server that is started for the bench.
    Postgres,
}

impl Args {
    /// Rows in the order of the table.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let wanted = |row: &Row| self.only.is_empty() || self.only.contains(row);
        Row::value_variants().iter().copied().filter(wanted).collect()
    }

    /// Databases in the order of the columns.
    pub(crate) fn engines(&self) -> Vec<Engine> {
        let wanted = |engine: &Engine| self.engines.is_empty() || self.engines.contains(engine);
        Engine::value_variants().iter().copied().filter(wanted).collect()
    }
}
