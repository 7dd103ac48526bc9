//! A mark that is in no text by chance, to be put into secrets and searched for wherever they must not be.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::leak::contains;

/// A mark of its own for each run, and whatever else is to be found with it.
#[derive(Debug, Clone)]
pub struct Canary {
    mark: String,
    needles: Vec<(String, Vec<u8>)>,
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

impl Canary {
    /// A new mark. Obviously fake in what is made of it, see [`Self::value`].
    pub fn new() -> Self {
        let chance = || RandomState::new().hash_one(0_u8);
        let mark = format!("{:016x}{:016x}", chance(), chance());
        let mut canary = Self { mark: mark.clone(), needles: Vec::new() };
        canary.add("a marked value", &mark);
        canary
    }

    /// A value for the secret `name`: `fake-MARK-NAME`.
    pub fn value(&self, name: &str) -> String {
        format!("fake-{}-{name}", self.mark)
    }

    /// Has another value searched for, which the mark is not in: one that the console made.
    pub fn add(&mut self, what: &str, value: &str) {
        let mut add = |form: &str, needle: Vec<u8>| self.needles.push((format!("{what}, {form}"), needle));
        add("as is", value.as_bytes().to_vec());
        let hex = hex(value);
        add("upper case hexadecimal", hex.to_uppercase().into_bytes());
        add("hexadecimal", hex.into_bytes());
        for shift in 0..3 {
            // At the ends stand characters that its neighbours have a part in.
            let shifted = [&vec![0; shift], value.as_bytes()].concat();
            for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                add("base64", text.as_bytes()[usize::from(shift > 0) * 4..text.len() - 3].to_vec());
            }
        }
    }

    /// How often the mark stands in `text` as it is.
    pub fn count(&self, text: &str) -> usize {
        text.matches(&self.mark).count()
    }

    /// Which values stand in `bytes`, and in what form.
    pub fn found(&self, bytes: &[u8]) -> Option<&str> {
        let found = self.needles.iter().find(|(_, needle)| contains(bytes, needle));
        found.map(|(what, _)| what.as_str())
    }

    /// Fails the test if any of them stands in `bytes`, which are `place`.
    #[track_caller]
    pub fn refuse(&self, place: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if let Some(what) = self.found(bytes) {
            panic!("{what}, stands in {place}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_every_form_and_behind_any_number_of_bytes() {
        let canary = Canary::new();
        let value = canary.value("x");
        assert_eq!(canary.count(&format!("{value} {value}")), 2);
        for before in ["", "a", "ab", "abc", "abcd"] {
            let text = format!("{before}{value} and so on");
            let hex = hex(&text);
            let forms = [
                text.clone().into_bytes(),
                STANDARD_NO_PAD.encode(&text).into_bytes(),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
            ];
            for form in forms {
                assert!(canary.found(&form).is_some(), "{}", String::from_utf8_lossy(&form));
            }
        }
        assert_eq!(canary.found(b"nothing of it"), None);
        assert_ne!(canary.value("x"), Canary::new().value("x"));
    }
}
