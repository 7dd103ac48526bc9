//! The command line, as clap sees it. What the words mean is decided in [`crate::settings`] and in the commands.

mod audit;
mod broker;
mod declared;
mod explain;
mod principals;
mod roles;
mod secrets;
mod tools;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::audit::*;
pub use self::broker::*;
pub use self::declared::*;
pub use self::explain::ExplainArgs;
pub use self::principals::*;
pub use self::roles::*;
pub use self::secrets::*;
pub use self::tools::*;

/// Who may use which credential.
#[derive(Debug, Parser)]
#[command(name = "centaur-perms", version, max_term_width = 100, propagate_version = false)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command, before or after its noun and verb. A flag beats its variable, which beats the profile; a
/// variable that is empty counts as not set.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Address of the control plane [env: IRON_CONTROL_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub iron_control_url: Option<String>,

    /// API key (iak_…); better in the variable or in a file [env: IRON_CONTROL_API_KEY]
    #[arg(long, global = true, value_name = "KEY", conflicts_with = "iron_control_api_key_file")]
    pub iron_control_api_key: Option<Sensitive>,

    /// File with the API key [env: IRON_CONTROL_API_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub iron_control_api_key_file: Option<PathBuf>,

    /// Namespace of everything that is named [env: IRON_CONTROL_NAMESPACE] [default: default]
    #[arg(long, global = true, value_name = "NS")]
    pub namespace: Option<String>,

    /// Directory with tools; may be repeated, later ones win [env: TOOL_DIRS, separated by colons, after these]
    #[arg(long, global = true, value_name = "DIR")]
    pub tools_dir: Vec<PathBuf>,

    /// How references become sources: env, onepassword, onepassword-connect
    /// [env: FIREWALL_MANAGER_SECRET_SOURCE] [default: env]
    #[arg(long, global = true, value_name = "POLICY")]
    pub source_policy: Option<String>,

    /// Vault of op:// references [env: OP_VAULT]
    #[arg(long, global = true, value_name = "VAULT")]
    pub op_vault: Option<String>,

    /// Lifetime written into 1Password sources [env: FIREWALL_MANAGER_SECRET_TTL] [default: 10m]
    #[arg(long, global = true, value_name = "TTL")]
    pub op_ttl: Option<String>,

    /// table, wide, json [env: CENTAUR_PERMS_OUTPUT] [default: table]
    #[arg(short, long, global = true, value_name = "FORMAT")]
    pub output: Option<String>,

    /// Show what would be done, and write nothing
    #[arg(long, global = true)]
    pub dry_run: bool,

    /// With --dry-run: exit with 8 when something would be done
    #[arg(long, global = true)]
    pub exit_code: bool,

    /// Remove without asking
    #[arg(long, global = true)]
    pub yes: bool,

    /// Write also over what changed meanwhile, and delete also what is protected
    #[arg(long, global = true)]
    pub force: bool,

    /// No notices and warnings
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show each request and its status
    #[arg(long, global = true)]
    pub verbose: bool,

    /// Colour on standard error [env: NO_COLOR]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub color: ColorWhen,

    /// Longest time for a request [default: 30]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub timeout: Option<u32>,

    /// How often a request is tried again [default: 3]
    #[arg(long, global = true, value_name = "N")]
    pub retries: Option<u32>,

    /// Roles that new principals get, separated by commas [env: CENTAUR_DEFAULT_ROLES] [default: infra]
    #[arg(long, global = true, value_name = "LIST")]
    pub default_roles: Option<String>,

    /// Profile in perms.toml with any of the above [env: CENTAUR_PERMS_CONTEXT]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
}

/// When there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A word of the command line that must not be shown again.
#[derive(Clone)]
pub struct Sensitive(String);

impl Sensitive {
    /// The word. Never print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Sensitive {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Sensitive {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

impl Drop for Sensitive {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who acts: users, channels, threads
    #[command(subcommand)]
    Principals(PrincipalsCommand),
    /// Bundles of grants
    #[command(subcommand)]
    Roles(RolesCommand),
    /// What the tool directories hold, and what is registered of it
    #[command(subcommand)]
    Tools(ToolsCommand),
    /// Where credentials come from and where they go
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Credentials that the control plane keeps fresh
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// What would happen to a request, without sending it
    Explain(ExplainArgs),
    /// Write roles and principals as a file, for review and version control
    Export(ExportArgs),
    /// Show what `apply` would change; exits with 8 when there is something
    Diff(DeclaredArgs),
    /// Make the roles and principals that a file names what it says of them
    Apply(DeclaredArgs),
    /// What was changed, by whom
    Audit(AuditArgs),
    /// Check the setup
    Doctor,
    /// Print a completion script
    Completion {
        /// For which shell
        shell: Shell,
    },
    /// What could stand where the cursor is; for the completion scripts
    #[command(name = "__complete", hide = true)]
    Complete {
        /// What is wanted
        what: String,
        /// What is there already
        #[arg(default_value = "", allow_hyphen_values = true)]
        prefix: String,
    },
}

/// Shells with completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    Power,
}

impl Command {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Principals(command) => command.name(),
            Self::Roles(command) => command.name(),
            Self::Tools(command) => command.name(),
            Self::Secrets(command) => command.name(),
            Self::Broker(command) => command.name(),
            Self::Explain(_) => "explain",
            Self::Export(_) => "export",
            Self::Diff(_) => "diff",
            Self::Apply(_) => "apply",
            Self::Audit(args) => args.name(),
            Self::Doctor => "doctor",
            Self::Completion { .. } => "completion",
            Self::Complete { .. } => "__complete",
        }
    }
}

/// What a list shows.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// Only those with a label; may be repeated, all must match
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,

    /// Only those that Centaur manages (label managed-by=centaur)
    #[arg(long)]
    pub managed: bool,

    /// Only those whose foreign id or name contains TEXT
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,

    /// At most N
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Order
    #[arg(long, value_name = "KEY", default_value = "foreign-id")]
    pub sort: SortKey,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SortKey {
    /// By foreign id; those without one first.
    #[default]
    ForeignId,
    /// By name.
    Name,
    /// By id.
    Id,
}

/// A principal.
#[derive(Debug, Clone, Args)]
pub struct PrincipalArg {
    /// Foreign id, id (prn_…), thread key, Slack id, or "@name" and "#name"
    pub principal: String,

    /// The user of a direct message, when a thread key names one
    #[arg(long, value_name = "ID")]
    pub slack_user: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_noun_and_the_verb() {
        for words in [
            "centaur-perms --namespace lab -o json roles list",
            "centaur-perms roles --namespace lab list -o json",
            "centaur-perms roles list --namespace lab -o json",
        ] {
            let cli = Cli::try_parse_from(words.split(' ')).unwrap();
            assert_eq!(cli.globals.namespace.as_deref(), Some("lab"), "{words}");
            assert_eq!(cli.globals.output.as_deref(), Some("json"), "{words}");
            assert_eq!(cli.command.name(), "roles.list");
        }
    }

    #[test]
    fn the_key_is_in_no_debug_text() {
        let cli = Cli::try_parse_from(["x", "--iron-control-api-key", "iak_fake", "roles", "list"]).unwrap();
        assert!(!format!("{cli:?}").contains("iak_fake"));
    }
}
