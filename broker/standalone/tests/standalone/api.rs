//! The HTTP API: every status, to the byte.

use std::os::unix::fs::symlink;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::http::Answer;
use crate::world::{BEARER, World, eventually};

fn assert_not_stored(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.header("pragma"), Some("no-cache"), "{answer:?}");
}

fn assert_is(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body), "{answer:?}");
    assert_not_stored(answer);
}

#[tokio::test]
async fn a_token_is_handed_out_with_its_end_and_from_memory_afterwards() {
    let world = World::new().await;
    world.bootstrap("a");
    let broker = world.broker(&["a"]).await;
    let answer = broker.settled("a").await;
    let token = answer.token();
    let end = answer.json()["expires_at"].as_str().expect("an end").to_owned();
    assert_is(&answer, 200, &format!(r#"{{"access_token":"{token}","expires_at":"{end}"}}"#));
    assert!(end.len() == 20 && end.ends_with('Z'), "{end}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for _ in 0..3 {
        assert_eq!(broker.ask("a").await.token(), token);
    }
    assert_eq!(world.provider.presented().len(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn who_shows_no_token_learns_nothing_and_who_does_learns_what_there_is() {
    let world = World::new().await;
    world.bootstrap("a");
    let broker = world.broker(&["a"]).await;
    broker.settled("a").await;
    let path = "/credentials/a/access_token";
    for headers in [
        String::new(),
        "Authorization: Bearer fake-wrong\r\n".to_owned(),
        format!("Authorization: Basic {BEARER}\r\n"),
        format!("Authorization: {BEARER}\r\n"),
        format!("Authorization: Bearer {BEARER}\r\nAuthorization: Bearer {BEARER}\r\n"),
    ] {
        let known = broker.send("GET", path, &headers).await;
        assert_is(&known, 401, r#"{"error":"unauthorized"}"#);
        let unknown = broker.send("GET", "/credentials/none/access_token", &headers).await;
        assert_is(&unknown, 401, r#"{"error":"unauthorized"}"#);
    }
    for id in ["none", "A", "%ff", "a%2Fb"] {
        assert_is(&broker.ask(id).await, 404, r#"{"error":"credential not found"}"#);
    }
    broker.stop().await;
}

#[tokio::test]
async fn ids_are_escaped_in_the_path() {
    let world = World::new().await;
    let token = world.provider.log_in("odd");
    let file = world.file(&["a"]).replace("id: 'a'", "id: 'a b/ü%'");
    world.put("a", &token);
    let broker = crate::world::Running::start(&file).await;
    assert_eq!(broker.settled("a%20b%2f%C3%BC%25").await.status, 200);
    broker.stop().await;
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let world = World::new().await;
    world.bootstrap("a");
    let broker = world.broker(&["a"]).await;
    let headers = format!("Authorization: Bearer {BEARER}\r\n");
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        let answer = broker.send(method, "/credentials/a/access_token", &headers).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method}");
    }
    for path in [
        "/",
        "/credentials/a",
        "/credentials//access_token",
        "/credentials/a/b/access_token",
        "/metrics",
        "/status",
    ] {
        assert_eq!(broker.send("GET", path, &headers).await.status, 404, "{path}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn health_is_told_on_both_ports_and_numbers_on_one() {
    let world = World::new().await;
    world.bootstrap("a");
    let broker = world.broker(&["a", "b"]).await;
    broker.settled("a").await;
    broker.settled("b").await;
    eventually("stored", || broker.shelf.health()[0].1.status == "live").await;
    for answer in [broker.send("GET", "/healthz", "").await, broker.page("/healthz").await] {
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    }
    assert_eq!(broker.send("POST", "/healthz", "").await.status, 405);
    assert_eq!(broker.page("/credentials/a/access_token").await.status, 404, "no tokens there");
    let status = broker.page("/status").await;
    assert_eq!(status.status, 503, "one is dead");
    let shown = status.json();
    assert_eq!(
        (shown["credentials"][0]["id"].as_str(), shown["credentials"][0]["status"].as_str()),
        (Some("a"), Some("live"))
    );
    assert_eq!(shown["credentials"][1]["reason"], "blob_not_bootstrapped");
    let metrics = broker.page("/metrics").await;
    for line in [
        "broker_refresh_attempts_total{credential_id=\"a\",result=\"success\",error_code=\"\"} 1",
        "broker_credential_dead{credential_id=\"b\",reason=\"blob_not_bootstrapped\"} 1",
        "broker_rotation_pending{credential_id=\"a\"} 0",
        "broker_token_requests_total{status=\"422\"} ",
    ] {
        assert!(metrics.body.contains(line), "{line}\n{}", metrics.body);
    }
    for page in [&status, &metrics] {
        assert!(!page.body.contains("fake"), "{page:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_dead_credential_says_why_and_asks_nobody() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.log_in("a");
    let broker = world.broker(&["a"]).await;
    assert_is(&broker.settled("a").await, 422, r#"{"error":"credential dead","reason":"invalid_grant"}"#);
    for _ in 0..3 {
        assert_eq!(broker.ask("a").await.status, 422);
    }
    assert_eq!(world.provider.presented().len(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn what_the_store_does_not_give_is_bootstrapping() {
    let world = World::new().await;
    // A link to itself cannot be read, and the document takes its place with no moment in which nothing stands there.
    symlink(world.path("a"), world.path("a")).expect("a link where the document should be");
    let broker = world.broker(&["a"]).await;
    let answer = broker.ask("a").await;
    assert_is(&answer, 503, r#"{"error":"bootstrapping"}"#);
    assert_eq!(answer.header("retry-after"), Some("5"));
    world.bootstrap("a");
    broker.shelf.reread();
    assert_eq!(broker.settled("a").await.status, 200);
    broker.stop().await;
}

#[tokio::test]
async fn everybody_waits_for_one_refresh_and_who_leaves_stops_nothing() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.hold(true);
    let broker = world.broker(&["a"]).await;
    world.provider.until_presented(1).await;
    // One who asks and goes.
    let mut leaver = TcpStream::connect(broker.address).await.expect("a connection");
    let request = format!(
        "GET /credentials/a/access_token HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {BEARER}\r\n\r\n"
    );
    leaver.write_all(request.as_bytes()).await.expect("sent");
    drop(leaver);
    let waiting = at_once((0..200).map(|_| broker.ask("a")).collect());
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.provider.hold(false);
    };
    let (answers, ()) = tokio::join!(waiting, release);
    let first = answers[0].token();
    assert!(answers.iter().all(|answer| answer.token() == first));
    assert_eq!(world.provider.presented().len(), 1);
    broker.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_never_served_and_asking_refreshes_it() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.set_lasts(3);
    let broker = world.broker(&["a"]).await;
    let mut last = broker.settled("a").await.token();
    for _ in 0..2 {
        let mut next = last.clone();
        while next == last {
            next = broker.ask("a").await.token();
        }
        last = next;
    }
    assert!(world.provider.is_alive("a"));
    // More where a token was at its end before it was stored.
    assert!(world.provider.presented().len() >= 3);
    broker.stop().await;
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_is_and_the_client_is_told_until_when() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.set_instead(Some((429, "Retry-After: 120\r\n", r#"{"error":"slow_down"}"#)));
    let broker = world.broker(&["a"]).await;
    let answer = broker.settled("a").await;
    assert_is(&answer, 503, r#"{"error":"refresh pending"}"#);
    let after: u64 = answer.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((100..=120).contains(&after), "{after}");
    broker.stop().await;
}

#[tokio::test]
async fn a_client_that_waits_brings_the_next_attempt_forward_but_not_to_at_once() {
    let world = World::new().await;
    world.bootstrap("a");
    world.provider.set_instead(Some((503, "", "")));
    let broker = world.broker(&["a"]).await;
    let (answer, ()) = tokio::join!(broker.settled("a"), async {
        eventually("a failure", || {
            broker.shelf.health().iter().any(|(_, health)| health.status == "failing")
        })
        .await;
        world.provider.set_instead(None);
    });
    // A 503 says nothing about what the provider did, so the attempt that succeeds is marked.
    answer.token();
    let metrics = broker.page("/metrics").await.body;
    assert!(metrics.contains("broker_interrupted_total{credential_id=\"a\"} 1"), "{metrics}");
    broker.stop().await;
}

#[tokio::test]
async fn a_source_that_fails_is_a_fault_of_ours_and_nothing_is_sent() {
    let world = World::new().await;
    world.bootstrap("a");
    let file =
        world.file(&["a"]).replace("{type: env, var: CARGO_PKG_NAME}", "{type: env, var: FAKE_NEVER_SET}");
    let broker = crate::world::Running::start(&file).await;
    eventually("a fault", || broker.shelf.health()[0].1.status == "failing").await;
    let answer = broker.ask("a").await;
    assert_is(&answer, 500, r#"{"error":"internal error"}"#);
    assert!(world.provider.presented().is_empty());
    let status = broker.page("/status").await.json();
    assert_eq!(
        status["credentials"][0]["reason"],
        "client_id: FAKE_NEVER_SET is unavailable: the variable is not set"
    );
    broker.stop().await;
}

/// All of them at once.
async fn at_once<F: Future<Output = Answer>>(all: Vec<F>) -> Vec<Answer> {
    let mut all: Vec<_> = all.into_iter().map(|one| Some(Box::pin(one))).collect();
    let mut done: Vec<Option<Answer>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (at, slot) in all.iter_mut().enumerate() {
            if let Some(one) = slot
                && let std::task::Poll::Ready(answer) = one.as_mut().poll(context)
            {
                done[at] = Some(answer);
                *slot = None;
            }
        }
        if all.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
