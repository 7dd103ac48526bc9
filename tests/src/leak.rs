//! The search for real values in anything that must not hold one, in every form a value can take on its way.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The spellings of `value` that would give it away: as is, base64, percent-encoded, JSON-escaped.
pub fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let json = serde_json::to_string(value).expect("a string serialises");
    let json = json.trim_matches('"').to_owned();
    vec![
        ("as is", value.as_bytes().to_vec()),
        ("base64", STANDARD_NO_PAD.encode(value).into_bytes()),
        ("base64 padded", STANDARD.encode(value).into_bytes()),
        ("base64url", URL_SAFE_NO_PAD.encode(value).into_bytes()),
        ("percent", percent(value, false).into_bytes()),
        ("percent, lower case", percent(value, true).into_bytes()),
        ("json", json.clone().into_bytes()),
        ("json with escaped slashes", json.replace('/', "\\/").into_bytes()),
    ]
}

/// `value` with everything but the unreserved characters percent-encoded.
pub fn percent(value: &str, lower: bool) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ if lower => format!("%{byte:02x}"),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Fails the test if `haystack` (described by `place`) holds any of `values` in any form.
pub fn refuse(place: &str, haystack: &[u8], values: &[String]) {
    for (index, value) in values.iter().enumerate() {
        for (form, needle) in forms(value) {
            assert!(
                !contains(haystack, &needle),
                "real value number {index} stands in {place} ({form}):\n{}",
                String::from_utf8_lossy(haystack)
            );
        }
    }
}

/// Whether `needle` stands in `haystack`.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

#[cfg(test)]
mod tests {
    use super::{contains, forms, refuse};

    #[test]
    fn every_form_of_a_value_is_found() {
        let value = "re/al\"+=val".to_owned();
        for (form, text) in forms(&value) {
            let hay = [b"before ".as_slice(), &text, b" after"].concat();
            let found = std::panic::catch_unwind(|| refuse("a test", &hay, std::slice::from_ref(&value)));
            assert!(found.is_err(), "{form} was not found");
        }
        refuse("a test", b"nothing here", &[value]);
    }

    #[test]
    fn contains_is_a_substring_search() {
        assert!(contains(b"abc", b"bc"));
        assert!(!contains(b"abc", b"bd"));
    }
}
