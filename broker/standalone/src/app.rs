//! The running broker: its listeners, its engine, its signals.

use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use centaur_broker::{Engine, Event, Options};
use centaur_oauth::{Client, ClientOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::{Api, Bearer, Listener, Port};
use crate::config::Config;
use crate::log::{Level, log};
use crate::metrics::Metrics;
use crate::shelf::Shelf;

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct StartError {
    what: String,
    why: String,
}

impl StartError {
    fn new(what: impl Into<String>, why: impl Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}

/// A broker that listens and does not answer yet.
#[derive(Debug)]
pub struct Broker {
    shelf: Shelf,
    client: Client,
    metrics: Arc<Metrics>,
    bearer: Option<Arc<Bearer>>,
    tokens: Listener,
    numbers: Option<Listener>,
}

impl Broker {
    /// Binds, and makes what calls token endpoints. Stores are not touched yet. `bearer` is `None` to let everybody in.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config, bearer: Option<Bearer>) -> Result<Self, StartError> {
        let client = Client::new(ClientOptions {
            rules: config.endpoints,
            https_proxy: config.https_proxy,
            no_proxy: config.no_proxy,
            extra_roots: Vec::new(),
        })
        .map_err(|error| StartError::new("upstream_proxy.https_proxy", error))?;
        let shelf = Shelf::new(config.credentials).map_err(|error| StartError::new("randomness", error))?;
        let tokens = bind("listen", &config.listen).await?;
        let numbers = match &config.metrics_listen {
            Some(address) => Some(bind("metrics_listen", address).await?),
            None => None,
        };
        let (metrics, bearer) = (Arc::new(Metrics::new()), bearer.map(Arc::new));
        Ok(Self { shelf, client, metrics, bearer, tokens, numbers })
    }

    /// Where tokens are asked for.
    pub fn address(&self) -> SocketAddr {
        self.tokens.address()
    }

    /// Where metrics are asked for.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.numbers.as_ref().map(Listener::address)
    }

    /// The credentials, for looking into them while they are served.
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// Serves until `stop` is done. Then no refresh begins any more, and those under way are stored while tokens are
    /// still served; then the listeners close.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { shelf, client, metrics, bearer, tokens, numbers } = self;
        let (end, ended) = watch::channel(false);
        let api = Api { shelf: shelf.clone(), bearer, metrics: metrics.clone(), port: Port::Tokens };
        let other = Api { port: Port::Metrics, ..api.clone() };
        let numbers = async {
            if let Some(listener) = numbers {
                listener.serve(other, ended.clone()).await;
            }
        };
        let observer = Box::new(move |event: &Event<'_>| {
            metrics.observe(event);
            tell(event);
        });
        let engine = Engine::new(shelf.clone(), client, Options { observer, ..Options::default() });
        let work = async {
            let told = async {
                stop.await;
                shelf.stop();
                log(Level::Info, "stopping", []);
            };
            tokio::select! {
                () = engine.run(told) => {}
                _ = shelf.keep() => {}
            }
            end.send_replace(true);
        };
        tokio::join!(work, tokens.serve(api, ended.clone()), numbers);
    }
}

async fn bind(key: &str, address: &str) -> Result<Listener, StartError> {
    Listener::bind(address)
        .await
        .map_err(|error| StartError::new(format!("{key}: cannot listen on {address}"), error))
}

/// Done when the process gets SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

/// Has every document read again at each SIGHUP.
///
/// # Errors
/// When the signal cannot be listened for.
pub fn reread_on_signal(shelf: Shelf) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            log(Level::Info, "reading all documents again", []);
            shelf.reread();
        }
    })
}

/// Writes what the engine tells to the log.
fn tell(event: &Event<'_>) {
    match event {
        Event::Interrupted { key } => log(
            Level::Warn,
            "an earlier attempt was interrupted; the refresh token may be used up",
            [("credential", (*key).into())],
        ),
        Event::Concluded { key, result, code, took, unsaved } => {
            let level = match *result {
                "success" => Level::Info,
                "dead" => Level::Error,
                _ => Level::Warn,
            };
            let fields = [
                ("credential", (*key).into()),
                ("result", (*result).into()),
                ("code", (*code).into()),
                ("took_ms", (took.as_millis() as u64).into()),
                ("unsaved_us", (unsaved.as_micros() as u64).into()),
            ];
            log(level, "refresh", fields);
        }
        Event::Superseded { key } => log(
            Level::Warn,
            "the outcome of a refresh was dropped: the store holds another refresh token by now",
            [("credential", (*key).into())],
        ),
        Event::Waiting { key, error, .. } => log(
            Level::Error,
            "THE OUTCOME OF A REFRESH IS NOT STORED YET; do not stop this process before it is",
            [("credential", (*key).into()), ("error", (*error).into())],
        ),
        Event::Store(error) => log(Level::Error, "no refresh", [("error", (*error).into())]),
        Event::Abandoned { attempts } => {
            log(Level::Error, "stopped with refreshes under way", [("attempts", (*attempts as u64).into())]);
        }
        // There is no spool here.
        Event::Replayed { .. } | Event::Spool(_) => {}
    }
}
