//! The last-known-good file: a proxy that starts while its control plane is away.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use centaur_e2e::console::TOKEN;
use centaur_e2e::wait::eventually;
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Console, Request, World};
use serde_json::{Value, json};

const KEY: &str = "fake-management-key-1";

/// A proxy of `console` that keeps its configuration in `file`.
async fn start(console: &Console, token: &str, file: &Path) -> World {
    World::builder()
        .allow("c.test")
        .env("IRON_CONTROL_PLANE_URL", &console.url())
        .value("IRON_PROXY_TOKEN", token)
        .top(&format!(
            "control_plane: {{poll_interval: 200ms, last_known_good: {:?}}}",
            file.display().to_string()
        ))
        .top("management: {listen: \"127.0.0.1:0\", api_key_env: MANAGE_KEY}")
        .value("MANAGE_KEY", KEY)
        .value("REAL_A", REAL)
        .listener("management")
        .start()
        .await
}

async fn status(w: &World) -> Value {
    let request = Request::get("manage", "/v1/status").field("Authorization", &format!("Bearer {KEY}"));
    let reply = request.on(&mut w.connect("management").await).await;
    serde_json::from_str(&reply.expect(200).text()).expect("a status")
}

/// Waits until the file is in this state, and says why.
async fn kept(w: &World, state: &str) -> Value {
    eventually(state, async || status(w).await["last_known_good"]["state"] == state).await;
    status(w).await["last_known_good"]["detail"].take()
}

fn config() -> Value {
    json!({
        "config_hash": "sha256:1", "status": "assigned", "principal_id": "prn_one",
        "rules": [{"host": "a.test"}, {"host": "b.test"}],
        "secrets": [{
            "source": {"type": "control_plane", "value": REAL},
            "rules": [{"host": "a.test"}],
            "replace": {"proxy_value": PLACEHOLDER, "match_headers": ["Authorization"]},
        }],
        "transforms": [], "postgres": [],
    })
}

/// What the origin sees of a request with the placeholder.
async fn sent(w: &World) -> String {
    let reply =
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.https("a.test").await).await;
    reply.expect(200);
    w.origin.last().header("authorization").expect("a field").to_owned()
}

async fn is_gated(w: &World) -> bool {
    let reply =
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.https("a.test").await).await;
    reply.status == 503 && reply.code() == Some("not-ready")
}

#[tokio::test]
async fn a_restart_without_a_console_serves_what_was_in_force_and_a_console_that_is_back_goes_first() {
    let (dir, console) = (tempfile::tempdir().expect("a directory"), Console::start().await);
    let file = dir.path().join("kept");
    console.set(config());
    console.max_age(600);
    let w = start(&console, TOKEN, &file).await;
    kept(&w, "written").await;
    assert_eq!(sent(&w).await, format!("Bearer {REAL}"));
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    w.finish(1).await;

    console.refuse(503, "");
    let w = start(&console, TOKEN, &file).await;
    kept(&w, "in_force").await;
    assert_eq!(sent(&w).await, format!("Bearer {REAL}"));
    let shown = status(&w).await;
    assert_eq!((&shown["synced_once"], &shown["principal_id"]), (&json!(false), &json!("prn_one")));
    assert!(shown["credentials_until"].is_string() && shown["last_known_good"]["synced_at"].is_string());
    // It is back, and has something else to say.
    let mut other = config();
    other["config_hash"] = json!("sha256:2");
    other["secrets"] = json!([]);
    console.set(other);
    eventually("the new configuration", async || status(&w).await["config_hash"] == "sha256:2").await;
    assert_eq!(sent(&w).await, format!("Bearer {PLACEHOLDER}"));
    assert_eq!(kept(&w, "written").await, Value::Null);
    w.finish(2).await;

    // Of another token it is nothing.
    console.refuse(503, "");
    let w = start(&console, &TOKEN.replace('0', "1"), &file).await;
    assert_eq!(kept(&w, "ignored").await, "it is of another control plane or another token");
    assert!(is_gated(&w).await);
    w.finish(1).await;
    std::fs::write(&file, "not what was written").expect("the file");
    let w = start(&console, TOKEN, &file).await;
    assert_eq!(kept(&w, "ignored").await, "it is not a file of this kind, or cut off");
    assert!(is_gated(&w).await);
    w.finish(1).await;
}

#[tokio::test]
async fn a_restart_after_the_time_of_the_credentials_serves_nothing() {
    let (dir, console) = (tempfile::tempdir().expect("a directory"), Console::start().await);
    let file = dir.path().join("kept");
    console.set(config());
    console.max_age(3);
    let w = start(&console, TOKEN, &file).await;
    kept(&w, "written").await;
    w.finish(0).await;
    console.refuse(503, "");
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let w = start(&console, TOKEN, &file).await;
    let why = kept(&w, "ignored").await;
    assert!(why.as_str().expect("a text").ends_with("credentials last 3 s without one"), "{why}");
    assert!(is_gated(&w).await);
    w.finish(1).await;
}

#[tokio::test]
async fn revocation_leaves_no_file() {
    let (dir, console) = (tempfile::tempdir().expect("a directory"), Console::start().await);
    let file = dir.path().join("kept");
    console.set(config());
    let w = start(&console, TOKEN, &file).await;
    kept(&w, "written").await;
    assert!(file.exists());
    console.refuse(401, r#"{"error":{"code":"proxy_revoked","message":"gone"}}"#);
    assert_eq!(w.proxy.wait().await.status.code(), Some(1));
    assert!(!file.exists());
}

#[tokio::test]
async fn a_real_console_that_was_killed_is_stood_in_for_until_it_is_back() {
    use centaur_e2e::real;

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("kept");
    let database = format!("sqlite:{}", dir.path().join("console.db").display());
    let console = real::Console::start_at(&database, &[]).await;
    let (port, api) = (console.address().port().to_string(), console.api());
    let principal = api.make("principals", json!({"foreign_id": "edge"})).await["id"].clone();
    let secret = json!({
        "foreign_id": "a",
        "replace_config": {"proxy_value": PLACEHOLDER, "match_headers": ["Authorization"]},
        "source": {"source_type": "control_plane", "config": {}, "secret": REAL},
        "rules": [{"host": "a.test"}],
    });
    let secret = api.make("static_secrets", secret).await["id"].clone();
    let grant = api.make("grants", json!({"principal_id": principal, "static_secret_id": secret})).await;
    let proxy = api.make("proxies", json!({"name": "edge", "principal_id": principal})).await;
    let start = async || {
        let token = proxy["token"].as_str().expect("a token");
        let w = World::builder()
            .allow("a.test")
            .env("IRON_CONTROL_PLANE_URL", &format!("http://127.0.0.1:{port}"))
            .env("IRON_CONTROL_PLANE_LAST_KNOWN_GOOD", &file.display().to_string())
            .value("IRON_PROXY_TOKEN", token)
            .top("management: {listen: \"127.0.0.1:0\", api_key_env: MANAGE_KEY}")
            .value("MANAGE_KEY", KEY)
            .value("REAL_A", REAL)
            .listener("management");
        w.start().await
    };
    let w = start().await;
    kept(&w, "written").await;
    assert_eq!(sent(&w).await, format!("Bearer {REAL}"));
    w.finish(1).await;
    console.kill().await;

    let w = start().await;
    kept(&w, "in_force").await;
    assert_eq!(sent(&w).await, format!("Bearer {REAL}"));
    let console = real::Console::start_at(&database, &[("PORT", &port)]).await;
    eventually("the console again", async || status(&w).await["synced_once"] == true).await;
    let before = status(&w).await["config_hash"].take();
    let grant = format!("grants/{}", real::id(&grant));
    console.api().call("DELETE", &grant, Value::Null).await.expect(204);
    eventually("the revocation", async || status(&w).await["config_hash"] != before).await;
    assert_eq!(sent(&w).await, format!("Bearer {PLACEHOLDER}"));
    w.finish(2).await;
}
