//! The indexed set of rules decides as a slow and plain reading of the same rules does.
//!
//! Input: lines. The last is `host[:port] [method [path]]`, the others are `pattern [port]`.
#![no_main]

use centaur_policies::host::{Authority, CanonicalHost};
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::{Rule, RuleSet, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines: Vec<&str> = text.lines().take(33).collect();
    let Some(request) = lines.pop() else { return };
    let mut words = request.split(' ');
    let Ok(authority) = Authority::parse(words.next().unwrap_or_default()) else { return };
    let method = words.next().unwrap_or("GET");
    let path = words.next().unwrap_or("/");
    let port = authority.port_or(443);
    let host = &authority.host;
    let target = Target { scheme: Scheme::Https, host, port, method, path };

    let mut rules = Vec::new();
    let mut plain = Vec::new();
    for line in lines {
        let (pattern, only) = match line.split_once(' ') {
            Some((pattern, port)) => (pattern, port.parse::<u16>().ok()),
            None => (line, None),
        };
        let Ok(rule) = Rule::host(pattern) else { continue };
        rules.push(rule.with_ports(only.into_iter().collect()));
        plain.push(matches_plainly(pattern, host).map(|fits| fits && only.is_none_or(|only| only == port)));
    }
    let linear: Vec<bool> = rules.iter().map(|rule| rule.matches(&target)).collect();
    for (at, (fast, slow)) in linear.iter().zip(&plain).enumerate() {
        if let Some(slow) = slow {
            assert_eq!(fast, slow, "rule {at} of {text:?}");
        }
    }
    let set = RuleSet::new(rules);
    assert_eq!(set.matches(&target), linear.iter().position(|fits| *fits), "{text:?}");
    assert_eq!(set.matches_host(host, port, Some(Scheme::Https)), linear.contains(&true), "{text:?}");
});

/// What a pattern means, said in the most obvious way; `None` where that would take as much code as the real one.
fn matches_plainly(pattern: &str, host: &CanonicalHost) -> Option<bool> {
    if pattern == "*" {
        return Some(true);
    }
    if let Some(suffix) = pattern.strip_prefix("*.") {
        let suffix = CanonicalHost::parse(suffix).ok()?;
        let below = match (host.as_name(), suffix.as_name()) {
            (Some(host), Some(suffix)) => host.ends_with(&format!(".{suffix}")),
            _ => false,
        };
        return Some(below || *host == suffix);
    }
    if pattern.contains(['[', '\\']) {
        return None;
    }
    if !pattern.contains(['*', '?']) {
        return Some(*host == CanonicalHost::parse(pattern).ok()?);
    }
    let pattern = pattern.to_lowercase();
    let pattern = pattern.strip_suffix('.').unwrap_or(&pattern).as_bytes();
    let text = host.as_str().as_bytes();
    // fits[i] : the pattern read so far matches the first i bytes.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for token in pattern {
        fits = match token {
            b'*' => fits
                .iter()
                .scan(false, |any, fit| {
                    *any |= fit;
                    Some(*any)
                })
                .collect(),
            _ => std::iter::once(false)
                .chain(text.iter().zip(&fits).map(|(byte, fit)| *fit && (*token == b'?' || token == byte)))
                .collect(),
        };
    }
    fits.last().copied()
}
