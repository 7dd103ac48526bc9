//! Overlap, against a search for a host that both match.

use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::HostPattern;
use proptest::prelude::*;

use super::*;
use crate::definition::Scope;

/// All names of up to six characters over a tiny alphabet.
fn hosts() -> Vec<CanonicalHost> {
    let mut texts = vec![String::new()];
    let mut all = Vec::new();
    for _ in 0..6 {
        texts = texts.iter().flat_map(|text| ["a", "b", "."].map(|c| format!("{text}{c}"))).collect();
        let is_one = |text: &&String| !text.ends_with('.');
        all.extend(texts.iter().filter(is_one).filter_map(|text| CanonicalHost::parse(text).ok()));
    }
    all
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["a", "b", ".", "*", "?", "[ab]", "[^a]", "a.b"]);
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_patterns_overlap_when_a_host_matches_both(one in pattern(), two in pattern()) {
        let (Ok(first), Ok(second)) = (HostPattern::parse(&one), HostPattern::parse(&two)) else { return Ok(()) };
        let found = hosts().into_iter().find(|host| first.matches(host) && second.matches(host));
        let says = |one: &str, two: &str| scopes_overlap(&Scope::Host(one.to_owned()), &Scope::Host(two.to_owned()));
        let (overlap, reverse) = (says(&one, &two), says(&two, &one));
        prop_assert_eq!(overlap, reverse, "{} {}", one, two);
        if let Some(host) = found {
            prop_assert!(overlap, "{one} and {two} both match {host}");
        }
    }
}

#[test]
fn patterns_that_no_host_matches_both_of_do_not_overlap() {
    for (one, two, want) in [
        ("a-*.x", "b-*.x", false),
        ("a*c", "ab*", true),
        ("a?c", "ab", false),
        ("[ab]x", "[bc]x", true),
        ("[ab]x", "[cd]x", false),
        ("[^a]x", "ax", false),
        ("*.x", "a*", true),
        ("*.x", "*y", false),
        ("api.*", "*.example.com", true),
        ("*.example.com", "*.example.org", false),
        ("*.BÜCHER.example", "xn--bcher-kva.example", true),
    ] {
        let says = scopes_overlap(&Scope::Host(one.to_owned()), &Scope::Host(two.to_owned()));
        assert_eq!(says, want, "{one} {two}");
    }
}

#[test]
fn globs_over_addresses_meet_ranges_they_have_an_address_in() {
    for (host, cidr, want) in [
        ("10.*", "10.0.0.0/8", true),
        ("10.*", "11.0.0.0/8", false),
        ("10.0.0.?", "10.0.0.0/24", true),
        ("api-*", "10.0.0.0/8", false),
        ("fd*:*", "fd00::/8", true),
        ("*.example", "10.0.0.0/8", false),
    ] {
        let (host, cidr) = (Scope::Host(host.to_owned()), Scope::Cidr(cidr.to_owned()));
        assert_eq!(scopes_overlap(&host, &cidr), want, "{host:?} {cidr:?}");
        assert_eq!(scopes_overlap(&cidr, &host), want);
    }
}
