//! The running console: its state, its first boot, its listener.

mod chores;
mod errands;
mod first_boot;
mod key_file;
mod rewrap;
mod serve;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use centaur_broker::Spool;
use centaur_oauth::Client;
use centaur_store::{Actor, Clock, Options, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use crate::sync::SyncCounts;
use errands::Errands;
pub use first_boot::FirstBootError;
pub use rewrap::rewrap;
pub use serve::stop_signal;

use crate::api::FailedAuth;
use crate::broker;
use crate::config::Config;
use crate::consent::Consents;
use crate::metrics::Metrics;
use crate::sign_in::SignIn;
use crate::sync::Engine;

/// What every request may use. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    store: Store,
    config: Arc<Config>,
    failed_auth: FailedAuth,
    engine: Engine,
    metrics: Metrics,
    oauth: Client,
    sign_in: SignIn,
    consents: Consents,
    errands: Errands,
    stopping: watch::Sender<bool>,
}

impl App {
    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn failed_auth(&self) -> &FailedAuth {
        &self.0.failed_auth
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn sign_in(&self) -> &SignIn {
        &self.0.sign_in
    }

    /// What was done for the syncs of proxies.
    pub fn sync_counts(&self) -> SyncCounts {
        self.0.engine.counts()
    }

    /// Calls providers.
    pub(crate) fn oauth(&self) -> &Client {
        &self.0.oauth
    }

    /// What all consents share.
    pub(crate) fn consents(&self) -> &Consents {
        &self.0.consents
    }

    /// What has to end even when nobody waits for it.
    pub(crate) fn errands(&self) -> &Errands {
        &self.0.errands
    }

    /// True from the moment the console was told to stop: who waits should answer.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    fn stop(&self) {
        self.0.stopping.send_replace(true);
    }
}

/// Connections for reading (SQLite), or for everything.
const CONNECTIONS: u32 = 16;
/// How long a request waits for one.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a code that was sent may take to be redeemed and written down once the console was told to stop: half a
/// minute for the provider, ten seconds for what else it is asked, and room for the database.
const ERRANDS: Duration = Duration::from_secs(50);

/// Why the console does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("DATABASE_URL: {0}{because}", because = because(.0))]
    Store(#[from] StoreError),
    /// The sealing keys are not those of the database.
    #[error("CENTAUR_CONSOLE_ENCRYPTION_KEYS: {0}")]
    Keys(#[source] StoreError),
    /// The first user could not be made.
    #[error(transparent)]
    FirstBoot(#[from] FirstBootError),
    /// What credentials are refreshed with.
    #[error("{0}")]
    Broker(String),
    /// There are no random numbers to make keys with.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The address is not free or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// What the engine said, which has no value of any row: nothing was read yet.
fn because(error: &StoreError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// A console that listens and does not answer yet.
pub struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    spool: Option<Spool>,
    notices: Option<Client>,
}

impl Server {
    /// Opens and migrates the database, checks the keys against it, makes the first user, binds.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let oauth = broker::client(&config).map_err(StartError::Broker)?;
        let spool = broker::spool(&config).map_err(StartError::Broker)?;
        let notices = broker::notices(&config).map_err(StartError::Broker)?;
        let sign_in = SignIn::new(&config.browser_keys, &oauth).map_err(|_| StartError::NoRandomness)?;
        let store = open(&config).await?;
        if let Some(user) = &config.first_user {
            first_boot::run(&store, user).await?;
        }
        let listen = config.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| StartError::Listen(listen, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(listen, error))?;
        let (stopping, _) = watch::channel(false);
        let metrics = Metrics::new(&store);
        let (config, failed_auth) = (Arc::new(config), FailedAuth::default());
        let engine = Engine::new(&store, &config, metrics.sync.clone());
        let consents = Consents::new(&config.browser_keys, &oauth)
            .map_err(|error| StartError::Broker(error.to_string()))?;
        let errands = Errands::default();
        let inner = Inner {
            store,
            config,
            failed_auth,
            engine,
            metrics,
            oauth,
            sign_in,
            consents,
            errands,
            stopping,
        };
        Ok(Self { app: App(Arc::new(inner)), listener, address, spool, notices })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state, for looking into it while it is served.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// Serves, and keeps credentials fresh, until `stop` is done; then lets what is under way end: requests for ten
    /// seconds at most, refreshes for as long as the slowest may take and five seconds.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { app, listener, spool, notices, .. } = self;
        crate::consent::resume(&app).await;
        let mut refreshes = broker::start(&app, spool, notices);
        let chores = tokio::spawn(chores::run(app.clone()));
        serve::run(&app, listener, stop).await;
        let errands = app.errands().end(ERRANDS);
        let (ended, ()) = tokio::join!(errands, async { while refreshes.join_next().await.is_some() {} });
        let _ = chores.await;
        if !ended {
            log("warn", "stopped with consents under way", &[]);
        }
        // What proxies told last; a database that is away is not waited for.
        let _ = tokio::time::timeout(PATIENCE, app.engine().end()).await;
        app.store().close().await;
    }
}

/// Opens and migrates the database, and checks the keys against it.
async fn open(config: &Config) -> Result<Store, StartError> {
    let options = Options {
        keys: config.keys.clone(),
        clock: Clock::System,
        connections: CONNECTIONS,
        patience: PATIENCE,
    };
    let store = Store::open(config.database.expose(), options).await?;
    store.write(&Actor::system(), |tx| Box::pin(async move { tx.check_canary().await })).await.map_err(
        |error| if matches!(error, StoreError::Seal(_)) { StartError::Keys(error) } else { error.into() },
    )?;
    Ok(store)
}

/// Has a panic say where it happened and nothing else: what it says may hold what a request held. For programs that
/// do nothing but serve; it holds for the whole process.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        log("error", "panic", &[("at", &at)]);
    }));
}

/// Where the log goes, unless it is standard error.
static LOG: OnceLock<Mutex<Box<dyn io::Write + Send>>> = OnceLock::new();

/// Has the log go to `out` instead of standard error. For the whole process; only the first call has an effect.
pub fn log_to(out: impl io::Write + Send + 'static) {
    let _ = LOG.set(Mutex::new(Box::new(out)));
}

/// One line of JSON in the log. Values are names, ids and numbers, never what a client sent as a secret.
pub fn log(level: &str, message: &str, fields: &[(&str, &str)]) {
    log_line(level, message, fields.iter().map(|(key, value)| (*key, (*value).into())));
}

/// As [`log`], with values that are no texts.
pub(crate) fn log_line<'a>(
    level: &str,
    message: &str,
    fields: impl IntoIterator<Item = (&'a str, serde_json::Value)>,
) {
    let now = Clock::System.now();
    let mut line = serde_json::Map::new();
    line.insert("time".to_owned(), now.to_string().into());
    line.insert("level".to_owned(), level.into());
    line.insert("msg".to_owned(), message.into());
    line.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
    let line = format!("{}\n", serde_json::Value::Object(line));
    // A log that cannot be written must not stop the console.
    let _ = match LOG.get() {
        Some(out) => out.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()),
        None => io::stderr().lock().write_all(line.as_bytes()),
    };
}
