//! What a proxy should have, what it has acknowledged, and waiting for that.

use std::time::Duration;

use serde_json::{Value, json};

use crate::console::{Console, secret};
use crate::on_both;

struct World {
    console: Console,
    principal: String,
    proxy: String,
    token: String,
}

async fn world() -> World {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let made =
        console.post("/api/v1/proxies", json!({"name":"edge","principal_id":principal})).await.data(201);
    let text = |key: &str| made[key].as_str().expect("a text").to_owned();
    World { principal, proxy: text("id"), token: text("token"), console }
}

impl World {
    fn path(&self) -> String {
        format!("/api/v1/proxies/{}", self.proxy)
    }

    /// Grants something new; the number of the change.
    async fn grant(&self, name: &str) -> i64 {
        let secret = self.console.make("/api/v1/static_secrets", secret(name, "a.test", "fake-value")).await;
        let data = json!({"principal_id":self.principal,"static_secret_id":secret});
        let made = self.console.post("/api/v1/grants", data).await;
        made.expect(201);
        made.header("x-config-generation").expect("a number").parse().expect("a number")
    }

    async fn sync(&self, hash: Option<&str>, headers: &[(&str, &str)]) -> Value {
        self.console.sync(&self.token, hash, headers).await.expect(200)
    }

    /// Takes what there is and says so.
    async fn obey(&self) -> String {
        let hash = self.sync(None, &[]).await["config_hash"].as_str().expect("a hash").to_owned();
        assert_eq!(self.sync(Some(&hash), &[]).await, json!({"config_hash":hash}));
        hash
    }

    async fn shown(&self) -> Value {
        self.console.get(&self.path()).await.data(200)
    }

    async fn wait(&self, query: &str) -> Value {
        self.console.get(&format!("{}/wait{query}", self.path())).await.data(200)
    }
}

async fn an_echoed_hash_acknowledges_the_generation() {
    let w = world().await;
    let number = w.grant("s").await;
    let before = w.shown().await;
    assert_eq!((&before["generation"], &before["in_sync"]), (&json!(number), &json!(false)));
    assert_eq!(before["acknowledged_generation"], Value::Null);
    let headers = [("x-config-generation", "4"), ("x-config-rejected", "sha256:bad")];
    let reply = w.console.sync(&w.token, None, &headers).await;
    assert_eq!(reply.header("x-config-generation"), Some(number.to_string().as_str()));
    assert_eq!(w.shown().await["in_sync"], false, "it has only been sent");
    w.obey().await;
    let after = w.shown().await;
    assert_eq!((&after["acknowledged_generation"], &after["in_sync"]), (&json!(number), &json!(true)));
    w.sync(Some("sha256:other"), &headers).await;
    let other = w.shown().await;
    assert_eq!((&other["acknowledged_generation"], &other["in_sync"]), (&json!(number), &json!(false)));
    assert_eq!(
        (&other["applied_generation"], &other["rejected_config_hash"]),
        (&json!(4), &json!("sha256:bad"))
    );
}

async fn who_speaks_of_no_generation_is_told_none() {
    let w = world().await;
    let headers = async |sent: &[(&str, &str)]| {
        let reply = w.console.sync(&w.token, None, sent).await;
        let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        names.retain(|name| name.starts_with("x-config") || name.starts_with("preference"));
        names.sort();
        names
    };
    assert_eq!(headers(&[]).await, ["x-config-max-age"]);
    assert_eq!(headers(&[("x-config-generation", "0")]).await, ["x-config-generation", "x-config-max-age"]);
    let waits = headers(&[("prefer", "wait=1")]).await;
    assert_eq!(waits, ["preference-applied", "x-config-generation", "x-config-max-age"]);
}

async fn numbers_of_a_proxy_never_go_back() {
    let w = world().await;
    let mut last = w.grant("s").await;
    let other = w.console.make("/api/v1/principals", json!({"foreign_id":"other"})).await;
    for principal in [json!(other), json!(null), json!(w.principal)] {
        let written = w.console.patch(&w.path(), json!({"principal_id":principal})).await;
        let number: i64 = written.header("x-config-generation").expect("a number").parse().expect("a number");
        assert_eq!(written.data(200)["generation"], json!(number));
        assert!(number > last, "{number} after {last}");
        last = number;
    }
    let renamed = w.console.patch(&w.path(), json!({"name":"renamed"})).await;
    assert_eq!(
        (renamed.header("x-config-generation"), &renamed.data(200)["generation"]),
        (None, &json!(last))
    );
}

async fn a_wait_is_answered_by_the_acknowledgement() {
    let w = world().await;
    let number = w.grant("s").await;
    let ((), waited) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            w.obey().await;
        },
        w.wait("?timeout=20")
    );
    assert_eq!((&waited["in_sync"], &waited["acknowledged_generation"]), (&json!(true), &json!(number)));
    // A proxy that waits for a change has acknowledged one that changes nothing for it as soon as it is committed.
    let hash = w.obey().await;
    let path = format!("/api/v1/principals/{}", w.principal);
    let (kept, waited) = tokio::join!(w.sync(Some(&hash), &[("prefer", "wait=10")]), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let written = w.console.put(&path, json!({"name":"Renamed"})).await;
        written.expect(200);
        let number = written.header("x-config-generation").expect("a number").to_owned();
        w.wait(&format!("?generation={number}&timeout=20")).await
    });
    assert_eq!((kept, &waited["in_sync"]), (json!({"config_hash":hash}), &json!(true)));
}

async fn a_wait_that_is_in_vain_shows_the_proxy_as_it_is() {
    let w = world().await;
    let number = w.grant("s").await;
    for query in ["?timeout=0".to_owned(), "?timeout=1".to_owned(), format!("?timeout=0&generation={number}")]
    {
        let waited = w.wait(&query).await;
        assert_eq!((&waited["in_sync"], &waited["generation"]), (&json!(false), &json!(number)), "{query}");
    }
    w.obey().await;
    assert_eq!(w.wait("?timeout=20").await["in_sync"], true);
    assert_eq!(w.wait(&format!("?generation={}&timeout=20", number - 1)).await["in_sync"], true);
    // A change that has not been made cannot have been obeyed.
    assert_eq!(w.wait(&format!("?generation={}&timeout=0", number + 99)).await["in_sync"], true);
    let console = &w.console;
    let gone = console.get(&format!("{}x/wait?timeout=0", w.path())).await;
    assert_eq!(gone.status, 404);
}

async fn a_change_that_does_not_concern_the_proxy_is_not_waited_for() {
    let w = world().await;
    w.obey().await;
    let made = w.console.post("/api/v1/principals", json!({"foreign_id":"other"})).await;
    made.expect(201);
    let number = made.header("x-config-generation").expect("a number");
    let waited = w.wait(&format!("?generation={number}&timeout=20")).await;
    assert_eq!(waited["in_sync"], true);
}

async fn numbers_that_are_none_are_named() {
    let w = world().await;
    for (query, parameter, most) in [
        ("generation=x", "generation", "9223372036854775807"),
        ("generation=-1", "generation", "9223372036854775807"),
        ("generation=9223372036854775808", "generation", "9223372036854775807"),
        ("generation=", "generation", "9223372036854775807"),
        ("timeout=56", "timeout", "55"),
        ("timeout=1.5", "timeout", "55"),
    ] {
        let details = w.console.get(&format!("{}/wait?{query}", w.path())).await.details();
        assert_eq!(details, json!({parameter:[format!("must be an integer from 0 to {most}")]}), "{query}");
    }
}

async fn a_wait_hears_of_an_acknowledgement_at_another_replica() {
    let w = world().await;
    let other = w.console.beside(&[]).await;
    w.grant("s").await;
    let ((), waited) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let whole = other.sync(&w.token, None, &[]).await.expect(200);
            other.sync(&w.token, whole["config_hash"].as_str(), &[]).await.expect(200);
        },
        w.wait("?timeout=20")
    );
    assert_eq!(waited["in_sync"], true);
    other.stop().await;
}

async fn what_ends_by_itself_is_in_sync_until_then() {
    let w = world().await;
    let secret = w.console.make("/api/v1/static_secrets", secret("s", "a.test", "fake-value")).await;
    let soon = centaur_store::Micros(w.console.app.store().clock().now().0 + 5_000_000);
    let data = json!({"principal_id":w.principal,"static_secret_id":secret,"expires_at":soon});
    w.console.make("/api/v1/grants", data).await;
    w.obey().await;
    assert_eq!(w.shown().await["in_sync"], true);
    let left = soon.0 - w.console.app.store().clock().now().0;
    tokio::time::sleep(Duration::from_micros(left.max(0).unsigned_abs() + 100_000)).await;
    assert_eq!(w.shown().await["in_sync"], false);
    w.obey().await;
    assert_eq!(w.shown().await["in_sync"], true);
}

on_both!(
    an_echoed_hash_acknowledges_the_generation,
    who_speaks_of_no_generation_is_told_none,
    numbers_of_a_proxy_never_go_back,
    a_wait_is_answered_by_the_acknowledgement,
    a_wait_that_is_in_vain_shows_the_proxy_as_it_is,
    a_change_that_does_not_concern_the_proxy_is_not_waited_for,
    numbers_that_are_none_are_named,
    a_wait_hears_of_an_acknowledgement_at_another_replica,
    what_ends_by_itself_is_in_sync_until_then,
);
