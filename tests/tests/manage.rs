//! Management, reload, health and metrics.

use centaur_e2e::wait::eventually;
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Builder, Reply, Request, World};
use rustix::process::Signal;

const KEY: &str = "fake-management-key-1";

fn managed(builder: Builder) -> Builder {
    builder
        .top("management: {listen: \"127.0.0.1:0\", api_key_env: MANAGE_KEY}")
        .value("MANAGE_KEY", KEY)
        .listener("management")
}

async fn call(w: &World, method: &str, path: &str, key: &str) -> Reply {
    let request = Request::new(method, "manage", path)
        .field("Authorization", &format!("Bearer {key}"))
        .field("Content-Length", "0");
    request.on(&mut w.connect("management").await).await
}

#[tokio::test]
async fn the_management_api_asks_for_its_key_then_the_method_then_the_path() {
    let w = managed(World::usual()).start().await;
    for (method, path, key, status, body) in [
        ("POST", "/v1/reload", "wrong", 401, "{\"error\":\"unauthorized\"}\n"),
        ("GET", "/v1/reload", "wrong", 401, "{\"error\":\"unauthorized\"}\n"),
        ("GET", "/v1/reload", KEY, 405, "{\"error\":\"method not allowed\"}\n"),
        ("GET", "/v1/status", KEY, 404, "{\"error\":\"status is unavailable in standalone mode\"}\n"),
        ("POST", "/v1/sync", KEY, 404, "{\"error\":\"sync is unavailable in standalone mode\"}\n"),
        ("GET", "/nothing", "wrong", 404, "404 page not found\n"),
        ("POST", "/v1/reload", KEY, 200, "{\"status\":\"ok\"}\n"),
    ] {
        let reply = call(&w, method, path, key).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{method} {path}");
        if status == 405 {
            assert_eq!(reply.header("allow"), Some("POST"));
        }
    }
    w.finish(0).await;
}

#[tokio::test]
async fn reload_turns_what_is_allowed_and_keeps_open_connections() {
    let w = managed(World::usual()).start().await;
    let mut conn = w.https("c.test").await;
    let request = Request::get(&w.at("c.test"), "/ok");
    request.on(&mut conn).await.expect(403);
    w.edit_config("{host: \"b.test\"}", "{host: \"c.test\"}");
    call(&w, "POST", "/v1/reload", KEY).await.expect(200);
    request.on(&mut conn).await.expect(200);
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(403);
    w.proxy.logged("management reload succeeded").await;
    w.proxy.logged("pipeline reloaded via management API").await;
    assert!(!w.proxy.stderr().contains("SIGHUP"), "{}", w.proxy.stderr());
    drop(conn);
    w.finish(3).await;
}

#[tokio::test]
async fn a_file_that_stopped_being_valid_changes_nothing_and_says_why() {
    let w = managed(World::usual()).start().await;
    w.edit_config("- name: allowlist", "- name: nope");
    let reply = call(&w, "POST", "/v1/reload", KEY).await;
    assert!(reply.expect(422).text().contains("nope"), "{}", reply.text());
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(200);
    Request::get(&w.at("c.test"), "/ok").on(&mut w.https("c.test").await).await.expect(403);

    w.edit_config("- name: nope", "- name: allowlist");
    w.edit_config("config: {rules: [", "config: {rulez: [");
    let reply = call(&w, "POST", "/v1/reload", KEY).await;
    assert!(reply.expect(422).text().contains("rulez"), "{}", reply.text());

    std::fs::remove_file(w.path("config.yaml")).expect("remove");
    call(&w, "POST", "/v1/reload", KEY).await.expect(422);
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(200);
    w.finish(3).await;
}

#[tokio::test]
async fn a_file_without_an_allowlist_does_not_open_the_proxy_on_reload_silently() {
    let w = managed(World::usual()).start().await;
    Request::get(&w.at("c.test"), "/ok").on(&mut w.https("c.test").await).await.expect(403);
    let yaml = std::fs::read_to_string(w.path("config.yaml")).expect("config");
    let start = yaml.find("transforms:").expect("section");
    std::fs::write(w.path("config.yaml"), &yaml[..start]).expect("config");
    let reply = call(&w, "POST", "/v1/reload", KEY).await;
    let opened = Request::get(&w.at("c.test"), "/ok").on(&mut w.https("c.test").await).await.status == 200;
    if opened {
        // Allowed for drop-in files only with a loud warning.
        assert_eq!(reply.status, 200);
        assert!(w.proxy.stderr().contains("allowlist"), "{}", w.proxy.stderr());
    } else {
        assert_eq!(reply.status, 422);
    }
}

#[tokio::test]
async fn sighup_reloads() {
    let w = World::usual().start().await;
    let mut conn = w.https("c.test").await;
    Request::get(&w.at("c.test"), "/ok").on(&mut conn).await.expect(403);
    w.edit_config("{host: \"b.test\"}", "{host: \"c.test\"}");
    w.proxy.signal(Signal::HUP);
    let request = Request::get(&w.at("c.test"), "/ok");
    let mut asked = 1;
    eventually("the reload", async || {
        asked += 1;
        request.on(&mut conn).await.status == 200
    })
    .await;
    w.proxy.logged("pipeline reloaded via SIGHUP").await;
    w.proxy.logged("SIGHUP reload succeeded").await;
    // A bad file keeps the old state, and the process lives.
    w.edit_config("- name: allowlist", "- name: nope");
    w.proxy.signal(Signal::HUP);
    w.proxy.logged("SIGHUP reload rejected invalid config").await;
    assert!(!w.proxy.stderr().contains("management"), "{}", w.proxy.stderr());
    Request::get(&w.at("c.test"), "/ok").on(&mut conn).await.expect(200);
    drop(conn);
    w.finish(asked + 1).await;
}

#[tokio::test]
async fn a_changed_file_source_reaches_open_connections() {
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("value");
    std::fs::write(&file, "fake-first").expect("write");
    let w = managed(World::builder().allow("a.test").secret(&format!(
        "{{source: {{type: file, path: \"{}\"}}, rules: [{{host: \"a.test\"}}], \
         replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]}}}}",
        file.display()
    )))
    .start()
    .await;
    let mut conn = w.https("a.test").await;
    let request = Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER);
    request.on(&mut conn).await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some("Bearer fake-first"));
    std::fs::write(&file, "fake-second").expect("write");
    call(&w, "POST", "/v1/reload", KEY).await.expect(200);
    let mut asked = 1;
    eventually("the new value", async || {
        asked += 1;
        request.on(&mut conn).await.expect(200);
        w.origin.last().header("authorization") == Some("Bearer fake-second")
    })
    .await;
    drop(conn);
    w.finish(asked).await;
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served_apart_from_traffic() {
    let w = World::usual().listener("metrics").start().await;
    Request::get(&w.at("a.test"), "/ok")
        .bearer(PLACEHOLDER)
        .on(&mut w.https("a.test").await)
        .await
        .expect(200);
    Request::get(&w.at("c.test"), "/ok").on(&mut w.https("c.test").await).await.expect(403);
    w.proxy.audited(2).await;
    let mut conn = w.connect("metrics").await;
    let health = Request::get("metrics", "/healthz").on(&mut conn).await;
    assert_eq!(health.expect(200).text(), "OK");
    Request::get("metrics", "/readyz").on(&mut conn).await.expect(200);
    Request::get("metrics", "/nothing").on(&mut conn).await.expect(404);
    let metrics = Request::get("metrics", "/metrics").on(&mut conn).await;
    let text = metrics.expect(200).text();
    assert!(text.contains("iron_proxy_") && text.contains("no-rule"), "{text}");
    assert!(!text.contains(REAL) && !text.contains("a.test"), "no user text in labels:\n{text}");
    drop(conn);
    w.finish(2).await;
}
