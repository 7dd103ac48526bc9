//! Ids made from names: of roles, secrets and principals.

use sha2::{Digest, Sha256};

/// Lower case; ASCII letters and digits stay, every run of anything else becomes one `-`, with none at either end.
/// `x` when nothing is left. Applying it twice changes nothing.
pub fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if slug.ends_with('-') {
        slug.pop();
    }
    if slug.is_empty() {
        slug.push('x');
    }
    slug
}

/// An id that the console takes: one that is too long keeps its beginning and ends in eight digits of its SHA-256, so
/// that two long ids that begin alike stay two.
pub fn fit(id: String) -> String {
    if id.len() <= MAX_ID_LENGTH {
        return id;
    }
    let digest = short_digest(&id);
    let mut end = MAX_ID_LENGTH - digest.len() - 1;
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{digest}", id[..end].trim_end_matches('-'))
}

/// The first eight hexadecimal digits of the SHA-256 of a text.
pub fn short_digest(text: &str) -> String {
    hex(&Sha256::digest(text)[..4])
}

/// Lower case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

/// What a foreign id may have at most, in characters (console-api.md 5.1).
const MAX_ID_LENGTH: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_letters_digits_and_single_dashes() {
        for (text, expected) in [
            ("GRAFANA_API_KEY", "grafana-api-key"),
            ("https://id.example.net/oauth/token", "https-id-example-net-oauth-token"),
            ("__", "x"),
            ("", "x"),
            ("***", "x"),
            ("U07ABC", "u07abc"),
            ("--a--b--", "a-b"),
            ("My Tool 2", "my-tool-2"),
            // A letter with a combining accent loses the accent; one that is composed is gone.
            ("cafe\u{301}s", "cafe-s"),
            ("caf\u{e9}s", "caf-s"),
            // The Kelvin sign is a `k` in lower case.
            ("\u{212a}", "k"),
        ] {
            assert_eq!(slug(text), expected, "{text}");
        }
    }

    #[test]
    fn an_id_that_is_too_long_is_cut_and_stays_its_own() {
        let long = |end: &str| format!("tool-{}{end}", "a".repeat(300));
        let (one, other) = (fit(long("1")), fit(long("2")));
        assert_ne!(one, other);
        assert!(one.len() == 255 && one.starts_with("tool-aaa"), "{one}");
        assert_eq!(fit(slug(&"n".repeat(255))), "n".repeat(255));
        // Not in the middle of a character, and not behind a dash.
        assert_eq!(fit(format!("{}{}", "-".repeat(246), "é".repeat(20))).len(), 9);
    }

    proptest::proptest! {
        #[test]
        fn a_slug_is_a_slug_of_itself(text in ".*") {
            let once = slug(&text);
            proptest::prop_assert!(!once.is_empty());
            proptest::prop_assert!(once.bytes().all(|b| b == b'-' || b.is_ascii_digit() || b.is_ascii_lowercase()));
            proptest::prop_assert_eq!(slug(&once), once);
        }

        #[test]
        fn a_fitting_id_never_passes_the_limit(text in ".{0,400}") {
            proptest::prop_assert!(fit(text).len() <= 255);
        }
    }
}
