use proptest::prelude::*;

use super::*;

fn host(text: &str) -> CanonicalHost {
    CanonicalHost::parse(text).unwrap()
}

fn https<'a>(host: &'a CanonicalHost, method: &'a str, path: &'a str) -> Target<'a> {
    Target { scheme: Scheme::Https, host, port: 443, method, path }
}

fn paths(patterns: &[&str]) -> Vec<PathPattern> {
    patterns.iter().map(|text| PathPattern::parse(text).unwrap()).collect()
}

#[test]
fn a_rule_matches_when_every_part_does() {
    let rule = Rule::host("api.example.com")
        .unwrap()
        .with_methods(["get"])
        .with_paths(paths(&["/v1/*"]))
        .with_ports(vec![443])
        .with_schemes(vec![Scheme::Https]);
    let (api, other) = (host("api.example.com"), host("b.example.com"));
    let good = https(&api, "GET", "/v1/x");
    assert!(rule.matches(&good));
    assert!(!rule.matches(&Target { host: &other, ..good }));
    assert!(!rule.matches(&Target { method: "POST", ..good }));
    assert!(!rule.matches(&Target { path: "/v2", ..good }));
    assert!(!rule.matches(&Target { port: 8443, ..good }));
    assert!(!rule.matches(&Target { scheme: Scheme::Http, ..good }));
}

#[test]
fn a_tunnel_is_decided_on_host_port_and_scheme() {
    let rule = Rule::host("a.example").unwrap().with_methods(["POST"]).with_paths(paths(&["/x"]));
    let set = RuleSet::new(vec![rule.with_ports(vec![443]).with_schemes(vec![Scheme::Https])]);
    assert!(set.matches_host(&host("A.example."), 443, None));
    assert!(set.matches_host(&host("a.example"), 443, Some(Scheme::Https)));
    assert!(!set.matches_host(&host("a.example"), 443, Some(Scheme::Http)));
    assert!(!set.matches_host(&host("a.example"), 80, None));
    assert!(!set.matches_host(&host("b.example"), 443, None));
}

#[test]
fn the_first_matching_rule_is_named() {
    let texts = ["*.b.example", "a.b.example", "*", "a.b.example"];
    let set: RuleSet = texts.iter().map(|text| Rule::host(text).unwrap()).collect();
    let (a, other) = (host("a.b.example"), host("z.test"));
    assert_eq!(set.matches(&https(&a, "GET", "/")), Some(0));
    assert_eq!(set.matches(&https(&other, "GET", "/")), Some(2));
    assert_eq!(set.for_host(&a).as_slice(), [0, 1, 2, 3]);
    assert_eq!(set.matches_among(&set.for_host(&other), &https(&other, "GET", "/")), Some(2));
}

#[test]
fn an_empty_set_matches_nothing() {
    let set = RuleSet::default();
    assert!(set.is_empty());
    assert_eq!(set.matches(&https(&host("a.example"), "GET", "/")), None);
    assert!(!set.matches_host(&host("a.example"), 443, None));
}

#[test]
fn ranges_hold_literal_addresses_only() {
    let set = RuleSet::new(vec![Rule::cidr("10.0.0.0/8").unwrap()]);
    for text in ["10.1.2.3", "::ffff:10.1.2.3", "[::ffff:10.1.2.3]"] {
        assert!(set.matches_host(&host(text), 443, None), "{text}");
    }
    for text in ["11.0.0.1", "ten.example", "::1"] {
        assert!(!set.matches_host(&host(text), 443, None), "{text}");
    }
}

#[test]
fn ten_thousand_rules_leave_few_candidates() {
    let exact = (0..5_000).map(|n| Rule::host(&format!("h{n}.example")).unwrap());
    let suffix = (0..5_000).map(|n| Rule::host(&format!("*.s{n}.example")).unwrap());
    let set: RuleSet = exact.chain(suffix).collect();
    assert_eq!(set.for_host(&host("h7.example")).as_slice(), [7]);
    assert_eq!(set.for_host(&host("a.b.s7.example")).as_slice(), [5_007]);
    assert!(set.for_host(&host("none.example")).is_empty());
}

#[test]
fn a_rule_shows_as_a_line_of_yaml() {
    let rule = Rule::host("*.x.com")
        .unwrap()
        .with_methods(["get", "NO"])
        .with_paths(paths(&["/v1/*", "/a\"b"]))
        .with_ports(vec![443, 8443])
        .with_schemes(vec![Scheme::Https]);
    assert_eq!(
        rule.to_string(),
        r#"{host: "*.x.com", methods: [GET, "NO"], paths: ["/v1/*", "/a\"b"], ports: [443, 8443], schemes: [https]}"#
    );
    assert_eq!(Rule::cidr("10.0.0.1/8").unwrap().to_string(), r#"{cidr: "10.0.0.0/8"}"#);
}

#[test]
fn the_line_that_would_allow_names_the_request_and_nothing_more() {
    let api = host("API.x.com");
    assert_eq!(
        Rule::that_would_allow(&https(&api, "GET", "/v1/[a]/*")),
        r#"{host: "api.x.com", methods: [GET], paths: ["/v1/\\[a]/\\*"], ports: [443]}"#
    );
    assert_eq!(Rule::that_would_allow(&https(&api, "get", "*")), r#"{host: "api.x.com", ports: [443]}"#);
}

fn any_host() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec("[ab]{1,2}", 1..4).prop_map(|labels| labels.join(".")),
        (0..3u8, 0..3u8).prop_map(|(a, b)| format!("10.0.{a}.{b}")),
        (0..3u16).prop_map(|a| format!("::{a}")),
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let destination = prop_oneof![
        Just("*".to_owned()),
        any_host(),
        any_host().prop_map(|host| format!("*.{host}")),
        "[ab]\\*(\\.[ab])?",
        "\\*[ab]",
        "[ab]\\?\\.\\*",
    ]
    .prop_filter_map("a pattern", |text| Rule::host(&text).ok());
    let range = (0..3u8, 22..33u8).prop_map(|(a, bits)| Rule::cidr(&format!("10.0.{a}.0/{bits}")).unwrap());
    let methods = prop_oneof![Just(vec![]), Just(vec!["GET"]), Just(vec!["get", "POST"])];
    let patterns = prop_oneof![Just(vec![]), Just(vec!["/a/*"]), Just(vec!["/?"])];
    let ports = prop_oneof![Just(vec![]), Just(vec![443]), Just(vec![80, 443])];
    (prop_oneof![destination, range], methods, patterns, ports).prop_map(
        |(rule, methods, patterns, ports)| {
            rule.with_methods(methods).with_paths(paths(&patterns)).with_ports(ports)
        },
    )
}

proptest! {
    #[test]
    fn the_index_finds_what_a_plain_walk_finds(
        rules in proptest::collection::vec(any_rule(), 0..12),
        name in any_host(),
        port in prop_oneof![Just(80), Just(443)],
        method in prop_oneof![Just("GET"), Just("POST"), Just("get")],
        path in "(/[ab]{0,2}){0,2}",
    ) {
        let name = host(&name);
        let target = Target { scheme: Scheme::Https, host: &name, port, method, path: &path };
        let plain = rules.iter().position(|rule| rule.matches(&target));
        let tunnel = rules.iter().any(|rule| rule.matches_host(&name, port, None));
        let set = RuleSet::new(rules);
        prop_assert_eq!(set.matches(&target), plain);
        prop_assert_eq!(set.matches_host(&name, port, None), tunnel);
    }
}
