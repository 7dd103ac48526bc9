//! The tunnel listener: CONNECT, SOCKS5, and requests with an absolute target.

use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Conn, Request, World};

/// A SOCKS5 request for a target given as address type and address bytes.
fn socks(kind: u8, address: &[u8], port: u16) -> Vec<u8> {
    let mut bytes = vec![5, 1, 0, kind];
    if kind == 3 {
        bytes.push(u8::try_from(address.len()).expect("short"));
    }
    bytes.extend_from_slice(address);
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

async fn greet(w: &World) -> Conn {
    let mut conn = w.connect("tunnel").await;
    conn.send([5, 1, 0]).await;
    assert_eq!(conn.take(2).await, [5, 0]);
    conn
}

#[tokio::test]
async fn connect_opens_to_what_is_allowed_and_says_why_not_otherwise() {
    let w = World::usual().start().await;
    let mut conn = w.tunnel_tls("a.test").await;
    for _ in 0..2 {
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut conn).await.expect(200);
    }
    let mut refused = w.connect("tunnel").await;
    refused.send(format!("CONNECT {} HTTP/1.1\r\n\r\n", w.at("c.test"))).await;
    let reply = refused.reply().await;
    assert_eq!(reply.refused(403).minor, 1);
    assert_eq!(w.origin.connections(), 1, "a tunnel is not dialled when it is opened");
    drop((conn, refused));
    let audit = w.finish(4).await;
    assert_eq!((audit[0].method(), audit[0].status()), ("CONNECT", 200));
    let inner = &audit[1].0["tunnel"];
    assert!(inner["target"].as_str().is_some_and(|target| target.starts_with("a.test:")), "{inner}");
    let denied = audit.iter().find(|line| line.status() == 403).expect("audited");
    assert_eq!((denied.method(), denied.action(), denied.reason()), ("CONNECT", "reject", "no-rule"));
}

#[tokio::test]
async fn cleartext_http_inside_a_tunnel_is_judged_alike() {
    let w = World::usual().start().await;
    let mut conn = w.tunnel(&w.plain_at("b.test")).await;
    Request::get(&w.plain_at("b.test"), "/ok").on(&mut conn).await.expect(200);
    assert!(!w.origin.only().tls);
    drop(conn);
    w.finish(2).await;
}

#[tokio::test]
async fn bytes_right_behind_the_head_are_kept() {
    let w = World::usual().start().await;
    let target = w.plain_at("b.test");
    let mut conn = w.connect("tunnel").await;
    let inner = Request::get(&target, "/ok").bytes();
    conn.send([format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes(), &inner].concat())
        .await;
    conn.head().await.expect(200);
    conn.reply().await.expect(200);

    // The same with SOCKS: greeting, request and the first request in one packet.
    let mut conn = w.connect("tunnel").await;
    let request = socks(3, b"b.test", w.origin.plain_port());
    conn.send([&[5, 1, 0], request.as_slice(), &inner].concat()).await;
    assert_eq!(conn.take(2).await, [5, 0]);
    assert_eq!(conn.take(10).await[..2], [5, 0]);
    conn.reply().await.expect(200);
    drop(conn);
    w.finish(4).await;
}

#[tokio::test]
async fn connect_forms_of_older_and_sloppy_clients_work() {
    let w = World::usual().allow("::1").start().await;
    let mut conn = w.connect("tunnel").await;
    conn.send(format!("CONNECT {} HTTP/1.0\r\n\r\n", w.plain_at("b.test"))).await;
    assert_eq!(conn.head().await.expect(200).minor, 1);
    // Without a port it is 443; an IPv6 literal needs none either.
    for target in ["b.test", "[::1]", "[::1]:443"] {
        let mut conn = w.connect("tunnel").await;
        conn.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
        conn.head().await.expect(200);
    }
    // A Host without the port means the same; another host does not.
    let mut conn = w.connect("tunnel").await;
    conn.send("CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n").await;
    conn.head().await.expect(200);
    let mut conn = w.connect("tunnel").await;
    conn.send("CONNECT b.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    conn.head().await.expect(400);
    let audit = w.finish(6).await;
    assert_eq!(audit[1].host(), "b.test:443");
    assert_eq!(audit[2].host(), "[::1]:443");
}

#[tokio::test]
async fn socks_takes_names_and_both_kinds_of_addresses() {
    let w = World::usual().allow("127.0.0.1").allow("::1").start().await;
    let port = w.origin.plain_port();
    let v6 = std::net::Ipv6Addr::LOCALHOST.octets();
    let mapped = std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets();
    for (kind, address) in [(3, &b"b.test"[..]), (1, &[127, 0, 0, 1]), (4, &v6), (4, &mapped)] {
        let mut conn = greet(&w).await;
        conn.send(socks(kind, address, port)).await;
        assert_eq!(conn.take(10).await, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0], "{kind} {address:?}");
        if kind == 3 {
            Request::get(&w.plain_at("b.test"), "/ok").on(&mut conn).await.expect(200);
        }
    }
    let mut denied = greet(&w).await;
    denied.send(socks(3, b"c.test", port)).await;
    assert_eq!(denied.take(2).await, [5, 2]);
    denied.rest().await;
    let audit = w.finish(6).await;
    let hosts: Vec<&str> = audit.iter().map(centaur_e2e::Audit::host).collect();
    assert!(hosts.contains(&&*format!("[::1]:{port}")), "{hosts:?}");
    assert_eq!(hosts.iter().filter(|host| **host == format!("127.0.0.1:{port}")).count(), 2, "{hosts:?}");
    assert_eq!(audit.iter().filter(|line| line.action() == "reject").count(), 1);
}

#[tokio::test]
async fn socks_says_no_in_its_own_words() {
    let w = World::usual().start().await;
    let mut methods = w.connect("tunnel").await;
    methods.send([5, 1, 2]).await;
    assert_eq!(methods.take(2).await, [5, 0xff]);
    methods.rest().await;

    for (command, kind, code) in [(2, 3, 7), (3, 3, 7), (1, 9, 8)] {
        let mut conn = greet(&w).await;
        let mut request = socks(kind, b"b.test", 443);
        request[1] = command;
        conn.send(request).await;
        assert_eq!(conn.take(2).await, [5, code], "command {command}, type {kind}");
        conn.rest().await;
    }
}

#[tokio::test]
async fn one_port_serves_both_proxy_variables() {
    let w = World::usual().start().await;
    let target = w.plain_at("b.test");
    let mut conn = w.connect("tunnel").await;
    for _ in 0..2 {
        Request::get(&target, &format!("http://{target}/ok")).on(&mut conn).await.expect(200);
    }
    let other = w.plain_at("c.test");
    Request::get(&other, &format!("http://{other}/ok")).on(&mut conn).await.refused(403);
    drop(conn);
    assert_eq!(w.origin.seen().len(), 2);
    w.finish(3).await;
}

#[tokio::test]
async fn an_unknown_protocol_in_a_tunnel_is_closed_without_a_byte_upstream() {
    let w = World::usual().start().await;
    for first in [&b"\x00\x01\x02\x03"[..], b"\x80junk", b"get / HTTP/1.1\r\n\r\n"] {
        let mut conn = w.tunnel(&w.at("a.test")).await;
        conn.send(first).await;
        conn.rest().await;
    }
    assert_eq!(w.origin.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_asks_for_identity_serves_only_those_who_give_it() {
    let w = World::usual()
        .proxy_keys("  client_auth: {token_env: CLIENT_TOKEN}")
        .value("CLIENT_TOKEN", "fake-client-token-123")
        .start()
        .await;
    let target = w.at("a.test");
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode("agent:fake-client-token-123")
    };
    for (field, status) in [
        (String::new(), 407),
        ("Proxy-Authorization: Basic YWdlbnQ6d3Jvbmc=\r\n".to_owned(), 407),
        (format!("Proxy-Authorization: Basic {basic}\r\n"), 200),
        ("Proxy-Authorization: Bearer fake-client-token-123\r\n".to_owned(), 200),
    ] {
        let mut conn = w.connect("tunnel").await;
        conn.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{field}\r\n")).await;
        if status == 200 {
            conn.head().await.expect(200);
            let mut conn = conn.tls("a.test", w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
            Request::get(&target, "/ok").bearer(PLACEHOLDER).on(&mut conn).await.expect(200);
            let seen = w.origin.last();
            assert!(seen.header("proxy-authorization").is_none());
            assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {REAL}")));
        } else {
            let reply = conn.reply().await;
            assert!(reply.refused(407).header("proxy-authenticate").is_some(), "{reply:?}");
        }
    }
    w.finish(6).await;
}
