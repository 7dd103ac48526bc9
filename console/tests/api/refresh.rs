//! The refresh engine within the console: from a seed to what a proxy is sent, and back.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::console::{Console, Home};
use crate::on_both;
use crate::provider::Provider;

const CREDENTIALS: &str = "/api/v1/broker_credentials";

const SETTINGS: [(&str, &str); 2] =
    [("CENTAUR_CONSOLE_BROKER", "on"), ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1")];

fn credential(provider: &Provider, token: &str) -> Value {
    json!({"foreign_id":"idp","token_endpoint":provider.url(),"client_id":"client-1","refresh_token":token})
}

/// Waits until the credential is as wanted.
async fn until(console: &Console, id: &str, want: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let shown = console.get(&format!("{CREDENTIALS}/{id}")).await.data(200);
            if want(&shown) {
                return shown;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.expect("it comes about")
}

async fn a_seed_reaches_the_proxy_and_so_does_its_death() {
    let provider = Provider::start().await;
    let console = Console::with(&SETTINGS).await;
    let id = console.make(CREDENTIALS, credential(&provider, "fake-f.0")).await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let secret = console
        .make(
            "/api/v1/static_secrets",
            json!({"foreign_id":"s","inject_config":{"header":"Authorization"},"rules":[{"host":"a.test"}],
                "source":{"source_type":"token_broker","config":{"credential_id":id}}}),
        )
        .await;
    console.make("/api/v1/grants", json!({"principal_id":principal,"static_secret_id":secret})).await;
    let proxy =
        console.post("/api/v1/proxies", json!({"name":"edge","principal_id":principal})).await.data(201);
    let token = proxy["token"].as_str().expect("a token");

    let live = until(&console, &id, |shown| shown["status"] == "live").await;
    assert_eq!((&live["health"], &live["failure_count"]), (&json!("healthy"), &json!(0)));
    assert_eq!(
        provider.seen(),
        ["/token grant_type=refresh_token&refresh_token=fake-f.0&client_id=client-1"]
    );
    let full = console.sync(token, None, &[]).await.expect(200);
    assert_eq!(full["secrets"][0]["source"], json!({"type":"control_plane","value":"fake-at-f.1"}));
    let hash = full["config_hash"].as_str().expect("a hash").to_owned();

    // Refresh now: with the token that replaced the first.
    console.post(&format!("{CREDENTIALS}/{id}/refresh"), json!({})).await.expect(202);
    until(&console, &id, |shown| shown["last_refresh"] != live["last_refresh"]).await;
    let full = console.sync(token, Some(&hash), &[]).await.expect(200);
    assert_eq!(full["secrets"][0]["source"]["value"], "fake-at-f.2");

    // A token that the provider does not take: dead, and no longer sent.
    console.patch(&format!("{CREDENTIALS}/{id}"), json!({"refresh_token":"fake-g.7"})).await.expect(200);
    let dead = until(&console, &id, |shown| shown["status"] == "dead").await;
    assert_eq!(dead["dead_reason"], "invalid_grant");
    let full = console.sync(token, Some(&hash), &[]).await.expect(200);
    assert_eq!(full["secrets"], json!([]));
    console.post(&format!("{CREDENTIALS}/{id}/refresh"), json!({})).await.expect(409);

    let log = console.get(&format!("{CREDENTIALS}/{id}/attempts")).await.data(200);
    let log: Vec<_> = log.as_array().expect("attempts").iter().collect();
    assert_eq!(log.len(), 3);
    assert_eq!((&log[0]["result"], &log[0]["code"]), (&json!("dead"), &json!("invalid_grant")));
    assert_eq!((&log[1]["result"], &log[1]["rotated"]), (&json!("success"), &json!(true)));

    let dead = format!("broker_credential_dead{{credential_id=\"{id}\",reason=\"invalid_grant\"}} 1");
    // Rows are counted when there is time.
    let metrics = loop {
        let metrics = console.send("GET", "/metrics", &[], "").await.text;
        if metrics.contains(&dead) {
            break metrics;
        }
        sleep(Duration::from_millis(20)).await;
    };
    let attempts = |labels: &str| format!("broker_refresh_attempts_total{{credential_id=\"{id}\",{labels}}}");
    for line in [
        format!("{} 2", attempts("result=\"success\",error_code=\"\"")),
        format!("{} 1", attempts("result=\"unrecoverable_error\",error_code=\"invalid_grant\"")),
        "broker_unsaved_seconds_count 3".to_owned(),
        "broker_rotation_pending 0".to_owned(),
        "broker_interrupted_total 0".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }

    let events = console.get("/api/v1/audit_events").await.text;
    for action in ["minted", "died"] {
        assert!(events.contains(&format!("\"{action}\"")), "{events}");
    }
    assert!(!events.contains("fake-"), "{events}");
    console.stop().await;
}

async fn a_restart_goes_on_with_the_token_that_was_stored_last() {
    let provider = Provider::start().await;
    let console = Console::with(&SETTINGS).await;
    let id = console.make(CREDENTIALS, credential(&provider, "fake-f.0")).await;
    until(&console, &id, |shown| shown["status"] == "live").await;
    let home: Home = console.stop().await;
    let console = Console::at(home, &SETTINGS).await;
    let before = console.get(&format!("{CREDENTIALS}/{id}")).await.data(200);
    console.post(&format!("{CREDENTIALS}/{id}/refresh"), json!({})).await.expect(202);
    until(&console, &id, |shown| shown["last_refresh"] != before["last_refresh"]).await;
    assert!(provider.seen()[1].contains("refresh_token=fake-f.1"));
    console.stop().await;
}

async fn deletion_revokes_at_the_provider_when_it_is_asked_to() {
    let provider = Provider::start().await;
    let base = format!("http://{}", provider.address);
    let moved = [SETTINGS[1], ("CENTAUR_CONSOLE_PROVIDER_GOOGLE_BASE_URL", base.as_str())];
    let console = Console::with(&moved).await;
    let google = json!({"foreign_id":"g","token_endpoint":"https://oauth2.googleapis.com/token",
        "client_id":"client-1","refresh_token":"fake-f.0"});
    let id = console.make(CREDENTIALS, google.clone()).await;
    let gone = console.delete(&format!("{CREDENTIALS}/{id}?revoke=true")).await.data(200);
    assert_eq!(gone, json!({"id":id,"revocation":{"result":"revoked","code":null}}));
    assert_eq!(provider.seen(), ["/revoke token=fake-f.0"]);
    console.get(&format!("{CREDENTIALS}/{id}")).await.expect(404);

    let id = console.make(CREDENTIALS, google).await;
    console.delete(&format!("{CREDENTIALS}/{id}?revoke=false")).await.expect(204);
    assert_eq!(provider.seen().len(), 1, "not asked to");
    let id = console.make(CREDENTIALS, credential(&provider, "fake-f.0")).await;
    let gone = console.delete(&format!("{CREDENTIALS}/{id}?revoke=true")).await.data(200);
    assert_eq!(gone["revocation"]["result"], "unsupported");
    let events = console.get("/api/v1/audit_events?limit=200").await.data(200);
    let told = events.as_array().expect("a list").iter().filter(|event| event["action"] == "revoke").count();
    assert_eq!(told, 2, "each that was asked for, whatever came of it");
    console.stop().await;
}

async fn a_client_that_is_refused_ends_in_death() {
    let provider = Provider::start().await;
    provider.refuse_client();
    let console = Console::with(&SETTINGS).await;
    let id = console.make(CREDENTIALS, credential(&provider, "fake-f.0")).await;
    let dead = until(&console, &id, |shown| shown["status"] == "dead").await;
    assert_eq!(dead["dead_reason"], "invalid_client");
    console.stop().await;
}

on_both!(
    a_seed_reaches_the_proxy_and_so_does_its_death,
    a_restart_goes_on_with_the_token_that_was_stored_last,
    deletion_revokes_at_the_provider_when_it_is_asked_to,
    a_client_that_is_refused_ends_in_death,
);
