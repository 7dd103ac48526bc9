//! The figures of the table.

use clap::ValueEnum;

/// A row, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// A change until it is obeyed, one proxy waiting.
    #[value(name = "obey-1")]
    Obey1,
    /// The same with 100.
    #[value(name = "obey-100")]
    Obey100,
    /// The same with 1,000.
    #[value(name = "obey-1000")]
    Obey1000,
    /// Syncs of proxies that have what is current, 32 connections.
    #[value(name = "equal-32")]
    Equal32,
    /// The same with 256.
    #[value(name = "equal-256")]
    Equal256,
    /// The effective configuration of a principal with 10 grants.
    #[value(name = "effective-10")]
    Effective10,
    /// The same with 100.
    #[value(name = "effective-100")]
    Effective100,
    /// A thousand proxies after a restart.
    #[value(name = "restart")]
    Restart,
    /// Memory without load.
    #[value(name = "idle")]
    Idle,
    /// Very many waiting proxies over several replicas.
    #[value(name = "simulation")]
    Simulation,
}

impl Row {
    /// First column.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Obey1 => "change committed → obeyed, 1 proxy waiting",
            Self::Obey100 => "the same, 100 waiting",
            Self::Obey1000 => "the same, 1,000 waiting",
            Self::Equal32 => "sync with equal hash, 10,000 principals, 100,000 grants, 32 connections",
            Self::Equal256 => "the same, 256 connections",
            Self::Effective10 => "effective config, 10 grants",
            Self::Effective100 => "effective config, 100 grants",
            Self::Restart => "1,000 proxies return after a restart",
            Self::Idle => "RSS idle",
            Self::Simulation => "simulation",
        }
    }

    /// Second column: what it should reach.
    pub(crate) const fn aim(self) -> &'static str {
        match self {
            Self::Obey1 => "p99 under 200 ms",
            Self::Obey100 => "p99 under 500 ms",
            Self::Obey1000 => "p99 under 1,000 ms",
            Self::Equal32 | Self::Equal256 => "5,000/s",
            Self::Effective10 | Self::Effective100 => "p99 under 10 ms",
            Self::Restart => "all in sync in 5 s, under 256 MB",
            Self::Idle => "under 25 MB",
            Self::Simulation => "",
        }
    }
}
