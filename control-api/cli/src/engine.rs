//! The proxy, in this process: its configuration loaded for one run, started on the listeners it is given.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use centaur_base::Secret;
use centaur_policies::spec::{SecretMode, SecretSpec, SourceKind, TransformSpec};
use iron_proxy::app::{self, Options, Running, StartError};
use iron_proxy::config::{ClientAuthConfig, Config, ConfigErrors, TokenSource};
use iron_proxy::listen::Sockets;
use iron_proxy::managed::settings::Settings;
use iron_proxy::sink::Sink;
use iron_proxy::sources::{BROKER_TOKEN_ENV, Source, SourcePool};
use rustls::pki_types::CertificateDer;
use tokio::runtime::Runtime;

use crate::sandbox::Listeners;
use crate::session::Session;

/// Connections have threads of their own; this one accepts them, answers DNS and runs sources.
const WORKERS: usize = 1;
/// A first answer of a console that takes longer does not come.
const FIRST_SYNC: Duration = Duration::from_secs(15);
/// How long requests may go on when the program that made them is gone.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The configuration, with everything that is wrong with it.
    #[error("{0}")]
    Config(ConfigErrors),
    /// What it needs was not there.
    #[error("the proxy did not start: {0}")]
    Start(#[from] StartError),
    /// No policy from the console.
    #[error("{0}")]
    Sync(String),
    /// Threads or polling.
    #[error("the proxy did not start: {0}")]
    Runtime(#[from] io::Error),
}

/// Loads `text` for a run: with the session's CA unless the text names one, the session's client token, and a DNS
/// server exactly when the program is isolated.
///
/// # Errors
/// Every problem of the text.
pub fn load(text: &str, session: &Session, enforced: bool) -> Result<Config, EngineError> {
    let dns = if enforced { "true" } else { "false" };
    let variable = |name: &str| match name {
        "IRON_DNS_ENABLED" => Some(dns.to_owned()),
        "IRON_DNS_PROXY_IP" => Some("127.0.0.1".to_owned()),
        name => std::env::var(name).ok(),
    };
    let with_ca = |name: &str| match name {
        "IRON_TLS_CA_CERT" => Some(session.ca_cert()),
        "IRON_TLS_CA_KEY" => Some(session.ca_key()),
        name => variable(name),
    };
    // The environment wins over the text, so our CA is offered only to a text that cannot do without.
    let loaded = Config::parse(text, &variable).or_else(|_| Config::parse(text, &with_ca));
    let mut config = loaded.map_err(EngineError::Config)?.config;
    // Inside there is one way: a name that was looked up for real would lead to an address that goes nowhere.
    config.dns.passthrough.clear();
    config.management = None;
    config.proxy.transparent_listen = None;
    config.proxy.timeouts.shutdown = DRAIN;
    let loopback = [
        ipnet::IpNet::from(ipnet::Ipv4Net::new_assert([127, 0, 0, 0].into(), 8)),
        ipnet::IpNet::from(ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128)),
    ];
    config.proxy.client_auth = Some(ClientAuthConfig {
        token: Some(TokenSource::File(session.token_file().into())),
        client_ca: None,
        // Inside, only the program can connect at all; and many clients cannot authenticate to what they take for
        // the origin.
        allow_cidrs: if enforced { loopback.to_vec() } else { Vec::new() },
    });
    Ok(config)
}

/// A secret as a configuration has it.
pub struct Held {
    /// The variable it is read from, if it is one.
    pub variable: Option<String>,
    /// The file it is read from, if it is one.
    pub file: Option<PathBuf>,
    /// The placeholder, if there is one.
    pub placeholder: Option<String>,
}

/// All secrets of a configuration.
pub fn held(config: &Config) -> Vec<Held> {
    secrets(config).map(held_one).collect()
}

fn secrets(config: &Config) -> impl Iterator<Item = &SecretSpec> {
    let specs = config.transforms.iter().filter_map(|(_, transform)| match transform {
        TransformSpec::Secrets(specs) => Some(specs),
        _ => None,
    });
    specs.flatten()
}

/// A value that was fetched before the proxy started, and the program that gave it.
pub struct Fetched {
    /// Program and arguments, as the `cmd` source has them.
    pub argv: Vec<String>,
    /// What it printed.
    pub value: Secret<String>,
}

/// Gives the sources what was fetched for them already, so that no program runs twice at the start. What this gives
/// keeps the sources until the proxy has them.
fn preset(pool: &SourcePool, config: &Config, fetched: &[Fetched]) -> Vec<Arc<Source>> {
    let known = |spec: &SecretSpec| {
        let SourceKind::Cmd { argv } = &spec.source.kind else { return None };
        let found = fetched.iter().find(|found| found.argv == *argv)?;
        Some(pool.preset(&spec.source, Secret::new(found.value.expose().clone())))
    };
    secrets(config).filter_map(known).collect()
}

fn held_one(spec: &SecretSpec) -> Held {
    let (variable, file) = match &spec.source.kind {
        SourceKind::Env { var } => (Some(var.clone()), None),
        SourceKind::File { path } => (None, Some(path.clone())),
        // With it, the program could ask the broker for every token there is.
        SourceKind::TokenBroker { .. } => (Some(BROKER_TOKEN_ENV.to_owned()), None),
        SourceKind::Cmd { .. } | SourceKind::ControlPlane { .. } => (None, None),
    };
    let placeholder = match (&spec.mode, &spec.source.kind) {
        // The variable is not what is replaced.
        (_, SourceKind::TokenBroker { .. }) | (SecretMode::Inject(_), _) => None,
        (SecretMode::Replace(replace), _) => Some(replace.placeholder.clone()),
    };
    Held { variable, file, placeholder }
}

/// Waits until the console has answered once and the answer is in force.
///
/// # Errors
/// What went wrong, when that takes longer than `patience`.
pub async fn first_sync(running: &Running, patience: Duration) -> Result<(), String> {
    let Some(managed) = &running.app().managed else { return Ok(()) };
    let until = tokio::time::Instant::now() + patience;
    while !managed.status.is_ready() {
        let facts = managed.status.snapshot();
        if facts.revoked || tokio::time::Instant::now() > until {
            let why = facts.last_error.map_or_else(|| "no answer in time".to_owned(), |error| error.message);
            return Err(format!("the proxy has no configuration: {why}"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// A started proxy.
pub struct Engine {
    running: Running,
    runtime: Runtime,
    audit: Sink,
}

impl Engine {
    /// Starts on `listeners`, with the values in `fetched`; audit lines go to `audit`, its own log to standard error.
    /// With `managed`, the policy is the console's, and it is in force when this returns.
    ///
    /// # Errors
    /// See [`EngineError`]; nothing runs then.
    pub fn start(
        config: Config,
        fetched: &[Fetched],
        listeners: Listeners,
        audit: impl Write + Send + 'static,
        extra_roots: Vec<CertificateDer<'static>>,
        managed: Option<Settings>,
    ) -> Result<Self, EngineError> {
        iron_proxy::log::init(config.log_level, Sink::stderr());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        let audit = Sink::new(audit);
        let Listeners { http, https, tunnel, dns_udp, dns_tcp } = listeners;
        let sources = SourcePool::default();
        let _held = preset(&sources, &config, fetched);
        let options = Options {
            audit: audit.clone(),
            sockets: Sockets { http, https, tunnel, dns_udp, dns_tcp },
            extra_roots,
            metrics: false,
            reload: None,
            sources,
        };
        let running = {
            let _inside = runtime.enter();
            match managed {
                None => app::start(config, options)?,
                Some(settings) => app::start_managed(config, options, settings)?,
            }
        };
        runtime.block_on(first_sync(&running, FIRST_SYNC)).map_err(EngineError::Sync)?;
        Ok(Self { running, runtime, audit })
    }

    /// Stops, with the last audit lines written.
    pub fn stop(self) {
        self.runtime.block_on(self.running.shutdown());
        self.audit.flush();
        self.runtime.shutdown_background();
    }
}
