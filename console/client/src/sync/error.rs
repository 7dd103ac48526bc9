//! Why a sync gave no configuration.

use std::time::Duration;

use serde_json::Value;

use super::payload::PayloadError;
use crate::http::{quoted, reason};
use crate::token::TokenError;

/// Code of an answer that ends a proxy.
const REVOKED: &str = "proxy_revoked";
/// Longest code that is taken over, in bytes.
const LONGEST_CODE: usize = 64;

/// Why a sync gave no configuration. Texts are one line, and hold neither the token nor an address.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// There is no token to send.
    #[error("control plane: {0}")]
    Token(#[from] TokenError),
    /// Resolving, connecting, TLS, sending or reading.
    #[error("control plane: {0}")]
    Unreachable(String),
    /// No whole answer in time.
    #[error("control plane: no answer within {} s", after.as_secs())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// An answer beyond all measure.
    #[error("control plane: the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Status 200, but not what belongs there.
    #[error("control plane: {0}")]
    Payload(#[from] PayloadError),
    /// Another status.
    #[error("control plane: {code}{}{detail} (HTTP {status})", if detail.is_empty() { "" } else { ": " })]
    Refused {
        /// The status.
        status: u16,
        /// `error.code`, or `http_` and the status.
        code: String,
        /// `error.message`, or the beginning of the body.
        detail: String,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
}

impl SyncError {
    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable(reason(error))
    }

    pub(super) fn refused(status: u16, body: &[u8], retry_after: Option<Duration>, token: &str) -> Self {
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        let member = |name: &str| parsed.as_ref()?.get("error")?.get(name)?.as_str();
        let is_code = |text: &&str| {
            (1..=LONGEST_CODE).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let code = member("code").filter(is_code).map_or_else(|| format!("http_{status}"), str::to_owned);
        let raw = || String::from_utf8_lossy(body).into_owned();
        let detail = member("message").map_or_else(raw, str::to_owned);
        Self::Refused { status, code, detail: quoted(&detail, token), retry_after }
    }

    /// A stable word for it.
    pub fn code(&self) -> &str {
        match self {
            Self::Token(_) => "token",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Payload(_) => "bad_answer",
            Self::Refused { code, .. } => code,
        }
    }

    /// Whether the same question may be answered later: everything but a status that says no (429 and 5xx do not).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => true,
        }
    }

    /// Whether the console says that this proxy is no more. On a status that may pass it does not count.
    pub fn is_revocation(&self) -> bool {
        !self.is_retryable() && self.code() == REVOKED
    }

    /// How long the console asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }
}
