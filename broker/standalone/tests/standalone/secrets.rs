//! Documents in Secrets of Kubernetes.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::http::Answer;
use crate::kubernetes::{Kubernetes, TOKEN};
use crate::process::{Process, command};
use crate::world::{BEARER, World, eventually};

/// A world whose document is the key `blob` of the Secret `login`.
struct Cluster {
    world: World,
    kubernetes: Kubernetes,
}

impl Cluster {
    async fn new() -> Self {
        Self { world: World::new().await, kubernetes: Kubernetes::start().await }
    }

    /// Logs in, and writes the document beside another key.
    fn bootstrap(&self) -> String {
        let token = self.world.provider.log_in("a");
        self.kubernetes.put("login", "other", "fake-other");
        self.kubernetes.put("login", "blob", &format!(r#"{{"refresh_token":"{token}"}}"#));
        token
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.kubernetes.text("login", "blob")).expect("JSON")
    }

    async fn broker(&self) -> Process {
        let text = self.world.file(&["a"]);
        let (head, _) = text.split_once("store: ").expect("a store");
        let text =
            format!("{head}store: {{type: kubernetes_secret, namespace: centaur, name: login, key: blob}}\n");
        let kubeconfig = self.world.directory.path().join("kubeconfig");
        fs::write(&kubeconfig, self.kubernetes.kubeconfig()).expect("a write");
        Process::spawn(command(&self.world.config(&text)).env("KUBECONFIG", kubeconfig)).await
    }
}

/// Asks until the answer is one of a document that was read.
async fn settled(broker: &Process) -> Answer {
    loop {
        let answer = broker.ask("a").await.expect("an answer");
        if !answer.body.contains("bootstrapping") {
            return answer;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Ends it in good order; gives all that it said, which holds no secret.
async fn ended(broker: Process) -> String {
    broker.signal("-TERM");
    let (code, said) = broker.ended().await;
    assert_eq!(code, Some(0), "{said}");
    for secret in ["at-fake", "rt-fake", "fake-secret", "fake-other", BEARER, TOKEN] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    said
}

#[tokio::test]
async fn a_rotation_patches_one_key_on_top_of_what_was_read() {
    let cluster = Cluster::new().await;
    let first = cluster.bootstrap();
    let broker = cluster.broker().await;
    let token = settled(&broker).await.token();
    eventually("stored", || cluster.document()["access_token"] == token.as_str()).await;
    let document = cluster.document();
    assert_ne!(document["refresh_token"], first.as_str());
    assert!(document["broker"].is_null(), "{document}");
    assert_eq!(cluster.kubernetes.text("login", "other"), "fake-other");
    assert_eq!(cluster.kubernetes.count("PATCH", 200), 2, "the note, and the outcome");
    ended(broker).await;
    cluster.kubernetes.check("login");
    assert_eq!(cluster.world.provider.presented(), [first]);
}

#[tokio::test]
async fn what_the_service_account_may_not_do_is_named_and_heals() {
    let cluster = Cluster::new().await;
    cluster.bootstrap();
    cluster.kubernetes.refuse(Some(403));
    let broker = cluster.broker().await;
    let answer = broker.ask("a").await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (503, r#"{"error":"bootstrapping"}"#));
    eventually("a refusal", || cluster.kubernetes.count("GET", 403) > 0).await;
    cluster.kubernetes.refuse(None);
    broker.signal("-HUP");
    settled(&broker).await.token();
    let said = ended(broker).await;
    assert!(
        said.contains("cannot get Secret centaur/login: forbidden; the service account needs get and patch"),
        "{said}"
    );
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_waited_for() {
    let cluster = Cluster::new().await;
    let broker = cluster.broker().await;
    let answer = settled(&broker).await;
    assert_eq!(answer.body, r#"{"error":"credential dead","reason":"blob_not_bootstrapped"}"#);
    cluster.bootstrap();
    broker.signal("-HUP");
    while broker.ask("a").await.expect("an answer").status != 200 {
        sleep(Duration::from_millis(5)).await;
    }
    ended(broker).await;
}

#[tokio::test]
async fn a_secret_that_was_touched_meanwhile_is_read_again_and_written_on_top_of() {
    let cluster = Cluster::new().await;
    cluster.bootstrap();
    cluster.world.provider.hold(true);
    let broker = cluster.broker().await;
    cluster.world.provider.until_presented(1).await;
    cluster.kubernetes.put("login", "other", "fake-other-2");
    cluster.world.provider.hold(false);
    let token = settled(&broker).await.token();
    eventually("stored", || cluster.document()["access_token"] == token.as_str()).await;
    assert_eq!(cluster.kubernetes.count("PATCH", 409), 1);
    assert_eq!(cluster.kubernetes.text("login", "other"), "fake-other-2");
    ended(broker).await;
    cluster.kubernetes.check("login");
    assert_eq!(cluster.world.provider.presented().len(), 1);
}

#[tokio::test]
async fn who_brings_a_new_token_meanwhile_wins() {
    let cluster = Cluster::new().await;
    cluster.bootstrap();
    cluster.world.provider.hold(true);
    let broker = cluster.broker().await;
    cluster.world.provider.until_presented(1).await;
    let fresh = cluster.bootstrap();
    cluster.world.provider.hold(false);
    settled(&broker).await.token();
    eventually("the fresh one is sent", || cluster.world.provider.presented().last() == Some(&fresh)).await;
    assert!(cluster.world.provider.is_alive("a"));
    ended(broker).await;
}

#[tokio::test]
async fn a_second_broker_on_the_same_secret_sends_nothing_and_takes_what_the_first_got() {
    let cluster = Cluster::new().await;
    let token = cluster.bootstrap();
    cluster.world.provider.hold(true);
    let first = cluster.broker().await;
    cluster.world.provider.until_presented(1).await;
    let second = cluster.broker().await;
    let (theirs, ours, ()) = tokio::join!(settled(&second), settled(&first), async {
        sleep(Duration::from_millis(100)).await;
        cluster.world.provider.hold(false);
    });
    assert_eq!(theirs.token(), ours.token());
    assert_eq!(cluster.world.provider.presented(), [token]);
    ended(first).await;
    ended(second).await;
    cluster.kubernetes.check("login");
}

#[tokio::test]
async fn an_outcome_whose_answer_got_lost_is_found_to_be_stored() {
    let cluster = Cluster::new().await;
    cluster.bootstrap();
    cluster.world.provider.hold(true);
    let broker = cluster.broker().await;
    cluster.world.provider.until_presented(1).await;
    cluster.kubernetes.lose_answer();
    cluster.world.provider.hold(false);
    let token = settled(&broker).await.token();
    eventually("the loss", || cluster.kubernetes.has_lost_answer()).await;
    let said = ended(broker).await;
    assert!(said.contains("THE OUTCOME OF A REFRESH IS NOT STORED YET"), "{said}");
    assert_eq!(cluster.document()["access_token"], token.as_str());
    assert_eq!(cluster.world.provider.presented().len(), 1);
}

#[tokio::test]
async fn while_the_server_is_away_the_token_is_served_and_then_stored() {
    let cluster = Cluster::new().await;
    cluster.bootstrap();
    cluster.world.provider.hold(true);
    let broker = cluster.broker().await;
    cluster.world.provider.until_presented(1).await;
    cluster.kubernetes.refuse(Some(503));
    cluster.world.provider.hold(false);
    let token = settled(&broker).await.token();
    eventually("tries", || cluster.kubernetes.count("PATCH", 503) > 2).await;
    assert!(cluster.document()["access_token"].is_null());
    cluster.kubernetes.refuse(None);
    ended(broker).await;
    assert_eq!(cluster.document()["access_token"], token.as_str());
    assert_eq!(cluster.world.provider.presented().len(), 1);
}

#[tokio::test]
async fn what_a_killed_broker_was_sending_is_marked_once_its_time_is_up() {
    let cluster = Cluster::new().await;
    cluster.bootstrap();
    cluster.world.provider.hold(true);
    let mut broker = cluster.broker().await;
    cluster.world.provider.until_presented(1).await;
    broker.child.start_kill().expect("killed");
    broker.ended().await;
    cluster.world.provider.hold(false);
    let mut document = cluster.document();
    assert!(document["broker"]["until"].is_string(), "{document}");
    document["broker"]["until"] = "2020-01-01T00:00:00Z".into();
    cluster.kubernetes.put("login", "blob", &document.to_string());
    let broker = cluster.broker().await;
    let answer = settled(&broker).await;
    assert_eq!(answer.body, r#"{"error":"credential dead","reason":"interrupted_invalid_grant"}"#);
    let said = ended(broker).await;
    assert!(said.contains("an earlier attempt was interrupted"), "{said}");
}
