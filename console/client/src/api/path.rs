//! Paths of the API, from segments that may hold anything.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a segment as it is (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name that no path can carry: `.` and `..` mean other resources, encoded or not, and an empty one none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an empty name, \".\" and \"..\" cannot stand in a path")]
pub struct Unaddressable;

/// `/api/v1/…`, each segment percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    text: String,
    is_addressable: bool,
}

impl Path {
    /// `/api/v1/<segments>`
    pub(super) fn of(segments: &[&str]) -> Self {
        let mut path = Self { text: "/api/v1".to_owned(), is_addressable: true };
        for segment in segments {
            path.push(segment);
        }
        path
    }

    fn push(&mut self, segment: &str) {
        self.is_addressable &= !matches!(segment, "" | "." | "..");
        self.text.push('/');
        self.text.extend(utf8_percent_encode(segment, ENCODED));
    }

    /// The text, if each segment names something.
    pub(super) fn checked(&self) -> Result<&str, Unaddressable> {
        if self.is_addressable { Ok(&self.text) } else { Err(Unaddressable) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one_segment_whatever_it_holds() {
        for (segment, shown) in [
            ("slack-user-u1", "/api/v1/roles/slack-user-u1"),
            ("a/b", "/api/v1/roles/a%2Fb"),
            ("a b?c#d%2F", "/api/v1/roles/a%20b%3Fc%23d%252F"),
            ("ü~._-", "/api/v1/roles/%C3%BC~._-"),
        ] {
            assert_eq!(Path::of(&["roles", segment]).checked(), Ok(shown));
        }
    }

    #[test]
    fn names_that_mean_another_resource_are_refused() {
        for segment in ["", ".", ".."] {
            assert_eq!(Path::of(&["roles", segment]).checked(), Err(Unaddressable), "{segment}");
        }
        assert!(Path::of(&["roles", "..."]).checked().is_ok());
    }
}
