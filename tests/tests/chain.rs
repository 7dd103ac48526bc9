//! Proxies further up (`proxy.upstream_proxy`, `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`).

use centaur_e2e::next_proxy::NextProxy;
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Request, World};

fn connect(authority: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
}

#[tokio::test]
async fn https_goes_through_a_tunnel_whose_opening_holds_no_value() {
    let next = NextProxy::start().await;
    let w = World::usual().env("HTTPS_PROXY", &next.url()).start().await;
    let request = Request::get(&w.at("a.test"), "/echo/raw/identity").bearer(PLACEHOLDER);
    let reply = request.on(&mut w.https("a.test").await).await;
    assert!(reply.expect(200).text().contains(PLACEHOLDER), "{reply:?}");
    let seen = w.origin.only();
    assert_eq!((seen.tls, seen.header("authorization")), (true, Some(&*format!("Bearer {REAL}"))));
    assert_eq!(seen.header("proxy-authorization"), None);
    assert_eq!(next.heads(), [connect(&w.at("a.test"))]);
    w.finish(1).await;
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_a_bad_gateway_and_nothing_is_dialled() {
    let next = NextProxy::refusing("HTTP/1.1 403 Not Here\r\nContent-Length: 0\r\n\r\n").await;
    let w = World::usual().env("HTTPS_PROXY", &next.url()).start().await;
    let reply =
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.https("a.test").await).await;
    assert_eq!((reply.refused(502).code(), &*reply.text()), (Some("upstream-proxy"), "bad gateway\n"));
    assert_eq!(next.heads(), [connect(&w.at("a.test"))], "it was asked once");
    assert_eq!(w.origin.connections(), 0);
    let audit = w.finish(1).await;
    assert_eq!((audit[0].action(), audit[0].reason()), ("error", "upstream-proxy"));
    assert!(audit[0].text().contains("403 Not Here"), "{}", audit[0].text());
}

#[tokio::test]
async fn http_goes_in_absolute_form_and_carries_no_value_unless_it_may_travel_in_clear() {
    let next = NextProxy::start().await;
    let open = format!(
        "{{source: {{type: env, var: REAL_A}}, rules: [{{host: \"c.test\"}}], allow_plaintext: true, \
         replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]}}}}"
    );
    let w = World::usual().allow("c.test").secret(&open).env("http_proxy", &next.url()).start().await;

    // A host without credential.
    Request::get(&w.plain_at("b.test"), "/ok").on(&mut w.http().await).await.expect(200);
    let head = next.heads().pop().expect("it was asked");
    let (line, fields) = head.split_once("\r\n").expect("a request line");
    assert_eq!(line, format!("GET http://{}/ok HTTP/1.1", w.plain_at("b.test")));
    assert_eq!(fields, format!("Host: {}\r\n\r\n", w.plain_at("b.test")));

    // A value that travels over TLS only: not even a connection to the proxy.
    let reply = Request::get(&w.plain_at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.http().await).await;
    assert_eq!(reply.refused(403).code(), Some("plaintext-credential"));
    assert_eq!(next.heads().len(), 1);

    // The same value where its entry lets it.
    Request::get(&w.plain_at("c.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.http().await).await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {REAL}")));
    assert_eq!(next.heads().len(), 2);
    w.finish(3).await;
}

#[tokio::test]
async fn no_proxy_goes_around_for_its_hosts_alone() {
    let next = NextProxy::start().await;
    let w = World::usual()
        .allow("sub.a.test")
        .env("HTTPS_PROXY", &next.url())
        .env("NO_PROXY", " b.test, .A.test ")
        .start()
        .await;
    for (name, through) in [("b.test", false), ("sub.a.test", false), ("a.test", true)] {
        let before = next.heads().len();
        Request::get(&w.at(name), "/ok").on(&mut w.https(name).await).await.expect(200);
        assert_eq!(next.heads().len() - before, usize::from(through), "{name}");
    }
    w.finish(3).await;
}

#[tokio::test]
async fn credentials_of_the_file_reach_the_proxy_alone() {
    let next = NextProxy::start().await;
    let keys =
        format!("  upstream_proxy: {{https_proxy: \"{}\"}}", next.url_as("egress", "fake-chain-password-7"));
    // Only to have the password searched for in what comes out.
    let w = World::usual().proxy_keys(&keys).value("UNUSED", "fake-chain-password-7").start().await;
    Request::get(&w.at("b.test"), "/headers").on(&mut w.https("b.test").await).await.expect(200);
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode("egress:fake-chain-password-7")
    };
    let authority = w.at("b.test");
    assert_eq!(
        next.heads(),
        [format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: Basic {basic}\r\n\r\n"
        )]
    );
    assert_eq!(w.origin.only().header("proxy-authorization"), None);
    w.finish(1).await;
}

#[tokio::test]
async fn the_environment_wins_over_the_file() {
    let (file, variable) = (NextProxy::start().await, NextProxy::start().await);
    let w = World::usual()
        .proxy_keys(&format!("  upstream_proxy: {{https_proxy: \"{}\"}}", file.url()))
        .env("HTTPS_PROXY", &variable.url())
        .start()
        .await;
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(200);
    assert_eq!((file.heads().len(), variable.heads().len()), (0, 1));
    w.finish(1).await;
}

#[tokio::test]
async fn a_denied_address_is_not_asked_of_the_proxy_either() {
    let next = NextProxy::start().await;
    let w = World::builder()
        .allow_rule("{cidr: \"192.0.2.0/24\"}")
        .allow_rule("{cidr: \"198.51.100.0/24\"}")
        .deny("[\"198.51.100.0/24\"]")
        .env("HTTP_PROXY", &next.url())
        .start()
        .await;
    let reply = Request::get(&w.plain_at("198.51.100.7"), "/ok").on(&mut w.http().await).await;
    assert_eq!(reply.refused(502).code(), Some("upstream-denied"));
    assert_eq!(next.heads(), Vec::<String>::new());
    Request::get(&w.plain_at("192.0.2.7"), "/ok").on(&mut w.http().await).await.expect(200);
    assert_eq!(next.heads().len(), 1);
    w.finish(2).await;
}

#[tokio::test]
async fn the_proxy_itself_is_dialled_under_the_guard() {
    let next = NextProxy::start().await;
    let w = World::usual().deny("[\"127.0.0.0/8\"]").env("HTTPS_PROXY", &next.url()).start().await;
    let reply = Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await;
    let refused = reply.refused(502);
    assert_eq!((refused.text().as_str(), refused.code()), ("bad gateway\n", Some("upstream-denied")));
    assert_eq!(next.heads(), Vec::<String>::new());
    let audit = w.finish(1).await;
    assert!(audit[0].text().contains("denied by upstream_deny_cidrs"), "{}", audit[0].text());
}

#[tokio::test]
async fn a_websocket_goes_through_it_too() {
    let next = NextProxy::start().await;
    let w = World::usual().env("HTTPS_PROXY", &next.url()).start().await;
    let mut conn = w.https("a.test").await;
    let upgrade = Request::get(&w.at("a.test"), "/ws")
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .bearer(PLACEHOLDER);
    conn.send(upgrade.bytes()).await;
    conn.head().await.expect(101);
    assert_eq!(w.origin.only().header("authorization"), Some(&*format!("Bearer {REAL}")));
    assert_eq!(next.heads(), [connect(&w.at("a.test"))]);
    drop(conn);
    w.finish(1).await;
}
