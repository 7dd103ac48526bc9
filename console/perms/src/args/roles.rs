//! `roles …`

use clap::{Args, Subcommand};

use super::{ListArgs, RegisterArgs};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum RolesCommand {
    /// List them
    List(ListArgs),
    /// Show one and its secrets
    Show(RoleArg),
    /// Put secrets into one
    Grant(RolesGrant),
    /// Take secrets out of one
    Revoke(RolesRevoke),
    /// Make one
    Create(RolesCreate),
    /// Delete one, with its grants and assignments
    Delete(RoleArg),
    /// Who holds one
    Members(RoleArg),
}

impl RolesCommand {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "roles.list",
            Self::Show(_) => "roles.show",
            Self::Grant(_) => "roles.grant",
            Self::Revoke(_) => "roles.revoke",
            Self::Create(_) => "roles.create",
            Self::Delete(_) => "roles.delete",
            Self::Members(_) => "roles.members",
        }
    }
}

/// A role.
#[derive(Debug, Clone, Args)]
pub struct RoleArg {
    /// Foreign id or id (role_…)
    pub role: String,
}

/// `roles grant`
#[derive(Debug, Args)]
pub struct RolesGrant {
    /// Into which.
    #[command(flatten)]
    pub role: RoleArg,

    /// A secret: id, foreign id or TYPE/FOREIGN_ID; may be repeated
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,

    /// Register a tool and put its secrets into the role; may be repeated
    #[arg(long, value_name = "NAME")]
    pub tool: Vec<String>,

    /// With one --tool: only the secret that it declares under this name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub secret_name: Vec<String>,

    /// Put the secrets of tools into the tools' own roles too
    #[arg(long)]
    pub also_tool_role: bool,

    /// How tools are registered.
    #[command(flatten)]
    pub how: RegisterArgs,

    /// Make the role if there is none (as it is by default)
    #[arg(long, overrides_with = "no_create")]
    pub create: bool,

    /// Fail if there is no such role
    #[arg(long)]
    pub no_create: bool,

    /// When the grants of this command end: 2030-01-31T12:00:00Z, or 12h, 7d from now
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,

    /// Priority of the grants of this command; higher wins [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub priority: Option<i64>,
}

/// `roles revoke`
#[derive(Debug, Args)]
pub struct RolesRevoke {
    /// Out of which.
    #[command(flatten)]
    pub role: RoleArg,

    /// A secret; may be repeated
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,

    /// All secrets of a tool; may be repeated
    #[arg(long, value_name = "NAME")]
    pub tool: Vec<String>,
}

/// `roles create`
#[derive(Debug, Args)]
pub struct RolesCreate {
    /// Its foreign id
    pub role: String,

    /// Its name for people
    #[arg(long)]
    pub name: Option<String>,

    /// A label; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,

    /// Change the one that is there
    #[arg(long)]
    pub update: bool,
}
