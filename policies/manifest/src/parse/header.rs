//! Names of headers, and patterns over them.

use regex::RegexBuilder;

/// Headers that say where a request ends or goes; the proxy sets them itself.
const FRAMING: &[&str] = &["host", "content-length", "transfer-encoding"];

/// A token of RFC 9110 5.6.2.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a header may be written.
pub(super) fn is_writable(name: &str) -> bool {
    is_name(name) && !FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name))
}

/// What is wrong with an item of `match_headers`: a name, or a regular expression between slashes.
pub(super) fn pattern_problem(text: &str) -> Option<String> {
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some("") => Some("is an empty pattern, which would match every header".to_owned()),
        Some(pattern) => match RegexBuilder::new(pattern).case_insensitive(true).build() {
            Ok(_) => None,
            Err(regex::Error::CompiledTooBig(_)) => Some("is a pattern that is too large".to_owned()),
            Err(_) => Some("is a pattern that does not compile".to_owned()),
        },
        None if is_name(text) => None,
        None => Some("is neither the name of a header nor a /pattern/".to_owned()),
    }
}
