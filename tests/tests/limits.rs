//! Limits answer clearly and hit nobody else. Times are configured small; nothing here measures speed.

use centaur_e2e::wait::eventually;
use centaur_e2e::{Request, World};

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let w = World::usual().proxy_keys("  timeouts: {request_head: \"2s\"}").start().await;
    let mut slow = w.http().await;
    slow.send("GET / HTTP/1.1\r\nHost: b.te").await;
    if let Some(reply) = slow.try_reply().await {
        assert_eq!(reply.status, 408, "{reply:?}");
        assert!(reply.code().is_some());
    }
    // One that sends nothing at all is closed too, and a whole request is served.
    w.http().await.rest().await;
    Request::get(&w.plain_at("b.test"), "/ok").on(&mut w.http().await).await.expect(200);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let w = World::usual().proxy_keys("  timeouts: {tls_handshake: \"2s\"}").start().await;
    let mut silent = w.connect("https").await;
    silent.rest().await;
    let mut half = w.connect("https").await;
    half.send(b"\x16\x03\x01\x02\x00\x01").await;
    half.rest().await;
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(200);
    assert_eq!(w.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_is_said_is_closed() {
    let w = World::usual().proxy_keys("  timeouts: {tunnel_first_byte: \"2s\"}").start().await;
    w.connect("tunnel").await.rest().await;
    let mut opened = w.tunnel(&w.at("b.test")).await;
    opened.rest().await;
    let mut used = w.tunnel_tls("b.test").await;
    Request::get(&w.at("b.test"), "/ok").on(&mut used).await.expect(200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let w = World::usual().proxy_keys("  timeouts: {idle_keep_alive: \"200ms\"}").start().await;
    let mut conn = w.http().await;
    Request::get(&w.plain_at("b.test"), "/ok").on(&mut conn).await.expect(200);
    assert!(conn.rest().await.is_empty(), "closed without a word");
    w.finish(1).await;
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let w = World::usual().proxy_keys("  timeouts: {stalled_body: \"2s\"}").start().await;
    let host = w.plain_at("b.test");
    let mut conn = w.http().await;
    conn.send(format!("POST /body HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nhalf")).await;
    if let Some(reply) = conn.try_reply().await {
        assert!(reply.status >= 400, "{reply:?}");
    }
    Request::post(&host, "/body", "whole").on(&mut w.http().await).await.expect(200);
    w.finish(2).await;
}

#[tokio::test]
async fn an_origin_that_does_not_answer_is_given_up() {
    let w = World::usual().proxy_keys("  upstream_response_header_timeout: \"2s\"").start().await;
    let reply = Request::get(&w.at("b.test"), "/wait").on(&mut w.https("b.test").await).await;
    assert!(matches!(reply.status, 502 | 504), "{reply:?}");
    assert!(reply.code().is_some());
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(200);
    let audit = w.finish(2).await;
    assert_eq!(audit[0].action(), "error");
}

#[tokio::test]
async fn a_head_may_have_its_configured_size_and_no_more() {
    let w = World::usual().proxy_keys("  limits: {max_request_head_bytes: 8192}").start().await;
    let host = w.plain_at("b.test");
    let fits = Request::get(&host, "/ok").field("X-Pad", &"p".repeat(7000));
    fits.on(&mut w.http().await).await.expect(200);
    let reply =
        Request::get(&host, "/ok").field("X-Pad", &"p".repeat(20_000)).try_on(&mut w.http().await).await;
    if let Some(reply) = reply {
        assert_eq!(reply.status, 431, "{reply:?}");
    }
    assert_eq!(w.origin.seen().len(), 1);
    let audit = w.finish(2).await;
    assert_eq!(audit[1].status(), 431);
}

#[tokio::test]
async fn a_connect_head_may_have_its_configured_size_and_no_more() {
    let w = World::usual().proxy_keys("  limits: {max_connect_head_bytes: 4096}").start().await;
    let target = w.at("b.test");
    for (pad, opens) in [(2000, true), (10_000, false)] {
        let mut conn = w.connect("tunnel").await;
        let pad = "p".repeat(pad);
        let _ = conn
            .try_send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nX-Pad: {pad}\r\n\r\n"))
            .await;
        let reply = conn.try_reply_head().await;
        assert_eq!(reply.as_ref().is_some_and(|reply| reply.status == 200), opens, "{reply:?}");
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_of_one_client_get_429() {
    let w = World::usual().proxy_keys("  limits: {max_requests_in_flight_per_client: 1}").start().await;
    let host = w.plain_at("b.test");
    let mut first = w.http().await;
    first.send(Request::get(&host, "/wait").bytes()).await;
    // The origin has it, so it is under way.
    eventually("the origin to have it", async || !w.origin.seen().is_empty()).await;
    let reply = Request::get(&host, "/ok").on(&mut w.http().await).await;
    reply.refused(429);
    w.origin.release();
    first.reply().await.expect(200);
    Request::get(&host, "/ok").on(&mut w.http().await).await.expect(200);
    w.finish(3).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_a_freed_place_is_given_again() {
    let w = World::usual().proxy_keys("  limits: {max_connections_per_client: 1}").start().await;
    let host = w.plain_at("b.test");
    let mut first = w.http().await;
    Request::get(&host, "/ok").on(&mut first).await.expect(200);
    let second = Request::get(&host, "/ok").try_on(&mut w.http().await).await;
    assert!(second.as_ref().is_none_or(|reply| reply.status >= 400), "{second:?}");
    drop(first);
    eventually("the freed place", async || {
        Request::get(&host, "/ok").try_on(&mut w.http().await).await.is_some_and(|reply| reply.status == 200)
    })
    .await;
}

#[tokio::test]
async fn new_names_are_minted_at_a_limited_rate_and_known_names_are_not_limited() {
    let w = World::usual()
        .allow("*")
        .proxy_keys("  limits: {max_new_names_per_second_per_client: 3}")
        .start()
        .await;
    w.https("a.test").await;
    let mut refused = 0;
    for number in 0..30 {
        if w.try_https(&format!("n{number}.test"), &["http/1.1"]).await.is_err() {
            refused += 1;
        }
    }
    assert!(refused > 0, "thirty names at once, three a second");
    for _ in 0..10 {
        w.https("a.test").await;
    }
}
