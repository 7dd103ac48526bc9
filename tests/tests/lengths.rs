//! Lengths and edges: what is taken out of messages, files and ranges leaves them well formed.

use centaur_e2e::origin::compress;
use centaur_e2e::wait::eventually;
use centaur_e2e::world::{NAMES, PLACEHOLDER, REAL};
use centaur_e2e::{RawOrigin, Request, World};

/// An origin that answers each request of a connection with the next of `answers`, and then closes.
async fn scripted(w: &World, answers: Vec<Vec<u8>>) -> RawOrigin {
    RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), move |mut conn| {
        let answers = answers.clone();
        async move {
            for answer in answers {
                if conn.head().await.is_empty() {
                    return;
                }
                conn.send(answer).await;
            }
            conn.close().await;
        }
    })
    .await
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A gRPC message with one text in it, as a protocol buffer.
fn message(text: &str) -> Vec<u8> {
    let length = text.len() as u8;
    [&[0, 0, 0, 0, length + 2, 0x0a, length][..], text.as_bytes()].concat()
}

#[tokio::test]
async fn a_reflecting_grpc_message_and_a_file_keep_their_lengths() {
    let w = World::usual().start().await;
    let origin = scripted(
        &w,
        vec![
            answer("200 OK\r\nContent-Type: application/grpc", &message(&format!("<{REAL}>"))),
            answer("200 OK\r\nContent-Type: application/octet-stream", REAL.as_bytes()),
            answer("200 OK\r\nContent-Type: application/grpc\r\nGrpc-Encoding: gzip", b"hidden"),
        ],
    )
    .await;
    let host = format!("a.test:{}", origin.port());
    let mut conn = w.https("a.test").await;
    let filled = format!("{PLACEHOLDER}{}", "*".repeat(REAL.len() - PLACEHOLDER.len()));
    let reply = Request::post(&host, "/", "")
        .bearer(PLACEHOLDER)
        .field("Grpc-Accept-Encoding", "gzip")
        .on(&mut conn)
        .await;
    assert_eq!(reply.expect(200).body, message(&format!("<{filled}>")));
    let reply = Request::get(&host, "/").bearer(PLACEHOLDER).on(&mut conn).await;
    assert_eq!(reply.expect(200).text(), filled);
    assert_eq!(reply.header("content-length"), Some(&*REAL.len().to_string()));
    let reply = Request::get(&host, "/").bearer(PLACEHOLDER).on(&mut conn).await;
    assert_eq!((reply.status, reply.code()), (502, Some("upstream-coding")));
    assert!(origin.text().to_lowercase().contains("grpc-accept-encoding: identity"), "{}", origin.text());
    w.finish(3).await;
}

#[tokio::test]
async fn the_edges_of_a_range_show_nothing_and_a_download_resumes() {
    let w = World::usual().start().await;
    let cut = |first: usize, last: usize| {
        answer(
            &format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/99"),
            &REAL.as_bytes()[first..=last],
        )
    };
    let origin =
        scripted(&w, vec![cut(0, 7), cut(8, 15), cut(4, 9), answer("200 OK", REAL.as_bytes())]).await;
    let host = format!("a.test:{}", origin.port());
    let mut conn = w.https("a.test").await;
    for (range, want) in [("bytes=0-7", "********"), ("bytes=8-", "********"), ("bytes=4-9", "******")] {
        let reply = Request::get(&host, "/").bearer(PLACEHOLDER).field("Range", range).on(&mut conn).await;
        assert_eq!(reply.expect(206).text(), want);
        assert!(origin.text().to_lowercase().contains(&format!("range: {range}")), "{range} is passed on");
    }
    let small = Request::get(&host, "/").bearer(PLACEHOLDER).field("Range", "bytes=5-6").on(&mut conn).await;
    assert_eq!(small.expect(200).text(), PLACEHOLDER);
    assert!(!origin.text().contains("5-6"));
    w.finish(4).await;
}

#[tokio::test]
async fn a_broken_coding_has_a_reason_of_its_own() {
    let w = World::usual().start().await;
    let whole = compress("gzip", "some text ".repeat(100).as_bytes());
    let head = "200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip";
    let origin = scripted(&w, vec![answer(head, &whole), answer(head, &whole[..whole.len() - 9])]).await;
    let host = format!("a.test:{}", origin.port());
    let mut conn = w.https("a.test").await;
    let request = || Request::get(&host, "/").bearer(PLACEHOLDER).field("Accept-Encoding", "gzip");
    assert!(request().on(&mut conn).await.expect(200).complete);
    // The head may not have been sent yet when it is seen.
    let broken = request().try_on(&mut conn).await;
    assert!(broken.is_none_or(|reply| !reply.complete));
    drop(conn);
    let audit = w.finish(2).await;
    assert_eq!((audit[0].reason(), audit[1].reason()), ("", "upstream-coding"));
}

#[tokio::test]
async fn a_field_named_like_the_value_does_not_come_back() {
    let secret = "fake-Token-of-a-test";
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "match_headers: [\"Authorization\"]")
        .value("REAL_A", secret)
        .start()
        .await;
    let head = format!("200 OK\r\nX-Before: 1\r\n{secret}: reflected\r\nX-After: 2");
    let origin = scripted(&w, vec![answer(&head, b"ok")]).await;
    let request = Request::get(&format!("a.test:{}", origin.port()), "/").bearer(PLACEHOLDER);
    let reply = request.on(&mut w.https("a.test").await).await;
    assert_eq!((reply.expect(200).header("x-before"), reply.header("x-after")), (Some("1"), Some("2")));
    assert_eq!(reply.header(secret), None);
    let audit = w.finish(1).await;
    assert_eq!(audit[0].0["audit"]["scrubbed"], 1);
}

#[tokio::test]
async fn a_placeholder_in_a_grpc_message_is_refused_and_a_message_without_passes() {
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "match_headers: [\"Authorization\"], match_body: true")
        .origin_alpn(&["h2"])
        .start()
        .await;
    let mut h2 = w.h2("a.test").await;
    let call = || {
        http::Request::post(format!("https://{}/test.Echo/Say", w.at("a.test")))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {PLACEHOLDER}"))
    };
    let passes = message("nothing");
    let reply = h2.send(call(), std::str::from_utf8(&passes).expect("text")).await.expect("reply");
    assert_eq!((reply.status.as_u16(), reply.body.as_ref()), (200, &passes[..]));
    let refused = message(PLACEHOLDER);
    let reply = h2.send(call(), std::str::from_utf8(&refused).expect("text")).await.expect("reply");
    assert_eq!((reply.status.as_u16(), reply.header("x-iron-reason")), (403, Some("placeholder-length")));
    drop(h2);
    w.finish(2).await;
}

#[tokio::test]
async fn a_value_too_short_to_be_scrubbed_is_named_in_the_log_and_used() {
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "match_headers: [\"X-User\"]")
        .env("REAL_A", "bob")
        .start()
        .await;
    Request::get(&w.at("a.test"), "/ok")
        .field("X-User", PLACEHOLDER)
        .on(&mut w.https("a.test").await)
        .await
        .expect(200);
    assert_eq!(w.origin.only().header("x-user"), Some("bob"));
    eventually("the warning", async || w.proxy.stderr().contains("shorter than 4 bytes")).await;
    w.finish(1).await;
}
