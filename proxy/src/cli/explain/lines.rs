//! What each transform has to do with the request, one line or a few.

use std::fmt::Write as _;

use centaur_policies::rule::{RuleSet, Target};
use centaur_policies::spec::{
    HeaderMatcher, InjectPlace, InjectSpec, ReplaceSpec, SecretMode, SecretSpec, TransformSpec,
};
use serde_json::Value;

use super::asked::Asked;
use super::decide::{Decided, Seen};
use crate::audit::{Action, Trace};
use crate::harness::TRACE;

/// The request, then the transforms up to the one that refused it.
pub(super) fn lines(transforms: &[(String, TransformSpec)], asked: &Asked, decided: &Decided) -> String {
    let mut text = format!(
        "{} {}://{}:{}{}\n",
        asked.method,
        asked.scheme.as_str(),
        asked.host.to_authority(),
        asked.port,
        if decided.seen == Seen::Whole { &asked.path } else { "" },
    );
    text.push_str(match decided.seen {
        Seen::Whole => "",
        Seen::Tunnel => "a tunnel: decided on host and port, what comes inside is decided again\n",
        Seen::ServerName => {
            "tls.mode is sni-only: decided on the server name; no method, path or header is seen\n"
        }
    });
    if let Some(why) = &decided.token_call {
        let _ = writeln!(text, "{TRACE}: {why}; no transform is asked");
        return text;
    }
    for (n, ((name, spec), trace)) in transforms.iter().zip(&decided.traces).enumerate() {
        let _ = write!(text, "transforms[{n}] {name}:");
        if let TransformSpec::Secrets(entries) = spec {
            secrets(&mut text, entries, asked, decided.seen, trace);
        } else {
            let _ = writeln!(text, " {}", line(spec, asked, decided.seen, trace));
        }
    }
    if !transforms.iter().any(|(_, spec)| matches!(spec, TransformSpec::Allowlist(_))) {
        text.push_str("no allowlist is configured: every host is allowed\n");
    }
    text
}

fn line(spec: &TransformSpec, asked: &Asked, seen: Seen, trace: &Trace) -> String {
    let notes = notes(trace);
    let listed = |key: &str| texts(&notes[key]).join(", ");
    match spec {
        TransformSpec::Allowlist(spec) if trace.action != Action::Allow => {
            format!("no rule matches{}", near(&spec.rules, &asked.target(), seen))
        }
        TransformSpec::Allowlist(_) if notes["action"] == "warn" => {
            "no rule matches; warn: true lets it pass".to_owned()
        }
        TransformSpec::Allowlist(_) if notes[TRACE].is_string() => {
            format!(
                "no rule matches; open for the token calls of {}",
                notes[TRACE].as_str().unwrap_or_default()
            )
        }
        TransformSpec::Allowlist(spec) => match matching(&spec.rules, asked, seen) {
            Some(rule) => format!("allowed by {}", shown(&spec.rules, rule)),
            None => "allowed".to_owned(),
        },
        _ if seen != Seen::Whole => "not asked".to_owned(),
        TransformSpec::Annotate(groups) => {
            let apply = groups.iter().filter(|group| group.rules.matches(&asked.target()).is_some()).count();
            format!("{apply} of {} groups apply", groups.len())
        }
        TransformSpec::HeaderAllowlist(spec) if !applies(&spec.rules, asked) => "no rule matches".to_owned(),
        TransformSpec::HeaderAllowlist(_) if notes["stripped_headers"].is_null() => {
            "applies, nothing to remove".to_owned()
        }
        TransformSpec::HeaderAllowlist(_) => format!("removes {}", listed("stripped_headers")),
        TransformSpec::BodyCapture(spec) if spec.rules.matches(&asked.target()).is_none() => {
            "no rule matches".to_owned()
        }
        TransformSpec::BodyCapture(_) => match notes["body_capture_error"].as_str() {
            Some(problem) => format!("captures nothing: {problem}"),
            None => "captures the body".to_owned(),
        },
        // Has lines of its own.
        TransformSpec::Secrets(_) => String::new(),
    }
}

/// Without rules it applies to every request.
fn applies(rules: &RuleSet, asked: &Asked) -> bool {
    rules.is_empty() || rules.matches(&asked.target()).is_some()
}

/// The rule that let it pass, by what is seen of it.
fn matching(rules: &RuleSet, asked: &Asked, seen: Seen) -> Option<usize> {
    match seen {
        Seen::Whole => rules.matches(&asked.target()),
        Seen::ServerName => rules.matches(&Target { method: "", path: "", ..asked.target() }),
        Seen::Tunnel => rules.for_host(&asked.host).first().map(|rule| *rule as usize),
    }
}

fn shown(rules: &RuleSet, at: usize) -> String {
    rules.rules().get(at).map_or_else(String::new, ToString::to_string)
}

/// How near a list of rules that does not match came to it.
fn near(rules: &RuleSet, target: &Target<'_>, seen: Seen) -> &'static str {
    if rules.for_host(target.host).is_empty() {
        return "";
    }
    if !rules.matches_host(target.host, target.port, Some(target.scheme)) {
        return " (the host does; port or scheme does not)";
    }
    if seen == Seen::ServerName {
        return " (the host does; a method or path is never seen here)";
    }
    " (the host does; method or path does not)"
}

fn secrets(text: &mut String, entries: &[SecretSpec], asked: &Asked, seen: Seen, trace: &Trace) {
    if seen != Seen::Whole {
        text.push_str(" not asked: nothing can be placed in what is not seen\n");
        return;
    }
    text.push('\n');
    let target = asked.target();
    for (n, entry) in entries.iter().enumerate() {
        let _ = write!(text, "  secrets[{n}] {}: ", entry.source.display_name());
        let _ = match entry.rules.matches(&target) {
            None if entry.rules.is_empty() => {
                writeln!(text, "not for this request: it has no rules, so it never applies")
            }
            None => {
                writeln!(text, "not for this request: no rule matches{}", near(&entry.rules, &target, seen))
            }
            Some(rule) => {
                let wanted = match &entry.mode {
                    SecretMode::Replace(replace) => replaces(replace),
                    SecretMode::Inject(inject) => injects(inject),
                };
                writeln!(text, "{wanted} (rule {})", shown(&entry.rules, rule))
            }
        };
    }
    let notes = notes(trace);
    let placed: Vec<String> =
        ["swapped", "injected"].iter().flat_map(|key| placements(&notes[*key])).collect();
    if trace.action == Action::Allow {
        let placed = if placed.is_empty() { "nothing".to_owned() } else { placed.join("; ") };
        let _ = writeln!(text, "  placed: {placed}");
    }
}

fn replaces(replace: &ReplaceSpec) -> String {
    let mut places = vec![if replace.match_headers.is_empty() {
        "every header".to_owned()
    } else {
        let names = replace.match_headers.iter().map(|matcher| match matcher {
            HeaderMatcher::Name(name) => name.clone(),
            HeaderMatcher::Pattern(pattern) => format!("/{pattern}/"),
        });
        format!("headers {}", names.collect::<Vec<_>>().join(", "))
    }];
    if !replace.match_query_params.is_empty() {
        places.push(format!("query parameters {}", replace.match_query_params.join(", ")));
    }
    for (on, name) in
        [(replace.match_query, "query"), (replace.match_path, "path"), (replace.match_body, "body")]
    {
        if on {
            places.push(name.to_owned());
        }
    }
    let required = if replace.require { ", which must be there" } else { "" };
    format!("replaces {:?}{required}; looks at {}", replace.placeholder, places.join("; "))
}

fn injects(inject: &InjectSpec) -> String {
    match &inject.place {
        InjectPlace::Header(name) => format!("sets header {name}"),
        InjectPlace::Query(name) => format!("sets query parameter {name}"),
    }
}

fn notes(trace: &Trace) -> Value {
    serde_json::from_str(&format!("{{{}}}", trace.annotations)).unwrap_or_default()
}

/// `NAME at LOCATION, LOCATION` for each.
fn placements(list: &Value) -> Vec<String> {
    let one = |one: &Value| {
        format!("{} at {}", one["secret"].as_str().unwrap_or_default(), texts(&one["locations"]).join(", "))
    };
    list.as_array().map(|list| list.iter().map(one).collect()).unwrap_or_default()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}
