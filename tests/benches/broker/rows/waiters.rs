//! Proxies that wait while their credential is refreshed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use centaur_e2e::real::{Database, id};
use centaur_e2e::strict::Provider;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::stats::Samples;
use crate::table::Cell;
use crate::{Args, waiter, world};

const PROVIDER: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(args: &Args, database: &Database) -> anyhow::Result<Cell> {
    let provider = Provider::start();
    let console = world::console(database, true).await;
    let api = console.api();
    let credential = world::credential(&api, &provider, "shared").await;
    let principal = id(&api.make("principals", json!({"foreign_id": "edge"})).await);
    let secret = json!({
        "inject_config": {"header": "authorization"}, "rules": [{"host": "a.test"}],
        "source": {"source_type": "token_broker", "config": {"credential_id": credential}},
    });
    let secret = id(&api.make("static_secrets", secret).await);
    api.make("grants", json!({"principal_id": principal, "static_secret_id": secret})).await;
    let (news, mut heard) = mpsc::unbounded_channel();
    let mut waiters = JoinSet::new();
    for number in 0..args.waiters {
        let data = json!({"name": format!("edge{number}"), "principal_id": principal});
        let proxy = api.make("proxies", data).await;
        let token = proxy["token"].as_str().context("a token")?.to_owned();
        waiters.spawn(waiter::run(console.address(), token, news.clone()));
    }
    let path = format!("broker_credentials/{credential}");
    while api.get(&path).await["status"] != "live" {
        sleep(Duration::from_millis(20)).await;
    }
    provider.delay(PROVIDER);
    let mut beyond = Samples::default();
    for _ in 0..args.repeats {
        // Until all wait again.
        sleep(Duration::from_millis(500)).await;
        while heard.try_recv().is_ok() {}
        let calls = provider.calls();
        let asked = Instant::now();
        api.call("POST", &format!("{path}/refresh"), Value::Null).await.data();
        for _ in 0..args.waiters {
            let at = timeout(PATIENCE, heard.recv()).await.context("a waiter that hears nothing")?;
            let waited = at.context("all waiters ended")?.saturating_duration_since(asked);
            beyond.add(waited.saturating_sub(PROVIDER));
        }
        ensure!(provider.calls() == calls + 1, "one refresh is one call");
    }
    drop(waiters);
    console.stop().await;
    Ok(Cell { text: beyond.text(), met: beyond.millis(0.99) < 50.0 })
}
