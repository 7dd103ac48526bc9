//! WebSockets: a relay only after a verified handshake, and never a raw pipe.

use centaur_e2e::world::{NAMES, PLACEHOLDER, REAL};
use centaur_e2e::{Conn, RawOrigin, Request, World};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

fn upgrade(host: &str, path: &str) -> Request {
    Request::get(host, path)
        .field("Connection", "keep-alive, Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

async fn echo(conn: Conn, text: &str) -> String {
    let mut socket = WebSocketStream::from_raw_socket(conn.into_io(), Role::Client, None).await;
    socket.send(Message::text(text.to_owned())).await.expect("send");
    let reply = centaur_e2e::wait::within("an echo", socket.next()).await.expect("open").expect("message");
    socket.close(None).await.expect("close");
    while let Some(Ok(_)) = centaur_e2e::wait::within("the close", socket.next()).await {}
    reply.into_text().expect("text").to_string()
}

#[tokio::test]
async fn a_verified_upgrade_relays_and_carries_the_credential() {
    let w = World::usual().start().await;
    let mut conn = w.https("a.test").await;
    conn.send(upgrade(&w.at("a.test"), "/ws").bearer(PLACEHOLDER).bytes()).await;
    let head = conn.head().await;
    assert_eq!(head.expect(101).header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(echo(conn, "hello").await, "hello");
    let seen = w.origin.only();
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {REAL}")));
    let audit = w.finish(1).await;
    assert_eq!((audit[0].action(), audit[0].status()), ("allow", 101));
}

#[tokio::test]
async fn a_websocket_in_a_tunnel_works_too() {
    let w = World::usual().start().await;
    let mut conn = w.tunnel_tls("a.test").await;
    conn.send(upgrade(&w.at("a.test"), "/ws").bytes()).await;
    conn.head().await.expect(101);
    assert_eq!(echo(conn, "through").await, "through");
    w.finish(2).await;
}

#[tokio::test]
async fn a_refused_upgrade_leaves_no_raw_pipe() {
    let w = World::builder()
        .allow_rule("{host: \"a.test\", methods: [\"GET\"], paths: [\"/ws\", \"/ok\"]}")
        .start()
        .await;
    let host = w.at("a.test");
    for (field, status) in [("X-Refuse", 403), ("X-Bad-Accept", 502)] {
        let mut conn = w.https("a.test").await;
        conn.send(upgrade(&host, "/ws").field(field, "1").bytes()).await;
        let reply = conn.reply().await;
        assert_eq!(reply.status, status, "{field}: {reply:?}");
        // What is sent now is a request like any other, or nothing at all.
        if let Some(reply) = Request::new("DELETE", &host, "/admin").try_on(&mut conn).await {
            reply.refused(403);
        }
    }
    assert!(w.origin.seen().iter().all(|seen| seen.method == "GET"), "{:#?}", w.origin.seen());
}

#[tokio::test]
async fn an_upgrade_to_an_ordinary_answer_is_an_ordinary_answer() {
    let w = World::builder().allow_rule("{host: \"a.test\", paths: [\"/ok\"]}").start().await;
    let host = w.at("a.test");
    let mut conn = w.https("a.test").await;
    conn.send(upgrade(&host, "/ok").bytes()).await;
    conn.reply().await.expect(200);
    if let Some(reply) = Request::new("DELETE", &host, "/admin").try_on(&mut conn).await {
        reply.refused(403);
    }
    assert_eq!(w.origin.only().target, "/ok");
}

#[tokio::test]
async fn lookalikes_of_an_upgrade_are_not_one() {
    let w = World::usual().start().await;
    for (connection, upgrade) in [("notupgrade", "websocket"), ("upgrade", "h2c")] {
        let request = Request::get(&w.at("b.test"), "/headers")
            .field("Connection", connection)
            .field("Upgrade", upgrade)
            .field("HTTP2-Settings", "AAMAAABkAAQAAP__");
        let reply = request.on(&mut w.https("b.test").await).await;
        let upgrade = reply.expect(200).text().to_ascii_lowercase();
        assert!(!upgrade.contains("\nupgrade:"), "{upgrade}");
    }
    w.finish(2).await;
}

#[tokio::test]
async fn an_unasked_101_never_becomes_a_relay() {
    let w = World::usual().start().await;
    let origin = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        conn.head().await;
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw bytes")
            .await;
        conn.closed().await;
    })
    .await;
    let mut conn = w.https("b.test").await;
    let request = Request::get(&format!("b.test:{}", origin.port()), "/");
    if let Some(reply) = request.try_on(&mut conn).await {
        assert_eq!(reply.status, 502, "{reply:?}");
    }
    let audit = w.finish(1).await;
    assert_eq!(audit[0].action(), "error");
}

#[tokio::test]
async fn a_dead_origin_of_a_websocket_is_audited_as_such() {
    let w = World::usual().start().await;
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let request = upgrade(&format!("b.test:{closed}"), "/ws");
    let reply = request.on(&mut w.https("b.test").await).await;
    assert_eq!(reply.expect(502).text(), "bad gateway\n");
    let audit = w.finish(1).await;
    assert_eq!((audit[0].action(), audit[0].status()), ("error", 502));
}

#[tokio::test]
async fn frames_that_echo_the_value_are_scrubbed_or_the_binding_keeps_it_out() {
    let w = World::builder()
        .allow("a.test")
        .secret(&format!(
            "{{source: {{type: env, var: REAL_A}}, rules: [{{host: \"a.test\"}}], websocket: false, \
             replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]}}}}"
        ))
        .value("REAL_A", REAL)
        .start()
        .await;
    let mut conn = w.https("a.test").await;
    conn.send(upgrade(&w.at("a.test"), "/ws").bearer(PLACEHOLDER).bytes()).await;
    let reply = conn.head().await;
    if reply.status == 101 {
        assert_eq!(echo(conn, "plain").await, "plain");
    }
    assert!(w.origin.seen().iter().all(|seen| !seen.everything().contains(REAL)));
    // An ordinary request with the same binding gets it.
    Request::get(&w.at("a.test"), "/ok")
        .bearer(PLACEHOLDER)
        .on(&mut w.https("a.test").await)
        .await
        .expect(200);
    assert!(w.origin.last().everything().contains(REAL));
    w.finish(2).await;
}

fn extended_connect(w: &World, name: &str, path: &str) -> http::request::Builder {
    http::Request::builder()
        .uri(format!("https://{}{path}", w.at(name)))
        .header("sec-websocket-version", "13")
        .header("authorization", format!("Bearer {PLACEHOLDER}"))
}

#[tokio::test]
async fn a_websocket_over_http2_carries_the_credential_there_and_never_back() {
    // The origin speaks HTTP/1.1 only, so the opening is translated.
    let w = World::usual().origin_alpn(&["http/1.1"]).start().await;
    let mut h2 = w.h2("a.test").await;
    let stream = h2.websocket(extended_connect(&w, "a.test", "/ws")).await.expect("reply");
    let mut socket = WebSocketStream::from_raw_socket(stream.expect("a stream"), Role::Client, None).await;
    // In a frame the placeholder takes exactly the room of the value, since the frame's length is out already.
    let hidden = format!("{PLACEHOLDER:*<width$}", width = REAL.len());
    for (sent, returned) in [
        ("hello".to_owned(), "hello".to_owned()),
        (REAL.to_owned(), hidden.clone()),
        (format!("before {REAL} after {REAL}"), format!("before {hidden} after {hidden}")),
    ] {
        socket.send(Message::text(sent)).await.expect("send");
        let reply =
            centaur_e2e::wait::within("an echo", socket.next()).await.expect("open").expect("message");
        assert_eq!(reply.into_text().expect("text").as_str(), returned);
    }
    // The connection carries other streams meanwhile.
    let beside = h2.send(http::Request::get(format!("https://{}/ok", w.at("a.test"))), "").await;
    assert_eq!(beside.expect("reply").status, 200);
    socket.close(None).await.expect("close");
    while let Some(Ok(_)) = centaur_e2e::wait::within("the close", socket.next()).await {}

    let seen = &w.origin.seen()[0];
    assert_eq!((&*seen.method, &*seen.version), ("GET", "HTTP/1.1"));
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {REAL}")));
    drop((socket, h2));
    let audit = w.finish(2).await;
    let line = audit.iter().find(|line| line.path() == "/ws").expect("a line of the WebSocket");
    assert_eq!((line.action(), line.status(), line.reason()), ("allow", 101, ""));
    assert_eq!(line.0["audit"]["scrubbed"], 3);
}

#[tokio::test]
async fn an_origin_that_does_not_switch_gives_an_http2_client_its_answer_and_no_stream() {
    let w = World::usual().origin_alpn(&["http/1.1"]).start().await;
    let mut h2 = w.h2("a.test").await;
    let refused = h2.websocket(extended_connect(&w, "a.test", "/ws").header("x-refuse", "1")).await;
    let reply = refused.expect("reply").err().expect("a stream was opened");
    assert_eq!(
        (reply.status.as_u16(), &*reply.text(), reply.header("x-iron-reason")),
        (403, "no upgrade\n", None)
    );
    let broken = h2.websocket(extended_connect(&w, "a.test", "/ws").header("x-bad-accept", "1")).await;
    let reply = broken.expect("reply").err().expect("a stream was opened");
    assert_eq!((reply.status.as_u16(), reply.header("x-iron-reason")), (502, Some("websocket-handshake")));
    // What policy refuses never gets as far as the origin.
    let reply =
        h2.websocket(extended_connect(&w, "c.test", "/ws")).await.expect("reply").err().expect("no stream");
    assert!(reply.status.is_client_error() && reply.header("x-iron-reason").is_some(), "{reply:?}");
    drop(h2);
    let audit = w.finish(3).await;
    let lines: Vec<_> = audit.iter().map(|line| (line.action(), line.status())).collect();
    assert_eq!(lines[..2], [("allow", 403), ("error", 502)]);
}

#[tokio::test]
async fn a_success_that_is_no_switch_is_not_success_to_an_http2_client() {
    // In HTTP/2 any 2xx says that the stream is open, so the origin's page must not arrive as one.
    let w = World::usual().origin_alpn(&["http/1.1"]).start().await;
    let mut h2 = w.h2("a.test").await;
    let reply = h2.websocket(extended_connect(&w, "a.test", "/ok")).await.expect("reply");
    let reply = reply.err().expect("a stream was opened");
    assert_eq!((reply.status.as_u16(), reply.header("x-iron-reason")), (502, Some("websocket-handshake")));
    drop(h2);
    w.finish(1).await;
}
