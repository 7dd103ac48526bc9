//! The audit log over the API.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::console::{Console, KEY, secret};
use crate::on_both;

const EVENTS: &str = "/api/v1/audit_events";
const VALUE: &str = "fake-value-nobody-may-see";

struct World {
    console: Console,
    principal: String,
    secret: String,
    grant: String,
}

async fn world() -> World {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    console.make("/api/v1/principals", json!({"foreign_id":"other"})).await;
    let secret = console.make("/api/v1/static_secrets", secret("s", "a.test", VALUE)).await;
    let grant =
        console.make("/api/v1/grants", json!({"principal_id":principal,"static_secret_id":secret})).await;
    console.delete(&format!("/api/v1/grants/{grant}")).await.expect(204);
    World { console, principal, secret, grant }
}

impl World {
    async fn events(&self, query: &str) -> Vec<Value> {
        let reply = self.console.get(&format!("{EVENTS}?{query}")).await;
        assert!(!reply.text.contains(VALUE), "no value is in the log");
        serde_json::from_value(reply.data(200)).expect("a list")
    }

    /// Action and kind of object, as listed.
    async fn told(&self, query: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let line = |event: &Value| format!("{} {}", text(&event["action"]), text(&event["object"]["type"]));
        self.events(query).await.iter().map(line).collect()
    }
}

async fn an_event_says_who_did_what_to_which_object() {
    let w = world().await;
    let event = w.events("limit=1").await.remove(0);
    let keys: Vec<_> = event.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "seq",
            "at",
            "actor",
            "as_operator",
            "action",
            "object",
            "namespace",
            "before",
            "after",
            "request_id",
            "address",
            "prev_hash",
            "hash"
        ]
    );
    assert_eq!(
        (&event["action"], &event["object"]),
        (&json!("delete"), &json!({"type":"grant","id":w.grant}))
    );
    assert_eq!(event["actor"], json!({"type":"api_key","id":"ak_a8GHKFtL"}));
    assert_eq!((&event["before"]["principal_id"], &event["after"]), (&json!(w.principal), &json!(null)));
    assert_eq!((&event["namespace"], &event["address"]), (&json!("default"), &json!("127.0.0.1")));
    let path = format!("{EVENTS}/{}", event["id"].as_str().expect("an id"));
    assert_eq!(w.console.get(&path).await.data(200), event);
    w.console.get(&format!("{EVENTS}/aud_xxxxxxxx")).await.expect(404);
    w.console.delete(&path).await.expect(404);
}

async fn events_are_filtered_by_actor_object_principal_action_and_time() {
    let w = world().await;
    let of_grant = ["delete grant", "create grant"];
    assert_eq!(w.told(&format!("object={}", w.grant)).await, of_grant);
    assert_eq!(w.told(&format!("object={}", w.secret)).await, ["create static_secret"]);
    assert_eq!(
        w.told(&format!("principal={}", w.principal)).await,
        ["delete grant", "create grant", "create principal"]
    );
    assert_eq!(w.told("action=delete").await, ["delete grant"]);
    assert_eq!(w.told("actor=system").await, ["create api_key", "create user"]);
    let by_key = w.told("actor=ak_a8GHKFtL").await;
    assert_eq!(by_key.len(), 5);
    assert_eq!(w.told("actor=usr_dYD6GVBm").await, by_key, "a user's keys are the user");
    assert_eq!(w.told("actor=usr_pasnJ458").await, [""; 0]);
    assert_eq!(w.told("since=2999-01-01T00:00:00Z").await, [""; 0]);
    assert_eq!(w.told("until=2999-01-01T00:00:00Z&since=2020-01-01T00:00:00Z&limit=200").await.len(), 7);
    for (query, message) in [
        ("object=x", "object must be an object id"),
        ("actor=prn_5CO4fITZ", "actor must be the id of a user, an API key or a proxy, or system"),
        ("principal=role_1Uc5uCJR", "principal must be the id of a principal"),
        ("since=yesterday", "since must be an RFC 3339 time"),
        ("before=-1", "before must be the number of an event"),
        ("limit=x", "limit must be an integer"),
    ] {
        let refused = w.console.get(&format!("{EVENTS}?{query}")).await.expect(400);
        assert_eq!(refused, json!({"error":{"message":message}}), "{query}");
    }
}

async fn pages_are_walked_by_number_in_both_directions() {
    let w = world().await;
    let all = w.events("limit=200").await;
    for (start, key) in [("limit=2", "before"), ("limit=2&after=0", "after")] {
        let (mut seen, mut query) = (Vec::new(), start.to_owned());
        loop {
            let page = w.console.get(&format!("{EVENTS}?{query}")).await.expect(200);
            seen.extend(page["data"].as_array().expect("a list").clone());
            let Some(next) = page["meta"]["next"][key].as_i64() else { break };
            query = format!("limit=2&{key}={next}");
        }
        if key == "after" {
            seen.reverse();
        }
        assert_eq!(seen, all, "{key}");
    }
}

async fn an_export_is_one_event_a_line_and_can_be_taken_up_again() {
    let w = world().await;
    let bearer = format!("Bearer {KEY}");
    let export = async |query: &str| {
        let headers = [("authorization", bearer.as_str()), ("accept", "application/x-ndjson")];
        let reply = w.console.send("GET", &format!("{EVENTS}?{query}"), &headers, "").await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
        assert!(!reply.text.contains(VALUE));
        let lines = reply.text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.collect::<Vec<_>>()
    };
    let all = export("").await;
    let numbers: Vec<_> = all.iter().filter_map(|event| event["seq"].as_i64()).collect();
    assert_eq!(numbers, (1..=7).collect::<Vec<_>>());
    assert_eq!(export("after=5").await, all[5..]);
    assert_eq!(export("action=create&before=3").await, all[..2]);
    assert_eq!(export("after=7").await, [] as [Value; 0]);
    let hashes: BTreeSet<_> = all.iter().map(|event| event["hash"].to_string()).collect();
    assert_eq!(hashes.len(), 7);
}

async fn the_chain_is_verified_also_against_a_hash_that_was_kept() {
    let w = world().await;
    let verify = async |query: &str| w.console.get(&format!("{EVENTS}/verify?{query}")).await.data(200);
    let whole = verify("").await;
    let last = w.events("limit=1").await.remove(0);
    assert_eq!(whole, json!({"whole":true,"seq":7,"hash":last["hash"]}));
    let kept = w.events("before=4&limit=1").await.remove(0)["hash"].as_str().expect("a hash").to_owned();
    assert_eq!(verify(&format!("seq=3&hash={kept}")).await["matches"], true);
    assert_eq!(verify(&format!("seq=4&hash={kept}")).await["matches"], false);
    assert_eq!(verify(&format!("seq=99&hash={kept}")).await["matches"], false);
    w.console.get(&format!("{EVENTS}/verify?seq=3")).await.expect(400);
}

async fn a_long_chain_is_verified_in_parts_and_no_part_says_that_all_is_whole() {
    let w = world().await;
    let verify = async |query: &str| w.console.get(&format!("{EVENTS}/verify?{query}")).await.data(200);
    let whole = verify("").await;
    let (mut query, mut seen) = ("limit=3".to_owned(), Vec::new());
    let last = loop {
        let part = verify(&query).await;
        seen.push(part["seq"].as_i64());
        let Some(next) = part["next"].as_object() else { break part };
        assert_eq!((&part["whole"], &part["hash"]), (&Value::Null, &next["after_hash"]));
        let hash = next["after_hash"].as_str().expect("a hash");
        query = format!("limit=3&after={}&after_hash={hash}", next["after"]);
    };
    assert_eq!((last, seen), (whole, vec![Some(3), Some(6), Some(7)]));
    let forged = "7".repeat(64);
    let broken = verify(&format!("after=3&after_hash={forged}")).await;
    assert_eq!(broken, json!({"whole":false,"broken_at":4}));
    for bad in ["after=3".to_owned(), "after=3&after_hash=zz".to_owned(), format!("after_hash={forged}")] {
        w.console.get(&format!("{EVENTS}/verify?{bad}")).await.expect(400);
    }
}

on_both!(
    an_event_says_who_did_what_to_which_object,
    events_are_filtered_by_actor_object_principal_action_and_time,
    pages_are_walked_by_number_in_both_directions,
    an_export_is_one_event_a_line_and_can_be_taken_up_again,
    the_chain_is_verified_also_against_a_hash_that_was_kept,
    a_long_chain_is_verified_in_parts_and_no_part_says_that_all_is_whole,
);
