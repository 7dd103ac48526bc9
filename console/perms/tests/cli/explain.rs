//! `explain`

use serde_json::json;

use crate::support::World;

async fn world() -> World {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.secret("weak", "a.test").await;
    world.secret("far", "b.test").await;
    world.done(&["roles", "grant", "support", "--secret", "weak"]).await;
    world.done(&["principals", "grant", "slack-channel-c1", "--role", "support", "--secret", "key"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--secret", "far"]).await;
    world
}

#[tokio::test]
async fn what_applies_is_told_with_the_way_to_it_and_what_to_send() {
    let world = world().await;
    let outcome = world.run(&["explain", "slack-channel-c1", "--host", "a.test", "--path", "x"]).await;
    outcome.is(
        0,
        "applies  Key key  static  via direct  active\n  \
           matched by rule 1\n  \
           send PLACEHOLDER_key in header:authorization; the proxy puts the value there\n\
         set aside\n  \
           static  Key weak  a.test  support  ssr_kxIQLCuJ is stronger and writes header:authorization for requests that \
         a.test matches too\n",
        "",
    );
    assert_eq!(
        world.relay.lines().last().map(String::as_str),
        Some("POST /api/v1/principals/prn_5CO4fITZ/dry_run")
    );
}

#[tokio::test]
async fn the_person_who_asks_fills_the_gaps() {
    let world = world().await;
    let words = ["explain", "slack-channel-c1", "--host", "b.test"];
    let outcome = world.run(&words).await;
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.out);
    assert!(outcome.out.starts_with("no credential applies\nset aside\n"), "{}", outcome.out);
    let words = [&words[..], &["--requester", "slack-user-u5", "-o", "json"]].concat();
    let data = world.run(&words).await.json(0)["data"].take();
    assert_eq!(data["request"]["requester"], "slack-user-u5");
    assert_eq!(data["applied"][0]["secret"]["foreign_id"], "far");
    assert_eq!(data["applied"][0]["supplied_by"], "requester");
    let reasons: Vec<_> =
        data["set_aside"].as_array().unwrap().iter().map(|one| one["reason"].clone()).collect();
    assert_eq!(reasons, [json!("rule_mismatch"), json!("shadowed")]);
}

#[tokio::test]
async fn one_secret_or_tool_can_be_asked_about_alone() {
    let world = world().await;
    let data = world.data(&["explain", "slack-channel-c1", "--secret", "key"]).await;
    assert_eq!(
        (data["applied"].as_array().unwrap().len(), data["set_aside"].as_array().unwrap().len()),
        (1, 0)
    );
    let shown = world.run(&["explain", "slack-channel-c1", "--tool", "github", "-o", "json"]).await.json(3);
    assert_eq!(shown["data"]["applied"], json!([]));
    let outcome = world.run(&["explain", "slack-channel-c1", "--method", "GET"]).await;
    assert_eq!(outcome.status.code(), Some(2));
}

#[tokio::test]
async fn a_database_is_asked_about_by_its_name() {
    let world = World::new().await;
    let data = json!({"namespace": "default", "database": "analytics",
        "dsn": {"source_type": "env", "config": {"var": "FAKE_DSN"}}});
    let kind = centaur_base::oid::SecretKind::PgDsn;
    world.api.put_secret(kind, "warehouse", &data, centaur_client::api::Expect::Anything).await.unwrap();
    world.done(&["principals", "grant", "slack-user-u5", "--secret", "warehouse"]).await;
    world.run(&["explain", "slack-user-u5", "--database", "analytics"]).await.is(
        0,
        "applies  warehouse  pg_dsn  via direct  active\n  \
           connect to database analytics with the password of the sandbox\n",
        "",
    );
    assert_eq!(world.run(&["explain", "slack-user-u5", "--database", "other"]).await.status.code(), Some(3));
}
