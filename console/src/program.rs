//! The program `centaur-console`: reads its settings, opens its database and serves until it is told to stop; or seals
//! everything anew.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::app::{self, Server};
use crate::config::Config;

/// The console: a JSON API for principals, secrets and grants, and what proxies get of them.
///
/// Everything else is set by the environment: see docs/console.md.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    /// Seal with a key that everybody knows, when no key is set. For trying things out.
    #[arg(long, global = true)]
    dev: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the OpenAPI document of the API, which needs no settings.
    Openapi,
    /// Seal all that is stored with the first of the keys, while consoles serve; may be stopped and started again.
    Rewrap {
        /// Values per transaction.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        batch: u32,
    },
}

/// Runs it under the name `program`; `args` are those behind it. The exit code is 0 after SIGTERM or SIGINT, 1 when it
/// does not start and 2 for arguments it does not know.
pub fn main(program: &str, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words = std::iter::once(OsString::from(program)).chain(args);
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if help { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    app::log_panics();
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(run(&args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            // Nobody reads what cannot be written.
            let _ = writeln!(std::io::stderr(), "{program}: {text}");
            ExitCode::FAILURE
        }
    }
}

/// A proxy that waits holds a connection, and services are commonly started with a soft limit of 1,024.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, the limit is what it was.
    let _ = setrlimit(Resource::Nofile, limit);
}

async fn run(args: &Args) -> Result<(), String> {
    if let Some(Command::Openapi) = args.command {
        return print_openapi();
    }
    let config =
        Config::from_env(|name| std::env::var(name).ok(), args.dev).map_err(|error| error.to_string())?;
    match args.command {
        None | Some(Command::Openapi) => serve(config).await,
        Some(Command::Rewrap { batch }) => rewrap(&config, batch).await,
    }
}

fn print_openapi() -> Result<(), String> {
    writeln!(std::io::stdout(), "{:#}", crate::openapi_document()).map_err(|error| error.to_string())
}

async fn serve(config: Config) -> Result<(), String> {
    let server = Server::start(config).await.map_err(|error| error.to_string())?;
    let stop = app::stop_signal().map_err(|error| format!("signals: {error}"))?;
    app::log("info", "listening", &[("address", &server.address().to_string())]);
    server.serve(stop).await;
    Ok(())
}

async fn rewrap(config: &Config, batch: u32) -> Result<(), String> {
    let done = app::rewrap(config, batch).await.map_err(|error| error.to_string())?;
    let (key, current, outdated) = (config.keys.primary(), done.current, done.outdated);
    let text = format!("{current} values are under the key {key:?}; {outdated} were under others");
    writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_descriptors_are_used_as_are_allowed() {
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
