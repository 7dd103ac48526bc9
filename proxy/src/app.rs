//! The running program: what all connections share, how it starts, reloads and stops.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use centaur_client::sync::SyncClient;
use centaur_net::chain::Chain;
use centaur_net::dial::Dialer;
use centaur_net::guard::DialGuard;
use centaur_net::resolve::Resolver;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::Audit;
use crate::auth::ClientAuth;
use crate::ca::{Authority, CaError};
use crate::config::{Config, ProxyConfig, Timeouts, TlsMode};
use crate::leaf::Leaves;
use crate::limits::Limiter;
use crate::listen::{self, BindError, Listeners, Sockets};
use crate::log::JSON_MARK;
use crate::managed::Managed;
use crate::managed::apply::Policy;
use crate::managed::keep::Keeper;
use crate::managed::live::{Connection, Ticket};
use crate::managed::run::{Ended, Loop, Traffic};
use crate::managed::settings::Settings;
use crate::managed::timing::{self, Timing};
use crate::metrics::Metrics;
use crate::pipeline::{BuildError, Gate, Pipeline, Used};
use crate::server_tls;
use crate::sink::Sink;
use crate::sources::SourcePool;
use crate::upstream::{ClientTls, Upstream, UpstreamLimits};
use crate::workers::Workers;

/// What all connections share.
pub struct App {
    /// Replaced on reload.
    pub pipeline: ArcSwap<Pipeline>,
    /// Replaced on reload.
    pub auth: ArcSwap<ClientAuth>,
    /// Audit lines.
    pub audit: Audit,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The other leg.
    pub upstream: Arc<Upstream>,
    /// Minted certificates; `None` in sni-only mode.
    pub leaves: Option<Leaves>,
    /// Ends a handshake with an alert.
    pub no_certificate: Arc<ServerConfig>,
    /// Limits and their counters.
    pub limits: Limiter,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Terminate TLS or relay it.
    pub mode: TlsMode,
    /// Tells every task when to finish.
    pub drain: watch::Receiver<Phase>,
    /// In managed mode.
    pub managed: Option<Arc<Managed>>,
    sources: Arc<SourcePool>,
}

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Serving.
    Running,
    /// Finishing what is under way.
    Draining,
    /// Cutting what is left.
    Stopping,
}

/// How to run, beside the configuration.
pub struct Options {
    /// Where audit lines go.
    pub audit: Sink,
    /// Listeners opened by the caller; what is missing is bound from the configuration.
    pub sockets: Sockets,
    /// Trust roots for origins beside the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Serve health and metrics.
    pub metrics: bool,
    /// Reads the configuration again; without it there is no reload.
    pub reload: Option<Reload>,
    /// The sections of the running configuration by name, to tell what a reload cannot change.
    pub sources: SourcePool,
}

/// Reads the configuration again.
pub type Reload = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// A started proxy.
pub struct Running {
    app: Arc<App>,
    addrs: listen::Addresses,
    phase: watch::Sender<Phase>,
    tasks: JoinSet<Result<(), String>>,
    reloader: Arc<Reloader>,
    _workers: Workers,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `building transform pipeline`
    #[error("building transform pipeline: {0}")]
    Pipeline(#[from] BuildError),
    /// `initializing cert cache`
    #[error("initializing cert cache: {0}")]
    CertCache(#[from] CaError),
    /// Client authentication.
    #[error("{0}")]
    ClientAuth(String),
    /// A setting that the configuration's own checks let pass.
    #[error("{0}")]
    Setting(String),
    /// A listener.
    #[error("{0}")]
    Bind(#[from] BindError),
}

impl StartError {
    /// The message under which the reference logs it, and the error beside it.
    pub fn log_parts(&self) -> (&'static str, String) {
        match self {
            Self::Pipeline(error) => ("building transform pipeline", error.to_string()),
            Self::CertCache(error) => ("initializing cert cache", error.to_string()),
            Self::ClientAuth(error) | Self::Setting(error) => ("invalid configuration", error.clone()),
            Self::Bind(error) => ("fatal error", error.to_string()),
        }
    }
}

/// How often idle upstream connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long tasks may take to write their last audit lines after the drain.
const LAST_LINES: Duration = Duration::from_millis(500);

impl App {
    /// In managed mode, notes that `decided` let something through, so that it can be ended when that is no longer
    /// granted. `connection` is ended with it if need be.
    pub fn enter(
        &self,
        connection: Option<&Connection>,
        decided: &Arc<Pipeline>,
        used: impl FnOnce() -> Used,
    ) -> Option<Ticket> {
        let managed = self.managed.as_ref()?;
        let connection = connection.cloned().unwrap_or_default();
        Some(managed.live.enter(used(), connection, decided, || self.pipeline.load_full()))
    }
}

/// Starts everything, or nothing. Must run inside a tokio runtime.
pub fn start(config: Config, options: Options) -> Result<Running, StartError> {
    begin(config, options, None)
}

/// The same with a control plane: everything is refused until it has answered.
pub fn start_managed(config: Config, options: Options, settings: Settings) -> Result<Running, StartError> {
    begin(config, options, Some(settings))
}

fn begin(mut config: Config, options: Options, managed: Option<Settings>) -> Result<Running, StartError> {
    let metrics = Metrics::new();
    let sources = Arc::new(options.sources);
    let transforms = std::mem::take(&mut config.transforms);
    let (pipeline, managed) = match managed {
        None => {
            let pipeline = Pipeline::build(transforms, &config.proxy.harness_logins, &sources)?;
            warn_if_open(&pipeline, &metrics);
            (pipeline, None)
        }
        Some(settings) => {
            let agent = format!("iron-proxy/{}", crate::cli::version());
            let keeper = keeper(&config, &settings)?;
            let console = SyncClient::new(&settings.base, settings.token, &agent)
                .map_err(|e| StartError::Setting(e.to_string()))?;
            let local = Policy::local(transforms, settings.allow_hosts, &sources)
                .answering(config.proxy.harness_logins.clone());
            (Pipeline::closed(Gate::Awaiting), Some((console, local, keeper)))
        }
    };
    let auth = ClientAuth::load(config.proxy.client_auth.as_ref()).map_err(StartError::ClientAuth)?;
    let leaves = leaves(&config)?;
    let resolver = Resolver::new(config.dns.upstream_resolver.as_deref())
        .map_err(|e| StartError::Setting(format!("dns.upstream_resolver: {e}")))?;
    let resolver = Arc::new(resolver);
    if let Some(addr) = &config.dns.upstream_resolver {
        tracing::info!(addr = %addr, "using upstream resolver");
    }
    let guard = DialGuard::parse(&config.proxy.upstream_deny_cidrs)
        .map_err(|e| StartError::Setting(format!("proxy.upstream_deny_cidrs: {e}")))?;
    if !config.proxy.upstream_deny_cidrs.is_empty() {
        let list = serde_json::json!(config.proxy.upstream_deny_cidrs);
        tracing::info!(cidrs = %format!("{JSON_MARK}{list}"), "upstream deny list active");
    }
    let dns = crate::dns::server(&config.dns, &resolver);
    let listeners = Listeners::bind(&config, options.sockets, options.metrics, dns.is_some())?;
    let dialer = Dialer::new(Arc::new(guard), resolver, config.proxy.timeouts.dial);
    let upstream =
        Upstream::new(dialer, chain(&config)?, ClientTls::new(options.extra_roots), limits(&config));
    let workers = Workers::start().map_err(|e| StartError::Setting(format!("starting threads: {e}")))?;
    let (phase, drain) = watch::channel(Phase::Running);
    let app = Arc::new(App {
        pipeline: ArcSwap::from_pointee(pipeline),
        auth: ArcSwap::from_pointee(auth),
        audit: Audit::new(options.audit, metrics.clone()),
        metrics,
        upstream,
        leaves,
        no_certificate: server_tls::without_certificate(),
        limits: Limiter::new(config.proxy.limits.clone()),
        timeouts: config.proxy.timeouts.clone(),
        mode: config.tls.mode,
        drain,
        managed: managed.is_some().then(Arc::default),
        sources,
    });
    let reloader = Arc::new(Reloader { app: app.clone(), read: options.reload, fixed: fixed_parts(&config) });
    let addrs = listeners.addresses();
    listeners.log_start(&config);
    let names = app.pipeline.load().names();
    if !names.is_empty() && managed.is_none() {
        tracing::info!(transforms = %names, "transform pipeline");
    }
    let mut tasks = JoinSet::new();
    listeners.serve(&app, dns, &reloader, &workers.dispatch(), &mut tasks);
    tasks.spawn(sweep(app.clone()));
    if let (Some((console, local, keeper)), Some(managed)) = (managed, app.managed.clone()) {
        if keeper.is_some() {
            managed.status.keeps();
        }
        let obeying = Loop {
            console,
            traffic: InForce(app.clone()),
            timing: Timing::new(config.poll_interval, timing::chance()),
            managed,
            local,
            sources: app.sources.clone(),
            keeper,
            drain: app.drain.clone(),
        };
        tasks.spawn(async move {
            match obeying.run().await {
                Ended::Draining => Ok(()),
                Ended::Revoked => Err("the control plane has revoked this proxy".to_owned()),
            }
        });
    }
    Ok(Running { app, addrs, phase, tasks, reloader, _workers: workers })
}

/// Puts policies of the control plane in force.
struct InForce(Arc<App>);

impl InForce {
    /// Ends what `pipeline`, which is in force, does not grant; how much that was.
    fn end_others(&self, pipeline: &Pipeline) -> usize {
        let Some(managed) = &self.0.managed else { return 0 };
        let ended = managed.live.sweep(pipeline);
        if ended > 0 {
            tokio::spawn(managed.live.clone().finish());
        }
        ended
    }
}

impl Traffic for InForce {
    fn decide_by(&self, pipeline: Pipeline) -> usize {
        let pipeline = Arc::new(pipeline);
        self.0.pipeline.store(pipeline.clone());
        self.0.metrics.set_credentials_withdrawn(false);
        self.end_others(&pipeline)
    }

    fn withdraw(&self) -> usize {
        let pipeline = self.0.pipeline.load_full();
        pipeline.withdraw();
        self.0.metrics.set_credentials_withdrawn(true);
        self.end_others(&pipeline)
    }

    fn synced(&self, result: &'static str) {
        self.0.metrics.synced(result);
    }
}

/// `control_plane.last_known_good`, if there is one.
fn keeper(config: &Config, settings: &Settings) -> Result<Option<Keeper>, StartError> {
    let Some(path) = config.last_known_good.clone() else { return Ok(None) };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if path.is_dir() || directory.is_some_and(|directory| !directory.is_dir()) {
        return Err(StartError::Setting(format!(
            "control_plane.last_known_good: {} must be a file in a directory that exists",
            path.display()
        )));
    }
    let token = settings.token.copy();
    Ok(Some(Keeper::new(path, settings.base.clone(), token, Box::new(std::time::SystemTime::now))))
}

fn warn_if_open(pipeline: &Pipeline, metrics: &Metrics) {
    metrics.set_allow_all(!pipeline.has_allowlist());
    if !pipeline.has_allowlist() {
        tracing::warn!(
            "no allowlist is configured: every host is allowed; add a transform named allowlist to restrict it"
        );
    }
}

fn leaves(config: &Config) -> Result<Option<Leaves>, StartError> {
    let (Some(cert), Some(key)) = (&config.tls.ca_cert, &config.tls.ca_key) else { return Ok(None) };
    if config.tls.mode == TlsMode::SniOnly {
        tracing::warn!("tls.ca_cert and tls.ca_key are ignored when tls.mode=sni-only");
        return Ok(None);
    }
    let authority = Authority::load(cert, key)?;
    let client_ca = config.proxy.client_auth.as_ref().and_then(|auth| auth.client_ca.as_deref());
    let base = server_tls::base(client_ca).map_err(StartError::ClientAuth)?;
    Ok(Some(Leaves::new(authority, base, config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours)))
}

fn chain(config: &Config) -> Result<Chain, StartError> {
    let proxy = &config.proxy.upstream_proxy;
    Chain::parse(&proxy.http_proxy, &proxy.https_proxy, &proxy.no_proxy)
        .map_err(|e| StartError::Setting(format!("proxy.upstream_proxy: {e}")))
}

fn limits(config: &Config) -> UpstreamLimits {
    let timeouts = &config.proxy.timeouts;
    UpstreamLimits {
        response_header: config.proxy.upstream_response_header_timeout,
        tls_handshake: timeouts.tls_handshake,
        stalled_body: timeouts.stalled_body,
        idle_stream: timeouts.idle_tunnel,
    }
}

async fn sweep(app: Arc<App>) -> Result<(), String> {
    let mut drain = app.drain.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => app.upstream.sweep(),
            _ = drain.wait_for(|phase| *phase != Phase::Running) => return Ok(()),
        }
    }
}

/// What a reload cannot change, as comparable text per section. Never logged.
fn fixed_parts(config: &Config) -> Vec<(&'static str, String)> {
    let chained = &config.proxy.upstream_proxy;
    vec![
        ("dns", format!("{:?}", config.dns)),
        // Without what a reload does change.
        (
            "proxy",
            format!(
                "{:?}",
                ProxyConfig { client_auth: None, harness_logins: Arc::default(), ..config.proxy.clone() }
            ),
        ),
        // Apart, since these addresses may hold passwords and are hidden in the text above.
        (
            "proxy.upstream_proxy",
            [&chained.http_proxy, &chained.https_proxy, &chained.no_proxy].map(String::as_str).join(" "),
        ),
        ("tls", format!("{:?}", config.tls)),
        ("metrics", config.metrics_listen.clone()),
        ("management", format!("{:?}", config.management)),
        ("log", config.log_level.to_string()),
    ]
}

/// Applies a new configuration to a running proxy: all of it that can change, or nothing.
pub struct Reloader {
    app: Arc<App>,
    read: Option<Reload>,
    fixed: Vec<(&'static str, String)>,
}

/// What asked for a reload; the log says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// `POST /v1/reload`; its lines are those of the reference.
    Management,
    /// `SIGHUP`, which the reference does not handle.
    Hangup,
}

impl Trigger {
    /// How lines about the attempt begin, and how the line about its success ends.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Management => ("management", "management API"),
            Self::Hangup => ("SIGHUP", "SIGHUP"),
        }
    }
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// There is no file to read again.
    #[error("there is no configuration file to re-read")]
    NoFile,
    /// The new configuration is not valid.
    #[error("{0}")]
    Invalid(String),
}

impl Reloader {
    /// Reads, checks, builds, then swaps. Requests under way keep what they started with.
    pub fn reload(&self, trigger: Trigger) -> Result<(), ReloadError> {
        let outcome = self.apply(trigger);
        self.app.metrics.reloaded(outcome.is_ok());
        let (by, _) = trigger.words();
        match &outcome {
            Ok(()) => tracing::info!("{by} reload succeeded"),
            Err(error) => tracing::warn!(error = %error, "{by} reload rejected invalid config"),
        }
        outcome
    }

    fn apply(&self, trigger: Trigger) -> Result<(), ReloadError> {
        let read = self.read.as_ref().ok_or(ReloadError::NoFile)?;
        let mut config = read().map_err(ReloadError::Invalid)?;
        let transforms = std::mem::take(&mut config.transforms);
        self.app.sources.reload();
        let pipeline = Pipeline::build(transforms, &config.proxy.harness_logins, &self.app.sources)
            .map_err(|error| ReloadError::Invalid(error.to_string()))?;
        let auth = ClientAuth::load(config.proxy.client_auth.as_ref()).map_err(ReloadError::Invalid)?;
        let changed: Vec<_> = fixed_parts(&config)
            .into_iter()
            .zip(&self.fixed)
            .filter(|(new, old)| new.1 != old.1)
            .map(|(new, _)| new.0)
            .collect();
        if !changed.is_empty() {
            tracing::warn!(sections = %changed.join(", "), "changes in these sections take effect at the next start");
        }
        warn_if_open(&pipeline, &self.app.metrics);
        let names = pipeline.names();
        self.app.pipeline.store(Arc::new(pipeline));
        self.app.auth.store(Arc::new(auth));
        let (_, via) = trigger.words();
        tracing::info!(transforms = %names, postgres_listener = false, "pipeline reloaded via {via}");
        Ok(())
    }
}

impl Running {
    /// Where it listens.
    pub fn addrs(&self) -> &listen::Addresses {
        &self.addrs
    }

    /// What its connections share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Reloads on demand.
    pub fn reloader(&self) -> Arc<Reloader> {
        self.reloader.clone()
    }

    /// Waits until a listener dies; returns what happened.
    pub async fn failed(&mut self) -> String {
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(panic) => return format!("a background task ended: {panic}"),
            }
        }
        std::future::pending().await
    }

    /// Finishes what is under way, within the configured limit; then cuts the rest. Returns false when requests
    /// had to be cut.
    pub async fn shutdown(mut self) -> bool {
        let _ = self.phase.send(Phase::Draining);
        let deadline = tokio::time::Instant::now() + self.app.timeouts.shutdown;
        let mut clean = true;
        while self.app.metrics.requests_in_flight() > 0 {
            if tokio::time::Instant::now() >= deadline {
                clean = false;
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = self.phase.send(Phase::Stopping);
        let last = tokio::time::Instant::now() + LAST_LINES;
        while self.app.metrics.open_connections() > 0 && tokio::time::Instant::now() < last {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.tasks.abort_all();
        clean
    }
}
