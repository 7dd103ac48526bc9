//! `secrets …`

use clap::{Args, Subcommand};

use super::ListArgs;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// List those of all types
    List(SecretsList),
    /// Show one; values are never shown
    Show(SecretArg),
    /// Who may use one
    Grants(SecretArg),
    /// Delete one, with its grants
    Delete(SecretArg),
}

impl SecretsCommand {
    /// Its name in the JSON output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "secrets.list",
            Self::Show(_) => "secrets.show",
            Self::Grants(_) => "secrets.grants",
            Self::Delete(_) => "secrets.delete",
        }
    }
}

/// `secrets list`
#[derive(Debug, Args)]
pub struct SecretsList {
    /// Which ones.
    #[command(flatten)]
    pub list: ListArgs,

    /// Only those of a tool
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
}

/// A secret.
#[derive(Debug, Clone, Args)]
pub struct SecretArg {
    /// Id (ssr_…, ots_…, …), foreign id, or TYPE/FOREIGN_ID
    pub secret: String,
}
