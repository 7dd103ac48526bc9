use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

fn chain(http: &str, https: &str, no_proxy: &str) -> Chain {
    Chain::parse(http, https, no_proxy).unwrap()
}

fn host(text: &str) -> CanonicalHost {
    CanonicalHost::parse(text).unwrap()
}

fn is_direct(chain: &Chain, target: &str, port: u16) -> bool {
    matches!(chain.for_target(Scheme::Https, &host(target), port), Route::Direct)
}

#[test]
fn each_scheme_has_its_own_proxy() {
    let chain = chain("http://plain.test:3128", "socks5h://socks.test", "");
    let Route::Http(proxy) = chain.for_target(Scheme::Http, &host("a.test"), 80) else { panic!("not http") };
    assert_eq!(proxy.address, ProxyAddress { host: host("plain.test"), port: 3128 });
    assert!(!proxy.tls && proxy.authorization.is_none());
    let Route::Socks(proxy) = chain.for_target(Scheme::Https, &host("a.test"), 443) else {
        panic!("not socks")
    };
    assert_eq!(proxy.address, ProxyAddress { host: host("socks.test"), port: 1080 });
    assert!(proxy.credentials.is_none());
    assert!(!chain.is_direct());

    let none = self::chain("", " ", "");
    assert!(none.is_direct());
    assert!(matches!(none.for_target(Scheme::Http, &host("a.test"), 80), Route::Direct));
}

#[test]
fn a_bare_host_and_port_means_http() {
    let chain = chain("proxy.test:8080", "https://proxy.test/", "");
    let Route::Http(proxy) = chain.for_target(Scheme::Http, &host("a.test"), 80) else { panic!("not http") };
    assert_eq!((proxy.address.port, proxy.tls), (8080, false));
    let Route::Http(proxy) = chain.for_target(Scheme::Https, &host("a.test"), 80) else { panic!("not http") };
    assert_eq!((proxy.address.port, proxy.tls), (443, true));
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    let chain = chain("http://user:fake%2Fpass@word@proxy.test:1", "socks5://user:fake-pass@proxy.test", "");
    let Route::Http(proxy) = chain.for_target(Scheme::Http, &host("a.test"), 80) else { panic!("not http") };
    let value = proxy.authorization.as_ref().unwrap();
    assert_eq!(value.expose(), "Basic dXNlcjpmYWtlL3Bhc3NAd29yZA==");
    let Route::Socks(proxy) = chain.for_target(Scheme::Https, &host("a.test"), 80) else {
        panic!("not socks")
    };
    assert_eq!(proxy.credentials.as_ref().unwrap().password.expose(), "fake-pass");
    let shown = format!("{chain:?}");
    assert!(!shown.contains("fake-pass") && !shown.contains("dXNl"), "{shown}");
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
    for (url, text) in [
        (
            "ftp://x.test",
            r#"upstream_proxy.http_proxy: unknown scheme "ftp": use http, https, socks5 or socks5h"#,
        ),
        (
            "fake pass://x",
            r#"upstream_proxy.http_proxy: unknown scheme "…": use http, https, socks5 or socks5h"#,
        ),
        ("http://", "upstream_proxy.http_proxy: host is empty"),
        ("http://x.test:0", "upstream_proxy.http_proxy: port is not a number from 1 to 65535"),
        ("http://x.test/path", "upstream_proxy.http_proxy: a proxy URL has nothing behind the port"),
        (
            "http://u:%zz@x.test",
            "upstream_proxy.http_proxy: the user or password is not valid percent-encoding of text",
        ),
        (
            "http://u:a%0d%0ab@x.test",
            "upstream_proxy.http_proxy: the user or password is not valid percent-encoding of text",
        ),
        (
            "socks5://u@x.test",
            "upstream_proxy.http_proxy: a SOCKS user and password have 1 to 255 octets each",
        ),
    ] {
        assert_eq!(Chain::parse(url, "", "").unwrap_err().to_string(), text, "{url}");
    }
}

#[test]
fn loopback_is_always_direct() {
    let chain = chain("", "http://proxy.test", "");
    for target in ["localhost", "a.localhost", "127.0.0.1", "127.8.9.1", "::1", "0.0.0.0"] {
        assert!(is_direct(&chain, target, 443), "{target}");
    }
    for target in ["localhost.test", "128.0.0.1", "::2"] {
        assert!(!is_direct(&chain, target, 443), "{target}");
    }
}

type Targets = &'static [(&'static str, u16)];

#[test]
fn each_form_of_no_proxy_matches_what_it_says() {
    let table: &[(&str, Targets, Targets)] = &[
        ("*", &[("any.test", 1), ("192.0.2.1", 1)], &[]),
        ("a.test", &[("a.test", 1), ("b.a.test", 1)], &[("xa.test", 1), ("test", 1)]),
        (".a.test", &[("b.a.test", 1), ("c.b.a.test", 1)], &[("a.test", 1)]),
        ("*.a.test", &[("b.a.test", 1)], &[("a.test", 1), ("xa.test", 1)]),
        (" A.Test. ", &[("a.test", 1)], &[("b.test", 1)]),
        ("a.test:8443", &[("a.test", 8443), ("b.a.test", 8443)], &[("a.test", 443)]),
        ("192.0.2.1", &[("192.0.2.1", 1), ("::ffff:192.0.2.1", 1)], &[("192.0.2.2", 1)]),
        ("192.0.2.1:80", &[("192.0.2.1", 80)], &[("192.0.2.1", 81)]),
        ("192.0.2.0/24", &[("192.0.2.200", 1)], &[("192.0.3.1", 1), ("a.test", 1)]),
        ("2001:db8::1", &[("2001:db8::1", 1)], &[("2001:db8::2", 1)]),
        ("[2001:db8::1]:80", &[("2001:db8::1", 80)], &[("2001:db8::1", 81)]),
        ("2001:db8::/32", &[("2001:db8:9::1", 1)], &[("2001:db9::1", 1)]),
        ("<local>,,10.0.0.0/99, b.test", &[("b.test", 1)], &[("a.test", 1), ("10.0.0.1", 1)]),
    ];
    for (list, direct, proxied) in table {
        let chain = chain("", "http://proxy.test", list);
        for (target, port) in *direct {
            assert!(is_direct(&chain, target, *port), "{list}: {target}:{port} must go direct");
        }
        for (target, port) in *proxied {
            assert!(!is_direct(&chain, target, *port), "{list}: {target}:{port} must be proxied");
        }
    }
}

/// Runs a client against a scripted proxy: expects `says`, answers `answers`, step by step.
async fn scripted<F, R>(script: &[(&[u8], &[u8])], client: impl FnOnce(DuplexStream) -> F) -> R
where
    F: Future<Output = R>,
{
    let (ours, mut theirs) = duplex(4096);
    let proxy = async move {
        for (says, answers) in script {
            let mut heard = vec![0; says.len()];
            theirs.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard.escape_ascii().to_string(), says.escape_ascii().to_string());
            theirs.write_all(answers).await.unwrap();
        }
        theirs
    };
    let (result, _open) = tokio::join!(client(ours), proxy);
    result
}

fn http_proxy(authorization: Option<&str>) -> HttpProxy {
    let authorization = authorization.map(|value| Secret::new(value.to_owned()));
    HttpProxy { address: ProxyAddress { host: host("proxy.test"), port: 1 }, tls: false, authorization }
}

fn socks_proxy(credentials: Option<(&str, &str)>) -> SocksProxy {
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials =
        credentials.map(|(user, password)| Credentials { user: secret(user), password: secret(password) });
    SocksProxy { address: ProxyAddress { host: host("proxy.test"), port: 1 }, credentials }
}

const TARGET: Target<'_> = Target { host: "api.test", port: 443 };

#[tokio::test]
async fn connect_sends_host_and_credentials_and_accepts_success() {
    let proxy = http_proxy(Some("Basic ZmFrZQ=="));
    let script: &[(&[u8], &[u8])] = &[(
        b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nProxy-Authorization: Basic ZmFrZQ==\r\n\r\n",
        b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
    )];
    scripted(script, async |mut s| connect::tunnel(&mut s, &TARGET, &proxy).await).await.unwrap();
}

#[tokio::test]
async fn connect_tells_why_the_proxy_refused() {
    let request = b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n";
    let v6 = Target { host: "2001:db8::1", port: 443 };
    for (answer, text) in [
        (
            &b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nbody"[..],
            "proxy refused CONNECT: 407 Proxy Authentication Required",
        ),
        (b"SSH-2.0-x\r\n", "proxy broke the protocol: answer to CONNECT is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "proxy broke the protocol: bytes before the tunnel was used"),
    ] {
        let script: &[(&[u8], &[u8])] = &[(request, answer)];
        let error = scripted(script, async |mut s| connect::tunnel(&mut s, &v6, &http_proxy(None)).await)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_is_given_up() {
    let (mut ours, _theirs) = duplex(4096);
    let error = connect::tunnel(&mut ours, &TARGET, &http_proxy(None)).await.unwrap_err();
    assert!(matches!(error, connect::TunnelError::Timeout), "{error}");
    let error = socks::tunnel(&mut ours, &TARGET, &socks_proxy(None)).await.unwrap_err();
    assert!(matches!(error, socks::SocksError::Timeout), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (mut ours, mut theirs) = duplex(4096);
    let flood = async move {
        let _ = theirs.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
        while theirs.write_all(&[b'a'; 1024]).await.is_ok() {}
    };
    let client = async {
        let error = connect::tunnel(&mut ours, &TARGET, &http_proxy(None)).await.unwrap_err();
        drop(ours);
        error
    };
    let (error, ()) = tokio::join!(client, flood);
    assert_eq!(error.to_string(), "proxy broke the protocol: answer head too large");
}

#[tokio::test]
async fn socks_sends_the_name_and_leaves_the_bytes_behind_the_reply() {
    let script: &[(&[u8], &[u8])] = &[
        (b"\x05\x01\x00", b"\x05\x00"),
        (b"\x05\x01\x00\x03\x08api.test\x01\xbb", b"\x05\x00\x00\x03\x02ab\x00\x50next"),
    ];
    let rest = scripted(script, async |mut s| {
        socks::tunnel(&mut s, &TARGET, &socks_proxy(None)).await.unwrap();
        let mut rest = [0; 4];
        s.read_exact(&mut rest).await.unwrap();
        rest
    })
    .await;
    assert_eq!(&rest, b"next");
}

#[tokio::test]
async fn socks_logs_in_when_asked_to() {
    let proxy = socks_proxy(Some(("user", "fake")));
    let v4 = Target { host: "192.0.2.1", port: 80 };
    let good: &[(&[u8], &[u8])] = &[
        (b"\x05\x02\x00\x02", b"\x05\x02"),
        (b"\x01\x04user\x04fake", b"\x01\x00"),
        (b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50", b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
    ];
    scripted(good, async |mut s| socks::tunnel(&mut s, &v4, &proxy).await).await.unwrap();
    let bad: &[(&[u8], &[u8])] =
        &[(b"\x05\x02\x00\x02", b"\x05\x02"), (b"\x01\x04user\x04fake", b"\x01\x01")];
    let error = scripted(bad, async |mut s| socks::tunnel(&mut s, &v4, &proxy).await).await;
    assert!(matches!(error, Err(socks::SocksError::BadCredentials)));
}

#[tokio::test]
async fn socks_tells_what_the_proxy_answered() {
    let refused: &[(&[u8], &[u8])] = &[
        (b"\x05\x01\x00", b"\x05\x00"),
        (b"\x05\x01\x00\x03\x08api.test\x01\xbb", b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"),
    ];
    let error = scripted(refused, async |mut s| socks::tunnel(&mut s, &TARGET, &socks_proxy(None)).await)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "socks connect: connection not allowed by ruleset");
    // A proxy that insists on a password although we have none.
    let method: &[(&[u8], &[u8])] = &[(b"\x05\x01\x00", b"\x05\x02")];
    let error =
        scripted(method, async |mut s| socks::tunnel(&mut s, &TARGET, &socks_proxy(None)).await).await;
    assert!(matches!(error, Err(socks::SocksError::NoMethod)));
    let long = "a".repeat(256);
    let (mut ours, _theirs) = duplex(64);
    let error = socks::tunnel(&mut ours, &Target { host: &long, port: 1 }, &socks_proxy(None)).await;
    assert!(matches!(error, Err(socks::SocksError::NameTooLong)));
}
