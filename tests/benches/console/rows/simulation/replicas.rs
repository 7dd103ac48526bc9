//! Consoles, each with the proxies that wait at it in a process of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::bail;
use centaur_e2e::real::Database;

use crate::args::Args;
use crate::program::Console;
use crate::remote::{Order, Remote, Report};

/// Seconds; far above what a loaded machine needs.
const PATIENCE: u64 = 900;

/// What all consoles together use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// Resident now.
    pub(super) rss_kib: u64,
    /// The sum of what each had at most.
    pub(super) peak_kib: u64,
    /// Processor time.
    pub(super) cpu_us: u64,
}

impl Use {
    /// From then until now; memory is that of now.
    pub(super) fn until(&self, now: &Self) -> Self {
        Self { cpu_us: now.cpu_us.saturating_sub(self.cpu_us), ..*now }
    }
}

/// All of them.
pub(super) struct Replicas {
    consoles: Vec<Console>,
    waiters: Vec<Remote>,
    each: usize,
}

impl Replicas {
    /// Starts so many consoles, on an address of loopback each, so that there are enough ports for `each` proxies.
    pub(super) async fn start(
        args: &Args,
        database: &Database,
        count: usize,
        each: usize,
    ) -> anyhow::Result<Self> {
        let (mut consoles, mut waiters) = (Vec::new(), Vec::new());
        for at in 0..count {
            let ip = Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(at)?);
            consoles.push(Console::start_on(args, &database.address(), ip).await?);
            waiters.push(Remote::start(args)?);
        }
        Ok(Self { consoles, waiters, each })
    }

    /// Where the first one listens.
    pub(super) fn first_address(&self) -> SocketAddr {
        self.consoles[0].address
    }

    /// Lets the proxies join; how long it took until all waited.
    pub(super) async fn join(&mut self, wait: u64) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let (each, consoles) = (self.each, &self.consoles);
        for (at, (waiters, console)) in self.waiters.iter_mut().zip(consoles).enumerate() {
            let address = console.address;
            let order = Order::Join { address, first: at * each, count: each, wait, patience: PATIENCE };
            waiters.order(&order).await?;
        }
        self.reports().await?;
        Ok(began.elapsed())
    }

    /// Waits until all wait.
    pub(super) async fn all_wait(&mut self) -> anyhow::Result<()> {
        for waiters in &mut self.waiters {
            waiters.order(&Order::AllWait { patience: PATIENCE }).await?;
        }
        self.reports().await.map(drop)
    }

    /// Waits until all proxies whose number `reaches` gives 1 have something new; when each had it.
    pub(super) async fn changed(&mut self, reaches: impl Fn(usize) -> usize) -> anyhow::Result<Vec<u64>> {
        let each = self.each;
        for (at, waiters) in self.waiters.iter_mut().enumerate() {
            let least = (at * each..(at + 1) * each).map(&reaches).sum();
            waiters.order(&Order::Changed { least, patience: PATIENCE }).await?;
        }
        let mut all = Vec::new();
        for report in self.reports().await? {
            let Report::Moments(moments) = report else { bail!("unexpected {report:?}") };
            all.extend(moments);
        }
        Ok(all)
    }

    /// Polls so far that were renewed.
    pub(super) async fn renewals(&mut self) -> anyhow::Result<u64> {
        for waiters in &mut self.waiters {
            waiters.order(&Order::Counts).await?;
        }
        let mut all = 0;
        for report in self.reports().await? {
            let Report::Counts { renewals, .. } = report else { bail!("unexpected {report:?}") };
            all += renewals;
        }
        Ok(all)
    }

    /// What the consoles use.
    pub(super) fn used(&self) -> Use {
        let sum = |of: fn(&Console) -> u64| self.consoles.iter().map(of).sum();
        Use { rss_kib: sum(Console::rss_kib), peak_kib: sum(Console::peak_kib), cpu_us: sum(Console::cpu_us) }
    }

    async fn reports(&mut self) -> anyhow::Result<Vec<Report>> {
        let mut reports = Vec::with_capacity(self.waiters.len());
        for waiters in &mut self.waiters {
            reports.push(waiters.report().await?);
        }
        Ok(reports)
    }
}
