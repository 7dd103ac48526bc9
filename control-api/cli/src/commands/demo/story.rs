//! The four calls, what must become of each, and how they are told side by side.

use super::mask;
use crate::loopback::{Received, body, header, status};
use crate::printer;

/// Columns of the longest line.
pub(super) const WIDTH: usize = 98;

/// One call of the agent.
pub(super) struct Call {
    /// What it shows.
    pub(super) title: &'static str,
    /// `host:port`
    pub(super) authority: String,
    /// Path.
    pub(super) path: &'static str,
    /// Whether the agent sends its key.
    pub(super) with_key: bool,
    /// What must happen.
    pub(super) expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The upstream got the real key and was content.
    Swapped,
    /// The same, and the key that came back was taken out.
    Scrubbed,
    /// Nobody upstream heard of it; 403 and a reason.
    Refused,
}

/// The four calls.
pub(super) fn calls(right: &str, wrong: &str) -> [Call; 4] {
    let call = |title, authority: &str, path, with_key, expected| Call {
        title,
        authority: authority.to_owned(),
        path,
        with_key,
        expected,
    };
    [
        call("a call with the key", right, "/hello", true, Expected::Swapped),
        call("an endpoint that says the key back", right, "/echo", true, Expected::Scrubbed),
        call("a host that is not allowed", wrong, "/hello", false, Expected::Refused),
        call("the same key on a wrong host", wrong, "/collect", true, Expected::Refused),
    ]
}

/// A call with what all sides saw of it.
pub(super) struct Told<'a> {
    pub(super) call: &'a Call,
    /// The raw answer the agent got.
    pub(super) got: &'a str,
    /// What an upstream received, if one did.
    pub(super) received: Option<&'a Received>,
    /// Whether the wrong upstream heard of it.
    pub(super) leaked: bool,
    /// The real key, to look for and to hide.
    pub(super) key: &'a str,
}

impl Told<'_> {
    /// Prints it; whether all went as told.
    pub(super) fn print(&self, number: usize) -> bool {
        let good = self.went_as_told();
        let verdict = if good { "as told" } else { "NOT as told" };
        printer::out(format_args!("{number}. {} [{verdict}]", self.call.title));
        let key = if self.call.with_key { "Authorization: Bearer DEMO_API_KEY" } else { "no key" };
        self.line("agent sent", &format!("GET https://{}{}", self.call.authority, self.call.path));
        self.line("", key);
        match self.received {
            None => self.line("upstream received", "nothing"),
            Some(request) => {
                self.line("upstream received", &format!("GET {}", request.path()));
                let key = request.header("authorization").unwrap_or("none");
                self.line("", &format!("Authorization: {key}"));
            }
        }
        let reason = header(self.got, "x-iron-reason").map(|reason| format!("   x-iron-reason: {reason}"));
        let status = status(self.got).unwrap_or(0);
        self.line("agent got", &format!("{status}{}", reason.unwrap_or_default()));
        for line in body(self.got).lines() {
            self.line("", line);
        }
        if self.call.expected == Expected::Refused {
            self.line("would allow it", &format!("centaur run --allow {} …", self.call.authority));
        }
        printer::out("");
        good
    }

    fn line(&self, label: &str, text: &str) {
        let text = redact(text, self.key);
        let mut parts = wrap(&text, WIDTH - 22).lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
        printer::out(
            format_args!("   {label:<18} {}", parts.next().unwrap_or_default()).to_string().trim_end(),
        );
        for part in parts {
            printer::out(format_args!("   {:<18} {part}", ""));
        }
    }

    fn went_as_told(&self) -> bool {
        let answer = body(self.got);
        let swapped = self.received.and_then(|request| request.header("authorization"))
            == Some(&format!("Bearer {}", self.key));
        let clean = !self.got.contains(self.key) && !self.leaked;
        clean
            && match self.call.expected {
                Expected::Swapped => swapped && status(self.got) == Some(200),
                Expected::Scrubbed => swapped && answer == "you sent me the key DEMO_API_KEY",
                Expected::Refused => {
                    self.received.is_none()
                        && status(self.got) == Some(403)
                        && header(self.got, "x-iron-reason").is_some()
                }
            }
    }
}

/// The text without the key.
pub(super) fn redact(text: &str, key: &str) -> String {
    text.replace(key, &mask(key))
}

/// Lines of at most `width` characters, each with its newline: broken at spaces and commas where there are any.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive([' ', ',']) {
        let mut rest = word;
        while !rest.is_empty() {
            let length = rest.chars().count();
            if used > 0 && used + length > width {
                out.push_str(line.trim_end());
                out.push('\n');
                line.clear();
                used = 0;
            }
            let cut = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
            line.push_str(&rest[..cut]);
            used += length.min(width);
            rest = &rest[cut..];
        }
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

/// An audit line as a row: action, status, method and target, and what was done.
pub(super) fn audit_row(line: &str) -> Option<Vec<String>> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let audit = &line["audit"];
    let text = |name: &str| audit[name].as_str().unwrap_or_default().to_owned();
    let mut done: Vec<String> = audit["reason"].as_str().map(str::to_owned).into_iter().collect();
    for trace in line["request_transforms"].as_array().into_iter().flatten() {
        for swap in trace["annotations"]["swapped"].as_array().into_iter().flatten() {
            let secret = swap["secret"].as_str().unwrap_or_default();
            done.push(format!("swapped {secret} at {}", swap["locations"][0].as_str().unwrap_or_default()));
        }
    }
    if let Some(count) = audit["scrubbed"].as_u64() {
        done.push(format!("scrubbed {count}"));
    }
    let target = format!("{} {}{}", text("method"), text("host"), text("path"));
    Some(vec![text("action"), audit["status_code"].to_string(), target, done.join(", ")])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-demo-fake0000000000000001";

    fn told(expected: Expected, got: &str, authorization: Option<&str>, leaked: bool) -> bool {
        let [mut call, ..] = calls("a:1", "b:1");
        call.expected = expected;
        let received = authorization.map(|value| Received {
            server_name: String::new(),
            head: format!("GET / HTTP/1.1\r\nAuthorization: Bearer {value}"),
        });
        Told { call: &call, got, received: received.as_ref(), leaked, key: KEY }.went_as_told()
    }

    #[test]
    fn a_swap_counts_only_if_the_upstream_got_the_key_and_the_agent_did_not() {
        let ok = "HTTP/1.1 200 OK\r\n\r\nwelcome";
        assert!(told(Expected::Swapped, ok, Some(KEY), false));
        assert!(!told(Expected::Swapped, ok, Some("DEMO_API_KEY"), false));
        assert!(!told(Expected::Swapped, &format!("{ok} {KEY}"), Some(KEY), false));
    }

    #[test]
    fn an_echo_counts_only_as_the_placeholder() {
        let scrubbed = "HTTP/1.1 200 OK\r\n\r\nyou sent me the key DEMO_API_KEY";
        assert!(told(Expected::Scrubbed, scrubbed, Some(KEY), false));
        assert!(!told(Expected::Scrubbed, "HTTP/1.1 200 OK\r\n\r\nyou sent me the key ", Some(KEY), false));
    }

    #[test]
    fn a_refusal_counts_only_if_nobody_upstream_heard_of_it() {
        let refused = "HTTP/1.1 403 Forbidden\r\nx-iron-reason: no-rule\r\n\r\nno";
        assert!(told(Expected::Refused, refused, None, false));
        assert!(!told(Expected::Refused, refused, Some("x"), true));
        assert!(!told(Expected::Refused, "HTTP/1.1 403 Forbidden\r\n\r\n", None, false));
    }

    #[test]
    fn long_lines_are_broken_and_nothing_is_lost() {
        assert_eq!(wrap("abcdef", 4), "abcd\nef\n");
        assert_eq!(wrap("ab cd,ef", 4), "ab\ncd,\nef\n");
    }
}
