//! Client certificates (`proxy.client_auth.client_ca`). Tokens are shown in `tunnel.rs`.

use centaur_e2e::h2client::H2;
use centaur_e2e::pki::Pki;
use centaur_e2e::world::{Builder, PLACEHOLDER, REAL};
use centaur_e2e::{Conn, Request, World};
use rustls::ClientConfig;

/// A world that wants certificates of `clients`, with further `keys` of `client_auth`.
struct Plan {
    clients: Pki,
    dir: tempfile::TempDir,
}

impl Plan {
    fn new() -> Self {
        let clients = Pki::new("clients");
        let dir = tempfile::tempdir().expect("directory");
        std::fs::write(dir.path().join("clients.pem"), clients.cert_pem()).expect("write");
        Self { clients, dir }
    }

    fn world(&self, keys: &str) -> Builder {
        let path = self.dir.path().join("clients.pem");
        let keys = format!("  client_auth: {{client_ca: \"{}\"{keys}}}", path.display());
        World::usual().proxy_keys(&keys)
    }
}

async fn over(w: &World, config: ClientConfig) -> std::io::Result<Conn> {
    w.connect("https").await.tls("a.test", config).await
}

fn request(w: &World) -> Request {
    Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER)
}

#[tokio::test]
async fn a_certificate_of_the_client_authority_is_enough() {
    let plan = Plan::new();
    let w = plan.world("").start().await;
    let identity = |alpn| w.proxy_ca.client_with_identity(&plan.clients, "agent", alpn);
    let mut conn = over(&w, identity(&["http/1.1"])).await.expect("handshake");
    for _ in 0..2 {
        request(&w).on(&mut conn).await.expect(200);
    }
    let mut h2 = H2::new(over(&w, identity(&["h2"])).await.expect("handshake")).await;
    let ask = http::Request::get(format!("https://{}/ok", w.at("a.test")));
    assert_eq!(h2.send(ask, "").await.expect("reply").status, 200);
    assert_eq!(w.origin.seen()[0].header("authorization"), Some(&*format!("Bearer {REAL}")));
    drop((conn, h2));
    w.finish(3).await;
}

#[tokio::test]
async fn a_resumed_session_keeps_the_identity_and_gives_none_to_another() {
    let plan = Plan::new();
    let w = plan.world("").start().await;
    let identity = w.proxy_ca.client_with_identity(&plan.clients, "agent", &["http/1.1"]);
    for resumed in [false, true] {
        let mut conn = over(&w, identity.clone()).await.expect("handshake");
        assert_eq!(conn.resumed, resumed);
        request(&w).on(&mut conn).await.expect(200);
    }
    let nobody = w.proxy_ca.client(&["http/1.1"]);
    for resumed in [false, true] {
        let mut conn = over(&w, nobody.clone()).await.expect("handshake");
        assert_eq!(conn.resumed, resumed);
        request(&w).on(&mut conn).await.refused(407);
    }
    w.finish(4).await;
}

#[tokio::test]
async fn without_a_certificate_each_request_is_refused() {
    let plan = Plan::new();
    let w = plan.world("").start().await;
    let mut conn = over(&w, w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    assert_eq!(request(&w).on(&mut conn).await.refused(407).code(), Some("client-auth-required"));
    // A token that nobody configured is none.
    let guess = request(&w).field("Proxy-Authorization", "Bearer ").on(&mut conn).await;
    guess.refused(407);
    let mut h2 = H2::new(over(&w, w.proxy_ca.client(&["h2"])).await.expect("handshake")).await;
    let ask = http::Request::get(format!("https://{}/ok", w.at("a.test")));
    assert_eq!(h2.send(ask, "").await.expect("reply").status, 407);
    drop((conn, h2));
    assert_eq!(w.origin.connections(), 0);
    let audit = w.finish(3).await;
    assert!(audit.iter().all(|line| line.reason() == "client-auth-required"), "{audit:#?}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let plan = Plan::new();
    let w = plan.world("").start().await;
    let stranger = Pki::new("clients");
    for signer in [&stranger, &w.upstream_ca] {
        // In TLS 1.3 the client is done before the proxy has looked at the certificate.
        if let Ok(mut conn) = over(&w, w.proxy_ca.client_with_identity(signer, "agent", &["http/1.1"])).await
        {
            assert!(request(&w).try_on(&mut conn).await.is_none(), "a stranger was answered");
        }
    }
    assert_eq!(w.origin.connections(), 0);
    let audit = w.finish(2).await;
    for line in audit {
        assert_eq!((line.action(), line.reason(), line.host()), ("reject", "tls-handshake", "a.test"));
    }
}

#[tokio::test]
async fn listeners_that_see_no_certificate_ask_for_something_else() {
    let plan = Plan::new();
    let w =
        plan.world(", token_env: CLIENT_TOKEN").value("CLIENT_TOKEN", "fake-client-token-9").start().await;
    let token = "Bearer fake-client-token-9";

    // Cleartext requests, and what opens a tunnel, have only the token.
    let plain = Request::get(&w.plain_at("b.test"), "/ok");
    let absolute = Request::get(&w.plain_at("b.test"), &format!("http://{}/ok", w.plain_at("b.test")));
    let connect = Request::new("CONNECT", &w.at("a.test"), &w.at("a.test"));
    for (listener, request) in [("http", plain), ("tunnel", absolute), ("tunnel", connect.clone())] {
        let mut conn = w.connect(listener).await;
        assert_eq!(request.on(&mut conn).await.refused(407).code(), Some("client-auth-required"));
        let allowed = request.field("Proxy-Authorization", token);
        let mut conn = w.connect(listener).await;
        conn.send(allowed.bytes()).await;
        conn.head().await.expect(200);
    }

    // SOCKS with no method but "none": no method will do, and the end.
    let mut socks = w.connect("tunnel").await;
    socks.send([5, 1, 0]).await;
    assert_eq!(socks.rest().await[..2], [5, 0xff]);

    // TLS takes either, and a tunnel that was opened needs no more.
    let mut conn = over(&w, w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    request(&w).on(&mut conn).await.refused(407);
    request(&w).field("Proxy-Authorization", token).on(&mut conn).await.expect(200);
    let identity = w.proxy_ca.client_with_identity(&plan.clients, "agent", &["http/1.1"]);
    request(&w).on(&mut over(&w, identity).await.expect("handshake")).await.expect(200);
    let mut tunnel = w.connect("tunnel").await;
    tunnel.send(connect.field("Proxy-Authorization", token).bytes()).await;
    tunnel.head().await.expect(200);
    let mut inside = tunnel.tls("a.test", w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    request(&w).on(&mut inside).await.expect(200);
    drop(inside);
    w.finish(12).await;
}

#[tokio::test]
async fn redirected_connections_are_held_to_it_as_well() {
    let plan = Plan::new();
    let w = plan
        .world("")
        .proxy_keys("  transparent_listen: \"127.0.0.1:0\"")
        .listener("transparent")
        .start()
        .await;
    let identity = w.proxy_ca.client_with_identity(&plan.clients, "agent", &["http/1.1"]);
    // Without a redirection the original port is the listener's own, at which no origin can be: a request that is
    // let in is one that the guard or the connection ends, and not a 407.
    let host = format!("a.test:{}", w.addr("transparent").port());
    for (config, status) in [(w.proxy_ca.client(&["http/1.1"]), 407), (identity, 502)] {
        let conn = w.connect("transparent").await;
        let mut conn = conn.tls("a.test", config).await.expect("handshake");
        Request::get(&host, "/ok").on(&mut conn).await.refused(status);
    }
    assert_eq!(w.origin.connections(), 0);
    w.finish_at_least(2).await;
}
