//! The dial guard: addresses that are never connected to, whatever they are called.

use std::net::IpAddr;

use centaur_e2e::world::{NAMES, PLACEHOLDER};
use centaur_e2e::{RawOrigin, Request, World};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

#[tokio::test]
async fn the_default_list_keeps_loopback_and_metadata_out() {
    let w = World::builder().allow("*").deny("null").start().await;
    w.dns.set("mapped.test", &[ip("::ffff:127.0.0.1")]);
    w.dns.set("zero.test", &[ip("0.0.0.0")]);
    w.dns.set("six.test", &[ip("::1")]);
    w.dns.set("unspecified.test", &[ip("::")]);
    w.dns.set("metadata.test", &[ip("169.254.169.254")]);
    w.dns.set("nat64.test", &[ip("64:ff9b::7f00:1")]);
    let port = w.origin.plain_port();
    let hosts = [
        "127.0.0.1",
        "a.test",
        "mapped.test",
        "zero.test",
        "six.test",
        "unspecified.test",
        "metadata.test",
        "nat64.test",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.9.9.9",
        "169.254.169.254",
    ];
    for host in hosts {
        let reply = Request::get(&format!("{host}:{port}"), "/ok").on(&mut w.http().await).await;
        assert_eq!(reply.status, 502, "{host}: {reply:?}");
        assert!(reply.code().is_some(), "{host}");
    }
    assert_eq!(w.origin.connections(), 0);
    let audit = w.finish(hosts.len()).await;
    for line in &audit {
        assert_eq!(line.action(), "error");
        let error = line.0["error"].as_str().unwrap_or_default();
        assert!(error.contains("denied by upstream_deny_cidrs"), "{}: {error}", line.host());
    }
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_reached() {
    let w = World::builder().allow("*").deny("[\"127.0.0.2/32\", \"::1/128\"]").start().await;
    w.dns.set("both.test", &[ip("127.0.0.2"), ip("127.0.0.1")]);
    w.dns.set("denied.test", &[ip("127.0.0.2")]);
    let port = w.origin.plain_port();
    Request::get(&format!("a.test:{port}"), "/ok").on(&mut w.http().await).await.expect(200);
    Request::get(&format!("both.test:{port}"), "/ok").on(&mut w.http().await).await.expect(200);
    Request::get(&format!("denied.test:{port}"), "/ok").on(&mut w.http().await).await.expect(502);
    w.finish(3).await;
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_on_the_address_that_is_dialled() {
    let w = World::builder().allow("rebind.test").deny("[\"127.0.0.2/32\"]").start().await;
    let good = ip("127.0.0.1");
    let bad = ip("127.0.0.2");
    w.dns.set_sequence("rebind.test", &[&[good], &[bad]]);
    let host = format!("rebind.test:{}", w.origin.plain_port());
    Request::get(&host, "/ok").on(&mut w.http().await).await.expect(200);
    let trap = std::net::TcpListener::bind("127.0.0.2:0").expect("bind");
    let port = trap.local_addr().expect("address").port();
    // A new port needs a new connection; whatever the name says by then, 127.0.0.2 is not dialled.
    let reply = Request::get(&format!("rebind.test:{port}"), "/ok").on(&mut w.http().await).await;
    assert_eq!(reply.status, 502);
    trap.set_nonblocking(true).expect("nonblocking");
    assert!(trap.accept().is_err(), "the denied address was dialled");
    w.finish(2).await;
}

#[tokio::test]
async fn mapped_prefixes_in_the_list_count_for_the_address_they_mean() {
    let w = World::builder().allow("*").deny("[\"::ffff:127.0.0.0/104\"]").start().await;
    let reply = Request::get(&w.plain_at("a.test"), "/ok").on(&mut w.http().await).await;
    assert_eq!(reply.status, 502);
    assert_eq!(w.origin.connections(), 0);
    w.finish(1).await;
}

#[tokio::test]
async fn websockets_and_tunnels_are_guarded_alike() {
    let w = World::builder().allow("*").deny("[\"127.0.0.0/8\"]").start().await;
    let upgrade = Request::get(&w.plain_at("a.test"), "/ws")
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    upgrade.on(&mut w.http().await).await.expect(502);
    let mut conn = w.tunnel_tls("a.test").await;
    Request::get(&w.at("a.test"), "/ok").on(&mut conn).await.expect(502);
    drop(conn);
    assert_eq!(w.origin.connections(), 0);
    w.finish(3).await;
}

#[tokio::test]
async fn odd_spellings_of_an_address_are_not_that_address() {
    let w = World::builder().allow("*").deny("null").start().await;
    // As names they exist nowhere.
    for name in ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"] {
        w.dns.remove(name);
        let host = format!("{name}:{}", w.origin.plain_port());
        let reply = Request::get(&host, "/ok").on(&mut w.http().await).await;
        assert!(reply.status >= 400, "{name}: {reply:?}");
    }
    assert_eq!(w.origin.connections(), 0);
    w.finish(4).await;
}

#[tokio::test]
async fn a_credential_goes_only_where_the_certificate_matches_the_name() {
    let w = World::usual().start().await;
    // The name resolves to somebody with a valid certificate for another name.
    let other = RawOrigin::tls(w.upstream_ca.server(&["c.test"], &["http/1.1"]), |mut conn| async move {
        conn.head().await;
    })
    .await;
    let request = Request::get(&format!("a.test:{}", other.port()), "/").bearer(PLACEHOLDER);
    request.on(&mut w.https("a.test").await).await.expect(502);
    assert!(other.text().is_empty());
    let right = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        conn.head().await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        conn.closed().await;
    })
    .await;
    let request = Request::get(&format!("a.test:{}", right.port()), "/").bearer(PLACEHOLDER);
    request.on(&mut w.https("a.test").await).await.expect(200);
    w.finish(2).await;
}
