//! `centaur attack`: the attack corpus against any proxy that takes this configuration format.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::attack::corpus::Corpus;
use crate::attack::report::Report;
use crate::attack::run::{Aim, Rules, Stage};
use crate::attack::script::Listener;
use crate::attack::target::{Target, write_config};
use crate::attack::{AttackError, io};
use crate::printer;

/// Arguments of `centaur attack`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct AttackArgs {
    /// A proxy program; it is started with each profile in turn
    #[arg(long, value_name = "PATH", conflicts_with = "proxy")]
    pub proxy_bin: Option<PathBuf>,

    /// Tunnel listener of a proxy that runs with the files of --write-profile
    #[arg(long, value_name = "ADDR")]
    pub proxy: Option<SocketAddr>,

    /// Its cleartext listener
    #[arg(long, value_name = "ADDR", requires = "proxy")]
    pub http: Option<SocketAddr>,

    /// Its TLS listener
    #[arg(long, value_name = "ADDR", requires = "proxy")]
    pub https: Option<SocketAddr>,

    /// Write configuration and certificates of a profile for a proxy that you start, wait for it, and attack it
    #[arg(long, value_name = "DIR", requires = "proxy")]
    pub write_profile: Option<PathBuf>,

    /// Where the standard error of a running proxy goes, to count its audit lines and search them for the value
    #[arg(long, value_name = "FILE", requires = "proxy")]
    pub log: Option<PathBuf>,

    /// Which profile a running proxy has
    #[arg(long, default_value = "base")]
    pub profile: String,

    /// Only entries whose id or class contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,

    /// A corpus from this folder instead of the built-in one
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,

    /// Do not count audit lines
    #[arg(long)]
    pub no_audit: bool,

    /// How long the proxy may take to answer, to close, or to write an audit line
    #[arg(long, value_name = "MILLISECONDS", default_value = "4000")]
    pub patience: u64,
}

impl AttackArgs {
    fn rules(&self) -> Rules {
        Rules { audit: !self.no_audit, patience: std::time::Duration::from_millis(self.patience) }
    }
}

const EXAMPLES: &str = "\
Examples:
  centaur attack --proxy-bin target/release/iron-proxy
  centaur attack --proxy-bin ./other-proxy --no-audit --only smuggling
  centaur attack --write-profile /tmp/p --proxy 127.0.0.1:3128 --http 127.0.0.1:8080 --https 127.0.0.1:8443

The last one says how to start the proxy, waits for it, and plays the entries of one profile.
The exit code is 0 when nothing is broken, 1 when something is, 125 when the corpus could not be played.";

/// Plays the corpus and prints the page. The code is the program's.
pub fn run(args: &AttackArgs) -> u8 {
    match play(args) {
        Ok(report) => {
            printer::out_raw(report.text());
            u8::from(report.broken() > 0)
        }
        Err(error) => {
            printer::error(&error);
            super::EXIT_OURS
        }
    }
}

fn play(args: &AttackArgs) -> Result<Report, AttackError> {
    let corpus = match &args.corpus {
        Some(dir) => Corpus::from_dir(dir)?,
        None => Corpus::built_in()?,
    };
    let only = args.only.as_deref();
    if let Some(program) = &args.proxy_bin {
        let dir = tempfile::tempdir().map_err(io("making a directory"))?;
        let stage = Stage::set_up(dir.path(), args.rules())?;
        let played = stage.play(&corpus, Aim::Program(program.clone()), "", only)?;
        return Ok(Report::new(&program.display().to_string(), &played));
    }
    let (Some(proxy), Some(dir)) = (args.proxy, &args.write_profile) else {
        return Err(AttackError::Usage(
            "give --proxy-bin PATH, or --proxy ADDR with --write-profile DIR".to_owned(),
        ));
    };
    let played = against_running(args, &corpus, proxy, dir)?;
    Ok(Report::new(&proxy.to_string(), &played))
}

fn against_running(
    args: &AttackArgs,
    corpus: &Corpus,
    proxy: SocketAddr,
    dir: &Path,
) -> Result<Vec<crate::attack::run::Played>, AttackError> {
    let profile = corpus
        .profiles
        .iter()
        .find(|profile| profile.name == args.profile)
        .ok_or_else(|| AttackError::Usage(format!("no profile {}", args.profile)))?;
    let mut listeners = HashMap::from([(Listener::Tunnel, proxy)]);
    listeners.extend(args.http.map(|addr| (Listener::Http, addr)));
    listeners.extend(args.https.map(|addr| (Listener::Https, addr)));
    // Whoever listens there now knows nothing of the certificates and ports about to be written.
    if let Some(addr) = listeners.values().find(|addr| listens(addr)) {
        return Err(AttackError::Usage(format!(
            "somebody listens at {addr} already; start the proxy when told to"
        )));
    }
    std::fs::create_dir_all(dir).map_err(io("making the profile's directory"))?;
    let dir = dir.canonicalize().map_err(io("finding the profile's directory"))?;
    let mut stage = Stage::set_up(&dir, args.rules())?;
    for (listener, addr) in &listeners {
        stage.variables().set(&format!("listen_{}", listener.name()), addr.to_string());
    }
    let config = write_config(profile, &profile.extra, stage.variables(), &dir)?;
    printer::note("start the proxy now:");
    printer::note(command(&stage, &config, args.log.as_deref())?);
    for addr in listeners.values() {
        wait_for(addr);
    }
    let target = Target::running(listeners, args.log.as_deref())?;
    stage.play(corpus, Aim::Running(target), &args.profile, args.only.as_deref())
}

/// A line for a shell.
fn command(stage: &Stage, config: &Path, log: Option<&Path>) -> Result<String, AttackError> {
    let quoted = |text: &str| {
        let quoted = shlex::try_quote(text).map(std::borrow::Cow::into_owned);
        quoted.map_err(|error| AttackError::Usage(format!("{text:?}: {error}")))
    };
    let mut line = "env".to_owned();
    for (name, value) in stage.environment() {
        line.extend([" ", &quoted(&format!("{name}={value}"))?]);
    }
    line.extend([" iron-proxy -config ", &quoted(&config.to_string_lossy())?]);
    if let Some(log) = log {
        line.extend([" 2> ", &quoted(&log.to_string_lossy())?]);
    }
    Ok(line)
}

/// Until somebody listens; the user ends it otherwise.
fn wait_for(addr: &SocketAddr) {
    while !listens(addr) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn listens(addr: &SocketAddr) -> bool {
    std::net::TcpStream::connect(addr).is_ok()
}
