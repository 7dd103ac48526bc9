//! `principals …`

use clap::{Args, Subcommand, ValueEnum};

use super::{ListArgs, PrincipalArg, RegisterArgs};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum PrincipalsCommand {
    /// List them
    List(PrincipalsList),
    /// Show one: roles, grants, and what it may really use
    Show(PrincipalArg),
    /// Let one use roles and secrets
    Grant(PrincipalsGrant),
    /// Take roles and secrets away from one
    Revoke(PrincipalsRevoke),
    /// Make one
    Create(PrincipalsCreate),
    /// Delete one, with its grants and assignments
    Delete(PrincipalArg),
    /// Show as which principal a thread acts; asks nobody
    Resolve(PrincipalsResolve),
}

impl PrincipalsCommand {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "principals.list",
            Self::Show(_) => "principals.show",
            Self::Grant(_) => "principals.grant",
            Self::Revoke(_) => "principals.revoke",
            Self::Create(_) => "principals.create",
            Self::Delete(_) => "principals.delete",
            Self::Resolve(_) => "principals.resolve",
        }
    }
}

/// `principals list`
#[derive(Debug, Args)]
pub struct PrincipalsList {
    /// Which ones.
    #[command(flatten)]
    pub list: ListArgs,

    /// Only those of a kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A person.
    User,
    /// A conversation that people share.
    Channel,
    /// One thread.
    Thread,
    /// Anything else.
    Other,
}

/// `principals grant`
#[derive(Debug, Args)]
pub struct PrincipalsGrant {
    /// To whom.
    #[command(flatten)]
    pub principal: PrincipalArg,

    /// Register a tool and assign its role; may be repeated
    #[arg(long, value_name = "NAME")]
    pub tool: Vec<String>,

    /// Assign a role; may be repeated
    #[arg(long, value_name = "ROLE")]
    pub role: Vec<String>,

    /// Grant a secret directly: id, foreign id or TYPE/FOREIGN_ID; may be repeated
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,

    /// How tools are registered.
    #[command(flatten)]
    pub how: RegisterArgs,

    /// Make the principal even when its foreign id is of no known form
    #[arg(long)]
    pub create: bool,

    /// When the direct grants of this command end: 2030-01-31T12:00:00Z, or 12h, 7d from now
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,

    /// Priority of the direct grants of this command; higher wins [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub priority: Option<i64>,

    /// Belongs to `revoke`; said so when it is given here.
    #[arg(long, value_name = "ID", hide = true)]
    pub grant_id: Vec<String>,
}

/// `principals revoke`
#[derive(Debug, Args)]
pub struct PrincipalsRevoke {
    /// From whom.
    #[command(flatten)]
    pub principal: PrincipalArg,

    /// Take the role of a tool away; may be repeated
    #[arg(long, value_name = "NAME")]
    pub tool: Vec<String>,

    /// Take a role away; may be repeated
    #[arg(long, value_name = "ROLE")]
    pub role: Vec<String>,

    /// Withdraw the direct grant of a secret; may be repeated
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,

    /// Withdraw a direct grant by its id; may be repeated
    #[arg(long, value_name = "ID")]
    pub grant_id: Vec<String>,

    /// Show the commands that would take the secrets away everywhere
    #[arg(long)]
    pub everywhere: bool,
}

/// `principals create`
#[derive(Debug, Args)]
pub struct PrincipalsCreate {
    /// Its foreign id
    pub foreign_id: String,

    /// Its name for people
    #[arg(long)]
    pub name: Option<String>,

    /// A label; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,

    /// Assign the default roles now
    #[arg(long, conflicts_with = "no_default_roles")]
    pub seed_defaults: bool,

    /// Never assign the default roles
    #[arg(long)]
    pub no_default_roles: bool,

    /// Change the one that is there
    #[arg(long)]
    pub update: bool,
}

/// `principals resolve`
#[derive(Debug, Args)]
pub struct PrincipalsResolve {
    /// A thread key, for example slack:C0AB12:1717.000100
    pub thread_key: String,

    /// Who acts
    #[arg(long, value_name = "ID")]
    pub slack_user: Option<String>,

    /// In which workspace
    #[arg(long, value_name = "ID")]
    pub slack_team: Option<String>,
}
