//! `tools …`, and the options of every command that registers tools

use clap::{Args, Subcommand};

use super::SortKey;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum ToolsCommand {
    /// List those that the tool directories hold
    List(ToolsList),
    /// Show one: what it declares, the ids that it gets, and where its values come from
    Show(ToolArg),
    /// Check manifests; asks nobody
    Validate(ToolsValidate),
    /// Register roles and secrets of tools, without giving them to anybody
    Register(ToolsRegister),
    /// Register all, and with --prune delete what no manifest declares any more
    Sync(ToolsSync),
}

impl ToolsCommand {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "tools.list",
            Self::Show(_) => "tools.show",
            Self::Validate(_) => "tools.validate",
            Self::Register(_) => "tools.register",
            Self::Sync(_) => "tools.sync",
        }
    }
}

/// A tool.
#[derive(Debug, Clone, Args)]
pub struct ToolArg {
    /// The name of its directory
    pub tool: String,
}

/// `tools list`
#[derive(Debug, Args)]
pub struct ToolsList {
    /// Ask the control plane what is registered
    #[arg(long)]
    pub status: bool,

    /// Only those whose secrets get a label when they are registered; may be repeated, all must match
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,

    /// Only those that can be registered (label managed-by=centaur)
    #[arg(long)]
    pub managed: bool,

    /// Only those whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,

    /// At most N
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Order; ids are those of their roles [default: as the tool directories are searched]
    #[arg(long, value_name = "KEY")]
    pub sort: Option<SortKey>,
}

/// `tools validate`
#[derive(Debug, Args)]
pub struct ToolsValidate {
    /// Which; all when none is named
    pub tools: Vec<String>,

    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
}

/// How tools are registered.
#[derive(Debug, Clone, Default, Args)]
pub struct RegisterArgs {
    /// Leave optional secrets of tools out
    #[arg(long)]
    pub no_optional: bool,

    /// Make missing broker credentials of the values that the environment has
    #[arg(long)]
    pub seed_brokers: bool,

    /// Take over secrets that another tool registered under the same id
    #[arg(long)]
    pub adopt: bool,
}

/// `tools register`
#[derive(Debug, Args)]
pub struct ToolsRegister {
    /// Which
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub tools: Vec<String>,

    /// All that there are
    #[arg(long)]
    pub all: bool,

    /// Grant the secrets to this role too; may be repeated
    #[arg(long, value_name = "ROLE")]
    pub into: Vec<String>,

    /// Short for --into tools
    #[arg(long)]
    pub tools_role: bool,

    /// How.
    #[command(flatten)]
    pub how: RegisterArgs,
}

/// `tools sync`
#[derive(Debug, Args)]
pub struct ToolsSync {
    /// Delete secrets that their tool's manifest does not declare any more
    #[arg(long)]
    pub prune: bool,

    /// Also those of tools that no tool directory holds any more
    #[arg(long, requires = "prune")]
    pub prune_missing_tools: bool,

    /// Grant the secrets to the role `tools` too
    #[arg(long)]
    pub tools_role: bool,

    /// How.
    #[command(flatten)]
    pub how: RegisterArgs,
}
