//! HTTP/2 on either leg, in every mix.

use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Request, World};

fn to(w: &World, name: &str, path: &str) -> http::request::Builder {
    http::Request::get(format!("https://{}{path}", w.at(name)))
}

#[tokio::test]
async fn every_mix_of_versions_swaps_alike() {
    for (origin, upstream) in [(&["http/1.1"][..], "HTTP/1.1"), (&["h2"], "HTTP/2.0")] {
        let w = World::usual().origin_alpn(origin).start().await;
        let request = Request::get(&w.at("a.test"), "/echo/raw/identity").bearer(PLACEHOLDER);
        let reply = request.on(&mut w.https("a.test").await).await;
        assert!(reply.expect(200).text().contains(PLACEHOLDER));
        let mut h2 = w.h2("a.test").await;
        let request =
            to(&w, "a.test", "/echo/raw/identity").header("authorization", format!("Bearer {PLACEHOLDER}"));
        let reply = h2.send(request, "").await.expect("reply");
        assert_eq!(reply.status, 200);
        assert!(reply.text().contains(PLACEHOLDER), "{}", reply.text());
        for seen in w.origin.seen() {
            assert_eq!(seen.version, upstream);
            assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {REAL}")));
            assert_eq!(seen.authority, w.at("a.test"));
        }
        drop(h2);
        w.finish(2).await;
    }
}

#[tokio::test]
async fn the_authority_of_each_stream_is_held_to_the_handshake() {
    let w = World::usual().start().await;
    let mut h2 = w.h2("a.test").await;
    assert_eq!(h2.send(to(&w, "a.test", "/ok"), "").await.expect("reply").status, 200);
    let reply = h2.send(to(&w, "b.test", "/ok"), "").await.expect("reply");
    assert!(matches!(reply.status.as_u16(), 400 | 421), "{reply:?}");
    assert!(reply.header("x-iron-reason").is_some(), "{reply:?}");
    // `:authority` and `host` disagree.
    let reply = h2.send(to(&w, "a.test", "/ok").header("host", w.at("b.test")), "").await;
    if let Ok(reply) = reply {
        assert_eq!(reply.status, 400, "{reply:?}");
    }
    // The connection is still good for its own host.
    assert_eq!(h2.send(to(&w, "a.test", "/ok"), "").await.expect("reply").status, 200);
    assert!(w.origin.seen().iter().all(|seen| seen.authority == w.at("a.test")));
}

#[tokio::test]
async fn a_refusal_over_h2_has_a_code_and_leaves_the_other_streams() {
    let w = World::builder().allow_rule("{host: \"a.test\", paths: [\"/ok\"]}").start().await;
    let mut h2 = w.h2("a.test").await;
    let reply = h2.send(to(&w, "a.test", "/no"), "").await.expect("reply");
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("x-iron-reason"), Some("no-rule"));
    assert_eq!(h2.send(to(&w, "a.test", "/ok"), "").await.expect("reply").status, 200);
    drop(h2);
    let audit = w.finish(2).await;
    assert_eq!(audit[0].reason(), "no-rule");
}

#[tokio::test]
async fn grpc_like_calls_keep_content_type_te_and_trailers() {
    let w = World::usual().origin_alpn(&["h2"]).start().await;
    let mut h2 = w.h2("a.test").await;
    let request = http::Request::post(format!("https://{}/test.Echo/Say", w.at("a.test")))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {PLACEHOLDER}"));
    let reply = h2.send(request, "\0\0\0\0\u{3}abc").await.expect("reply");
    assert_eq!(reply.header("content-type"), Some("application/grpc"));
    assert_eq!(reply.trailers["grpc-status"], "0");
    assert_eq!(reply.text(), "\0\0\0\0\u{3}abc");
    let seen = w.origin.only();
    assert_eq!(seen.header("te"), Some("trailers"));
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {REAL}")));
    drop(h2);
    w.finish(1).await;
}

#[tokio::test]
async fn many_streams_share_a_connection_and_are_audited_one_by_one() {
    let w = World::usual().start().await;
    let h2 = std::sync::Arc::new(tokio::sync::Mutex::new(w.h2("a.test").await));
    let streams = (0..20).map(|number| {
        let h2 = h2.clone();
        let request = to(&w, "a.test", &format!("/target?{number}"));
        async move {
            use http_body_util::BodyExt as _;
            let response =
                h2.lock().await.open(request, http_body_util::Empty::new().boxed()).await.expect("reply");
            let reply = centaur_e2e::h2client::collect(response).await.expect("content");
            assert_eq!(reply.text(), format!("/target?{number}"));
        }
    });
    futures_util::future::join_all(streams).await;
    drop(h2);
    w.finish(20).await;
}

#[tokio::test]
async fn hop_by_hop_fields_of_an_h1_origin_do_not_reach_an_h2_client() {
    let w = World::usual().origin_alpn(&["http/1.1"]).start().await;
    let mut h2 = w.h2("b.test").await;
    let reply = h2.send(to(&w, "b.test", "/hop"), "").await.expect("reply");
    assert_eq!(reply.header("x-kept"), Some("yes"));
    for name in ["connection", "keep-alive", "x-private", "alt-svc", "proxy-authenticate"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    drop(h2);
    w.finish(1).await;
}

#[tokio::test]
async fn cookie_crumbs_become_one_field_on_the_way_to_h1() {
    let w = World::usual().origin_alpn(&["http/1.1"]).start().await;
    let mut h2 = w.h2("b.test").await;
    let request = to(&w, "b.test", "/ok").header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(h2.send(request, "").await.expect("reply").status, 200);
    let cookies: Vec<String> =
        w.origin.only().headers.into_iter().filter(|(name, _)| name == "cookie").map(|(_, v)| v).collect();
    assert_eq!(cookies, ["a=1; b=2"]);
    drop(h2);
    w.finish(1).await;
}

#[tokio::test]
async fn an_upload_over_http2_that_stops_is_given_up() {
    let w = World::usual().proxy_keys("  timeouts: {stalled_body: \"300ms\"}").start().await;
    let mut h2 = w.h2("b.test").await;
    let request = http::Request::post(format!("https://{}/body", w.at("b.test")));
    // One piece, and then nothing.
    let piece = futures_util::stream::once(async { Ok(http_body::Frame::data(bytes::Bytes::from("half"))) });
    let never = futures_util::stream::pending();
    let body = http_body_util::StreamBody::new(futures_util::StreamExt::chain(piece, never));
    let response = h2
        .open(
            request,
            http_body_util::BodyExt::boxed(http_body_util::BodyExt::map_err(
                body,
                |e: std::convert::Infallible| e,
            )),
        )
        .await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), 408);
    assert_eq!(h2.send(to(&w, "b.test", "/ok"), "").await.expect("reply").status, 200);
    drop((h2, response));
    let audit = w.finish(2).await;
    assert!(audit.iter().any(|line| line.status() == 408));
}
