//! Slack, whose answers have shapes of their own.

use serde_json::{Value, json};

use super::{CREDENTIALS, World};
use crate::on_both;

const TOKEN: &str = "/api/oauth.v2.access";

async fn slack() -> World {
    let world =
        World::with("slack", &[TOKEN], json!({"allowed_scopes":["channels:history","users:read"]})).await;
    world.idp.issuer.answer("/api/auth.test", 200, json!({"ok":false,"error":"ratelimited"}));
    world
}

fn answer() -> Value {
    json!({"ok":true,"team":{"id":"T01AAAAAA"},"authed_user":{"id":"U02BBBBBB","scope":"channels:history,users:read",
        "access_token":"fake-xoxe-at","refresh_token":"fake-xoxe-rt","expires_in":43200,"token_type":"user"}})
}

impl World {
    async fn slack_consent(&self, answer: &Value) -> crate::consent::browser::Page {
        let sent = self.browser.start(&self.console, "drive").await;
        assert_eq!(sent.params["user_scope"], "channels:history,users:read");
        let code = self.idp.code(&sent, answer);
        self.browser.back(&self.console, "drive", &sent, &code).await
    }
}

async fn the_token_is_the_users() {
    let world = slack().await;
    let mut with_bot = answer();
    with_bot["access_token"] = json!("fake-xoxb-bot");
    with_bot["token_type"] = json!("bot");
    with_bot["scope"] = json!("chat:write");
    world.slack_consent(&with_bot).await.says(200, "U02BBBBBB");
    let credential = world.only_credential().await;
    for (key, want) in [
        ("foreign_id", json!("slack-drive-u02bbbbbb")),
        ("name", json!("Slack – U02BBBBBB")),
        ("labels", json!({"slack_team_id":"T01AAAAAA"})),
        ("scopes", json!(["channels:history", "users:read"])),
        ("token_endpoint", json!("https://slack.com/api/oauth.v2.access")),
        ("provider_subject", json!("U02BBBBBB")),
        ("provider_email", Value::Null),
    ] {
        assert_eq!(credential[key], want, "{key}");
    }
    assert_eq!(world.wrapper(&credential).await["rules"][0]["host"], "slack.com");
    assert_eq!(world.delivered(&credential).await[0]["source"]["value"], "fake-xoxe-at");
}

async fn the_same_id_of_another_team_is_somebody_else() {
    let world = slack().await;
    world.slack_consent(&answer()).await.says(200, "U02BBBBBB");
    let mut other = answer();
    other["team"]["id"] = json!("T09ZZZZZZ");
    other["authed_user"]["access_token"] = json!("fake-xoxe-other");
    let page = world.slack_consent(&other).await;
    page.says(422, "Connecting the integration failed (account_mismatch).");
    let credential = world.only_credential().await;
    assert_eq!(world.delivered(&credential).await[0]["source"]["value"], "fake-xoxe-at", "left alone");
    world.slack_consent(&answer()).await.says(200, "U02BBBBBB");
}

async fn what_is_no_token_of_a_user_is_refused() {
    let world = slack().await;
    for (change, reason, hint) in [
        (
            json!({"authed_user":{"id":"U02BBBBBB"},"access_token":"fake-xoxb-bot"}),
            "missing_user_token",
            "not for bot scopes",
        ),
        (json!({"authed_user":null,"access_token":"fake-xoxb-bot"}), "missing_user_token", "user scopes"),
        (
            json!({"authed_user":{"id":"U02BBBBBB","access_token":"fake-xoxp-at"}}),
            "missing_refresh_token",
            "turn on token rotation",
        ),
        (json!({"ok":false,"error":"invalid_code"}), "invalid_code", "Try again"),
        (json!({"ok":false}), "http", "Try again"),
        (
            json!({"authed_user":{"access_token":"fake-at","refresh_token":"fake-rt"}}),
            "missing_id_token",
            "Try again",
        ),
    ] {
        let mut wrong = answer();
        change.as_object().expect("members").iter().for_each(|(key, value)| wrong[key] = value.clone());
        let page = world.slack_consent(&wrong).await;
        page.says(422, &format!("Connecting the integration failed ({reason})."));
        page.says(422, hint);
    }
    assert_eq!(world.credentials().await, Vec::<Value>::new());
    world.slack_consent(&answer()).await.says(200, "Connected");
}

async fn the_profile_gives_a_name_and_must_be_of_the_same_user() {
    let world = slack().await;
    let test = |user: &str| json!({"ok":true,"user_id":user,"user":"ada","team_id":"T01AAAAAA"});
    let info = json!({"ok":true,"user":{"id":"U02BBBBBB","real_name":"Ada Lovelace",
        "profile":{"email":"ada@example.test"}}});
    world.idp.issuer.answer("/api/users.info", 200, info);
    world.idp.issuer.answer("/api/auth.test", 200, test("U0OTHER"));
    world.slack_consent(&answer()).await.says(422, "(account_mismatch)");
    assert_eq!(world.credentials().await, Vec::<Value>::new());
    world.idp.issuer.answer("/api/auth.test", 200, test("U02BBBBBB"));
    world.slack_consent(&answer()).await.says(200, "Ada Lovelace");
    let credential = world.only_credential().await;
    assert_eq!(credential["name"], "Slack – Ada Lovelace");
    assert_eq!(credential["provider_email"], Value::Null, "nobody granted users:read.email");
    let asked = world.idp.issuer.seen("/api/users.info").pop().expect("a call");
    assert_eq!(asked.query, "user=U02BBBBBB");
    assert_eq!(asked.headers["authorization"], "Bearer fake-xoxe-at");
    let shown = world.console.get(&format!("{CREDENTIALS}?namespace=default")).await.text;
    assert!(!shown.contains("fake-"), "{shown}");
}

on_both!(
    the_token_is_the_users,
    the_same_id_of_another_team_is_somebody_else,
    what_is_no_token_of_a_user_is_refused,
    the_profile_gives_a_name_and_must_be_of_the_same_user,
);
