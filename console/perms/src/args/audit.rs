//! `audit …`

use clap::{Args, Subcommand};

/// `audit`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    /// Which events.
    #[command(flatten)]
    pub list: AuditList,

    /// Or a check.
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
}

/// Which events.
#[derive(Debug, Clone, Default, Args)]
pub struct AuditList {
    /// Only those since: 2030-01-31T12:00:00Z, or 12h, 7d ago
    #[arg(long, value_name = "T")]
    pub since: Option<String>,

    /// Only those of an actor: an id of an API key, a user or a proxy
    #[arg(long, value_name = "A")]
    pub actor: Option<String>,

    /// Only those about a principal
    #[arg(long, value_name = "P")]
    pub principal: Option<String>,

    /// What this program wrote from this machine, instead of the control plane's log
    #[arg(long)]
    pub local: bool,
}

/// The verb.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Look for what should not be
    Check,
}

impl AuditArgs {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        if self.command.is_some() { "audit.check" } else { "audit" }
    }
}
