//! What a configuration says that its author probably did not mean. Nothing here stops the start.

use super::{HeaderMatcher, SecretMode, SecretSpec, TransformSpec};
use crate::pattern::HostPattern;
use crate::rule::{Destination, Rule, RuleSet};

/// Warnings about transforms, each a line that names the entry and what would be narrower.
pub fn lint<'a>(transforms: impl IntoIterator<Item = &'a TransformSpec>) -> Vec<String> {
    let transforms: Vec<&TransformSpec> = transforms.into_iter().collect();
    let mut found = Vec::new();
    let allowed = allowlist(&transforms, &mut found);
    for transform in transforms {
        match transform {
            TransformSpec::Secrets(entries) => {
                for (at, entry) in entries.iter().enumerate() {
                    secret(entry, &allowed, |text| found.push(format!("secrets[{at}]: {text}")));
                }
            }
            TransformSpec::BodyCapture(spec) if spec.rules.is_empty() => {
                found.push("body_capture: has no rules and never applies".to_owned());
            }
            _ => {}
        }
    }
    found
}

/// The allowlists that are enforced.
fn allowlist<'a>(transforms: &[&'a TransformSpec], found: &mut Vec<String>) -> Vec<&'a RuleSet> {
    let mut enforced = Vec::new();
    for transform in transforms {
        let TransformSpec::Allowlist(spec) = transform else { continue };
        if spec.warn {
            found.push("allowlist: warn is on, nothing is refused".to_owned());
        } else {
            enforced.push(&spec.rules);
        }
        if spec.rules.is_empty() {
            found.push("allowlist: is empty and refuses every request".to_owned());
        }
    }
    if !transforms.iter().any(|transform| matches!(transform, TransformSpec::Allowlist(_))) {
        found.push(
            "no allowlist: every request is allowed; to mean that, write {name: allowlist, config: {domains: [\"*\"]}}"
                .to_owned(),
        );
    }
    enforced
}

fn secret(entry: &SecretSpec, allowed: &[&RuleSet], mut warn: impl FnMut(String)) {
    if entry.rules.is_empty() {
        warn("has no rules and never applies".to_owned());
    }
    if let SecretMode::Replace(replace) = &entry.mode {
        if replace.match_headers.is_empty() {
            warn(
                "searches every header, so the client chooses where the value lands; name match_headers"
                    .to_owned(),
            );
        } else if replace.match_headers.iter().any(is_any_header) {
            warn("match_headers has a pattern that matches every header".to_owned());
        }
    }
    for (at, rule) in entry.rules.rules().iter().enumerate() {
        if rule.ports().is_empty() {
            warn(format!(
                "rules[{at}]: names no port, so the value goes to every port of the host; add ports: [443]"
            ));
        }
        if let Destination::Host(pattern) = rule.destination()
            && pattern.is_broad()
        {
            warn(format!("rules[{at}]: host {:?} {}", pattern.as_str(), broad(pattern)));
        }
        if !allowed.iter().all(|set| may_be_allowed(rule, set)) {
            warn(format!("rules[{at}]: never applies, the allowlist refuses every request to it"));
        }
    }
}

fn broad(pattern: &HostPattern) -> String {
    let text = pattern.as_str();
    let rest = text.trim_start_matches('*');
    if text.len() > 1 && text.starts_with('*') && !rest.starts_with('.') && !rest.is_empty() {
        return format!("also matches names that only end like it; write \"*.{rest}\"");
    }
    "reaches hosts of other owners".to_owned()
}

fn is_any_header(matcher: &HeaderMatcher) -> bool {
    matches!(matcher, HeaderMatcher::Pattern(regex) if ["", ".*", ".+", "."].contains(&regex.as_str()))
}

/// Whether the allowlist could let a request through that this rule matches. Certain only for an exact host or a
/// suffix against exact hosts, suffixes and ranges; in doubt it could.
fn may_be_allowed(rule: &Rule, allowed: &RuleSet) -> bool {
    let Destination::Host(pattern) = rule.destination() else { return true };
    let ports_meet = |other: &Rule| {
        rule.ports().is_empty()
            || other.ports().is_empty()
            || rule.ports().iter().any(|port| other.ports().contains(port))
    };
    allowed.rules().iter().any(|other| {
        let hosts_meet = match other.destination() {
            Destination::Host(other) => pattern.may_overlap(other),
            Destination::Cidr(cidr) => {
                pattern.exact().is_none_or(|host| host.as_ip().is_some_and(|ip| cidr.contains(ip)))
            }
        };
        hosts_meet && ports_meet(other)
    })
}
