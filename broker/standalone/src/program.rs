//! The program: its arguments, its file, its exit codes.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::api::Bearer;
use crate::app::{self, Broker};
use crate::config::Config;
use crate::log::{self, Level, log};

/// Keeps access tokens fresh and hands them out; refresh tokens stay in writable secret stores.
///
/// SIGHUP reads all documents again, SIGTERM stops in good order. See docs/token-broker.md.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    /// The configuration file, YAML.
    #[arg(long)]
    config: PathBuf,
    /// Hand out tokens to everybody who reaches the port, when the file has no bearer_auth_env.
    #[arg(long)]
    insecure_no_auth: bool,
    /// Say what is wrong with the file and end.
    #[arg(long)]
    check: bool,
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
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in problems {
                // Nobody reads what cannot be written.
                let _ = writeln!(std::io::stderr(), "{program}: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Vec<String>> {
    let path = args.config.display();
    let text = std::fs::read_to_string(&args.config).map_err(|error| vec![format!("{path}: {error}")])?;
    let config = Config::parse(&text).map_err(|problems| {
        problems.iter().map(|problem| format!("{path}: {problem}")).collect::<Vec<_>>()
    })?;
    if args.check {
        return Ok(());
    }
    let bearer = match &config.bearer_auth_env {
        Some(name) => {
            let env = |name: &str| std::env::var(name).ok();
            Some(Bearer::read(name, env).map_err(|error| vec![error.to_string()])?)
        }
        None if args.insecure_no_auth => None,
        None => {
            return Err(vec![format!(
                "{path}: bearer_auth_env is required; --insecure-no-auth hands tokens to everybody who reaches the port"
            )]);
        }
    };
    log::init(config.log_level, config.log_format);
    log::log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| vec![error.to_string()])?;
    runtime.block_on(serve(config, bearer)).map_err(|error| vec![error])
}

async fn serve(config: Config, bearer: Option<Bearer>) -> Result<(), String> {
    if bearer.is_none() {
        log(Level::Warn, "authentication is off: everybody who reaches the port gets tokens", []);
    }
    let credentials = config.credentials.len();
    let broker = Broker::start(config, bearer).await.map_err(|error| error.to_string())?;
    let failed = |error: std::io::Error| format!("signals: {error}");
    let stop = app::stop_signal().map_err(failed)?;
    tokio::spawn(app::reread_on_signal(broker.shelf()).map_err(failed)?);
    let fields = [
        ("address", broker.address().to_string().into()),
        ("metrics_address", broker.metrics_address().map(|address| address.to_string()).into()),
        ("credentials", (credentials as u64).into()),
    ];
    log(Level::Info, "listening", fields);
    broker.run(stop).await;
    Ok(())
}
