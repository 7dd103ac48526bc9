//! Documents in files: what is written, in which order, and what happens when it cannot be.

use std::fs;

use serde_json::json;

use crate::world::{World, eventually};

/// Makes every write of the document fail, as a full disk would, and reads go on.
struct Jammed(std::path::PathBuf);

impl Jammed {
    fn new(world: &World, id: &str) -> Self {
        let mut path = world.path(id).into_os_string();
        path.push(".part");
        fs::create_dir(&path).expect("a directory where the new document should be");
        Self(path.into())
    }
}

impl Drop for Jammed {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).expect("gone");
    }
}

#[tokio::test]
async fn the_document_holds_what_is_served_and_keeps_what_is_not_ours() {
    let world = World::new().await;
    let first = world.bootstrap("a");
    let broker = world.broker(&["a"]).await;
    let token = broker.settled("a").await.token();
    eventually("the document", || world.document("a")["broker"].is_null()).await;
    let document = world.document("a");
    assert_eq!(document["access_token"], token.as_str());
    assert_ne!(document["refresh_token"], first.as_str());
    assert_eq!((&document["note"], &document["version"]), (&json!("by hand"), &json!(2)));
    assert!(document["writer"].as_str().is_some_and(|writer| writer.len() == 16));
    broker.stop().await;
    // The next process serves it without asking anybody.
    let broker = world.broker(&["a"]).await;
    assert_eq!(broker.settled("a").await.token(), token);
    assert_eq!(world.provider.presented().len(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn the_note_stands_before_the_token_is_sent() {
    let world = World::new().await;
    let first = world.bootstrap("a");
    world.provider.hold(true);
    let broker = world.broker(&["a"]).await;
    world.provider.until_presented(1).await;
    let document = world.document("a");
    assert_eq!(document["refresh_token"], first.as_str());
    assert!(
        document["broker"]["attempt"].is_string() && document["broker"]["until"].is_string(),
        "{document}"
    );
    world.provider.hold(false);
    broker.settled("a").await.token();
    broker.stop().await;
}

#[tokio::test]
async fn without_a_note_nothing_is_sent() {
    let world = World::new().await;
    world.bootstrap("a");
    let jammed = Jammed::new(&world, "a");
    let broker = world.broker(&["a"]).await;
    eventually("a fault", || broker.shelf.health()[0].1.status == "failing").await;
    assert!(world.provider.presented().is_empty());
    drop(jammed);
    broker.settled("a").await.token();
    assert_eq!(world.provider.presented().len(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn a_token_that_cannot_be_stored_is_served_and_only_the_write_is_tried_again() {
    let world = World::new().await;
    let first = world.bootstrap("a");
    world.provider.hold(true);
    let broker = world.broker(&["a"]).await;
    world.provider.until_presented(1).await;
    let jammed = Jammed::new(&world, "a");
    world.provider.hold(false);
    let token = broker.settled("a").await.token();
    assert_eq!(world.document("a")["refresh_token"], first.as_str(), "not stored yet");
    let metrics = broker.page("/metrics").await.body;
    assert!(metrics.contains("broker_rotation_pending{credential_id=\"a\"} 1"), "{metrics}");
    assert_eq!(broker.page("/status").await.json()["credentials"][0]["unsaved"], true);
    // Told to stop, it still waits for the write.
    let stopping = broker.tell();
    drop(jammed);
    stopping.await.expect("no panic");
    assert_eq!(world.document("a")["access_token"], token.as_str());
    assert_eq!(world.provider.presented().len(), 1);
    assert!(world.provider.is_alive("a"));
}

#[tokio::test]
async fn who_brings_a_new_token_while_one_is_sent_wins() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.hold(true);
    let broker = world.broker(&["a"]).await;
    world.provider.until_presented(1).await;
    let fresh = world.bootstrap("a");
    world.provider.hold(false);
    broker.settled("a").await.token();
    eventually("the fresh token is sent", || world.provider.presented().last() == Some(&fresh)).await;
    assert!(world.provider.is_alive("a"));
    broker.stop().await;
}

#[tokio::test]
async fn a_dead_credential_revives_with_another_token_and_not_with_the_same() {
    let world = World::new().await;
    let old = world.bootstrap("a");
    world.provider.log_in("a");
    let broker = world.broker(&["a"]).await;
    assert_eq!(broker.settled("a").await.status, 422);
    // The same token, without any note: it is known to be refused.
    world.put("a", &old);
    broker.shelf.reread();
    assert_eq!(broker.ask("a").await.status, 422);
    world.bootstrap("a");
    broker.shelf.reread();
    eventually("alive", || broker.shelf.health()[0].1.status == "live").await;
    assert_eq!(world.provider.presented().iter().filter(|token| **token == old).count(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn a_refused_token_is_not_sent_again_by_the_next_process() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.log_in("a");
    let broker = world.broker(&["a"]).await;
    assert_eq!(broker.settled("a").await.status, 422);
    broker.stop().await;
    assert_eq!(world.document("a")["broker"]["dead"], "invalid_grant");
    let broker = world.broker(&["a"]).await;
    let answer = broker.settled("a").await;
    assert_eq!(answer.body, r#"{"error":"credential dead","reason":"invalid_grant"}"#);
    assert_eq!(world.provider.presented().len(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn a_refused_client_is_tried_again_by_the_next_process() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.set_instead(Some((401, "", r#"{"error":"invalid_client"}"#)));
    let broker = world.broker(&["a"]).await;
    assert_eq!(broker.settled("a").await.json()["reason"], "invalid_client");
    broker.stop().await;
    world.provider.set_instead(None);
    let broker = world.broker(&["a"]).await;
    broker.settled("a").await.token();
    broker.stop().await;
}

#[tokio::test]
async fn an_item_that_is_missing_is_waited_for() {
    let world = World::new().await;
    let broker = world.broker(&["a"]).await;
    let answer = broker.settled("a").await;
    assert_eq!(answer.body, r#"{"error":"credential dead","reason":"blob_not_bootstrapped"}"#);
    world.bootstrap("a");
    broker.shelf.reread();
    eventually("alive", || broker.shelf.health()[0].1.status == "live").await;
    broker.stop().await;
}

#[tokio::test]
async fn a_second_broker_on_the_file_is_kept_out_until_the_first_is_gone() {
    let world = World::new().await;
    world.bootstrap("a");
    let first = world.broker(&["a"]).await;
    let token = first.settled("a").await.token();
    let second = world.broker(&["a"]).await;
    let answer = second.ask("a").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, r#"{"error":"bootstrapping"}"#));
    first.stop().await;
    second.shelf.reread();
    assert_eq!(second.settled("a").await.token(), token);
    assert_eq!(world.provider.presented().len(), 1);
    second.stop().await;
}

#[tokio::test]
async fn what_others_write_into_the_document_meanwhile_is_kept() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.hold(true);
    let broker = world.broker(&["a"]).await;
    world.provider.until_presented(1).await;
    let mut document = world.document("a");
    document["label"] = json!("added");
    world.put("a", &document.to_string());
    world.provider.hold(false);
    let token = broker.settled("a").await.token();
    eventually("stored", || world.document("a")["access_token"] == token.as_str()).await;
    assert_eq!(world.document("a")["label"], "added");
    broker.stop().await;
}
