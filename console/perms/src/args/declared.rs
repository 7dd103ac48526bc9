//! `export`, `diff FILE`, `apply FILE`

use std::path::PathBuf;

use clap::Args;

use super::RegisterArgs;

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Only what Centaur manages (label managed-by=centaur)
    #[arg(long)]
    pub managed: bool,

    /// Only this principal; may be repeated
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Vec<String>,

    /// Only this role; may be repeated
    #[arg(long, value_name = "ROLE")]
    pub role: Vec<String>,
}

/// `diff` and `apply`
#[derive(Debug, Args)]
pub struct DeclaredArgs {
    /// The file, or - for standard input
    pub file: PathBuf,

    /// Take nothing away
    #[arg(long)]
    pub additive: bool,

    /// How tools are registered.
    #[command(flatten)]
    pub how: RegisterArgs,
}
