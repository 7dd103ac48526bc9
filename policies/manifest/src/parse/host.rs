//! Host patterns: their one spelling, and what a manifest may not cover.

use std::net::IpAddr;

use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::HostPattern;

use super::fields::Fields;
use crate::problem::Code;

const KEY: &str = "hosts";

/// `hosts` of a tool; may be empty. `None` when it is absent or, reported, wrong.
pub(super) fn list(fields: &Fields<'_>) -> Option<Vec<String>> {
    let items = fields.array(KEY, Code::HostsInvalid)?;
    let written = fields.texts(KEY, Code::HostsInvalid)?;
    let mut hosts: Vec<String> = Vec::with_capacity(written.len());
    let mut all_good = written.len() == items.len();
    for (text, at) in written.iter().zip(items.iter().map(|item| item.span().start)) {
        match pattern(text) {
            Ok(host) => {
                note(fields, &host, at);
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
            Err(problem) => {
                all_good = false;
                let text = format!("host {text:?} {problem}");
                fields.report_at::<()>(Code::HostsInvalid, KEY, at, text);
            }
        }
    }
    all_good.then_some(hosts)
}

/// `hosts` of an entry, which is there; one at least.
pub(super) fn some(fields: &Fields<'_>) -> Option<Vec<String>> {
    let hosts = list(fields)?;
    if hosts.is_empty() {
        return fields.report(
            Code::HostsInvalid,
            KEY,
            "hosts is empty; leave it out to inherit those of the tool",
        );
    }
    Some(hosts)
}

fn note(fields: &Fields<'_>, host: &str, at: usize) {
    if is_address(host) {
        let text = format!("host {host:?} is an address");
        fields.report_at::<()>(Code::IpHost, KEY, at, text);
    } else if is_shared(host) {
        let text = format!("host {host:?} covers names that anyone can have");
        fields.report_at::<()>(Code::BroadHost, KEY, at, text);
    }
}

/// A pattern in its one spelling: lower case, A-labels, no dot at the end.
fn pattern(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Err("has a scheme".to_owned());
    }
    if is_address(text) {
        return CanonicalHost::parse(text).map(|host| host.as_str().to_owned()).map_err(|e| e.to_string());
    }
    for (char, what) in
        [('/', "a slash"), (':', "a port"), ('?', "a \"?\""), ('[', "a \"[\""), (']', "a \"]\"")]
    {
        if text.contains(char) {
            return Err(format!("has {what}"));
        }
    }
    if text.chars().any(char::is_whitespace) {
        return Err("has white space".to_owned());
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.split('.').any(str::is_empty) {
        return Err("has an empty label".to_owned());
    }
    if !text.contains('*') {
        return CanonicalHost::parse(text).map(|host| host.as_str().to_owned()).map_err(|e| e.to_string());
    }
    check_breadth(text)?;
    if let Some(rest) = text.strip_prefix("*.").filter(|rest| !rest.contains('*')) {
        return CanonicalHost::parse(rest).map(|host| format!("*.{host}")).map_err(|e| e.to_string());
    }
    let lower = text.to_lowercase();
    HostPattern::parse(&lower).map(|_| lower).map_err(|e| e.to_string())
}

fn is_address(text: &str) -> bool {
    text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

/// What follows the last star has to hold a domain that somebody registered.
fn check_breadth(text: &str) -> Result<(), String> {
    let behind = text.rsplit('*').next().unwrap_or_default().to_lowercase();
    // Of the label that the star is in, the rest is not a whole one.
    let labels: Vec<&str> = behind.split('.').skip(1).collect();
    let is_suffix = match labels.as_slice() {
        [] => true,
        [top] => !PRIVATE.contains(top),
        [second, top] => top.len() == 2 && SECOND_LEVEL.contains(second),
        _ => false,
    };
    if is_suffix {
        return Err("covers domains of anyone; name the domain behind the star".to_owned());
    }
    Ok(())
}

/// Below a domain that hands out names to everybody, or a top-level domain that is nobody's.
fn is_shared(host: &str) -> bool {
    let Some(rest) = host.strip_prefix("*.") else { return false };
    SHARED.contains(&rest) || PRIVATE.contains(&rest)
}

/// Top-level domains of private networks.
const PRIVATE: &[&str] = &["internal", "lan", "local", "localhost", "svc", "test"];

/// Labels under which countries hand out domains.
const SECOND_LEVEL: &[&str] =
    &["ac", "co", "com", "edu", "go", "gob", "gov", "gv", "ne", "net", "nom", "or", "org"];

/// Domains under which anyone can have a name.
const SHARED: &[&str] = &[
    "amazonaws.com",
    "appspot.com",
    "azurewebsites.net",
    "cloudfront.net",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "ngrok.app",
    "ngrok.io",
    "netlify.app",
    "onrender.com",
    "pages.dev",
    "run.app",
    "s3.amazonaws.com",
    "vercel.app",
    "web.app",
    "workers.dev",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_spelling() {
        for (text, expected) in [
            ("api.example.net", "api.example.net"),
            ("API.Example.NET.", "api.example.net"),
            ("*.Example.net", "*.example.net"),
            ("*.bücher.example.", "*.xn--bcher-kva.example"),
            ("a.*.example.net", "a.*.example.net"),
            ("logs.*.amazonaws.com", "logs.*.amazonaws.com"),
            ("*.internal", "*.internal"),
            ("*.example.co.uk", "*.example.co.uk"),
            ("*.co.example", "*.co.example"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
        ] {
            assert_eq!(pattern(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_or_covers_anyone_is_refused() {
        for (text, part) in [
            ("https://api.example.net", "scheme"),
            ("api.example.net:443", "port"),
            ("api.example.net/v1", "slash"),
            ("api example.net", "white space"),
            ("api..example.net", "empty label"),
            (".example.net", "empty label"),
            ("..", "empty label"),
            ("api?.example.net", "\"?\""),
            ("[ab].example.net", "\"[\""),
            ("*", "anyone"),
            ("*.com", "anyone"),
            ("*.io", "anyone"),
            ("*.co.uk", "anyone"),
            ("*com", "anyone"),
            ("*example.com", "anyone"),
            ("api.*", "anyone"),
            ("api.*.com", "anyone"),
            ("a_b!.example.net", "contains"),
            ("*.a_b!.example.net", "contains"),
            ("1.2.3", "IPv4"),
        ] {
            let problem = pattern(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn names_that_anyone_can_have_are_noted() {
        assert!(is_shared("*.github.io") && is_shared("*.local"));
        assert!(!is_shared("someone.github.io") && !is_shared("*.someone.github.io"));
    }
}
