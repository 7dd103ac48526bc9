//! The refresh engine within the console: what it is made with, and what of its work is logged.

use centaur_broker::{Engine, Event, Options, Spool};
use centaur_oauth::{Client, ClientOptions};
use centaur_store::{Broker, SpoolSeal};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::app::{App, log_line};
use crate::config::Config;

/// The client for token endpoints.
///
/// # Errors
/// What is wrong with the settings, without their values.
pub(crate) fn client(config: &Config) -> Result<Client, String> {
    let extra_roots = match &config.broker.extra_roots {
        Some(path) => {
            std::fs::read(path).map_err(|error| format!("CENTAUR_CONSOLE_EXTRA_CA_FILE: {error}"))?
        }
        None => Vec::new(),
    };
    let https_proxy = config.broker.https_proxy.as_ref();
    let options = ClientOptions {
        rules: config.token_endpoints.clone(),
        https_proxy: https_proxy.map(|url| centaur_base::Secret::new(url.expose().clone())),
        no_proxy: config.broker.no_proxy.clone(),
        extra_roots,
    };
    Client::new(options).map_err(|error| error.to_string())
}

/// Where answers wait that the database did not take.
///
/// # Errors
/// The directory cannot be made.
pub(crate) fn spool(config: &Config) -> Result<Option<Spool>, String> {
    let Some(directory) = &config.broker.spool else { return Ok(None) };
    let seal = Box::new(SpoolSeal(config.keys.clone()));
    Spool::open(directory, seal).map(Some).map_err(|error| error.to_string())
}

/// Starts the engine, which works until the console stops and then ends what is under way. It ends with the returned
/// set.
pub(crate) fn start(app: &App, client: Client, spool: Option<Spool>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    if !app.config().broker.works {
        return workers;
    }
    let store = Broker::new(app.store().clone(), app.config().broker.moved.clone());
    let options = Options { spool, observer: Box::new(heard), ..Options::default() };
    let engine = Engine::new(store, client, options);
    let mut stopping = app.stopping();
    workers.spawn(engine.run(async move {
        // A console that is gone has stopped.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }));
    workers
}

fn heard(event: &Event<'_>) {
    let (level, message, fields): (_, _, Vec<(&str, Value)>) = match event {
        Event::Concluded { key, result, code, took, unsaved } => {
            let level = match *result {
                "success" => "info",
                "retryable" => "warn",
                _ => "error",
            };
            let fields = vec![
                ("credential", (*key).into()),
                ("result", (*result).into()),
                ("code", (*code).into()),
                ("took_ms", millis(*took).into()),
                ("unsaved_us", u64::try_from(unsaved.as_micros()).unwrap_or(u64::MAX).into()),
            ];
            (level, "credential refreshed", fields)
        }
        Event::Interrupted { key } => {
            ("warn", "credential refreshed after an interrupted attempt", vec![("credential", (*key).into())])
        }
        Event::Superseded { key } => {
            ("info", "refresh superseded by fresh material", vec![("credential", (*key).into())])
        }
        Event::Waiting { key, error, spooled } => {
            let fields = vec![
                ("credential", (*key).into()),
                ("error", (*error).into()),
                ("spooled", (*spooled).into()),
            ];
            ("error", "refresh cannot be stored yet", fields)
        }
        Event::Replayed { key, stored } => {
            let fields = vec![("credential", (*key).into()), ("stored", (*stored).into())];
            ("warn", "refresh of an earlier process found in the spool", fields)
        }
        Event::Spool(error) => ("error", "spool", vec![("error", error.to_string().into())]),
        Event::Store(error) => ("error", "refresh engine", vec![("error", (*error).into())]),
        Event::Abandoned { attempts } => {
            ("error", "stopped with refreshes under way", vec![("attempts", (*attempts).into())])
        }
    };
    log_line(level, message, fields);
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
