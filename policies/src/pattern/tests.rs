use super::*;

fn matches(pattern: &str, host: &str) -> bool {
    HostPattern::parse(pattern).unwrap().matches(&CanonicalHost::parse(host).unwrap())
}

#[test]
fn host_patterns_match_as_the_reference_does() {
    for (pattern, host, want) in [
        ("*", "a.example", true),
        ("*", "::1", true),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "a.b.example.com", true),
        ("*.example.com", "example.com", true),
        ("*.example.com", "notexample.com", false),
        ("*.example.com", "example.com.evil.net", false),
        ("example.com", "example.com", true),
        ("example.com", "a.example.com", false),
        ("api-*.x.com", "api-a.b.x.com", true),
        ("api-*.x.com", "api.x.com", false),
        ("*example.com", "evilexample.com", true),
        ("foo.*", "foo.a.b", true),
        ("a?.x.com", "ab.x.com", true),
        ("[a-c].x.com", "b.x.com", true),
        ("[^a-c].x.com", "b.x.com", false),
        ("10.0.0.*", "10.0.0.7", true),
        ("10.0.0.*", "10.0.1.7", false),
        ("fd00:*", "fd00::1", true),
        ("10.0.0.1", "10.0.0.1", true),
    ] {
        assert_eq!(matches(pattern, host), want, "{pattern} on {host}");
    }
}

#[test]
fn spelling_of_pattern_and_host_does_not_matter() {
    for pattern in
        ["API.Example.com", "api.example.com.", "*.EXAMPLE.com.", "API.*.com", "a[P]i.example.com."]
    {
        for host in ["api.example.com", "API.EXAMPLE.COM", "api.example.com."] {
            assert!(matches(pattern, host), "{pattern} on {host}");
        }
    }
    assert!(matches("bücher.example", "xn--bcher-kva.example"));
    assert!(matches("*.bücher.example", "a.bücher.example"));
    for pattern in ["::1", "[::1]", "0::1"] {
        assert!(matches(pattern, "[::1]"), "{pattern}");
    }
    assert!(matches("::ffff:10.0.0.1", "10.0.0.1"));
}

#[test]
fn patterns_that_could_never_match_are_named() {
    for (pattern, want) in [
        ("", PatternError::Host(HostError::Empty)),
        ("*.", PatternError::Host(HostError::Empty)),
        ("*.*.com", PatternError::GlobInSuffix),
        ("[a", PatternError::Glob(GlobError::Class)),
        ("a\\", PatternError::Glob(GlobError::Escape)),
        ("a.com:443", PatternError::Host(HostError::Ipv6)),
        ("*.com:443", PatternError::Host(HostError::Ipv6)),
        ("a*.com:443", PatternError::Port),
        ("https://a.com", PatternError::Host(HostError::Forbidden('/'))),
        ("a*/b", PatternError::Host(HostError::Forbidden('/'))),
        ("ü*.example", PatternError::Host(HostError::Forbidden('ü'))),
        ("127.1", PatternError::Host(HostError::AmbiguousIpv4)),
    ] {
        assert_eq!(HostPattern::parse(pattern).unwrap_err(), want, "{pattern}");
    }
}

#[test]
fn broad_patterns_are_known_as_such() {
    for pattern in ["*", "*example.com", "*.com", "foo.*", "*"] {
        assert!(HostPattern::parse(pattern).unwrap().is_broad(), "{pattern}");
    }
    for pattern in ["*.example.com", "example.com", "api-*.x.com", "::1"] {
        assert!(!HostPattern::parse(pattern).unwrap().is_broad(), "{pattern}");
    }
}

#[test]
fn cidrs_hold_addresses_of_their_family() {
    let contains = |cidr: &str, address: &str| Cidr::parse(cidr).unwrap().contains(address.parse().unwrap());
    assert!(contains("10.0.0.0/8", "10.1.2.3"));
    assert!(!contains("10.0.0.0/8", "11.1.2.3"));
    assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert!(contains("10.9.9.9/8", "10.1.2.3"), "host bits are masked off");
    assert!(contains("::ffff:127.0.0.0/104", "127.0.0.1"), "a mapped range is the IPv4 range");
    assert!(contains("fd00::/8", "fd12::1"));
    assert!(!contains("::/0", "10.1.2.3"));
    assert!(contains(" 10.0.0.0/8 ", "10.1.2.3"));
    assert_eq!(Cidr::parse("10.9.9.9/8").unwrap().to_string(), "10.0.0.0/8");
}

#[test]
fn cidr_errors_have_the_texts_of_the_reference() {
    let error = |text: &str| Cidr::parse(text).unwrap_err().to_string();
    assert_eq!(error(" "), "empty CIDR entry");
    assert_eq!(
        error("1.2.3.4"),
        "invalid CIDR \"1.2.3.4\": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128"
    );
    assert!(error("10.0.0.0/99").starts_with("invalid CIDR \"10.0.0.0/99\": "));
    for text in
        ["10.0.0/8", "010.0.0.0/8", "a/8", "10.0.0.0/+8", "10.0.0.0/", "10.0.0.0/8/8", "fe80::1%lo/64"]
    {
        assert!(Cidr::parse(text).is_err(), "{text}");
    }
}

#[test]
fn methods_are_upper_case_in_the_rule_and_exact_in_the_request() {
    let set = MethodSet::new(["post"]);
    assert!(set.matches("POST"));
    assert!(!set.matches("post"));
    assert!(!set.matches("GET"));
    assert!(MethodSet::new(["*"]).matches("anything"));
    assert!(MethodSet::new::<&str>([]).matches(""));
    let both = MethodSet::new(["*", "GET"]);
    assert!(both.matches("GET") && both.matches("*") && !both.matches("POST"));
    let empty = MethodSet::new([""]);
    assert!(empty.matches("") && !empty.matches("GET"));
}

#[test]
fn paths_match_as_the_reference_does() {
    for (pattern, path, want) in [
        ("/v1/*", "/v1", true),
        ("/v1/*", "/v1/", true),
        ("/v1/*", "/v1/a/b", true),
        ("/v1/*", "/v1//a", true),
        ("/v1/*", "/v1x", false),
        ("/v1/*", "//v1/a", false),
        ("/v1/*", "/V1/a", false),
        ("/[ab]/*", "/a/x", false),
        ("/[ab]/*", "/[ab]/x", true),
        ("/a/*/b/*", "/a/x/b/c", false),
        ("/*", "", true),
        ("/*", "/", true),
        ("/*", "/a/b", true),
        ("/*", "*", false),
        ("/v1*", "/v1abc", true),
        ("/v1*", "/v1/abc", false),
        ("/*/x", "/a/x", true),
        ("/a/**", "/a/b", true),
        ("/a/**", "/a/b/c", false),
        ("/foo/", "/foo", false),
        ("/foo/", "/foo/", true),
        ("/foo", "/foo;x", false),
        ("/admin/x", "/admin/x", true),
    ] {
        assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), want, "{pattern} on {path}");
    }
    assert_eq!(PathPattern::parse("").unwrap_err(), PatternError::Path);
    assert_eq!(PathPattern::parse("v1").unwrap_err(), PatternError::Path);
    assert_eq!(PathPattern::parse("/[a").unwrap_err(), PatternError::Glob(GlobError::Class));
}
