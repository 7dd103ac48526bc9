//! `explain`

use clap::Args;

use super::PrincipalArg;

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Who asks.
    #[command(flatten)]
    pub principal: PrincipalArg,

    /// Whose grants fill the gaps, as those of the person who speaks in a channel
    #[arg(long, value_name = "PRINCIPAL")]
    pub requester: Option<String>,

    /// Host of the request
    #[arg(long, value_name = "HOST", conflicts_with = "database")]
    pub host: Option<String>,

    /// Method of the request [default: GET]
    #[arg(long, value_name = "METHOD", requires = "host")]
    pub method: Option<String>,

    /// Path and query of the request [default: /]
    #[arg(long, value_name = "PATH", requires = "host")]
    pub path: Option<String>,

    /// Database of the connection
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,

    /// Only credentials of a tool
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,

    /// Only this secret
    #[arg(long, value_name = "SECRET")]
    pub secret: Option<String>,
}
