//! `broker …`

use clap::{Args, Subcommand, ValueEnum};

use super::{ListArgs, Sensitive};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Make one, or change it
    Create(Box<BrokerCreate>),
    /// List them
    List(ListArgs),
    /// Show one; tokens are never shown
    Show(CredentialArg),
    /// Delete one
    Delete(CredentialArg),
}

impl BrokerCommand {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "broker.create",
            Self::List(_) => "broker.list",
            Self::Show(_) => "broker.show",
            Self::Delete(_) => "broker.delete",
        }
    }
}

/// A broker credential.
#[derive(Debug, Clone, Args)]
pub struct CredentialArg {
    /// Id (bcr_…) or foreign id
    pub credential: String,
}

/// `broker create`. Secrets are best given as `@FILE` or `-`.
#[derive(Debug, Args)]
pub struct BrokerCreate {
    /// Its foreign id
    #[arg(long, value_name = "ID")]
    pub foreign_id: String,

    /// Where it is refreshed
    #[arg(long, value_name = "URL")]
    pub token_endpoint: String,

    /// Client id at the token endpoint
    #[arg(long, value_name = "ID")]
    pub client_id: String,

    /// Client secret: @FILE, - for standard input, or the value
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub client_secret: Option<Sensitive>,

    /// Refresh token: @FILE, - for standard input, or the value
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub refresh_token: Option<Sensitive>,

    /// How it is refreshed
    #[arg(long, value_name = "GRANT")]
    pub grant: Option<BrokerGrant>,

    /// User name, for the grants password and preqin
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,

    /// Password: @FILE, - for standard input, or the value
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub password: Option<Sensitive>,

    /// API key: @FILE, - for standard input, or the value
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub api_key: Option<Sensitive>,

    /// A scope; may be repeated
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,

    /// Its name for people
    #[arg(long)]
    pub name: Option<String>,

    /// A description
    #[arg(long)]
    pub description: Option<String>,

    /// A header of requests to the token endpoint, its value as @FILE, -, or as it is; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub token_endpoint_header: Vec<Sensitive>,

    /// Refresh at least so long before the token ends [default: 300]
    #[arg(long, value_name = "N")]
    pub early_refresh_slack_seconds: Option<u64>,

    /// Refresh when this part of the token's life is left, 0 to below 1 [default: 0.2]
    #[arg(long, value_name = "F")]
    pub early_refresh_fraction: Option<f64>,

    /// Refresh at least this often [default: 86400]
    #[arg(long, value_name = "N")]
    pub max_refresh_interval_seconds: Option<u64>,

    /// Longest time for a refresh [default: 30]
    #[arg(long, value_name = "N")]
    pub refresh_timeout_seconds: Option<u64>,

    /// Wait until it is live or dead
    #[arg(long)]
    pub wait: bool,
}

/// How a credential is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerGrant {
    /// With a refresh token.
    #[value(name = "refresh_token")]
    RefreshToken,
    /// With user name and password.
    #[value(name = "password")]
    Password,
    /// With user name and API key, at Preqin.
    #[value(name = "preqin")]
    Preqin,
}

impl BrokerGrant {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::Preqin => "preqin",
        }
    }
}
