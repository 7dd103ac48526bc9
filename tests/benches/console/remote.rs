//! A fleet in a process of its own, driven by lines of JSON.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::fleet::Fleet;

/// What a fleet is told to do; times in seconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// [`Fleet::join`]
    Join { address: SocketAddr, first: usize, count: usize, wait: u64, patience: u64 },
    /// [`Fleet::all_wait`]
    AllWait { patience: u64 },
    /// [`Fleet::changed`]
    Changed { least: usize, patience: u64 },
    /// [`Fleet::counts`]
    Counts,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It is so.
    Done,
    /// [`Fleet::changed`]
    Moments(Vec<u64>),
    /// [`Fleet::counts`]
    Counts { renewals: u64, failures: u64 },
    /// It is not so.
    Failed(String),
}

/// Obeys orders from standard input until it closes.
///
/// # Errors
/// When an order is not understood; what goes wrong inside one is its answer.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let mut fleet = Fleet::new();
    let mut out = std::io::stdout();
    // Reading blocks this thread, on which no proxy runs.
    for line in std::io::stdin().lines() {
        let order = serde_json::from_str(&line?).context("order")?;
        let report = obey(&mut fleet, order).await;
        let report = report.unwrap_or_else(|error| Report::Failed(format!("{error:#}")));
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
        out.flush()?;
    }
    Ok(())
}

async fn obey(fleet: &mut Fleet, order: Order) -> anyhow::Result<Report> {
    match order {
        Order::Join { address, first, count, wait, patience } => {
            fleet.join(address, first, count, wait, Duration::from_secs(patience)).await?;
            Ok(Report::Done)
        }
        Order::AllWait { patience } => {
            fleet.all_wait(Duration::from_secs(patience)).await?;
            Ok(Report::Done)
        }
        Order::Changed { least, patience } => {
            Ok(Report::Moments(fleet.changed(least, Duration::from_secs(patience)).await?))
        }
        Order::Counts => {
            let (renewals, failures) = fleet.counts();
            Ok(Report::Counts { renewals, failures })
        }
    }
}

/// The other end of [`serve`]. The process ends with it.
pub(crate) struct Remote {
    child: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Remote {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(args: &crate::args::Args) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--role", "waiters", "--console"])
            .arg(&args.console)
            .arg("--proxy")
            .arg(&args.proxy)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().context("no input")?;
        let reports = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Self { child, orders, reports })
    }

    /// Gives an order, without waiting for its report.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) async fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        self.orders.write_all(format!("{}\n", serde_json::to_string(order)?).as_bytes()).await?;
        Ok(())
    }

    /// The report of the oldest order without one.
    ///
    /// # Errors
    /// When the order failed.
    pub(crate) async fn report(&mut self) -> anyhow::Result<Report> {
        let Some(line) = self.reports.next_line().await? else {
            bail!("the waiters ended: {:?}", self.child.try_wait())
        };
        match serde_json::from_str(&line)? {
            Report::Failed(reason) => bail!(reason),
            report => Ok(report),
        }
    }
}
