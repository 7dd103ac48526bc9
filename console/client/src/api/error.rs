//! Why a call of the API failed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::path::{Path, Unaddressable};
use crate::http::quoted;
use crate::token::TokenError;

/// `error.details` of a 422: messages by attribute, or under `base`.
pub type Details = BTreeMap<String, Vec<String>>;

/// Why a call failed. Texts are one line, and hold neither the key nor an address.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}: {cause}")]
pub struct ApiError {
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// How often it was tried, from 1 on; 0 when nothing was sent.
    pub attempts: u32,
    /// What went wrong, the last time.
    #[source]
    pub cause: Box<Cause>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// There is no key to send.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A name that no path can carry.
    #[error(transparent)]
    Unaddressable(#[from] Unaddressable),
    /// Resolving, connecting, TLS, sending or reading.
    #[error("{0}")]
    Unreachable(String),
    /// No whole answer in time.
    #[error("no answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// An answer beyond all measure.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A success, but not with what belongs there.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// A status that is no success.
    #[error("{message} (HTTP {status})")]
    Answered {
        /// The status.
        status: u16,
        /// `error.code`, where the console sends one.
        code: Option<String>,
        /// `error.message`, or the beginning of the body.
        message: String,
        /// `error.details`
        details: Details,
        /// `Retry-After`
        retry_after: Option<Duration>,
    },
}

impl ApiError {
    /// A success with something else than what belongs there.
    pub(super) fn unexpected(method: &'static str, path: &Path, problem: impl Into<String>) -> Self {
        let cause = Box::new(Cause::Unexpected(problem.into()));
        Self { method, path: path.to_string(), attempts: 1, cause }
    }

    /// The status of an answer that is no success.
    pub fn status(&self) -> Option<u16> {
        if let Cause::Answered { status, .. } = &*self.cause { Some(*status) } else { None }
    }

    /// The console says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// What was read has changed since (412).
    pub fn is_stale(&self) -> bool {
        self.status() == Some(412)
    }
}

impl Cause {
    /// An answer that is no success. `key` is blotted out of what the peer says.
    pub(super) fn answered(status: u16, body: &[u8], retry_after: Option<Duration>, key: &str) -> Self {
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        let error = parsed.as_ref().and_then(|body| body.get("error"));
        let text = |name: &str| error?.get(name)?.as_str();
        let raw = || String::from_utf8_lossy(body).into_owned();
        let message = text("message").map_or_else(raw, str::to_owned);
        let message = if message.trim().is_empty() { "no message".to_owned() } else { message };
        Self::Answered {
            status,
            code: text("code").map(|code| quoted(code, key)),
            message: quoted(&message, key),
            details: error
                .and_then(|error| error.get("details"))
                .map_or_else(Details::new, |details| read(details, key)),
            retry_after,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut { .. } => true,
            Self::Answered { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            Self::Token(_) | Self::Unaddressable(_) | Self::TooLarge { .. } | Self::Unexpected(_) => false,
        }
    }

    /// How long the console asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Answered { retry_after, .. } = self { *retry_after } else { None }
    }
}

/// A peer may send anything: what is no text is shown as JSON, and everything is cut to one line.
fn read(details: &Value, key: &str) -> Details {
    let shown = |value: &Value| match value {
        Value::String(text) => quoted(text, key),
        other => quoted(&other.to_string(), key),
    };
    let messages = |value: &Value| match value {
        Value::Array(all) => all.iter().map(shown).collect(),
        one => vec![shown(one)],
    };
    match details {
        Value::Object(map) => map.iter().map(|(name, value)| (quoted(name, key), messages(value))).collect(),
        Value::Null => Details::new(),
        other => Details::from([("base".to_owned(), messages(other))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(body: &str) -> Cause {
        Cause::answered(422, body.as_bytes(), None, "fake-key")
    }

    #[test]
    fn message_code_and_details_are_taken_from_the_envelope() {
        let body = r#"{"error":{"message":"validation failed","code":"x","details":{"name":["is bad","is worse"],"base":"alone"}}}"#;
        let Cause::Answered { status, code, message, details, .. } = answered(body) else {
            panic!("answered")
        };
        assert_eq!((status, code.as_deref(), message.as_str()), (422, Some("x"), "validation failed"));
        assert_eq!(details["name"], ["is bad", "is worse"]);
        assert_eq!(details["base"], ["alone"]);
    }

    #[test]
    fn what_a_peer_says_is_one_line_without_the_key() {
        for (body, wanted) in [
            ("<html>\nfake-key</html>", "<html> ***</html> (HTTP 422)"),
            ("", "no message (HTTP 422)"),
            (r#"{"error":{"message":"a\u001b[31m fake-key"}}"#, "a [31m *** (HTTP 422)"),
            (r#"{"error":"text"}"#, r#"{"error":"text"} (HTTP 422)"#),
        ] {
            assert_eq!(answered(body).to_string(), wanted);
        }
        let Cause::Answered { details, .. } =
            answered(r#"{"error":{"details":{"fake-key":["fake-key\n",7]}}}"#)
        else {
            panic!("answered")
        };
        assert_eq!(details, Details::from([("***".to_owned(), vec!["***".to_owned(), "7".to_owned()])]));
    }
}
