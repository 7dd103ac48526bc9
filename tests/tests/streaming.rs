//! Bytes move when they arrive, in both directions, and every exchange ends as its framing says.

use centaur_e2e::world::{NAMES, PLACEHOLDER};
use centaur_e2e::{RawOrigin, Request, World};

#[tokio::test]
async fn events_arrive_one_by_one() {
    let w = World::usual().start().await;
    // With and without a placed value: the scrubber must not hold a stream back.
    for token in [PLACEHOLDER, "nothing"] {
        for (path, end) in [("/sse", "\n\n"), ("/ndjson", "\n")] {
            let mut conn = w.https("a.test").await;
            conn.send(Request::get(&w.at("a.test"), path).bearer(token).bytes()).await;
            conn.head().await.expect(200);
            for number in 1..=3 {
                conn.until(&format!("event {number}{end}")).await;
                w.origin.release();
            }
            conn.until("0\r\n\r\n").await;
        }
    }
    // Each stream of three takes two permits; the spare ones are harmless.
    w.finish(4).await;
}

#[tokio::test]
async fn events_arrive_one_by_one_over_h2() {
    use http_body_util::BodyExt as _;
    let w = World::usual().start().await;
    let mut h2 = w.h2("a.test").await;
    let request = http::Request::get(format!("https://{}/sse", w.at("a.test")));
    let mut response = h2.open(request, http_body_util::Empty::new().boxed()).await.expect("reply");
    for number in 1..=3 {
        let mut got = String::new();
        while !got.contains(&format!("event {number}\n\n")) {
            let frame = centaur_e2e::wait::within("an event", response.body_mut().frame()).await;
            let frame = frame.expect("open").expect("frame");
            got.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
        }
        w.origin.release();
    }
    drop((response, h2));
    w.finish(1).await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_uploading() {
    let w = World::usual().start().await;
    let origin = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        conn.head().await;
        conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlong")
            .await;
        conn.closed().await;
    })
    .await;
    let mut conn = w.https("b.test").await;
    let host = format!("b.test:{}", origin.port());
    conn.send(format!("POST /up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\nfirst bytes"))
        .await;
    // Nothing more is sent until the answer is here.
    assert_eq!(conn.reply().await.expect(413).text(), "long");
    drop(conn);
    let audit = w.finish(1).await;
    assert_eq!(audit[0].status(), 413);
}

#[tokio::test]
async fn a_client_that_closes_its_half_still_gets_the_answer() {
    let w = World::usual().start().await;
    let mut conn = w.http().await;
    conn.send(Request::get(&w.plain_at("b.test"), "/wait").bytes()).await;
    conn.shutdown().await;
    w.origin.release();
    let reply = conn.reply().await;
    assert_eq!(reply.expect(200).text(), "ok");
    let audit = w.finish(1).await;
    assert_eq!((audit[0].action(), audit[0].status()), ("allow", 200));
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let w = World::usual().start().await;
    let host = w.at("b.test");
    let mut conn = w.https("b.test").await;
    conn.send(format!(
        "POST /trailers HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\nTrailer: x-sum\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"
    ))
    .await;
    let reply = conn.reply().await;
    assert_eq!(reply.expect(200).text(), "content");
    assert_eq!(reply.trailers.len(), 1, "{reply:?}");
    assert!(reply.trailers[0].0.eq_ignore_ascii_case("x-after"));
    let seen = w.origin.only();
    assert_eq!(
        (seen.body.as_slice(), seen.trailers.as_slice()),
        (&b"abc"[..], &[("x-sum".to_owned(), "7".to_owned())][..])
    );
    w.finish(1).await;
}

#[tokio::test]
async fn expect_is_answered_and_a_refusal_comes_before_the_upload() {
    let w = World::usual().start().await;
    for (name, status) in [("b.test", 200), ("c.test", 403)] {
        let mut conn = w.https(name).await;
        let host = w.at(name);
        conn.send(format!(
            "POST /body HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await;
        let first = conn.head().await;
        if status == 403 {
            assert_eq!(first.status, 403, "refused without an upload");
            continue;
        }
        assert_eq!(first.status, 100);
        conn.send("hello").await;
        assert_eq!(conn.reply().await.expect(200).text(), "hello");
    }
    let mut conn = w.https("b.test").await;
    let strange = Request::get(&w.at("b.test"), "/ok").field("Expect", "200-ok");
    assert_eq!(strange.on(&mut conn).await.status, 417);
    w.finish(3).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_each_is_judged() {
    let w = World::builder().allow_rule("{host: \"a.test\", methods: [\"GET\"]}").start().await;
    let host = w.at("a.test");
    let mut conn = w.https("a.test").await;
    let all = [
        Request::get(&host, "/target?1").bytes(),
        Request::new("DELETE", &host, "/target?2").bytes(),
        Request::get(&host, "/target?3").bytes(),
    ]
    .concat();
    conn.send(all).await;
    assert_eq!(conn.reply().await.expect(200).text(), "/target?1");
    conn.reply().await.refused(403);
    assert_eq!(conn.reply().await.expect(200).text(), "/target?3");
    drop(conn);
    assert_eq!(w.origin.seen().len(), 2);
    w.finish(3).await;
}

#[tokio::test]
async fn an_origin_that_dies_in_the_middle_is_an_error_that_both_sides_see() {
    let w = World::usual().start().await;
    let die = std::sync::Arc::new(tokio::sync::Notify::new());
    let signal = die.clone();
    let origin = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), move |mut conn| {
        let die = signal.clone();
        async move {
            conn.head().await;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await;
            die.notified().await;
        }
    })
    .await;
    let mut conn = w.https("b.test").await;
    conn.send(Request::get(&format!("b.test:{}", origin.port()), "/").bytes()).await;
    conn.head().await.expect(200);
    assert_eq!(conn.take(4).await, b"part");
    die.notify_one();
    assert!(conn.rest().await.is_empty(), "cut, not completed");
    let audit = w.finish(1).await;
    assert_eq!(audit[0].action(), "error", "{}", audit[0].text());
}

#[tokio::test]
async fn a_stale_pooled_connection_costs_no_request() {
    let w = World::usual().start().await;
    let origin = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        // One answer per connection, without saying so.
        conn.head().await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        drop(conn);
    })
    .await;
    let host = format!("b.test:{}", origin.port());
    let mut conn = w.https("b.test").await;
    for _ in 0..5 {
        Request::get(&host, "/").on(&mut conn).await.expect(200);
    }
    w.finish(5).await;
}

#[tokio::test]
async fn interim_responses_pass_and_do_not_end_the_exchange() {
    let w = World::usual().start().await;
    let origin = RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        conn.head().await;
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await;
        conn.closed().await;
    })
    .await;
    let mut conn = w.https("b.test").await;
    conn.send(Request::get(&format!("b.test:{}", origin.port()), "/").bytes()).await;
    let first = conn.head().await;
    if first.status == 103 {
        assert_eq!(first.header("link"), Some("</x.css>"));
        assert_eq!(conn.reply().await.expect(200).text(), "ok");
    } else {
        first.expect(200);
    }
    drop(conn);
    w.finish(1).await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_while_it_is_read_ahead_is_never_sent_as_whole() {
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "match_headers: [\"X-None\"], match_body: true")
        .start()
        .await;
    let host = w.at("a.test");
    let mut conn = w.https("a.test").await;
    conn.send(format!("POST /body HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nhello")).await;
    drop(conn);
    let mut conn = w.https("a.test").await;
    conn.send(format!(
        "POST /body HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    ))
    .await;
    drop(conn);
    w.proxy.audited(2).await;
    Request::post(&host, "/body", "hello").on(&mut w.https("a.test").await).await.expect(200);
    let whole = w.origin.seen();
    assert_eq!(whole.len(), 1, "only the whole upload reached the origin as one: {whole:?}");
    w.finish(3).await;
}
