//! The name for programs of a credential that a consent made: provider, slug and subject.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use crate::wire::{MAX_FOREIGN_ID_CHARS, is_url_safe};

/// Bytes of a subject that are written out.
const LONGEST_SUBJECT: usize = 128;

/// `<provider>-<slug>-<subject in lower case>`. What a name may not have is written as `~` and two digits; what is too
/// long ends in `~` and 32 digits of its SHA-256.
pub(super) fn foreign_id(provider: &str, slug: &str, subject: &str) -> String {
    let mut escaped = String::new();
    for byte in subject.to_lowercase().bytes() {
        if is_url_safe(char::from(byte).encode_utf8(&mut [0; 4])) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(escaped, "~{byte:02x}");
        }
    }
    let subject = within(&escaped, LONGEST_SUBJECT);
    within(&format!("{provider}-{slug}-{subject}"), MAX_FOREIGN_ID_CHARS)
}

/// All of it is ASCII by now.
fn within(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let digest = digest(&SHA256, text.as_bytes());
    let digits: Vec<_> = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}~{}", &text[..longest - 33], digits.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_subject_is_the_name_is_one() {
        assert_eq!(foreign_id("slack", "chat", "U02BBBBBB"), "slack-chat-u02bbbbbb");
        assert_eq!(foreign_id("google", "drive", "a b@é"), "google-drive-a~20b~40~c3~a9");
        let long = foreign_id("google", "drive", &"x".repeat(200));
        assert_eq!(long.len(), "google-drive-".len() + 128);
        assert_ne!(long, foreign_id("google", "drive", &"x".repeat(201)));
        let longer = foreign_id("google", &"s".repeat(255), "x");
        assert_eq!(longer.len(), 255);
        for name in [long, longer, foreign_id("generic", "x", "\u{1}|/")] {
            assert!(is_url_safe(&name), "{name}");
        }
    }
}
