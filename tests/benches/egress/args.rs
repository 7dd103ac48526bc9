//! The command line, also that of the roles that the program starts itself in.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};

use crate::rows::Row;

/// Measures the proxy and other contenders through the same origin and client.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Rows to measure, separated by commas; all if absent.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Row>,
    /// Contenders by name, separated by commas: direct, ours, mitmproxy, squid, and the names of peers; all that
    /// are there if absent.
    #[arg(long, value_delimiter = ',')]
    pub(crate) contenders: Vec<String>,
    /// A further program that takes the reference's YAML, as NAME=PATH. May be repeated.
    #[arg(long)]
    pub(crate) peer: Vec<Peer>,
    /// Our program.
    #[arg(long)]
    pub(crate) ours: Option<PathBuf>,
    /// The `mitmdump` program.
    #[arg(long)]
    pub(crate) mitmproxy: Option<PathBuf>,
    /// The `squid` program, built with OpenSSL.
    #[arg(long)]
    pub(crate) squid: Option<PathBuf>,
    /// Rounds of every timed row; the median is shown.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Length of one timed round, in milliseconds.
    #[arg(long, default_value_t = 1_200)]
    pub(crate) millis: u64,
    /// Take the long road: five rounds of four seconds, and 60 seconds of rest in the memory row (10 otherwise).
    #[arg(long)]
    pub(crate) full: bool,
    /// Write the table to docs/performance.md even when only some rows or contenders were measured.
    #[arg(long)]
    pub(crate) write: bool,
    /// Plain loopback instead of a network namespace per contender.
    #[arg(long)]
    pub(crate) no_namespaces: bool,
    /// Tell what is missing instead of leaving a contender out.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// The part this process plays; set by the program itself.
    #[arg(long, hide = true)]
    pub(crate) role: Option<Role>,
    /// JSON for the part it plays.
    #[arg(long, hide = true)]
    pub(crate) spec: Option<String>,
}

/// A part of the bench that runs as its own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Starts origin and proxy, and sends the load.
    World,
    /// Answers.
    Origin,
    /// Copies bytes.
    Relay,
}

/// `NAME=PATH`
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Shown in the table.
    pub(crate) name: String,
    /// The program.
    pub(crate) path: PathBuf,
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = text.split_once('=').context("a peer is written NAME=PATH")?;
        if name.is_empty() || path.is_empty() {
            bail!("a peer is written NAME=PATH");
        }
        Ok(Self { name: name.to_owned(), path: PathBuf::from(path) })
    }
}

impl Args {
    /// Rows in the order of the table.
    pub(crate) fn rows(&self) -> Vec<Row> {
        Row::value_variants()
            .iter()
            .copied()
            .filter(|row| self.only.is_empty() || self.only.contains(row))
            .collect()
    }

    /// Whether a contender of this name takes part.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|wanted| wanted == name)
    }

    /// The spec of a role as its type.
    pub(crate) fn role_spec<T: serde::de::DeserializeOwned>(&self) -> anyhow::Result<T> {
        let text = self.spec.as_deref().context("a role needs --spec")?;
        serde_json::from_str(text).context("--spec")
    }
}
