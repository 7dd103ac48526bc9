use std::fs;

use super::*;

/// Files of a machine of our own; no DNS server answers.
fn machine(hosts: &str) -> (tempfile::TempDir, Resolver) {
    let dir = tempfile::tempdir().unwrap();
    let files = SystemFiles { resolv_conf: dir.path().join("resolv.conf"), hosts: dir.path().join("hosts") };
    fs::write(&files.hosts, hosts).unwrap();
    (dir, Resolver::with_files(Some("127.0.0.1:1"), files).unwrap())
}

fn ips(texts: &[&str]) -> Addresses {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_literal_is_its_own_answer() {
    let (_dir, resolver) = machine("");
    assert_eq!(resolver.addresses("192.0.2.1").await.unwrap(), ips(&["192.0.2.1"]));
    assert_eq!(resolver.addresses("[2001:db8::1]").await.unwrap(), ips(&["2001:db8::1"]));
}

#[tokio::test]
async fn localhost_is_loopback_whatever_the_hosts_file_says() {
    let (_dir, resolver) = machine("192.0.2.1 localhost");
    for host in ["localhost", "LocalHost.", "a.b.localhost"] {
        assert_eq!(resolver.addresses(host).await.unwrap(), ips(&["127.0.0.1", "::1"]), "{host}");
    }
}

#[tokio::test]
async fn the_hosts_file_answers_both_families_in_any_letter_case() {
    let (_dir, resolver) =
        machine("192.0.2.7 pinned.test Alias.test\n2001:db8::7 both.test\n192.0.2.8 both.test");
    assert_eq!(resolver.addresses("pinned.test").await.unwrap(), ips(&["192.0.2.7"]));
    assert_eq!(resolver.addresses("PINNED.test.").await.unwrap(), ips(&["192.0.2.7"]));
    assert_eq!(resolver.addresses("alias.test").await.unwrap(), ips(&["192.0.2.7"]));
    assert_eq!(resolver.addresses("both.test").await.unwrap(), ips(&["2001:db8::7", "192.0.2.8"]));
}

#[tokio::test]
async fn a_pinned_name_is_answered_from_the_hosts_file_alone() {
    let (_dir, resolver) = machine("192.0.2.7 pinned.test");
    let name = Name::from_ascii("pinned.test.").unwrap();
    assert_eq!(resolver.records(&name, Family::V4).await.unwrap().addresses, ips(&["192.0.2.7"]));
    let missing = resolver.records(&name, Family::V6).await.unwrap_err();
    assert!(matches!(missing.kind, LookupErrorKind::NoData(_)), "{missing}");
}

#[tokio::test(start_paused = true)]
async fn an_edited_hosts_file_is_seen_after_a_few_seconds() {
    let (dir, resolver) = machine("192.0.2.7 pinned.test");
    assert_eq!(resolver.addresses("pinned.test").await.unwrap(), ips(&["192.0.2.7"]));
    fs::write(dir.path().join("hosts"), "192.0.2.99 pinned.test").unwrap();
    assert_eq!(resolver.addresses("pinned.test").await.unwrap(), ips(&["192.0.2.7"]));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(resolver.addresses("pinned.test").await.unwrap(), ips(&["192.0.2.99"]));
}

#[tokio::test]
async fn what_is_not_a_host_name_is_refused_before_any_lookup() {
    let (_dir, resolver) = machine("");
    let long = format!("{}.test", "a".repeat(64));
    for host in ["", ".", "a b.test", "a\\.test", "a\0.test", "a..test", "::1%lo", &long] {
        let error = resolver.addresses(host).await.unwrap_err();
        assert!(matches!(error.kind, LookupErrorKind::BadName), "{host:?}: {error}");
    }
}

#[test]
fn a_server_is_host_and_port() {
    for server in ["10.0.0.53:53", "[::1]:53", "dns.internal:5353"] {
        assert!(Resolver::new(Some(server)).is_ok(), "{server}");
    }
    for server in ["10.0.0.53", "10.0.0.53:", ":53", "10.0.0.53:0", "10.0.0.53:99999"] {
        assert!(Resolver::new(Some(server)).is_err(), "{server}");
    }
}

#[test]
fn the_error_names_host_and_server() {
    let error = LookupError {
        host: "foo.test".to_owned(),
        server: Some("10.0.0.53:53".into()),
        kind: LookupErrorKind::NoSuchHost(None),
    };
    assert_eq!(error.to_string(), "lookup foo.test on 10.0.0.53:53: no such host");
    let system = LookupError { server: None, ..error };
    assert_eq!(system.to_string(), "lookup foo.test: no such host");
}
