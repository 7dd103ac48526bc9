//! The command line, as clap sees it. What the words mean is decided in [`crate::settings`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Any program, with credentials it never holds.
#[derive(Debug, Parser)]
#[command(name = "centaur", version, disable_version_flag = true, max_term_width = 100, after_help = FIRST_STEPS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const FIRST_STEPS: &str = "\
`centaur demo` shows what it is about. `centaur run --help` has examples for your own programs, and
`centaur up` keeps who may use what for all of them.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program that holds placeholders and reaches only the hosts that you name
    Run(RunArgs),
    /// Keep principals, grants and secrets on this machine: a console, and a proxy that obeys it
    Up(UpArgs),
    /// Check this machine: does the isolation hold, do language runtimes trust the proxy
    #[command(subcommand)]
    Doctor(Doctor),
    /// Show the proxy at work, on loopback and with a made-up key
    Demo,
    /// Play hostile clients against a proxy and report what it let through
    Attack(crate::commands::attack::AttackArgs),
    /// Manage who may use what, at a console; same as `centaur-perms` (`centaur perms --help`)
    #[command(disable_help_flag = true)]
    Perms {
        /// Arguments of centaur-perms
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the console alone, as its variables say; same as `centaur-console`
    #[command(disable_help_flag = true)]
    Console {
        /// Arguments of centaur-console
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the token broker alone, with a file; same as `iron-token-broker` (`centaur broker --help`)
    #[command(disable_help_flag = true)]
    Broker {
        /// Arguments of iron-token-broker
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the proxy alone, with a file; same as `iron-proxy` (`centaur proxy -help`)
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
    /// Try each language runtime found here on a TLS host behind the proxy; name the fix for each that fails
    Trust,
}

/// Arguments of `centaur up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Where everything is kept; by default `centaur` in $XDG_DATA_HOME or ~/.local/share [env: CENTAUR_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Added to the ports, 3000 (console) and 3128 (proxy)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port_offset: u16,

    /// Listen on ports that are free, whatever they are
    #[arg(long, conflicts_with = "port_offset")]
    pub any_port: bool,
}

/// Arguments of `centaur run`.
#[derive(Debug, Args)]
#[command(after_long_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// `--secret`, read by [`crate::binding::parse_secret`].
    #[arg(long, value_name = "BINDING", help = SECRET, long_help = SECRET_LONG)]
    pub secret: Vec<String>,

    /// Another placeholder than the word NAME, for programs that check the form of a key; may be repeated
    #[arg(long, value_name = "NAME=TEXT")]
    pub placeholder: Vec<String>,

    /// `--allow`, read by [`crate::binding::parse_allow`].
    #[arg(long, value_name = "HOST", help = ALLOW)]
    pub allow: Vec<String>,

    /// The proxy's YAML instead of --secret, --placeholder and --allow; with --principal, all of it but transforms
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Use the credentials granted to this principal of a console, a foreign id or `prn_…`
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,

    /// With --principal: the console, instead of that of `centaur up`; its key is in IRON_CONTROL_API_KEY or
    /// IRON_CONTROL_API_KEY_FILE [env: IRON_CONTROL_URL]
    #[arg(long, value_name = "URL", requires = "principal")]
    pub console: Option<String>,

    /// With --principal: the data directory of `centaur up` [env: CENTAUR_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Append one JSON line per request to FILE; `-` for standard error
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,

    /// For each refusal, print the flag that would allow it; name the variables that were removed
    #[arg(long)]
    pub explain: bool,

    /// Weaker: no isolation, only proxy variables, which a program may ignore
    #[arg(long)]
    pub cooperative: bool,

    /// Print the YAML that the flags stand for, and stop
    #[arg(long)]
    pub print_config: bool,

    /// The program and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

const SECRET: &str = "A credential and where it may go, NAME[=SOURCE]@HOST[/PLACE]; may be repeated";

const ALLOW: &str =
    "A host that may be reached without a credential, HOST[:PORT]; `*` is all; may be repeated";

// Lines that clap does not have to break.
const SECRET_LONG: &str = "\
A credential and where it may go; may be repeated

NAME[=SOURCE]@HOST[:PORT][,HOST[:PORT]…][/PLACE[+PLACE…]]

NAME    the variable that holds the placeholder inside
SOURCE  env:VAR, file:PATH or cmd:COMMAND; without one, the caller's variable NAME
HOST    a name, an address, or *.example.com; TLS on port 443 unless :PORT is given,
        cleartext on port 80 only as http://HOST
PLACE   header:NAME, basic, query, query:NAME, path or body; without one, the headers
        that usually hold credentials, Authorization (Basic included) among them";

const RUN_EXAMPLES: &str = "\
Examples:
  centaur run --secret OPENAI_API_KEY@api.openai.com -- python3 agent.py
  centaur run --secret T=file:/run/secrets/t@api.example.com:8443/header:X-Key -- ./agent
  centaur run --secret 'K=cmd:pass show maps@maps.example.com/query:key' --allow pypi.org -- ./map
  centaur run --principal local -- ./agent
  centaur run --config egress.yaml --audit audit.jsonl -- npm test

The program finds NAME=NAME in its environment and uses that word as if it were the credential; the
proxy puts the value in its place. To use it in a shell, quote it from yours:
  centaur run --secret TOKEN@api.github.com -- sh -c 'curl -H \"Authorization: Bearer $TOKEN\" …'

The exit code is the program's own; 125 means that centaur itself failed, 126 and 127 that the
program could not be run or found.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
