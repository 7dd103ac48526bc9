//! One authority: where the connection goes, what TLS says and what the request says must agree.

use centaur_e2e::world::PLACEHOLDER;
use centaur_e2e::{Request, World};

#[tokio::test]
async fn sni_and_host_must_name_one_host() {
    let w = World::usual().start().await;
    Request::get(&w.at("a.test"), "/ok").on(&mut w.https("a.test").await).await.expect(200);
    let reply = Request::get(&w.at("b.test"), "/ok").on(&mut w.https("a.test").await).await;
    assert_eq!(reply.refused(400).text(), "SNI and Host header mismatch\n");
    let reply =
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.https("b.test").await).await;
    reply.refused(400);
    assert_eq!(w.origin.seen().len(), 1);
    let audit = w.finish(3).await;
    assert_eq!(audit[1].reason(), "sni-host-mismatch");
    assert_eq!(audit[1].status(), 400);
}

#[tokio::test]
async fn letter_case_and_a_trailing_dot_are_spellings_of_one_host() {
    let w = World::usual().start().await;
    let port = w.origin.tls_port();
    for host in [format!("A.TEST:{port}"), format!("a.test.:{port}"), format!("A.Test.:{port}")] {
        let request = Request::get(&host, "/ok").bearer(PLACEHOLDER);
        request.on(&mut w.https("a.test").await).await.expect(200);
        assert!(w.origin.last().everything().contains(centaur_e2e::world::REAL), "{host}");
    }
    Request::get(&w.at("a.test"), "/ok").on(&mut w.https("A.tEsT").await).await.expect(200);
    let reply = Request::get(&format!("C.TEST.:{port}"), "/ok").on(&mut w.https("c.test").await).await;
    reply.refused(403);
    w.finish(5).await;
}

#[tokio::test]
async fn the_target_of_a_tunnel_binds_the_requests_inside() {
    let w = World::usual().start().await;
    let target = w.at("a.test");

    let mut inside = w.tunnel_tls("a.test").await;
    Request::get(&target, "/ok").on(&mut inside).await.expect(200);
    Request::get(&w.at("b.test"), "/ok").on(&mut inside).await.refused(400);

    // The name in the handshake differs from the tunnel's.
    let conn = w.tunnel(&target).await;
    if let Ok(mut conn) = conn.tls("b.test", w.proxy_ca.client(&["http/1.1"])).await
        && let Some(reply) = Request::get(&w.at("b.test"), "/ok").try_on(&mut conn).await
    {
        reply.refused(400);
    }
    // Cleartext inside: Host differs from the tunnel's target.
    let mut plain = w.tunnel(&w.plain_at("a.test")).await;
    Request::get(&w.plain_at("a.test"), "/ok").on(&mut plain).await.expect(200);
    Request::get(&w.plain_at("b.test"), "/ok").on(&mut plain).await.refused(400);
    assert!(w.origin.seen().iter().all(|seen| !seen.authority.contains("b.test")));
}

#[tokio::test]
async fn an_address_as_target_only_says_where_the_client_would_have_gone() {
    let w = World::usual().allow("192.0.2.7").start().await;
    // 192.0.2.7 is nowhere; the inner name decides and is resolved again.
    let conn = w.tunnel(&format!("192.0.2.7:{}", w.origin.tls_port())).await;
    let mut conn = conn.tls("a.test", w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut conn).await.expect(200);
    Request::get(&w.at("c.test"), "/ok").on(&mut conn).await.refused(400);
    assert_eq!(w.origin.only().authority, w.at("a.test"));
}

#[tokio::test]
async fn an_absolute_target_wins_over_host_and_its_scheme_is_honoured() {
    let w = World::usual().start().await;
    let (a, b) = (w.plain_at("a.test"), w.plain_at("b.test"));
    let request = Request::get(&a, &format!("http://{a}/ok"));
    request.on(&mut w.http().await).await.expect(200);
    // Host disagrees with the target: refused rather than one of them ignored.
    let reply = Request::get(&b, &format!("http://{a}/ok")).on(&mut w.http().await).await;
    assert!(reply.status == 400 || (reply.status == 200 && w.origin.last().authority == a), "{reply:?}");
    // `https` in the target never goes out as cleartext.
    let target = w.at("a.test");
    let reply = Request::get(&target, &format!("https://{target}/ok")).on(&mut w.http().await).await;
    if reply.status == 200 {
        assert!(w.origin.last().tls);
    } else {
        reply.refused(400);
    }
}

#[tokio::test]
async fn names_that_have_no_one_spelling_are_refused_everywhere() {
    let w = World::builder().allow("*").start().await;
    for host in [
        "[[::1]]",
        "a.test\u{7f}",
        "a..test",
        "[::1%lo]",
        "a.test:b",
        "a.test:99999",
        "a_b@c",
        "%61.test",
        "",
    ] {
        let mut conn = w.http().await;
        let reply = Request::get(host, "/ok").on(&mut conn).await;
        assert_eq!(reply.status, 400, "{host:?}: {reply:?}");
    }
    Request::get(&w.plain_at("a.test"), "/ok").on(&mut w.http().await).await.expect(200);
    assert_eq!(w.origin.seen().len(), 1);
    w.finish(10).await;
}
