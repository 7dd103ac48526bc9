use super::*;

fn host(text: &str) -> String {
    CanonicalHost::parse(text).unwrap().to_string()
}

fn refused(text: &str) -> HostError {
    CanonicalHost::parse(text).unwrap_err()
}

#[test]
fn spellings_of_one_host_are_equal() {
    let want = CanonicalHost::parse("api.example.com").unwrap();
    for text in ["API.EXAMPLE.COM", "api.example.com.", "Api.Example.Com."] {
        assert_eq!(CanonicalHost::parse(text).unwrap(), want, "{text}");
    }
    assert_eq!(host("bücher.example"), "xn--bcher-kva.example");
    assert_eq!(host("XN--BCHER-KVA.example"), "xn--bcher-kva.example");
    assert_eq!(host("a。example"), "a.example");
}

#[test]
fn real_names_that_a_strict_reader_would_refuse_pass() {
    for text in ["_dmarc.example.com", "my_bucket.s3.example", "r3---sn-4g5.example", "-a.example", "1.com"] {
        assert_eq!(host(text), text);
    }
}

#[test]
fn addresses_have_one_spelling() {
    assert_eq!(host("10.0.0.1"), "10.0.0.1");
    assert_eq!(host("[::1]"), "::1");
    assert_eq!(host("0:0:0:0:0:0:0:1"), "::1");
    assert_eq!(host("2001:DB8::A"), "2001:db8::a");
    assert_eq!(host("::ffff:10.1.2.3"), "10.1.2.3");
    assert_eq!(host("[::FFFF:a01:203]"), "10.1.2.3");
    assert_eq!(CanonicalHost::parse("[::1]").unwrap().to_authority(), "[::1]");
    assert_eq!(CanonicalHost::parse("10.0.0.1").unwrap().to_authority(), "10.0.0.1");
    assert_eq!(CanonicalHost::parse("a.example").unwrap().as_ip(), None);
}

#[test]
fn odd_ipv4_notations_are_refused() {
    for text in [
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "010.1.2.3",
        "1.2.3.4.",
        "1.2.3.04",
        "256.1.1.1",
        "1.2.3.4.5",
        "a.example.0x",
        "a.12",
        "１２７.0.0.1",
    ] {
        assert_eq!(refused(text), HostError::AmbiguousIpv4, "{text}");
    }
}

#[test]
fn texts_that_are_no_host_are_refused() {
    for (text, want) in [
        ("", HostError::Empty),
        (".", HostError::Empty),
        ("a\0.example", HostError::Forbidden('\0')),
        ("a b", HostError::Forbidden(' ')),
        ("a\n", HostError::Forbidden('\n')),
        ("a/b", HostError::Forbidden('/')),
        ("a?b", HostError::Forbidden('?')),
        ("a#b", HostError::Forbidden('#')),
        ("user@a", HostError::Forbidden('@')),
        ("a\\b", HostError::Forbidden('\\')),
        ("a%2eb", HostError::Forbidden('%')),
        ("a％2eb", HostError::Forbidden('%')),
        ("a*.example", HostError::Forbidden('*')),
        ("[[::1]]", HostError::Brackets),
        ("[::1", HostError::Brackets),
        ("::1]", HostError::Brackets),
        ("[a.example]", HostError::Ipv6),
        ("[10.0.0.1]", HostError::Ipv6),
        ("a:b:c", HostError::Ipv6),
        ("fe80::1%eth0", HostError::Zone),
        ("[fe80::1%25eth0]", HostError::Zone),
        (".a.example", HostError::EmptyLabel),
        ("a..example", HostError::EmptyLabel),
        ("a.example..", HostError::EmptyLabel),
        ("xn--a.example", HostError::Idna),
    ] {
        assert_eq!(refused(text), want, "{text:?}");
    }
}

#[test]
fn lengths_are_those_of_dns() {
    assert_eq!(host(&format!("{}.example", "a".repeat(63))).len(), 71);
    assert_eq!(refused(&format!("{}.example", "a".repeat(64))), HostError::TooLong);
    let name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(host(&name).len(), 253);
    assert_eq!(refused(&format!("{name}d")), HostError::TooLong);
}

#[test]
fn an_authority_is_a_host_and_maybe_a_port() {
    for (text, want_host, want_port) in [
        ("a.com:443", "a.com", Some(443)),
        ("a.com:", "a.com", None),
        ("A.com", "a.com", None),
        ("[::1]:443", "::1", Some(443)),
        ("[::1]:", "::1", None),
        ("[::1]", "::1", None),
        ("::1", "::1", None),
        ("10.0.0.1:1", "10.0.0.1", Some(1)),
        ("a.com:65535", "a.com", Some(65535)),
    ] {
        let parsed = Authority::parse(text).unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port), (want_host, want_port), "{text}");
    }
    assert_eq!(Authority::parse("[::1]:8443").unwrap().to_string(), "[::1]:8443");
    assert_eq!(Authority::parse("A.com:").unwrap().to_string(), "a.com");
}

#[test]
fn an_authority_with_a_wrong_port_or_no_host_is_refused() {
    for text in ["a.com:0", "a.com:65536", "a.com:http", "a.com:+80", "a.com: 80", "[::1]:x", "a.com:٣"] {
        assert_eq!(Authority::parse(text).unwrap_err(), HostError::Port, "{text}");
    }
    assert_eq!(Authority::parse(":80").unwrap_err(), HostError::Empty);
    assert_eq!(Authority::parse("[::1]80").unwrap_err(), HostError::Brackets);
    assert_eq!(Authority::parse("[::1").unwrap_err(), HostError::Brackets);
    assert_eq!(Authority::parse("a:b:c").unwrap_err(), HostError::Ipv6);
    assert_eq!(Authority::parse("u:p@a.com:80").unwrap_err(), HostError::Forbidden('@'));
}

proptest::proptest! {
    #[test]
    fn a_canonical_host_parses_to_itself(text in "\\PC{0,40}") {
        if let Ok(host) = CanonicalHost::parse(&text) {
            proptest::prop_assert_eq!(&CanonicalHost::parse(host.as_str()).unwrap(), &host);
            proptest::prop_assert_eq!(&CanonicalHost::parse(&host.to_authority()).unwrap(), &host);
        }
    }

    #[test]
    fn letter_case_and_trailing_dot_never_matter(text in "[a-zA-Z0-9_-]{1,9}(\\.[a-zA-Z][a-zA-Z0-9-]{0,7}){0,3}") {
        let plain = CanonicalHost::parse(&text);
        proptest::prop_assert_eq!(&CanonicalHost::parse(&text.to_ascii_uppercase()), &plain);
        if plain.as_ref().is_ok_and(|host| host.as_ip().is_none()) {
            proptest::prop_assert_eq!(&CanonicalHost::parse(&format!("{text}.")), &plain);
        }
    }
}
