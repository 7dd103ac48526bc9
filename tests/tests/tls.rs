//! The client's leg of TLS: leaf certificates, versions, names.

use centaur_e2e::{Request, World};

#[tokio::test]
async fn a_leaf_is_kept_for_its_name_however_it_is_spelled() {
    let w = World::usual().start().await;
    let first = w.https("a.test").await.peer_certificates;
    assert_eq!(first.len(), 2, "leaf and authority");
    assert_eq!(w.https("a.test").await.peer_certificates, first);
    assert_eq!(w.https("A.Test").await.peer_certificates[0], first[0], "one name, one certificate");
    assert_ne!(w.https("b.test").await.peer_certificates[0], first[0]);
    w.finish(0).await;
}

#[tokio::test]
async fn tls_1_2_and_1_3_work() {
    let w = World::usual().start().await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = w.proxy_ca.client(&[]);
        let roots = rustls::RootCertStore {
            roots: {
                use rustls::pki_types::pem::PemObject as _;
                let cert =
                    rustls::pki_types::CertificateDer::from_pem_slice(w.proxy_ca.cert_pem().as_bytes());
                let mut store = rustls::RootCertStore::empty();
                store.add(cert.expect("pem")).expect("root");
                store.roots
            },
        };
        config.clone_from(
            &rustls::ClientConfig::builder_with_protocol_versions(&[version])
                .with_root_certificates(roots)
                .with_no_client_auth(),
        );
        let mut conn = w.connect("https").await.tls("a.test", config).await.expect("handshake");
        Request::get(&w.at("a.test"), "/ok").on(&mut conn).await.expect(200);
    }
    w.finish(2).await;
}

#[tokio::test]
async fn a_client_with_only_h2_gets_h2_and_one_without_alpn_gets_http_1() {
    let w = World::usual().start().await;
    assert_eq!(w.try_https("a.test", &["h2"]).await.expect("handshake").alpn.as_deref(), Some("h2"));
    let mut none = w.try_https("a.test", &[]).await.expect("handshake");
    assert_eq!(none.alpn, None);
    Request::get(&w.at("a.test"), "/ok").on(&mut none).await.expect(200);
    w.finish(1).await;
}

#[tokio::test]
async fn an_address_literal_can_be_reached_over_tls_through_a_tunnel() {
    // A client that connects to an address sends no SNI; the tunnel's target says the name.
    let w = World::usual().allow("127.0.0.1").start().await;
    let target = w.at("127.0.0.1");
    let conn = w.tunnel(&target).await;
    let mut conn = conn.tls("127.0.0.1", w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    Request::get(&target, "/ok").on(&mut conn).await.expect(200);
    Request::get(&w.at("a.test"), "/ok").on(&mut conn).await.refused(400);
    drop(conn);
    assert_eq!(w.origin.only().authority, target);
    w.finish(3).await;
}

#[tokio::test]
async fn cleartext_on_the_tls_port_is_told_so() {
    let w = World::usual().start().await;
    let mut conn = w.connect("https").await;
    conn.send(Request::get(&w.at("a.test"), "/ok").bytes()).await;
    let reply = conn.reply().await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("HTTP request to an HTTPS server"), "{}", reply.text());
    assert!(w.origin.seen().is_empty());
}
