//! What an origin or a client may have received.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::corpus::Attack;
use super::escape::Variables;
use super::origin::Received;
use super::run::{ORIGINS, VALUE};

/// The origins that the real value may reach.
const BOUND: [&str; 2] = ["bound.test", "inject.test"];

/// The origin that nothing may reach.
pub const DENIED: &str = "denied.test";

/// The verdict from what the origins saw.
///
/// # Errors
/// What does not hold, for the report.
pub fn judge(attack: &Attack, variables: &Variables, seen: &[Received]) -> Result<(), String> {
    for received in seen {
        if received.name == DENIED {
            return Err("the origin of a host that is not allowed was reached".to_owned());
        }
    }
    // Bytes of one origin in a row, so that a text split between reads is found.
    let by_origin = |name: &str, tls: bool| -> Vec<u8> {
        let these = seen.iter().filter(|received| received.name == name && received.tls == tls);
        these.flat_map(|received| received.bytes.clone()).collect()
    };
    for name in ORIGINS {
        for tls in [false, true] {
            let bytes = by_origin(name, tls);
            if !(tls && BOUND.contains(&name)) {
                secret_free(&format!("{name}{} received", if tls { "" } else { " in cleartext" }), &bytes)?;
            }
            for text in &attack.never {
                if contains(&bytes, &variables.bytes(text)?) {
                    return Err(format!("{name} received {text:?}"));
                }
            }
        }
    }
    let all: Vec<u8> =
        ORIGINS.iter().flat_map(|name| [by_origin(name, false), by_origin(name, true)]).flatten().collect();
    for text in &attack.sees {
        if !contains(&all, &variables.bytes(text)?) {
            return Err(format!("no origin received {text:?}"));
        }
    }
    Ok(())
}

/// Refuses bytes that hold the real value in any spelling; `place` begins the sentence.
///
/// # Errors
/// Which spelling stands there.
pub fn secret_free(place: &str, bytes: &[u8]) -> Result<(), String> {
    let json = serde_json::to_string(VALUE).unwrap_or_default();
    let json = json.trim_matches('"');
    let percent =
        percent_encoding::utf8_percent_encode(VALUE, percent_encoding::NON_ALPHANUMERIC).to_string();
    let forms = [
        ("the real value", VALUE.to_owned()),
        ("the real value in base64", STANDARD_NO_PAD.encode(VALUE)),
        ("the real value in base64url", URL_SAFE_NO_PAD.encode(VALUE)),
        ("the real value, percent-encoded", percent),
        ("the real value, JSON-escaped", json.to_owned()),
        ("the real value, JSON-escaped", json.replace('/', "\\/")),
    ];
    match forms.iter().find(|(_, text)| contains(bytes, text.as_bytes())) {
        Some((what, _)) => Err(format!("{place} {what}")),
        None => Ok(()),
    }
}

/// Whether `needle` stands in `haystack`; the empty one stands nowhere.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::{STANDARD_NO_PAD, VALUE, secret_free};
    use base64::Engine as _;

    #[test]
    fn a_value_is_found_in_every_spelling() {
        assert!(secret_free("x", b"nothing").is_ok());
        for text in
            [VALUE.to_owned(), STANDARD_NO_PAD.encode(VALUE), VALUE.replace('"', "\\\"").replace('/', "\\/")]
        {
            assert!(secret_free("x", text.as_bytes()).is_err(), "{text}");
        }
    }
}
