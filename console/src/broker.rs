//! The refresh engine within the console: what it is made with, and what of its work is logged.

mod notify;

use std::sync::Arc;

use centaur_broker::{Engine, Event, Options, Spool};
use centaur_oauth::{Client, ClientOptions, EndpointRules};
use centaur_store::{Broker, SpoolSeal};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::notify::Notifier;
use crate::app::{App, log_line};
use crate::config::Config;
use crate::metrics::Metrics;

/// The client for token endpoints.
///
/// # Errors
/// What is wrong with the settings, without their values.
pub(crate) fn client(config: &Config) -> Result<Client, String> {
    Client::new(client_options(config, config.token_endpoints.clone())?).map_err(|error| error.to_string())
}

/// The client for notices; `None` when nobody is told. Where they go is a setting of this process and nobody else's
/// choice, so that every address is allowed.
///
/// # Errors
/// What is wrong with the settings, without their values.
pub(crate) fn notices(config: &Config) -> Result<Option<Client>, String> {
    if config.broker.webhook.is_none() {
        return Ok(None);
    }
    let rules =
        EndpointRules::parse("0.0.0.0/0, ::/0", true).map_err(|_| "the rules of notices".to_owned())?;
    Client::new(client_options(config, rules)?).map(Some).map_err(|error| error.to_string())
}

fn client_options(config: &Config, rules: EndpointRules) -> Result<ClientOptions, String> {
    let extra_roots = match &config.broker.extra_roots {
        Some(path) => {
            std::fs::read(path).map_err(|error| format!("CENTAUR_CONSOLE_EXTRA_CA_FILE: {error}"))?
        }
        None => Vec::new(),
    };
    let https_proxy = config.broker.https_proxy.as_ref();
    Ok(ClientOptions {
        rules,
        https_proxy: https_proxy.map(|url| centaur_base::Secret::new(url.expose().clone())),
        no_proxy: config.broker.no_proxy.clone(),
        extra_roots,
    })
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

/// Starts the engine, which works until the console stops and then ends what is under way, and what tells of deaths.
/// They end with the returned set.
pub(crate) fn start(app: &App, spool: Option<Spool>, notices: Option<Client>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    if !app.config().broker.works {
        return workers;
    }
    let died = Arc::new(Notify::new());
    let store = Broker::new(app.store().clone(), app.config().broker.moved.clone());
    let observer = Box::new({
        let (app, died) = (app.clone(), died.clone());
        move |event: &Event<'_>| {
            count(app.metrics(), event);
            heard(event);
            if matches!(event, Event::Concluded { result: "dead", .. }) {
                died.notify_one();
            }
        }
    });
    let options = Options { spool, observer, ..Options::default() };
    let engine = Engine::new(store, app.oauth().clone(), options);
    let mut stopping = app.stopping();
    workers.spawn(engine.run(async move {
        // A console that is gone has stopped.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }));
    if let Some((client, webhook)) = notices.zip(app.config().broker.webhook.clone()) {
        let notifier = Notifier { app: app.clone(), client, webhook };
        workers.spawn(notifier.run(died, app.stopping()));
    }
    workers
}

fn count(metrics: &Metrics, event: &Event<'_>) {
    match event {
        Event::Concluded { key, result, code, took, unsaved } => {
            metrics.refreshed(key, result, *code);
            metrics.broker.took(*took, *unsaved);
            metrics.broker.waits(key, false);
        }
        Event::Interrupted { .. } => metrics.broker.interrupted(),
        Event::Waiting { key, .. } => metrics.broker.waits(key, true),
        Event::Superseded { key } | Event::Replayed { key, .. } => metrics.broker.waits(key, false),
        Event::Spool(_) | Event::Store(_) | Event::Abandoned { .. } => {}
    }
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
        Event::Waiting { key, error, is_safe } => {
            let fields = vec![
                ("credential", (*key).into()),
                ("error", (*error).into()),
                ("is_safe", (*is_safe).into()),
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
