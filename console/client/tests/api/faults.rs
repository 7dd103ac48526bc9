//! Answers that get lost, are late, or are not what belongs there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use centaur_base::oid::SecretKind;
use centaur_client::api::{
    ApiClient, Cause, Exchange, Expect, Grantee, ListFilter, NewGrant, Observer, Options,
};
use serde_json::json;

use crate::console::{Console, KEY};
use crate::relay::{Fault, Relay, answer};
use crate::resources::{client, definition};

async fn world() -> (Console, Relay, ApiClient) {
    let console = Console::start().await;
    let relay = Relay::start(console.address).await;
    let api = client(relay.address, Options::new("test"));
    (console, relay, api)
}

#[tokio::test]
async fn what_may_pass_is_tried_again_where_twice_is_once() {
    let (_console, relay, api) = world().await;
    for fault in [
        answer(503, ""),
        answer(502, "<html>"),
        answer(504, ""),
        answer(429, ""),
        Fault::Lost,
        Fault::AnswerLost,
    ] {
        relay.reset();
        relay.fail("PUT", 1, fault.clone());
        let name = json!({ "name": "x" });
        let row = api.put_role("r", &name, Expect::Anything).await.unwrap().row;
        relay.fail("GET", 1, fault.clone());
        assert!(api.role(row.id).await.unwrap().is_some());
        relay.fail("DELETE", 1, fault.clone());
        api.delete_role(row.id, Expect::Anything).await.unwrap();
        assert_eq!((relay.lines().len(), relay.pending()), (6, 0), "{fault:?}");
        assert_eq!(api.role(row.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn grants_and_assignments_are_posted_again_and_nothing_else_is() {
    let (_console, relay, api) = world().await;
    let principal =
        api.put_principal("p", &json!({"namespace": "default"}), Expect::Anything).await.unwrap().row.id;
    let role = api.put_role("r", &json!({"namespace": "default"}), Expect::Anything).await.unwrap().row.id;
    let secret = api
        .put_secret(SecretKind::Static, "s", &definition("a.test"), Expect::Anything)
        .await
        .unwrap()
        .row
        .id;
    relay.reset();
    relay.fail("POST", 1, Fault::AnswerLost);
    let grantee = Grantee::Principal(principal);
    // The grant of the attempt whose answer was lost.
    let again =
        api.create_grant(&NewGrant { grantee, secret, priority: None, expires_at: None }).await.unwrap();
    assert!(!again.created);
    relay.fail("POST", 1, answer(503, ""));
    assert!(api.assign(principal, role).await.unwrap().created);
    assert_eq!(relay.lines().len(), 4);
    relay.reset();
    relay.fail("POST", 1, answer(503, ""));
    let error = api.create_proxy("edge", None).await.unwrap_err();
    assert_eq!((error.attempts, error.status()), (1, Some(503)));
    assert_eq!(api.proxies(None).await.unwrap(), []);
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_done_and_one_of_nothing_is_not() {
    let (_console, relay, api) = world().await;
    let role = api.put_role("r", &json!({"namespace": "default"}), Expect::Anything).await.unwrap().row.id;
    relay.fail("DELETE", 1, Fault::AnswerLost);
    api.delete_role(role, Expect::Anything).await.unwrap();
    let error = api.delete_role(role, Expect::Anything).await.unwrap_err();
    assert!(error.is_not_found() && error.attempts == 1);
}

#[tokio::test]
async fn attempts_end_and_what_does_not_pass_has_one() {
    let console = Console::start().await;
    let relay = Relay::start(console.address).await;
    let api = client(relay.address, Options { retries: 1, ..Options::new("test") });
    relay.fail("GET", 9, answer(503, r#"{"error":{"message":"the database is unavailable"}}"#));
    let error = api.roles(&ListFilter::of("default")).await.unwrap_err();
    assert_eq!(error.attempts, 2);
    let shown =
        "GET /api/v1/roles?namespace=default&page=1&limit=100: the database is unavailable (HTTP 503)";
    assert_eq!(error.to_string(), shown);
    for (status, body) in [(500, ""), (400, ""), (422, ""), (302, "")] {
        relay.reset();
        relay.fail("GET", 9, answer(status, body));
        assert_eq!(api.roles(&ListFilter::of("default")).await.unwrap_err().status(), Some(status));
        assert_eq!(relay.lines().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn the_console_is_left_alone_for_as_long_as_it_asks() {
    let (_console, relay, api) = world().await;
    relay.fail("GET", 1, Fault::Answer(429, Some(("retry-after", "1")), String::new()));
    let begin = Instant::now();
    assert_eq!(api.roles(&ListFilter::of("default")).await.unwrap(), []);
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn an_answer_that_is_late_is_not_waited_for() {
    let console = Console::start().await;
    let relay = Relay::start(console.address).await;
    let timeout = Duration::from_millis(100);
    let api = client(relay.address, Options { timeout, retries: 0, ..Options::new("test") });
    relay.fail("GET", 1, Fault::Late(Duration::from_mins(1)));
    let error = api.roles(&ListFilter::of("default")).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::TimedOut { after } if *after == timeout), "{error}");
}

#[tokio::test]
async fn a_success_with_something_else_in_it_is_told_apart() {
    let (_console, relay, api) = world().await;
    let id = api.put_role("r", &json!({"namespace": "default"}), Expect::Anything).await.unwrap().row.id;
    for body in [
        "<html>",
        "",
        "[]",
        "{}",
        r#"{"data":null}"#,
        r#"{"data":[]}"#,
        r#"{"data":{"id":"prn_5CO4fITZ","namespace":"default"}}"#,
        r#"{"data":{"id":7,"namespace":"default"}}"#,
    ] {
        relay.reset();
        relay.fail("GET", 1, answer(200, body));
        let error = api.role(id).await.unwrap_err();
        assert!(matches!(*error.cause, Cause::Unexpected(_)), "{body}: {error}");
        assert_eq!(relay.lines().len(), 1);
    }
    relay.fail("GET", 1, answer(200, &format!("{{\"data\":\"{}\"}}", "x".repeat(17 * 1024 * 1024))));
    let error = api.role(id).await.unwrap_err();
    assert!(matches!(*error.cause, Cause::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (console, relay, api) = world().await;
    let to = format!("http://{}/api/v1/roles", console.address);
    let to: &'static str = Box::leak(to.into_boxed_str());
    relay.fail("GET", 1, Fault::Answer(307, Some(("location", to)), String::new()));
    assert_eq!(api.roles(&ListFilter::of("default")).await.unwrap_err().status(), Some(307));
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn ended(&self, exchange: &Exchange<'_>) {
        self.0.lock().expect("no panic").push(format!("{exchange:?}"));
    }
}

#[tokio::test]
async fn an_observer_sees_every_attempt_with_the_ids_and_without_the_key() {
    let (_console, relay, api) = world().await;
    let notes = Arc::new(Notes::default());
    let api = api.observed_by(notes.clone());
    let principal =
        api.put_principal("p", &json!({"namespace": "default"}), Expect::Anything).await.unwrap().row.id;
    let role = api.put_role("r", &json!({"namespace": "default"}), Expect::Anything).await.unwrap().row.id;
    relay.fail("POST", 1, answer(503, ""));
    api.assign(principal, role).await.unwrap();
    let notes = notes.0.lock().unwrap();
    assert_eq!(notes.len(), 4);
    assert!(
        notes[2].contains("attempt: 1, status: Some(503)")
            && notes[3].contains("attempt: 2, status: Some(201)")
    );
    assert!(notes[3].contains(&format!("ids: [\"{role}\", \"{role}\"]")), "{}", notes[3]);
    assert!(notes.iter().all(|note| !note.contains(KEY)));
}

#[tokio::test]
async fn a_write_that_was_applied_and_whose_answer_was_lost_is_told_from_one_by_somebody_else() {
    let (_console, relay, api) = world().await;
    let data = |name: &str| json!({"namespace": "default", "name": name, "labels": {"team": name}});
    let there = api.put_principal("p", &data("one"), Expect::Anything).await.unwrap().row;
    // Its second attempt meets the revision that the first one made.
    relay.fail("PUT", 1, Fault::AnswerLost);
    let seen = Expect::Revision(there.revision.unwrap());
    let row = api.put_principal("p", &data("two"), seen).await.unwrap().row;
    assert_eq!(
        (row.name.as_deref(), row.revision),
        (Some("two"), there.revision.map(|revision| revision + 1))
    );
    // The same by its id.
    relay.fail("PUT", 1, Fault::AnswerLost);
    let seen = Expect::Revision(row.revision.unwrap());
    let row = api.put_principal(&row.id.to_string(), &data("three"), seen).await.unwrap().row;
    assert_eq!(row.name.as_deref(), Some("three"));
    // It never arrived, and somebody else wrote: that is a change in between.
    let seen = Expect::Revision(row.revision.unwrap());
    api.put_principal("p", &data("theirs"), Expect::Anything).await.unwrap();
    relay.fail("PUT", 1, Fault::Lost);
    assert!(api.put_principal("p", &data("mine"), seen).await.unwrap_err().is_stale());
    assert_eq!(api.principal(row.id).await.unwrap().unwrap().name.as_deref(), Some("theirs"));
}
