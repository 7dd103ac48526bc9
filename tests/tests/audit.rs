//! Every request that was read has exactly one line, whatever became of it.

use centaur_e2e::wait::eventually;
use centaur_e2e::world::{NAMES, PLACEHOLDER, REAL};
use centaur_e2e::{RawOrigin, Request, World};

#[tokio::test]
async fn the_fields_of_the_reference_are_there_and_in_its_order() {
    let w = World::usual().start().await;
    let request = Request::get(&w.at("a.test"), "/ok?key=value").bearer(PLACEHOLDER);
    request.on(&mut w.https("a.test").await).await.expect(200);
    w.proxy.audited(1).await;
    let line = w.proxy.stderr().lines().find(|line| line.contains("\"request\"")).expect("line").to_owned();
    let mut at = 0;
    for key in [
        "time",
        "level",
        "msg",
        "audit",
        "host",
        "method",
        "path",
        "remote_addr",
        "sni",
        "mode",
        "action",
        "status_code",
        "duration_ms",
        "request_transforms",
    ] {
        let found =
            line[at..].find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in order: {line}"));
        at += found;
    }
    let audit = w.finish(1).await.remove(0);
    assert_eq!((audit.0["level"].as_str(), audit.path(), audit.sni()), (Some("INFO"), "/ok", "a.test"));
    assert_eq!(audit.0["audit"]["mode"], "mitm");
    assert!(!line.contains("key=value"), "the query is not logged");
    for absent in ["rejected_by", "stubbed_by", "error", "tunnel", "body_capture"] {
        assert!(audit.0.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn malformed_and_refused_requests_have_a_line_too() {
    let w = World::usual().start().await;
    let host = w.plain_at("b.test");
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET /%2e%2e/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\nX : 1\r\n\r\n"), 400),
        (format!("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\n"), 501),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 405),
        (format!("GET / HTTP/7.0\r\nHost: {host}\r\n\r\n"), 505),
    ] {
        let before = w.proxy.audit().len();
        let mut conn = w.http().await;
        conn.send(&bytes).await;
        let reply = conn.reply().await;
        assert_eq!(reply.status, status, "{bytes:?}: {reply:?}");
        let audit = w.proxy.audited(before + 1).await;
        assert_eq!(audit[before].status(), u64::from(status), "{bytes:?}");
        assert!(!audit[before].reason().is_empty(), "{bytes:?}: {}", audit[before].text());
    }
    assert!(w.origin.seen().is_empty());
    w.finish(7).await;
}

#[tokio::test]
async fn upstream_failures_are_errors_with_a_line() {
    let w = World::usual().start().await;
    w.dns.remove("dead.test");
    let w = {
        let closed =
            std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
        let reply = Request::get(&format!("b.test:{closed}"), "/").on(&mut w.https("b.test").await).await;
        assert_eq!(reply.expect(502).text(), "bad gateway\n");
        w
    };
    let garbage = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        conn.head().await;
        conn.send("not http at all\r\n\r\n").await;
        conn.close().await;
    })
    .await;
    let request = Request::get(&format!("b.test:{}", garbage.port()), "/");
    request.on(&mut w.https("b.test").await).await.expect(502);
    // A certificate from somebody else.
    let stranger = centaur_e2e::pki::Pki::new("stranger");
    let untrusted = RawOrigin::tls(stranger.server(NAMES, &["http/1.1"]), |mut conn| async move {
        conn.head().await;
    })
    .await;
    let request = Request::get(&format!("a.test:{}", untrusted.port()), "/").bearer(PLACEHOLDER);
    request.on(&mut w.https("a.test").await).await.expect(502);
    assert!(untrusted.text().is_empty(), "nothing is sent to an origin that is not who it should be");
    let audit = w.finish(3).await;
    assert!(audit.iter().all(|line| line.action() == "error" && line.status() == 502));
    assert!(audit.iter().all(|line| line.0["level"] == "ERROR" && !line.0["error"].is_null()));
}

#[tokio::test]
async fn a_client_that_goes_away_is_a_cancel_and_not_an_error() {
    let w = World::usual().start().await;
    let mut conn = w.https("b.test").await;
    conn.send(Request::get(&w.at("b.test"), "/wait").bytes()).await;
    eventually("the origin to have it", async || !w.origin.seen().is_empty()).await;
    drop(conn);
    let audit = w.proxy.audited(1).await;
    assert_eq!((audit[0].action(), audit[0].status()), ("client_cancel", 200), "{}", audit[0].text());
    assert_eq!(audit[0].0["level"], "INFO");
    assert!(audit[0].0.get("error").is_none());
    w.finish(1).await;
}

#[tokio::test]
async fn the_log_level_does_not_silence_the_audit() {
    let w = World::usual().top("log: {level: info}").start().await;
    w.finish(0).await;
    // At `error` the start lines are gone, so the ports must be fixed beforehand.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let dir = tempfile::tempdir().expect("directory");
    let config = dir.path().join("c.yaml");
    let ca = centaur_e2e::pki::Pki::new("quiet");
    std::fs::write(dir.path().join("ca.crt"), ca.cert_pem()).expect("write");
    std::fs::write(dir.path().join("ca.key"), ca.key_pem()).expect("write");
    let path = dir.path().display();
    std::fs::write(
        &config,
        format!(
            "dns: {{enabled: false}}\nproxy: {{http_listen: \"127.0.0.1:{port}\", https_listen: \"127.0.0.1:0\"}}\n\
             tls: {{ca_cert: \"{path}/ca.crt\", ca_key: \"{path}/ca.key\"}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\n\
             log: {{level: error}}\ntransforms: [{{name: allowlist, config: {{domains: []}}}}]\n"
        ),
    )
    .expect("write");
    let config = config.display().to_string();
    let proxy = centaur_e2e::Proxy::spawn(&["-config", &config], &std::collections::HashMap::new());
    let open = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    eventually("the listener", open).await;
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
    let mut conn = centaur_e2e::Conn::new(stream, std::sync::Arc::default());
    Request::get("x.test", "/").on(&mut conn).await.expect(403);
    let audit = proxy.audited(1).await;
    assert_eq!(audit[0].action(), "reject");
    drop(conn);
    assert!(proxy.stop().await.status.success());
}

#[tokio::test]
async fn no_line_holds_a_value_even_when_the_client_tries() {
    let keys = "match_query: true, match_path: true, match_body: true";
    let w = World::builder().allow("a.test").bind("a.test", keys).start().await;
    let port = w.origin.tls_port();
    for (host, target) in [
        (format!("a.test:{port}"), format!("/{PLACEHOLDER}?q={PLACEHOLDER}")),
        ("a.test:b".to_owned(), format!("/{PLACEHOLDER}?q={PLACEHOLDER}")),
        ("a.test:1".to_owned(), format!("/{PLACEHOLDER}?q={PLACEHOLDER}")),
    ] {
        let request = Request::get(&host, &target).bearer(PLACEHOLDER);
        let _ = request.try_on(&mut w.https("a.test").await).await;
    }
    assert!(w.origin.only().everything().contains(REAL), "{:?}", w.origin.only());
    w.finish(3).await;
}

#[tokio::test]
async fn annotations_and_captured_bodies_show_the_placeholder() {
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "match_body: true")
        .transform("  - name: body_capture\n    config: {rules: [{host: \"a.test\"}]}")
        .start()
        .await;
    let body = format!("token={PLACEHOLDER}");
    Request::post(&w.at("a.test"), "/status/200", &body).on(&mut w.https("a.test").await).await.expect(200);
    assert!(w.origin.only().everything().contains(REAL));
    let audit = w.finish(1).await;
    assert_eq!(audit[0].0["body_capture"]["request_body"], body);
}

/// Transforms that observe, behind the one that places values.
const OBSERVERS_LAST: &str = "  - name: secrets
    config:
      secrets:
        - source: {type: env, var: REAL_A}
          rules: [{host: \"a.test\"}]
          replace: {proxy_value: \"PLACEHOLDER_A\", match_body: true}
  - name: annotate
    config: {annotations: [{rules: [{host: \"a.test\"}], headers: [Authorization, X-Plain]}]}
  - name: body_capture
    config: {rules: [{host: \"a.test\"}]}";

#[tokio::test]
async fn observers_behind_secrets_never_log_a_value() {
    let w = World::builder()
        .allow("a.test")
        .transform(&OBSERVERS_LAST.replace("PLACEHOLDER_A", PLACEHOLDER))
        .value("REAL_A", REAL)
        .start()
        .await;
    let request = Request::post(&w.at("a.test"), "/body", format!("key={PLACEHOLDER}"))
        .bearer(PLACEHOLDER)
        .field("X-Plain", "shown");
    request.on(&mut w.https("a.test").await).await.expect(200);
    assert_eq!(w.origin.only().header("authorization"), Some(&*format!("Bearer {REAL}")));
    // `finish` searches the whole output for the value, in every form.
    let audit = w.finish(1).await.remove(0);
    let traces = audit.0["request_transforms"].to_string();
    assert!(traces.contains("\"header:X-Plain\":\"shown\""), "{traces}");
    assert!(traces.contains("\"header:Authorization\":\"***\""), "{traces}");
}
