//! The real console, the real proxy and a provider: what is refreshed is used without a restart, what dies or ends is
//! refused, and proxies that wait cost the provider one call.

use std::time::{Duration, Instant};

use centaur_e2e::World;
use centaur_e2e::bench::usage::raise_descriptor_limit;
use centaur_e2e::edge::{ask, edge, may_use, proxy_of, refused, sent};
use centaur_e2e::real::{Api, Console, Database, id};
use centaur_e2e::strict::{Mood, Provider, first_token};
use centaur_e2e::wait::{eventually, within};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

const SETTINGS: [(&str, &str); 1] = [("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1")];

/// A principal that may use a brokered credential at `a.test`.
struct Brokered {
    api: Api,
    credential: String,
    principal: String,
}

impl Brokered {
    async fn make(api: &Api, provider: &Provider) -> Self {
        let data = json!({
            "foreign_id": "idp", "token_endpoint": provider.url(), "client_id": "client-1",
            "refresh_token": first_token("f"), "refresh_timeout_seconds": 5,
        });
        let credential = id(&api.make("broker_credentials", data).await);
        let principal = may_use(api, &credential).await;
        Self { api: api.clone(), credential, principal }
    }

    /// The token of a new proxy.
    async fn proxy(&self, name: &str) -> String {
        proxy_of(&self.api, &self.principal, name).await
    }

    fn path(&self) -> String {
        format!("broker_credentials/{}", self.credential)
    }

    async fn refresh(&self) {
        self.api.call("POST", &format!("{}/refresh", self.path()), Value::Null).await.expect(202);
    }

    async fn seed(&self, family: &str) {
        let data = json!({"refresh_token": first_token(family)});
        self.api.call("PATCH", &self.path(), data).await.expect(200);
    }

    async fn until(&self, what: &str, want: impl Fn(&Value) -> bool) {
        eventually(what, async || {
            sleep(Duration::from_millis(10)).await;
            want(&self.api.get(&self.path()).await)
        })
        .await;
    }
}

/// Waits until this token is what the origin sees.
async fn sees(w: &World, token: &str) {
    sent(w, token, |sent| sent == token).await;
}

#[tokio::test]
async fn a_refreshed_token_is_used_a_dead_one_refused_and_a_new_seed_works_without_a_restart() {
    let (provider, database) = (Provider::start(), Database::sqlite());
    let console = Console::start_at(&database.address(), &SETTINGS).await;
    let brokered = Brokered::make(&console.api(), &provider).await;
    let w = edge(&console, &brokered.proxy("edge").await).await;
    sees(&w, "fake-at-f.1").await;
    brokered.refresh().await;
    sees(&w, "fake-at-f.2").await;

    provider.end("f");
    brokered.refresh().await;
    brokered.until("the death", |shown| shown["dead_reason"] == "invalid_grant").await;
    refused(&w).await;
    brokered.seed("g").await;
    sees(&w, "fake-at-g.1").await;
    assert!(provider.log().iter().filter(|call| call.refused).count() == 1);
    w.finish_at_least(4).await;
    let (status, log) = console.stop().await;
    assert!(status.success() && !log.contains("fake-at-") && !log.contains("fake-rt-"), "{log}");
}

#[tokio::test]
async fn a_token_that_ends_is_left_out_at_that_moment_and_who_waits_hears_of_it() {
    let (provider, database) = (Provider::start(), Database::sqlite());
    let console = Console::start_at(&database.address(), &SETTINGS).await;
    let api = console.api();
    let brokered = Brokered::make(&api, &provider).await;
    let (token, waiter) = (brokered.proxy("edge").await, brokered.proxy("waiter").await);
    let w = edge(&console, &token).await;
    sees(&w, "fake-at-f.1").await;
    // The refresh that follows it is ten seconds later.
    provider.lifetime(Duration::from_secs(12));
    brokered.refresh().await;
    eventually("the second token", async || provider.log().len() == 2).await;
    provider.mood(Mood::Out);
    sees(&w, "fake-at-f.2").await;
    let full = api.sync(&waiter, None, &[]).await.expect("an answer").json();
    assert_eq!(full["secrets"].as_array().map(Vec::len), Some(1), "it lives");
    // Nothing is written when it ends.
    let hash = full["config_hash"].as_str().expect("a hash");
    let since = Instant::now();
    let answer = api.sync(&waiter, Some(hash), &[("prefer", "wait=55")]).await.expect("an answer").json();
    assert!(since.elapsed() < Duration::from_secs(50), "it did not wait to the end");
    assert_eq!(answer["secrets"], json!([]));
    assert_ne!(answer["config_hash"], hash);
    refused(&w).await;
    provider.mood(Mood::Well);
    provider.lifetime(Duration::from_hours(1));
    brokered.refresh().await;
    brokered.until("recovery", |shown| shown["health"] == "healthy" && shown["failure_count"] == 0).await;
    eventually("the new token", async || ask(&w).await.status == 200).await;
    w.finish_at_least(2).await;
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_proxies_that_wait_at_the_end_of_a_token_cost_one_call() {
    raise_descriptor_limit();
    let (provider, database) = (Provider::start(), Database::sqlite());
    let console = Console::start_at(&database.address(), &SETTINGS).await;
    let api = console.api();
    let brokered = Brokered::make(&api, &provider).await;
    let mut tokens = Vec::new();
    for number in 0..1_000 {
        tokens.push(brokered.proxy(&format!("edge{number}")).await);
    }
    brokered.until("the first token", |shown| shown["status"] == "live").await;
    let full = api.sync(&tokens[0], None, &[]).await.expect("an answer").json();
    assert_eq!(full["secrets"][0]["source"]["value"], "fake-at-f.1");
    provider.delay(Duration::from_millis(50));
    let asks = tokens.iter().map(async |token| {
        // A hash for each: it says whose it is.
        let had = loop {
            let answer = api.sync(token, None, &[]).await.expect("an answer");
            if answer.status != 503 {
                break answer.json();
            }
            sleep(Duration::from_millis(50)).await;
        };
        let hash = had["config_hash"].as_str().expect("a hash");
        let answer = api.sync(token, Some(hash), &[("prefer", "wait=18")]).await.expect("an answer").json();
        answer["secrets"][0]["source"]["value"].as_str().map(str::to_owned)
    });
    let refresh = async {
        let waiting = "console_sync_waiting 1000";
        within("all to wait", async {
            while !api.send("GET", "/metrics", &[], "").await.expect("an answer").text.contains(waiting) {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(provider.calls(), 1);
        brokered.refresh().await;
    };
    let (got, ()) = tokio::join!(join_all(asks), refresh);
    assert!(got.iter().all(|value| value.as_deref() == Some("fake-at-f.2")), "{got:?}");
    assert_eq!(provider.calls(), 2);
    console.stop().await;
}
