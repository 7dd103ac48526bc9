//! `/metrics`: who gets it, and that it says nothing of whom it counts.

use std::time::Duration;

use serde_json::json;

use crate::console::{Console, KEY, secret};
use crate::on_both;

fn value(text: &str, series: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
}

async fn what_happened_is_counted_without_names() {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"who-is-counted"})).await;
    let made = console.make("/api/v1/static_secrets", secret("fake-name", "a.test", "fake-value-1")).await;
    console.make("/api/v1/grants", json!({"principal_id":principal,"static_secret_id":made})).await;
    let proxy =
        console.post("/api/v1/proxies", json!({"name":"edge","principal_id":principal})).await.data(201);
    let token = proxy["token"].as_str().expect("a token");
    let hash = console.sync(token, None, &[]).await.expect(200)["config_hash"].take();
    console.sync(token, hash.as_str(), &[]).await.expect(200);
    console.sync(&format!("iprx_{}", "0".repeat(64)), None, &[]).await.expect(401);
    console.get("/api/v1/principals/who-is-counted").await.expect(404);
    console.get("/no-such-path/who-is-counted").await.expect(404);

    // Rows are counted when there is time, and chores begin when the console does.
    let reply = loop {
        let reply = console.send("GET", "/metrics", &[], "").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        if ["console_proxies{", r#"chore="changes""#, r#"chore="logins""#]
            .iter()
            .all(|part| reply.text.contains(part))
        {
            break reply;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text;
    let class =
        |class: &str| format!(r#"method="GET",route="/api/v1/principals/{{id}}",status_class="{class}""#);
    assert_eq!(value(&text, &format!("http_server_requests_total{{{}}}", class("4xx"))), 1);
    let unmatched = r#"http_server_requests_total{method="GET",route="unmatched",status_class="4xx"}"#;
    assert_eq!(value(&text, unmatched), 1);
    for (outcome, count) in [("changed", 1), ("unchanged", 1), ("unauthorized", 1)] {
        assert_eq!(value(&text, &format!("console_sync_requests_total{{outcome=\"{outcome}\"}}")), count);
    }
    assert_eq!(value(&text, r#"console_authentication_failures_total{token="proxy_token"}"#), 1);
    assert_eq!(value(&text, "console_configurations_built_total"), 1);
    assert_eq!(value(&text, "console_configurations_reused_total"), 1);
    assert_eq!(value(&text, "console_configuration_batches_total"), 1);
    assert_eq!(value(&text, "console_sync_proxies_read_total"), console.app.sync_counts().rows);
    assert!(value(&text, "console_sync_notes_total") >= value(&text, "console_sync_note_batches_total"));
    assert_eq!(value(&text, "console_sync_wakes_total"), 0);
    assert_eq!(value(&text, "console_sync_notes_lost_total"), 0);
    assert_eq!(value(&text, "console_change_feed_resets_total"), 0);
    assert_eq!(value(&text, r#"console_proxies{state="seen"}"#), 1);
    assert_eq!(value(&text, "console_sync_waiting"), 0);
    for chore in ["changes", "logins"] {
        assert_eq!(value(&text, &format!("console_chore_failures_total{{chore=\"{chore}\"}}")), 0, "it ran");
    }
    assert_eq!(value(&text, "http_server_requests_in_flight"), 1, "the scrape itself");
    let events = console.get("/api/v1/audit_events?limit=1").await.data(200)[0]["seq"].as_u64();
    assert_eq!(Some(value(&text, "console_audit_events_total")), events);
    for told in ["who-is-counted", "fake-name", "fake-value-1", "a.test", "edge", token, &principal, &made] {
        assert!(!text.contains(told), "{told} in {text}");
    }
}

async fn a_proxy_that_waits_is_counted_while_it_does() {
    let console = Console::start().await;
    let token = console.post("/api/v1/proxies", json!({"name":"edge"})).await.data(201)["token"].take();
    let token = token.as_str().expect("a token");
    let hash = console.sync(token, None, &[]).await.expect(200)["config_hash"].take();
    let waiting =
        async || value(&console.send("GET", "/metrics", &[], "").await.text, "console_sync_waiting");
    let wait = console.sync(token, hash.as_str(), &[("prefer", "wait=50")]);
    let change = async {
        while waiting().await == 0 {
            tokio::task::yield_now().await;
        }
        let proxy = console.get("/api/v1/proxies").await.data(200)[0]["id"].take();
        let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
        let path = format!("/api/v1/proxies/{}", proxy.as_str().expect("an id"));
        console.put(&path, json!({"principal_id":principal})).await.expect(200);
    };
    let (reply, ()) = tokio::join!(wait, change);
    reply.expect(200);
    assert_eq!(waiting().await, 0);
    let text = console.send("GET", "/metrics", &[], "").await.text;
    assert_eq!(value(&text, r#"console_sync_requests_total{outcome="woken"}"#), 1);
    assert_eq!(value(&text, "console_sync_wakes_total"), console.app.sync_counts().wakes);
    assert!(console.app.sync_counts().wakes > 0);
}

async fn who_is_not_near_needs_a_key_of_all_namespaces() {
    let console = Console::with(&[("CENTAUR_CONSOLE_METRICS", "keys")]).await;
    let with = async |key: &str| {
        let bearer = format!("Bearer {key}");
        console.send("GET", "/metrics", &[("authorization", &bearer)], "").await
    };
    console.send("GET", "/metrics", &[], "").await.expect(401);
    assert_eq!(with(KEY).await.status, 200);
    let key = async |data| {
        let made = console.post("/api/v1/api_keys", data).await.data(201);
        made["token"].as_str().expect("a token").to_owned()
    };
    assert_eq!(with(&key(json!({"name":"scrape","read_only":true})).await).await.status, 200);
    with(&key(json!({"name":"lab","namespace":"lab"})).await).await.expect(403);

    let console = Console::start().await;
    let forwarded = ("x-forwarded-for", "192.0.2.1");
    console.send("GET", "/metrics", &[forwarded], "").await.expect(401);
    assert_eq!(console.send("GET", "/metrics", &[], "").await.status, 200);
    let bearer = format!("Bearer {KEY}");
    let reply = console.send("GET", "/metrics", &[forwarded, ("authorization", &bearer)], "").await;
    assert_eq!(reply.status, 200);

    let console = Console::with(&[("CENTAUR_CONSOLE_METRICS", "off")]).await;
    console.get("/metrics").await.expect(404);
}

async fn a_scrape_works_without_the_database() {
    let console = Console::start().await;
    console.app.store().close().await;
    let reply = console.send("GET", "/metrics", &[], "").await;
    assert_eq!(reply.status, 200);
    assert!(value(&reply.text, "console_store_unavailable_total") > 0);
    assert!(!reply.text.contains("console_proxies{"), "nobody knows");
}

on_both!(
    what_happened_is_counted_without_names,
    a_proxy_that_waits_is_counted_while_it_does,
    who_is_not_near_needs_a_key_of_all_namespaces,
    a_scrape_works_without_the_database,
);
