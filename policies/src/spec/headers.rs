//! Header names, and patterns over them.

use regex::RegexBuilder;

use super::HeaderMatcher;
use crate::yaml::{Cursor, Fields};

/// A list of names or `/regex/`.
pub(super) fn header_matchers(fields: &Fields<'_>, key: &str) -> Vec<HeaderMatcher> {
    let read = |(at, item): (usize, &Cursor<'_>)| matcher(item, &format!("{key}[{at}]"));
    fields.items(key).iter().enumerate().filter_map(read).collect()
}

/// A list of names.
pub(super) fn header_names(fields: &Fields<'_>, key: &str) -> Vec<String> {
    let read = |(at, item): (usize, &Cursor<'_>)| name(item, &format!("{key}[{at}]"));
    fields.items(key).iter().enumerate().filter_map(read).collect()
}

/// One name; `key` names it in the error.
pub(super) fn name(item: &Cursor<'_>, key: &str) -> Option<String> {
    let text = item.text()?;
    if is_token(text) {
        return Some(text.to_owned());
    }
    item.reject(format_args!("{key}: {text:?} is not a header name"))
}

fn matcher(item: &Cursor<'_>, key: &str) -> Option<HeaderMatcher> {
    let text = item.text()?;
    let pattern = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    match pattern {
        // A single slash is a literal in the reference, though no header is called that.
        None if text == "/" => Some(HeaderMatcher::Name(text.to_owned())),
        None => name(item, key).map(HeaderMatcher::Name),
        Some(pattern) => match RegexBuilder::new(pattern).case_insensitive(true).build() {
            Ok(regex) => Some(HeaderMatcher::Pattern(regex)),
            Err(error) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
                item.reject(format_args!("{key}: invalid regex {pattern:?}: {reason}"))
            }
        },
    }
}

/// A token of RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
