//! Managed mode: the policy comes from a control plane.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use centaur_e2e::console::TOKEN;
use centaur_e2e::h2client;
use centaur_e2e::pki::Pki;
use centaur_e2e::wait::{eventually, within};
use centaur_e2e::world::{NAMES, PLACEHOLDER, REAL};
use centaur_e2e::{Builder, Console, Origin, Proxy, Reply, Request, World};
use http_body_util::{BodyExt as _, Empty};
use rustix::process::Signal;
use serde_json::{Value, json};

const KEY: &str = "fake-management-key-1";
/// What a withdrawal may take.
/// Far above what is needed, and far below what it would take without what is tested.
const SOON: Duration = Duration::from_secs(10);

/// A proxy of `console` that asks every 200 ms, with a local allowlist for `local.test` alone.
fn proxy_of(console: &Console) -> Builder {
    World::builder()
        .allow("c.test")
        .env("IRON_CONTROL_PLANE_URL", &console.url())
        .value("IRON_PROXY_TOKEN", TOKEN)
        .top("control_plane: {poll_interval: 200ms}")
        .top("management: {listen: \"127.0.0.1:0\", api_key_env: MANAGE_KEY}")
        .value("MANAGE_KEY", KEY)
        .value("REAL_A", REAL)
        .listener("management")
        .listener("metrics")
}

async fn call(w: &World, method: &str, path: &str) -> Reply {
    let request = Request::new(method, "manage", path)
        .field("Authorization", &format!("Bearer {KEY}"))
        .field("Content-Length", "0");
    request.on(&mut w.connect("management").await).await
}

async fn status(w: &World) -> Value {
    let reply = call(w, "GET", "/v1/status").await;
    serde_json::from_str(&reply.expect(200).text()).expect("a status")
}

async fn ready(w: &World) {
    eventually("the first configuration", async || status(w).await["ready"] == true).await;
}

/// Waits until a configuration is in force.
async fn in_force(w: &World, hash: &str) {
    eventually("the configuration", async || status(w).await["config_hash"] == hash).await;
}

fn secret(host: &str) -> Value {
    json!({
        "source": {"type": "control_plane", "value": REAL},
        "rules": [{"host": host}],
        "replace": {"proxy_value": PLACEHOLDER, "match_headers": ["Authorization"]},
    })
}

fn config(hash: &str, hosts: &[&str], secrets: &[Value]) -> Value {
    let rules: Vec<Value> = hosts.iter().map(|host| json!({"host": host})).collect();
    json!({
        "config_hash": hash, "status": "assigned", "principal_id": "prn_one", "rules": rules, "secrets": secrets,
        "transforms": [], "postgres": [],
    })
}

/// `a.test` with a credential, `b.test` without.
fn usual(hash: &str) -> Value {
    config(hash, &["a.test", "b.test"], &[secret("a.test")])
}

async fn get(w: &World, host: &str) -> Reply {
    Request::get(&w.at(host), "/ok").bearer(PLACEHOLDER).on(&mut w.https(host).await).await
}

const NOT_READY: &str = "proxy is not ready: awaiting control-plane config\n";

#[tokio::test]
async fn every_entry_is_gated_until_the_first_answer_and_open_after_it() {
    let console = Console::start().await;
    let w = proxy_of(&console).start().await;
    let refused = Request::get(&w.plain_at("b.test"), "/ok").on(&mut w.http().await).await;
    assert_eq!((refused.refused(503).text().as_str(), refused.code()), (NOT_READY, Some("not-ready")));
    assert_eq!(get(&w, "b.test").await.refused(503).text(), NOT_READY);
    let mut conn = w.connect("tunnel").await;
    conn.send(format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", w.at("b.test"))).await;
    let refused = conn.reply().await;
    assert_eq!((refused.minor, refused.refused(503).text().as_str()), (1, NOT_READY));
    let socks = async |reply: u8| {
        let mut conn = w.connect("tunnel").await;
        conn.send([5, 1, 0]).await;
        assert_eq!(conn.take(2).await, [5, 0]);
        let port = w.origin.tls_port().to_be_bytes();
        conn.send([&[5, 1, 0, 3, 6][..], b"b.test", &port].concat()).await;
        assert_eq!(conn.take(2).await, [5, reply]);
    };
    socks(2).await;
    let health = |path: &'static str| Request::get("metrics", path);
    health("/healthz").on(&mut w.connect("metrics").await).await.expect(200);
    health("/readyz").on(&mut w.connect("metrics").await).await.expect(503);
    let shown = status(&w).await;
    assert_eq!((&shown["ready"], &shown["synced_once"]), (&json!(false), &json!(false)));
    assert_eq!(shown["last_error"]["code"], "http_503");

    console.set(usual("sha256:1"));
    call(&w, "POST", "/v1/sync").await.expect(202);
    ready(&w).await;
    health("/readyz").on(&mut w.connect("metrics").await).await.expect(200);
    Request::get(&w.plain_at("b.test"), "/ok").on(&mut w.http().await).await.expect(200);
    get(&w, "b.test").await.expect(200);
    w.tunnel(&w.at("b.test")).await;
    socks(0).await;
    console.check();
    let audit = w.finish(8).await;
    for line in &audit[..4] {
        assert_eq!((line.status(), line.action(), line.reason()), (503, "reject", "not-ready"));
        let whole = &line.0;
        assert_eq!(whole["rejected_by"], "ready");
        let traces = whole["request_transforms"].as_array().expect("traces");
        assert_eq!(traces.len(), 1);
        assert_eq!((&traces[0]["name"], &traces[0]["action"]), (&json!("ready"), &json!("reject")));
        assert_eq!(traces[0]["annotations"], json!({"reason": "awaiting_control_plane_config"}));
    }
}

#[tokio::test]
async fn a_relay_by_server_name_is_closed_before_it_is_dialled_until_the_first_answer() {
    let console = Console::start().await;
    let w = proxy_of(&console).tls_keys("  mode: sni-only").start().await;
    assert!(w.try_https("b.test", &["http/1.1"]).await.is_err());
    assert_eq!(w.proxy.audited(1).await[0].reason(), "not-ready");
    console.set(usual("sha256:1"));
    ready(&w).await;
    // Port 443 of the origin is nobody's here: allowed, and then not reached.
    assert!(w.try_https("b.test", &["http/1.1"]).await.is_err());
    assert_eq!(w.proxy.audited(2).await[1].reason(), "upstream-unreachable");
    assert!(w.try_https("c.test", &["http/1.1"]).await.is_err());
    assert_eq!(w.proxy.audited(3).await[2].reason(), "no-rule");
    w.finish(3).await;
}

#[tokio::test]
async fn an_update_turns_what_is_allowed_and_what_is_injected() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    get(&w, "a.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    get(&w, "c.test").await.refused(403);
    console.set(config("sha256:2", &["b.test", "c.test"], &[secret("c.test")]));
    in_force(&w, "sha256:2").await;
    get(&w, "a.test").await.refused(403);
    get(&w, "c.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    w.proxy.logged("received initial config from control plane").await;
    w.proxy.logged("config update received from control plane").await;
    w.proxy.logged("pipeline reloaded").await;
    // Every sync says what it has, and how many it has had.
    let asked = console.asked();
    assert_eq!((asked[0].hash.as_str(), asked[0].generation, asked[0].token.as_str()), ("", 0, TOKEN));
    let last =
        console.until("the echo", |asked| asked.last().is_some_and(|ask| ask.hash == "sha256:2")).await;
    assert_eq!(last.last().expect("a sync").generation, 2);
    console.check();
    w.finish(4).await;
}

#[tokio::test]
async fn a_null_and_a_missing_rule_list_widen_nothing() {
    let console = Console::start().await;
    console.set(
        json!({"config_hash": "sha256:1", "rules": null, "secrets": null, "transforms": null, "mcp": {}}),
    );
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    // What the file allows, and nothing else.
    get(&w, "c.test").await.expect(200);
    assert_eq!(get(&w, "a.test").await.refused(403).code(), Some("no-rule"));
    console.set(usual("sha256:2"));
    in_force(&w, "sha256:2").await;
    get(&w, "a.test").await.expect(200);
    for (hash, members) in [
        ("sha256:3", json!({"rules": null, "secrets": [], "transforms": null})),
        ("sha256:4", json!({"secrets": [], "transforms": [], "postgres": []})),
        ("sha256:5", json!({"rules": null, "secrets": null, "transforms": null, "mcp": {}})),
    ] {
        let mut answer = members;
        answer["config_hash"] = hash.into();
        console.set(answer);
        in_force(&w, hash).await;
        get(&w, "b.test").await.expect(200);
        get(&w, "c.test").await.refused(403);
    }
    console.set(json!({"config_hash": "sha256:6", "rules": []}));
    in_force(&w, "sha256:6").await;
    get(&w, "b.test").await.refused(403);
    console.check();
    w.finish(10).await;
}

#[tokio::test]
async fn without_any_allowlist_nothing_is_allowed_and_hosts_can_be_named_in_the_environment() {
    for (hosts, open) in [("", false), ("a.test,*.b.test", true), ("*", true)] {
        let console = Console::start().await;
        console.set(json!({"config_hash": "sha256:1", "secrets": [], "transforms": [], "postgres": []}));
        let dir = tempfile::tempdir().expect("directory");
        let ca = Pki::new("no file");
        std::fs::write(dir.path().join("ca.crt"), ca.cert_pem()).expect("write");
        std::fs::write(dir.path().join("ca.key"), ca.key_pem()).expect("write");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let env: HashMap<String, String> = [
            ("IRON_CONTROL_PLANE_URL", console.url()),
            ("IRON_PROXY_TOKEN", TOKEN.to_owned()),
            ("IRON_PROXY_ALLOW_HOSTS", hosts.to_owned()),
            ("IRON_DNS_ENABLED", "false".to_owned()),
            ("IRON_PROXY_HTTP_LISTEN", "127.0.0.1:0".to_owned()),
            ("IRON_PROXY_HTTPS_LISTEN", "127.0.0.1:0".to_owned()),
            ("IRON_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("IRON_TLS_CA_CERT", path("ca.crt")),
            ("IRON_TLS_CA_KEY", path("ca.key")),
            ("IRON_PROXY_UPSTREAM_DENY_CIDRS", " 192.0.2.0/24,, 10.0.0.0/8 ".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut proxy = Proxy::spawn(&[], &env);
        let addresses = proxy.addresses(&["http"]).await;
        proxy.logged("pipeline reloaded").await;
        let send = async |host: &str| {
            let tcp = tokio::net::TcpStream::connect(addresses["http"]).await.expect("connect");
            let mut conn = centaur_e2e::Conn::new(tcp, std::sync::Arc::default());
            Request::get(host, "/").on(&mut conn).await
        };
        // Denied addresses are the default and those of the variable, so that what is allowed shows as that.
        for host in ["192.0.2.7", "10.1.2.3", "127.0.0.1", "169.254.169.254"] {
            let reply = send(host).await;
            let code = if hosts == "*" { Some("upstream-denied") } else { Some("no-rule") };
            assert_eq!(reply.code(), code, "{host} with {hosts:?}");
        }
        let named = send("a.test").await;
        assert_eq!(named.code() != Some("no-rule"), open, "{:?}", named.code());
        console.check();
        assert!(proxy.stop().await.status.success());
    }
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing_and_is_tried_once() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let mut bad = config("sha256:bad", &["*"], &[]);
    bad["transforms"] = json!([{"name": "nope"}]);
    bad["principal_id"] = "prn_two".into();
    console.set(bad);
    console
        .until("several syncs with the bad one", |asked| {
            asked.iter().filter(|ask| ask.rejected.as_deref() == Some("sha256:bad")).count() > 3
        })
        .await;
    get(&w, "a.test").await.expect(200);
    get(&w, "c.test").await.refused(403);
    let shown = status(&w).await;
    assert_eq!(shown["config_hash"], "sha256:1");
    assert_eq!(
        (&shown["principal_id"], &shown["rejected_config_hash"]),
        (&json!("prn_one"), &json!("sha256:bad"))
    );
    assert_eq!(shown["last_error"]["message"], "unknown transform \"nope\"");
    assert!(console.asked().iter().all(|ask| ask.hash != "sha256:bad"));
    let refusals = w.proxy.stderr().matches("rejecting invalid pipeline config from sync").count();
    assert_eq!(refusals, 1, "{}", w.proxy.stderr());
    console.set(config("sha256:3", &["c.test"], &[]));
    in_force(&w, "sha256:3").await;
    get(&w, "c.test").await.expect(200);
    assert_eq!(status(&w).await["rejected_config_hash"], Value::Null);
    console.check();
    w.finish(3).await;
}

#[tokio::test]
async fn a_bad_first_configuration_leaves_the_gate_closed_and_the_process_running() {
    let console = Console::start().await;
    console.set(json!({"config_hash": "sha256:bad", "rules": "x"}));
    let w = proxy_of(&console).start().await;
    w.proxy.logged("rejecting invalid pipeline config from sync, keeping current pipeline").await;
    get(&w, "c.test").await.refused(503);
    console.set(usual("sha256:1"));
    ready(&w).await;
    get(&w, "b.test").await.expect(200);
    w.finish(2).await;
}

#[tokio::test]
async fn unassigning_takes_credentials_and_principal_away() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    assert_eq!(status(&w).await["principal_id"], "prn_one");
    console.set(json!({
        "config_hash": "sha256:2", "status": "unassigned", "principal_id": null, "secrets": [], "transforms": [],
        "postgres": [],
    }));
    in_force(&w, "sha256:2").await;
    let shown = status(&w).await;
    assert_eq!((&shown["principal_id"], &shown["principal_status"]), (&json!(""), &json!("unassigned")));
    get(&w, "a.test").await.refused(403);
    get(&w, "c.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {PLACEHOLDER}").as_str()));
    w.finish(2).await;
}

#[tokio::test]
async fn a_revoked_proxy_closes_what_is_open_within_a_second_and_fails() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let mut events = w.https("a.test").await;
    events.send(Request::get(&w.at("a.test"), "/sse").bearer(PLACEHOLDER).bytes()).await;
    events.head().await.expect(200);
    let mut tunnel = w.tunnel(&w.at("b.test")).await;
    console.refuse(401, r#"{"error":{"code":"proxy_revoked","message":"gone"}}"#);
    call(&w, "POST", "/v1/sync").await.expect(202);
    let began = Instant::now();
    events.rest().await;
    tunnel.rest().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let World { proxy, .. } = w;
    let ended = proxy.wait().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("proxy has been revoked, exiting"), "{}", ended.stderr);
    assert!(ended.stderr.contains("\"reason\":\"revoked\""), "{}", ended.stderr);
}

#[tokio::test]
async fn a_proxy_that_is_revoked_at_the_start_fails_and_one_that_is_unknown_waits() {
    let console = Console::start().await;
    console.refuse(401, r#"{"error":{"code":"proxy_revoked","message":"gone"}}"#);
    let w = proxy_of(&console).start().await;
    let World { proxy, .. } = w;
    let ended = proxy.wait().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);

    let console = Console::start().await;
    console.refuse(401, r#"{"error":{"code":"invalid_token","message":"invalid or missing proxy token"}}"#);
    let w = proxy_of(&console).start().await;
    let line = w.proxy.logged("initial sync failed, will retry in background").await;
    assert!(line["error"].as_str().is_some_and(|text| text.contains("invalid_token")), "{line}");
    get(&w, "a.test").await.refused(503);
    console.set(usual("sha256:1"));
    ready(&w).await;
    get(&w, "a.test").await.expect(200);
    w.finish(2).await;
}

#[tokio::test]
async fn a_withdrawn_grant_ends_the_streams_and_websockets_that_used_it_and_no_other() {
    let console = Console::start().await;
    console.waits(true);
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let open = async |host: &str| {
        let mut conn = w.https(host).await;
        conn.send(Request::get(&w.at(host), "/sse").bearer(PLACEHOLDER).bytes()).await;
        conn.head().await.expect(200);
        conn
    };
    let (mut with, mut without) = (open("a.test").await, open("b.test").await);
    let mut socket = w.https("a.test").await;
    let upgrade = Request::get(&w.at("a.test"), "/ws")
        .bearer(PLACEHOLDER)
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    socket.send(upgrade.bytes()).await;
    socket.head().await.expect(101);
    let mut waiting = w.https("a.test").await;
    waiting.send(Request::get(&w.at("a.test"), "/wait").bearer(PLACEHOLDER).bytes()).await;
    eventually("the origin to be asked", async || w.origin.last().target == "/wait").await;
    // A new value is no withdrawal.
    let mut rotated = secret("a.test");
    rotated["source"]["value"] = "fake-rotated-value".into();
    console.set(config("sha256:2", &["a.test", "b.test"], &[rotated]));
    in_force(&w, "sha256:2").await;
    w.origin.release();
    w.origin.release();
    with.until("event 2").await;
    without.until("event 2").await;

    console.set(config("sha256:3", &["a.test", "b.test"], &[]));
    let began = Instant::now();
    with.rest().await;
    socket.rest().await;
    assert_eq!(waiting.reply().await.refused(403).code(), Some("revoked"));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    (0..3).for_each(|_| w.origin.release());
    without.until("event 3").await;
    drop(without);
    in_force(&w, "sha256:3").await;
    console.check();
    let audit = w.finish(4).await;
    let revoked = audit.iter().filter(|line| line.reason() == "revoked").count();
    assert_eq!(revoked, 3, "{audit:#?}");
}

#[tokio::test]
async fn over_http2_only_the_stream_that_used_a_withdrawn_grant_is_reset() {
    let console = Console::start().await;
    console.waits(true);
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let mut h2 = w.h2("a.test").await;
    let request = |path: &str| http::Request::get(format!("https://{}{path}", w.at("a.test")));
    let with = request("/sse").header("authorization", format!("Bearer {PLACEHOLDER}"));
    let with = h2.open(with, Empty::new().boxed()).await.expect("a reply");
    let without = h2.open(request("/sse"), Empty::new().boxed()).await.expect("another reply");
    console.set(config("sha256:2", &["a.test", "b.test"], &[]));
    assert!(h2client::collect(with).await.is_err(), "a withdrawn stream ended well");
    (0..4).for_each(|_| w.origin.release());
    assert!(h2client::collect(without).await.expect("whole").text().contains("event 3"));
    assert_eq!(h2.send(request("/ok"), "").await.expect("a reply").status, 200);
    drop(h2);
    w.finish(3).await;
}

#[tokio::test]
async fn a_console_is_believed_when_its_certificate_is_and_not_otherwise() {
    for (opens, alpn) in [(true, "h2"), (true, "http/1.1"), (false, "h2")] {
        let (trusted, other) = (Pki::new("origins"), Pki::new("somebody"));
        let signer = if opens { &trusted } else { &other };
        let console = Console::start_tls(signer.server(&["127.0.0.1"], &[alpn])).await;
        console.set(usual("sha256:1"));
        let origin = Origin::start(trusted.server(NAMES, &["http/1.1"])).await;
        let w = proxy_of(&console).start_before(trusted, origin).await;
        if opens {
            ready(&w).await;
            get(&w, "a.test").await.expect(200);
            assert!(!w.proxy.stderr().contains("without TLS"), "{}", w.proxy.stderr());
        } else {
            w.proxy.logged("initial sync failed, will retry in background").await;
            get(&w, "a.test").await.refused(503);
            assert_eq!(status(&w).await["last_error"]["code"], "unreachable");
            assert!(console.asked().is_empty());
        }
        console.check();
        w.finish(1).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_does_not_keep_a_withdrawn_stream_open() {
    let console = Console::start().await;
    console.waits(true);
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    // More than all buffers on the way hold.
    let large = vec![b'x'; 48 << 20];
    let request = Request::post(&w.at("a.test"), "/body", large).bearer(PLACEHOLDER);
    let mut deaf = w.https("a.test").await;
    deaf.send(request.bytes()).await;
    eventually("the origin to answer", async || !w.origin.seen().is_empty()).await;
    deaf.head().await.expect(200);
    console.set(config("sha256:2", &["a.test", "b.test"], &[]));
    let began = Instant::now();
    let audit = w.proxy.audited(1).await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!((audit[0].reason(), audit[0].status()), ("revoked", 200));
    drop(deaf);
    w.finish(1).await;
}

#[tokio::test]
async fn a_host_that_is_no_longer_allowed_loses_its_tunnels_within_a_second() {
    let console = Console::start().await;
    console.waits(true);
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let mut gone = w.tunnel_tls("b.test").await;
    let mut kept = w.tunnel_tls("a.test").await;
    let request = |host: &str| Request::get(&w.at(host), "/ok");
    request("b.test").on(&mut gone).await.expect(200);
    console.set(config("sha256:2", &["a.test"], &[secret("a.test")]));
    let began = Instant::now();
    gone.rest().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    request("a.test").on(&mut kept).await.expect(200);
    drop(kept);
    w.finish(4).await;
}

#[tokio::test]
async fn credentials_are_dropped_when_the_console_is_silent_for_too_long_and_plain_traffic_goes_on() {
    let console = Console::start().await;
    console.max_age(5);
    let mut strict = secret("b.test");
    strict["replace"]["require"] = true.into();
    console.set(config("sha256:1", &["a.test", "b.test", "c.test"], &[secret("a.test"), strict]));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    get(&w, "a.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    get(&w, "b.test").await.expect(200);
    console.refuse(500, "down");
    eventually("the end of the budget", async || status(&w).await["stale"] == true).await;
    get(&w, "a.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {PLACEHOLDER}").as_str()));
    assert_eq!(get(&w, "b.test").await.refused(403).code(), Some("secret-unavailable"));
    get(&w, "c.test").await.expect(200);
    assert_eq!(status(&w).await["credentials_until"], Value::Null);
    // The same configuration again: it is sent whole, since its hash is not echoed any more.
    console.set(config("sha256:1", &["a.test", "b.test", "c.test"], &[secret("a.test")]));
    call(&w, "POST", "/v1/sync").await.expect(202);
    eventually("the credentials to be back", async || status(&w).await["stale"] == false).await;
    get(&w, "a.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    console.check();
    w.finish(6).await;
}

#[tokio::test]
async fn what_used_a_credential_ends_with_its_budget_and_what_used_none_goes_on() {
    let console = Console::start().await;
    console.max_age(6);
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let open = async |host: &str, token: &str| {
        let mut conn = w.https(host).await;
        conn.send(Request::get(&w.at(host), "/sse").bearer(token).bytes()).await;
        conn.head().await.expect(200);
        conn
    };
    let mut with = open("a.test", PLACEHOLDER).await;
    let (mut same_host, mut elsewhere) = (open("a.test", "own").await, open("b.test", "own").await);
    let mut socket = w.https("a.test").await;
    let upgrade = Request::get(&w.at("a.test"), "/ws")
        .bearer(PLACEHOLDER)
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    socket.send(upgrade.bytes()).await;
    socket.head().await.expect(101);
    let mut tunnel = w.tunnel_tls("a.test").await;
    let plain = Request::get(&w.at("a.test"), "/ok");
    plain.on(&mut tunnel).await.expect(200);
    with.until("event 1").await;

    console.refuse(500, "down");
    eventually("the end of the budget", async || status(&w).await["stale"] == true).await;
    let began = Instant::now();
    with.rest().await;
    socket.rest().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    (0..6).for_each(|_| w.origin.release());
    same_host.until("event 3").await;
    elsewhere.until("event 3").await;
    plain.on(&mut tunnel).await.expect(200);
    drop((same_host, elsewhere, tunnel));
    let audit = w.finish(7).await;
    let revoked = audit.iter().filter(|line| line.reason() == "revoked").count();
    assert_eq!(revoked, 2, "the stream and the socket: {audit:#?}");
}

#[tokio::test]
async fn the_claim_barrier_sees_a_principal_only_once_it_is_in_force() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).top("").start().await;
    ready(&w).await;
    let mut next = config("sha256:2", &["c.test"], &[secret("c.test")]);
    next["principal_id"] = "prn_two".into();
    console.set(next);
    call(&w, "POST", "/v1/sync").await.expect(202);
    eventually("the new principal", async || {
        let shown = status(&w).await;
        shown["synced_once"] == true && shown["principal_id"] == "prn_two"
    })
    .await;
    get(&w, "c.test").await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    get(&w, "a.test").await.refused(403);
    w.finish(2).await;
}

#[tokio::test]
async fn a_console_that_waits_is_obeyed_within_a_second_whatever_the_interval_is() {
    let console = Console::start().await;
    console.waits(true);
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).env("IRON_CONTROL_PLANE_POLL_INTERVAL", "1h").start().await;
    let asked = console.until("a waiting sync", |asked| asked.iter().any(|ask| ask.hash == "sha256:1")).await;
    assert!(asked.iter().all(|ask| ask.wait == Some(55)), "{asked:?}");
    assert_eq!(status(&w).await["long_poll"], true);
    let began = Instant::now();
    console.set(config("sha256:2", &["c.test"], &[]));
    in_force(&w, "sha256:2").await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    get(&w, "c.test").await.expect(200);
    // A poke does not wait for a change.
    console
        .until("another waiting sync", |asked| asked.last().is_some_and(|ask| ask.hash == "sha256:2"))
        .await;
    call(&w, "POST", "/v1/sync").await.expect(202);
    console.until("a sync that does not wait", |asked| asked.iter().any(|ask| ask.wait.is_none())).await;
    w.finish(1).await;
}

#[tokio::test]
async fn a_console_of_old_is_asked_at_the_interval_and_after_a_poke() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).env("IRON_CONTROL_PLANE_POLL_INTERVAL", "500ms").start().await;
    let asked = console.until("three syncs", |asked| asked.len() >= 3).await;
    for pair in asked.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(440), "{asked:?}");
    }
    assert_eq!(status(&w).await["long_poll"], false);
    w.finish(0).await;

    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).env("IRON_CONTROL_PLANE_POLL_INTERVAL", "1h").start().await;
    ready(&w).await;
    console.set(config("sha256:2", &["c.test"], &[]));
    call(&w, "POST", "/v1/sync").await.expect(202);
    in_force(&w, "sha256:2").await;
    assert_eq!(console.asked().len(), 2);
    w.proxy.signal(Signal::HUP);
    console.until("the sync of a SIGHUP", |asked| asked.len() == 3).await;
    w.finish(0).await;
}

#[tokio::test]
async fn what_cannot_be_run_closes_its_hosts_and_says_so() {
    let console = Console::start().await;
    let mut answer = usual("sha256:1");
    answer["transforms"] = json!([{"name": "aws_auth", "config": {"rules": [{"host": "b.test"}]}}]);
    answer["postgres"] = json!([{"foreign_id": "x", "database": "d", "dsn": {"type": "env", "var": "X"}}]);
    console.set(answer);
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let reply = get(&w, "b.test").await;
    assert_eq!(reply.refused(403).code(), Some("transform-unavailable"));
    assert!(reply.text().contains("aws_auth"), "{}", reply.text());
    get(&w, "a.test").await.expect(200);
    let parts = &status(&w).await["parts"];
    assert_eq!(parts["transforms"]["unavailable"], json!(["transform aws_auth"]));
    assert_eq!(parts["postgres"]["state"], "unavailable");
    let audit = w.finish(2).await;
    assert_eq!(
        (audit[0].reason(), &audit[0].0["rejected_by"]),
        ("transform-unavailable", &json!("aws_auth"))
    );
}

#[tokio::test]
async fn the_management_api_offers_what_belongs_to_managed_mode() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let w = proxy_of(&console).start().await;
    ready(&w).await;
    let clear = "the control plane is reached without TLS: whoever is on the way can read the token and every credential";
    w.proxy.logged(clear).await;
    let reply = call(&w, "POST", "/v1/reload").await;
    assert_eq!(reply.expect(404).text(), "{\"error\":\"reload is unavailable in managed mode\"}\n");
    let reply = call(&w, "POST", "/v1/sync").await;
    assert_eq!(reply.expect(202).text(), "{\"status\":\"sync requested\"}\n");
    call(&w, "GET", "/v1/sync").await.expect(405);
    let shown = status(&w).await;
    for name in
        ["config_hash", "principal_id", "principal_status", "synced_once", "last_sync_at", "generation"]
    {
        assert!(!shown[name].is_null(), "{name}: {shown}");
    }
    assert_eq!(shown["parts"]["allowlist"], json!({"from": "control_plane", "rules": 2}));
    let metrics = Request::get("metrics", "/metrics").on(&mut w.connect("metrics").await).await;
    assert!(metrics.text().contains("iron_proxy_syncs_total{result=\"ok\"}"), "{}", metrics.text());
    w.finish(0).await;
}

#[tokio::test]
async fn the_token_can_be_in_a_file_and_is_read_again() {
    let console = Console::start().await;
    console.set(usual("sha256:1"));
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("token");
    std::fs::write(&file, "fake-token-one\n").expect("write");
    let w = World::builder()
        .env("IRON_CONTROL_PLANE_URL", &console.url())
        .env("IRON_PROXY_TOKEN_FILE", &file.display().to_string())
        .top("control_plane: {poll_interval: 200ms}")
        .start()
        .await;
    console.until("the first token", |asked| asked.iter().any(|ask| ask.token == "fake-token-one")).await;
    std::fs::write(&file, "fake-token-two\n").expect("write");
    console.until("the second token", |asked| asked.iter().any(|ask| ask.token == "fake-token-two")).await;
    w.finish(0).await;
}

#[tokio::test]
async fn a_start_without_what_it_needs_fails_and_says_what() {
    for (env, said) in [
        (
            vec![("IRON_CONTROL_PLANE_URL", "https://console.test")],
            "IRON_CONTROL_PLANE_URL is set, but there is no token",
        ),
        (
            vec![("IRON_CONTROL_PLANE_URL", "console.test"), ("IRON_PROXY_TOKEN", TOKEN)],
            "IRON_CONTROL_PLANE_URL is not a URL",
        ),
        (vec![("IRON_PROXY_TOKEN_FILE", "/nonexistent")], "/nonexistent"),
        // The configuration is checked before anything is asked.
        (vec![("IRON_PROXY_TOKEN", TOKEN)], "dns.proxy_ip is required"),
    ] {
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let ended = within("the end", Proxy::spawn(&[], &env).wait()).await;
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(!ended.stderr.contains(TOKEN));
    }
}
