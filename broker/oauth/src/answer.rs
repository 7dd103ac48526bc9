//! What an answer of a token endpoint means (broker.md, section 4; decision 16).

use std::time::Duration;

use centaur_base::Secret;
use serde_json::{Map, Value};

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer<T = Secret<String>> {
    /// There is a token.
    Minted(Tokens<T>),
    /// It may be tried again.
    Retryable(Retryable),
    /// It may not: the provider's code.
    Refused(String),
}

/// What a provider gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tokens<T = Secret<String>> {
    /// The access token.
    pub access_token: T,
    /// The refresh token that replaces the one that was sent; `None` when that one stays.
    pub refresh_token: Option<T>,
    /// How long the access token lives.
    pub lifetime: Duration,
    /// The answer named no lifetime that makes sense.
    pub is_assumed: bool,
}

/// A failure that another try may heal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Retryable {
    /// `network`, `http`, `parse`, or a code of the provider.
    pub code: String,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The provider may have used the refresh token up: the request went out, and no answer says that it was refused.
    pub maybe_spent: bool,
}

impl Retryable {
    pub(crate) fn new(code: &str, maybe_spent: bool) -> Self {
        Self { code: code.to_owned(), retry_after: None, maybe_spent }
    }
}

/// What the head of an answer says.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, as a span from now.
    pub retry_after: Option<Duration>,
}

/// How to read an answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'a> {
    /// A 4xx without a code is final too.
    pub strict: bool,
    /// Whose nested token may be taken.
    pub subject: Option<&'a str>,
}

/// Lifetime of a token whose answer names none.
const ASSUMED: Duration = Duration::from_mins(5);
/// The longest that is believed: ten years.
const LONGEST: u64 = 10 * 365 * 86_400;

/// Codes that say "later", whatever the status.
const TRANSIENT: [&str; 11] = [
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
    "internal_error",
    "fatal_error",
    "team_added_to_org",
    "accesslimited",
];

/// Reads an answer. `body` is whole, and within the limit of size.
pub fn classify(head: Head, body: &[u8], reading: Reading<'_>) -> Answer {
    let parsed = serde_json::from_slice::<Value>(body).ok();
    let object = parsed.as_ref().and_then(Value::as_object);
    let code = object.and_then(error_code);
    let later = |code: &str, maybe_spent| {
        let retry_after = head.retry_after;
        Answer::Retryable(Retryable { code: code.to_owned(), retry_after, maybe_spent })
    };
    match head.status {
        200..=299 => {
            let refused = object.is_some_and(|object| object.get("ok") == Some(&Value::Bool(false)));
            let tokens = object.filter(|_| !refused).and_then(|object| tokens(object, reading.subject));
            match (tokens, code) {
                (Some(tokens), _) => Answer::Minted(tokens),
                (None, Some(code)) if is_transient(&code) => later(&code, false),
                // Some providers refuse with a status of success.
                (None, Some(code)) => Answer::Refused(code),
                (None, None) => later("parse", true),
            }
        }
        429 => later(code.as_deref().filter(|code| is_transient(code)).unwrap_or("http"), false),
        // A gateway may answer for a provider that did its part.
        500.. => later(code.as_deref().filter(|code| is_transient(code)).unwrap_or("http"), true),
        400.. => match code {
            Some(code) if is_transient(&code) => later(&code, false),
            Some(code) => Answer::Refused(code),
            None if reading.strict => Answer::Refused(format!("http_{}", head.status)),
            None => later("http", false),
        },
        _ => later("http", false),
    }
}

/// Codes that may mean that the token was used before: refusals that an interrupted attempt explains.
pub fn blames_token(code: &str) -> bool {
    matches!(
        code,
        "invalid_grant"
            | "invalid_refresh_token"
            | "bad_refresh_token"
            | "refresh_token_reused"
            | "refresh_token_expired"
            | "refresh_token_invalidated"
            | "token_revoked"
            | "token_expired"
            | "invalid_token"
            | "http_400"
            | "http_401"
    )
}

fn is_transient(code: &str) -> bool {
    TRANSIENT.contains(&code)
}

/// The code of a failure, or of a success that is none: `ok` is false, or there is an `error` and no token.
pub(crate) fn failure(status: u16, object: &Map<String, Value>) -> Option<String> {
    let is_success = (200..300).contains(&status) && object.get("ok") != Some(&Value::Bool(false));
    let has_token = text(object, "access_token").is_some()
        || object
            .get("authed_user")
            .and_then(Value::as_object)
            .is_some_and(|user| text(user, "access_token").is_some());
    match error_code(object) {
        _ if is_success && has_token => None,
        Some(code) => Some(code),
        None if is_success => None,
        None => Some("http".to_owned()),
    }
}

/// The code of a failure: a text, or the `code` or `type` of an object.
pub(crate) fn error_code(object: &Map<String, Value>) -> Option<String> {
    let text = match object.get("error")? {
        Value::String(text) => text.as_str(),
        Value::Object(error) => {
            ["code", "type"].into_iter().find_map(|key| error.get(key).and_then(Value::as_str)).unwrap_or("")
        }
        _ => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match text.len() {
        0 if object.get("error").is_some_and(Value::is_string) => None,
        1..=64 if text.bytes().all(is_plain) => Some(text.to_owned()),
        // Whatever else a provider writes may repeat what it was sent.
        _ => Some("unnamed_error".to_owned()),
    }
}

/// The tokens of a success: those of a nested user before those beside it.
fn tokens(object: &Map<String, Value>, subject: Option<&str>) -> Option<Tokens> {
    let nested = object.get("authed_user").and_then(Value::as_object).filter(|user| {
        text(user, "access_token").is_some()
            && subject.is_none_or(|subject| user.get("id").and_then(Value::as_str) == Some(subject))
    });
    let from = nested.unwrap_or(object);
    let lifetime = lifetime(from.get("expires_in"));
    Some(Tokens {
        access_token: text(from, "access_token")?,
        refresh_token: text(from, "refresh_token"),
        lifetime: lifetime.unwrap_or(ASSUMED),
        is_assumed: lifetime.is_none(),
    })
}

fn text(object: &Map<String, Value>, key: &str) -> Option<Secret<String>> {
    let text = object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())?;
    Some(Secret::new(text.to_owned()))
}

/// What `expires_in` says, as a number or as a text: at least a second, ten years at most.
///
/// A token whose answer has no sensible lifetime is taken all the same: its refresh token is used up, and what replaces
/// it stands in this answer.
pub fn lifetime(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    // The cast cuts the fraction off.
    let seconds = seconds.filter(|seconds| *seconds >= 1.0)? as u64;
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Answer {
        classify(Head { status, retry_after: None }, body.as_bytes(), Reading::default())
    }

    fn shown(answer: &Answer) -> String {
        match answer {
            Answer::Minted(tokens) => {
                let refresh = tokens.refresh_token.as_ref().map_or("-", |token| token.expose());
                format!("{} {refresh} {}", tokens.access_token.expose(), tokens.lifetime.as_secs())
            }
            Answer::Retryable(again) if again.maybe_spent => format!("again {} spent?", again.code),
            Answer::Retryable(again) => format!("again {}", again.code),
            Answer::Refused(code) => format!("refused {code}"),
        }
    }

    #[test]
    fn each_answer_has_its_class() {
        for (status, body, want) in [
            (200, r#"{"access_token":"at","refresh_token":"rt","expires_in":60}"#, "at rt 60"),
            (201, r#"{"access_token":"at","refresh_token":"","expires_in":"3600"}"#, "at - 3600"),
            (200, r#"{"access_token":"at","refresh_token":null}"#, "at - 300"),
            (200, r#"{"access_token":"at","expires_in":0}"#, "at - 300"),
            (200, r#"{"access_token":"at","expires_in":-5}"#, "at - 300"),
            (200, r#"{"access_token":"at","expires_in":59.9}"#, "at - 59"),
            (200, r#"{"access_token":"at","expires_in":"soon"}"#, "at - 300"),
            (200, r#"{"access_token":"at","expires_in":1e300}"#, "at - 315360000"),
            (200, r#"{"access_token":" "}"#, "again parse spent?"),
            (200, "<html>", "again parse spent?"),
            (200, "[]", "again parse spent?"),
            (204, "", "again parse spent?"),
            (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, "refused invalid_refresh_token"),
            (200, r#"{"ok":false,"error":"token_revoked","access_token":"at"}"#, "refused token_revoked"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "again ratelimited"),
            (200, r#"{"ok":false}"#, "again parse spent?"),
            (200, r#"{"error":"bad_refresh_token"}"#, "refused bad_refresh_token"),
            (400, r#"{"error":"invalid_grant"}"#, "refused invalid_grant"),
            (401, r#"{"error":"invalid_client"}"#, "refused invalid_client"),
            (400, r#"{"error":{"code":"refresh_token_reused"}}"#, "refused refresh_token_reused"),
            (400, r#"{"error":{"type":"invalid_request"}}"#, "refused invalid_request"),
            (400, r#"{"error":{"code":7}}"#, "refused unnamed_error"),
            (400, r#"{"error":"the token fake-rt is used"}"#, "refused unnamed_error"),
            (400, r#"{"error":""}"#, "again http"),
            (400, r#"{"error":7}"#, "again http"),
            (400, "<html>", "again http"),
            (404, "", "again http"),
            (400, r#"{"error":"temporarily_unavailable"}"#, "again temporarily_unavailable"),
            (403, r#"{"error":"slow_down"}"#, "again slow_down"),
            (429, r#"{"error":"invalid_grant"}"#, "again http"),
            (429, "", "again http"),
            (500, r#"{"error":"invalid_grant"}"#, "again http spent?"),
            (503, r#"{"error":"server_error"}"#, "again server_error spent?"),
            (502, "bad gateway", "again http spent?"),
            (302, "", "again http"),
            (307, r#"{"error":"invalid_grant"}"#, "again http"),
        ] {
            assert_eq!(shown(&read(status, body)), want, "{status} {body}");
        }
    }

    #[test]
    fn every_transient_code_is_retried_and_other_codes_are_not() {
        for code in TRANSIENT {
            let body = format!(r#"{{"ok":false,"error":"{code}"}}"#);
            assert_eq!(shown(&read(200, &body)), format!("again {code}"));
            assert_eq!(shown(&read(400, &body)), format!("again {code}"));
        }
        for code in ["invalid_scope", "unauthorized_client", "unsupported_grant_type", "invalid_request"] {
            assert_eq!(shown(&read(400, &format!(r#"{{"error":"{code}"}}"#))), format!("refused {code}"));
        }
    }

    #[test]
    fn a_strict_provider_refuses_with_the_status_alone() {
        let strict = Reading { strict: true, subject: None };
        let read = |status| shown(&classify(Head { status, retry_after: None }, b"no", strict));
        assert_eq!(read(401), "refused http_401");
        assert_eq!(read(429), "again http");
        assert_eq!(read(500), "again http spent?");
        assert_eq!(read(302), "again http");
    }

    #[test]
    fn a_nested_token_is_preferred_when_it_is_the_right_users() {
        let body = br#"{"ok":true,"access_token":"bot","refresh_token":"bot-rt","expires_in":9,
            "authed_user":{"id":"U1","access_token":"user","refresh_token":"user-rt","expires_in":43200}}"#;
        let read = |subject| {
            let reading = Reading { strict: false, subject };
            shown(&classify(Head { status: 200, retry_after: None }, body, reading))
        };
        assert_eq!(read(None), "user user-rt 43200");
        assert_eq!(read(Some("U1")), "user user-rt 43200");
        assert_eq!(read(Some("U2")), "bot bot-rt 9");
        let flat = read_flat(r#"{"access_token":"at","authed_user":{"id":"U1"}}"#);
        assert_eq!(flat, "at - 300");
    }

    fn read_flat(body: &str) -> String {
        shown(&read(200, body))
    }

    #[test]
    fn retry_after_is_handed_on() {
        let head = Head { status: 503, retry_after: Some(Duration::from_secs(40)) };
        let Answer::Retryable(again) = classify(head, b"", Reading::default()) else { panic!("retryable") };
        assert_eq!(again.retry_after, Some(Duration::from_secs(40)));
    }

    #[test]
    fn no_material_is_shown() {
        let answer = read(200, r#"{"access_token":"fake-at","refresh_token":"fake-rt"}"#);
        assert!(!format!("{answer:?}").contains("fake"));
    }
}
