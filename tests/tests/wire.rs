//! What stands on the wire towards the origin and back: names, order, framing, hop-by-hop fields.

use centaur_e2e::world::{NAMES, PLACEHOLDER};
use centaur_e2e::{RawOrigin, Request, World};

async fn recorder(w: &World) -> RawOrigin {
    RawOrigin::tls(w.upstream_ca.server(NAMES, &["http/1.1"]), |mut conn| async move {
        while !conn.head().await.is_empty() {
            conn.send("HTTP/1.1 299 Fine By Me\r\nx-Lower: 1\r\nETag: \"x\"\r\nX-UPPER: 2\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await
}

#[tokio::test]
async fn spelling_and_order_of_fields_are_kept_and_none_invented() {
    let w = World::usual().start().await;
    let origin = recorder(&w).await;
    let host = format!("a.test:{}", origin.port());
    let request = Request::get(&host, "/p?q=1&q=2#frag".split('#').next().unwrap_or_default())
        .field("x-lower", "1")
        .field("X-UPPER", "2")
        .field("authorization", &format!("Bearer {PLACEHOLDER}"))
        .field("ETag", "3")
        .field("x-lower", "4");
    let reply = request.on(&mut w.https("a.test").await).await;
    let sent = origin.text();
    let names: Vec<&str> =
        sent.lines().skip(1).filter_map(|line| line.split_once(':').map(|(name, _)| name)).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    for invented in
        ["user-agent", "via", "x-forwarded-for", "forwarded", "transfer-encoding", "content-length"]
    {
        assert!(!lower.contains(&invented.to_owned()), "{invented}: {sent}");
    }
    for kept in ["x-lower", "X-UPPER", "ETag"] {
        assert!(names.contains(&kept), "{kept}: {sent}");
    }
    assert!(sent.starts_with("GET /p?q=1&q=2 HTTP/1.1\r\n"), "{sent}");
    let values: Vec<&str> = sent.lines().filter_map(|line| line.strip_prefix("x-lower: ")).collect();
    assert_eq!(values, ["1", "4"], "{sent}");
    assert_eq!(reply.reason, "Fine By Me");
    let names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    for kept in ["x-Lower", "ETag", "X-UPPER"] {
        assert!(names.contains(&kept), "{names:?}");
    }
    w.finish(1).await;
}

#[tokio::test]
async fn an_empty_post_says_zero_and_a_get_says_nothing() {
    let w = World::usual().start().await;
    let origin = recorder(&w).await;
    let host = format!("b.test:{}", origin.port());
    let mut conn = w.https("b.test").await;
    for (method, field, wanted) in [
        ("POST", Some(("Content-Length", "0")), true),
        ("PUT", Some(("Content-Length", "0")), true),
        ("GET", None, false),
        ("DELETE", None, false),
    ] {
        let mut request = Request::new(method, &host, "/");
        if let Some((name, value)) = field {
            request = request.field(name, value);
        }
        request.on(&mut conn).await.expect(299);
        let text = origin.text();
        let last = text
            .split("\r\n\r\n")
            .filter(|head| !head.is_empty())
            .last()
            .unwrap_or_default()
            .to_ascii_lowercase();
        assert!(last.starts_with(&method.to_ascii_lowercase()));
        assert_eq!(last.contains("content-length: 0"), wanted, "{last}");
        assert!(!last.contains("transfer-encoding"), "{last}");
    }
    drop(conn);
    w.finish(4).await;
}

#[tokio::test]
async fn hop_by_hop_fields_stop_here_and_cannot_take_a_credential_along() {
    let w = World::usual().origin_alpn(&["http/1.1"]).start().await;
    let request = Request::get(&w.at("a.test"), "/hop")
        .bearer(PLACEHOLDER)
        .field("Connection", "x-private, keep-alive")
        .field("X-Private", "mine")
        .field("Keep-Alive", "timeout=9")
        .field("Proxy-Connection", "keep-alive")
        .field("Proxy-Authorization", "Basic eDp5")
        .field("TE", "gzip, trailers");
    let reply = request.on(&mut w.https("a.test").await).await;
    let seen = w.origin.only();
    for name in ["x-private", "keep-alive", "proxy-connection", "proxy-authorization"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("te"), Some("trailers"));
    for name in ["x-private", "keep-alive", "alt-svc", "proxy-authenticate"] {
        assert_eq!(reply.expect(200).header(name), None, "{name}");
    }
    assert_eq!(reply.header("x-kept"), Some("yes"));
    // Naming the injected header must not remove what the proxy puts there.
    let request =
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).field("Connection", "authorization, close");
    let reply = request.on(&mut w.https("a.test").await).await;
    let seen = w.origin.seen();
    let swapped = seen.last().and_then(|seen| seen.header("authorization")).unwrap_or_default().to_owned();
    // Either refused, or stripped on entry like any field the client named: then there is nothing to swap.
    assert!(reply.status >= 400 || !swapped.contains(PLACEHOLDER), "{reply:?} {swapped}");
    w.finish(2).await;
}

#[tokio::test]
async fn an_injected_header_survives_a_client_that_names_it_in_connection() {
    let w = World::builder()
        .allow("a.test")
        .secret(
            "{source: {type: env, var: REAL_A}, rules: [{host: \"a.test\"}], inject: {header: \"X-Api-Key\"}}",
        )
        .value("REAL_A", "fake-injected-value")
        .start()
        .await;
    let request = Request::get(&w.at("a.test"), "/ok").field("Connection", "X-Api-Key");
    request.on(&mut w.https("a.test").await).await.expect(200);
    assert_eq!(w.origin.only().header("x-api-key"), Some("fake-injected-value"));
    w.finish(1).await;
}

#[tokio::test]
async fn smuggling_shapes_are_refused_or_read_one_way() {
    let w = World::builder().allow_rule("{host: \"a.test\", paths: [\"/ok\"]}").start().await;
    let host = w.at("a.test");
    let smuggled = format!("GET /admin HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for head in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5 + smuggled.len()),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n", smuggled.len()),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Content-Length: +0\r\n\r\n".to_owned(),
        "Content-Length: 0x0\r\n\r\n".to_owned(),
        "X: 1\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ] {
        let mut conn = w.https("a.test").await;
        conn.send(format!("POST /ok HTTP/1.1\r\nHost: {host}\r\n{head}{smuggled}")).await;
        while let Some(reply) = conn.try_reply().await {
            if reply.status == 403 || reply.status >= 500 || reply.status == 400 {
                break;
            }
        }
    }
    assert!(w.origin.seen().iter().all(|seen| seen.target == "/ok"), "{:#?}", w.origin.seen());
}

#[tokio::test]
async fn paths_that_two_servers_read_differently_are_refused() {
    let w = World::builder().allow_rule("{host: \"a.test\", paths: [\"/public/*\"]}").start().await;
    let host = w.at("a.test");
    for (path, allowed) in [
        ("/public/x", true),
        ("/public/a%2Fb", true),
        ("/public/.hidden", true),
        ("/public/../admin", false),
        ("/public/%2e%2e/admin", false),
        ("/public/..%2fadmin", false),
        ("/public/..;/admin", false),
        ("/public/..%5cadmin", false),
        ("/public/%252e%252e/admin", false),
        ("/public/%00", false),
        ("//public/x", false),
    ] {
        let before = w.origin.seen().len();
        let reply = Request::get(&host, path).on(&mut w.https("a.test").await).await;
        assert_eq!(reply.status == 200, allowed, "{path}: {reply:?}");
        assert_eq!(w.origin.seen().len() - before, usize::from(allowed), "{path}");
    }
    w.finish(11).await;
}
