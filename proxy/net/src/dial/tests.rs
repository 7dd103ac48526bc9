use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;
use crate::resolve::SystemFiles;

struct Hosts {
    _dir: tempfile::TempDir,
    resolver: Arc<Resolver>,
}

/// A resolver that knows the given hosts file and no DNS server that answers.
fn hosts(text: &str) -> Hosts {
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, text).unwrap();
    let files = SystemFiles { resolv_conf: dir.path().join("resolv.conf"), hosts };
    Hosts { _dir: dir, resolver: Arc::new(Resolver::with_files(Some("127.0.0.1:1"), files).unwrap()) }
}

fn dialer(guard: DialGuard, hosts: &Hosts) -> Dialer {
    Dialer::new(Arc::new(guard), Arc::clone(&hosts.resolver), DIAL_LIMIT)
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn an_allowed_address_is_reached_and_the_same_address_denied_is_not() {
    let hosts = hosts("127.0.0.1 service.test");
    let (_listener, port) = listener().await;
    let target = Target { host: "service.test", port };
    let stream = dialer(DialGuard::open(), &hosts).connect(&target, false).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().port(), port);
    assert!(stream.nodelay().unwrap());
    assert!(SockRef::from(&stream).keepalive().unwrap());

    let denied = dialer(DialGuard::default(), &hosts).connect(&target, false).await.unwrap_err();
    assert_eq!(
        denied.to_string(),
        format!("dial tcp 127.0.0.1:{port}: denied by upstream_deny_cidrs: 127.0.0.1 in 127.0.0.0/8")
    );
}

#[tokio::test]
async fn every_spelling_of_loopback_is_denied_by_the_default_list() {
    let hosts = hosts("0.0.0.0 zero.test\n::ffff:127.0.0.1 mapped.test\n:: empty.test");
    let dialer = dialer(DialGuard::default(), &hosts);
    let (_listener, port) = listener().await;
    for host in [
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "x.localhost",
        "zero.test",
        "mapped.test",
        "empty.test",
    ] {
        let error = dialer.connect(&Target { host, port }, false).await.unwrap_err();
        assert!(matches!(error, DialError::Denied { .. }), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_denied_address_is_skipped_when_another_is_allowed() {
    let hosts = hosts("127.0.0.9 mixed.test\n127.0.0.1 mixed.test");
    let guard = DialGuard::parse(&["127.0.0.9/32"]).unwrap();
    let (_listener, port) = listener().await;
    let stream = dialer(guard, &hosts).connect(&Target { host: "mixed.test", port }, false).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().ip(), Ipv4Addr::LOCALHOST);
}

#[tokio::test]
async fn a_zone_is_not_an_address() {
    let dialer = dialer(DialGuard::open(), &hosts(""));
    for host in ["[::1%lo]", "::1%lo"] {
        let error = dialer.connect(&Target { host, port: 1 }, false).await.unwrap_err();
        assert!(matches!(error, DialError::Resolve(_)), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_required_loopback_address_is_reached_and_no_other() {
    let hosts = hosts("192.0.2.1 far.test\n127.0.0.1 near.test");
    let dialer = dialer(DialGuard::open(), &hosts);
    let (_listener, port) = listener().await;
    dialer.connect(&Target { host: "near.test", port }, true).await.unwrap();
    let error = dialer.connect(&Target { host: "far.test", port }, true).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("dial tcp 192.0.2.1:{port}: not a loopback address, and a secret travels over TLS only")
    );
}

#[tokio::test]
async fn a_closed_port_is_told_as_refused() {
    let dialer = dialer(DialGuard::open(), &hosts(""));
    let (listener, port) = listener().await;
    drop(listener);
    let error = dialer.connect(&Target { host: "127.0.0.1", port }, false).await.unwrap_err();
    assert_eq!(error.to_string(), format!("dial tcp 127.0.0.1:{port}: connect: connection refused"));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let hosts = hosts("127.0.0.2 two.test\n127.0.0.1 two.test");
    let (_listener, port) = listener().await;
    let target = Target { host: "two.test", port };
    let stream = dialer(DialGuard::open(), &hosts).connect(&target, false).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().ip(), Ipv4Addr::LOCALHOST);
}

#[tokio::test]
async fn behind_a_proxy_the_guard_holds_for_the_proxy_and_for_literal_targets() {
    let hosts = hosts("127.0.0.1 proxy.test");
    let (_listener, port) = listener().await;
    let proxy =
        ProxyAddress { host: centaur_policies::host::CanonicalHost::parse("proxy.test").unwrap(), port };
    let far = Target { host: "api.test", port: 443 };
    let metadata = Target { host: "169.254.169.254", port: 80 };

    let closed = dialer(DialGuard::default(), &hosts).connect_to_proxy(&proxy, &far).await.unwrap_err();
    assert_eq!(
        closed.to_string(),
        format!(
            "proxyconnect tcp: dial tcp 127.0.0.1:{port}: denied by upstream_deny_cidrs: 127.0.0.1 in 127.0.0.0/8"
        )
    );
    let guarded = dialer(DialGuard::parse(&["169.254.169.254/32"]).unwrap(), &hosts);
    guarded.connect_to_proxy(&proxy, &far).await.unwrap();
    let denied = guarded.connect_to_proxy(&proxy, &metadata).await.unwrap_err();
    assert!(matches!(denied, DialError::Denied { .. }), "{denied}");
}

#[test]
fn the_families_take_turns() {
    let ips = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Addresses>();
    assert_eq!(
        in_turn(&ips(&["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "192.0.2.3"])),
        ips(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"])
    );
    assert_eq!(in_turn(&ips(&["192.0.2.1"])), ips(&["192.0.2.1"]));
    assert!(in_turn(&[]).is_empty());
}

#[test]
fn an_ipv6_host_is_joined_with_brackets() {
    assert_eq!(join("2001:db8::1", 443), "[2001:db8::1]:443");
    assert_eq!(join("[::1]", 80), "[::1]:80");
    assert_eq!(join("example.com", 80), "example.com:80");
}
