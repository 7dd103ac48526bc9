//! A change that reaches many principals.

use futures_util::future::join_all;
use serde_json::json;

use crate::console::{Console, secret};
use crate::on_both;

const MANY: usize = 40;

async fn a_change_that_reaches_many_is_read_for_many_at_once() {
    let console = Console::start().await;
    let shared = console.make("/api/v1/static_secrets", secret("shared", "a.test", "fake-before")).await;
    let mut tokens = Vec::new();
    for at in 0..MANY {
        let principal = console.make("/api/v1/principals", json!({"foreign_id":format!("p{at}")})).await;
        let own = secret(&format!("own{at}"), "b.test", &format!("fake-own-{at}-"));
        let own = console.make("/api/v1/static_secrets", own).await;
        for secret in [&shared, &own] {
            let data = json!({"principal_id":principal,"static_secret_id":secret});
            console.make("/api/v1/grants", data).await;
        }
        let made = console.post("/api/v1/proxies", json!({"name":"edge","principal_id":principal})).await;
        tokens.push(made.data(201)["token"].as_str().expect("a token").to_owned());
    }
    let first = join_all(tokens.iter().map(|token| console.sync(token, None, &[]))).await;
    let hashes: Vec<String> = first
        .iter()
        .map(|reply| reply.expect(200)["config_hash"].as_str().expect("a hash").to_owned())
        .collect();
    let before = console.app.sync_counts();
    let waiting = tokens
        .iter()
        .zip(&hashes)
        .map(|(token, hash)| console.sync(token, Some(hash), &[("prefer", "wait=20")]));
    let change = async {
        while console.metric("console_sync_waiting").await < MANY as u64 {
            tokio::task::yield_now().await;
        }
        let after = secret("shared", "a.test", "fake-after");
        console.put(&format!("/api/v1/static_secrets/{shared}"), after).await.expect(200);
    };
    let (replies, ()) = tokio::join!(join_all(waiting), change);
    for (at, reply) in replies.iter().enumerate() {
        let sources: Vec<_> = reply.expect(200)["secrets"]
            .as_array()
            .expect("secrets")
            .iter()
            .map(|entry| entry["source"]["value"].as_str().expect("a value").to_owned())
            .collect();
        let own = format!("fake-own-{at}-");
        assert_eq!(sources.len(), 2);
        assert!(sources.contains(&own) && sources.iter().any(|value| value == "fake-after"), "{sources:?}");
    }
    let after = console.app.sync_counts();
    assert_eq!((after.builds - before.builds, after.rows - before.rows), (MANY as u64, 0));
    let batches = after.build_batches - before.build_batches;
    assert!(batches < MANY as u64 / 2, "{batches}");
}

on_both!(a_change_that_reaches_many_is_read_for_many_at_once);
