//! The command line, as clap sees it. What the words mean is decided in [`crate::settings`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Any program, with credentials it never holds.
#[derive(Debug, Parser)]
#[command(name = "centaur", version, disable_version_flag = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program behind the proxy, with placeholders for its credentials
    Run(RunArgs),
    /// Check this machine: the runtimes' trust, or the isolation
    #[command(subcommand)]
    Doctor(Doctor),
    /// Show the proxy at work, on loopback and with a made-up key
    Demo,
    /// Play hostile clients against a proxy and report what it let through
    Attack(crate::commands::attack::AttackArgs),
    /// The proxy's own command line, as `iron-proxy`
    #[command(disable_help_flag = true)]
    Proxy {
        /// Arguments of iron-proxy
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Print the version
    Version,
}

/// What `centaur doctor` looks at.
#[derive(Debug, Subcommand)]
pub enum Doctor {
    /// Try to get out of the isolation of `centaur run`; every way must fail
    Escape,
    /// Try each runtime found here against a TLS origin behind the proxy
    Trust,
}

/// Arguments of `centaur run`.
#[derive(Debug, Args)]
#[command(after_long_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// `--secret`, read by [`crate::binding::parse_secret`].
    #[arg(long, value_name = "BINDING", help = SECRET, long_help = SECRET_LONG)]
    pub secret: Vec<String>,

    /// Another text for the placeholder of a secret, for programs that check its form: NAME=TEXT
    #[arg(long, value_name = "NAME=TEXT")]
    pub placeholder: Vec<String>,

    /// `--allow`, read by [`crate::binding::parse_allow`].
    #[arg(long, value_name = "HOST", help = "A host that may be reached without a credential: HOST[:PORT]")]
    pub allow: Vec<String>,

    /// The proxy's configuration instead of --secret and --allow
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Append one JSON line per request to FILE; `-` for standard error
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,

    /// For each refusal, print the flag that would allow it
    #[arg(long)]
    pub explain: bool,

    /// Weaker: no isolation, only variables that a program may ignore
    #[arg(long)]
    pub cooperative: bool,

    /// Print the proxy's configuration and stop
    #[arg(long)]
    pub print_config: bool,

    /// The program and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

const SECRET: &str = "A credential and where it may go: NAME[=SOURCE]@HOST[:PORT][,HOST…][/PLACE[+PLACE…]]";

const SECRET_LONG: &str = "\
A credential and where it may go: NAME[=SOURCE]@HOST[:PORT][,HOST…][/PLACE[+PLACE…]]

NAME is the variable that holds the placeholder inside. SOURCE is env:VAR, file:PATH or cmd:COMMAND, by default the \
variable NAME. HOST may be *.example.com; port 443 and TLS unless :PORT or http:// says otherwise. PLACE is \
header:NAME, basic, query, query:NAME, path or body, by default the well-known credential headers, Basic included.";

const RUN_EXAMPLES: &str = "\
Examples:
  centaur run --secret GITHUB_TOKEN@api.github.com -- sh -c 'curl -H \"Authorization: Bearer $GITHUB_TOKEN\" …'
  centaur run --secret T=file:/run/secrets/t@api.example.com:8443/header:X-Key -- ./agent
  centaur run --secret 'K=cmd:pass show maps@maps.example.com/query' --allow pypi.org -- python3 app.py
  centaur run --config egress.yaml --audit audit.jsonl -- npm test

The program finds NAME=NAME in its environment and uses that word as if it were the credential. The exit code is
the program's own; 125 means that centaur itself failed, 126 and 127 that the program could not be run or found.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
