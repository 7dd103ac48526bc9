//! The client of the stand-alone token broker (broker.md, section 21.4).

use std::time::{Duration, SystemTime};

use centaur_base::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;

use crate::base::BaseUrl;
use crate::http::{self, BodyFailure, SetupError};

/// Asks a broker for access tokens.
#[derive(Debug)]
pub struct TokenBroker {
    http: reqwest::Client,
    base: BaseUrl,
    token: Secret<String>,
}

/// An access token.
#[derive(Debug)]
pub struct AccessToken {
    /// It.
    pub token: Secret<String>,
    /// When it ends.
    pub expires_at: SystemTime,
}

/// Why there is no access token. Holds nothing of an answer but a short code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenBrokerError {
    /// No answer.
    #[error("the token broker cannot be reached: {0}")]
    Network(String),
    /// No answer in time.
    #[error("the token broker gave no answer within 30 seconds")]
    TooLate,
    /// 401
    #[error("the token broker does not accept the token in IRON_BROKER_TOKEN")]
    Unauthorized,
    /// 404
    #[error("the token broker knows no such credential")]
    Unknown,
    /// 422, with its reason.
    #[error("the credential is dead: {0}")]
    Dead(String),
    /// 503, with what it waits for.
    #[error("the token broker has no token yet: {0}")]
    NotYet(String),
    /// Another status.
    #[error("the token broker answered {0}")]
    Status(u16),
    /// 200 with something else than a token and its end.
    #[error("the token broker's answer cannot be used: {0}")]
    Answer(&'static str),
}

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const LIMIT: usize = 64 * 1024;
/// What stays as it is in an id.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl TokenBroker {
    /// A client of the broker at `base` that shows `token`.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(base: BaseUrl, token: Secret<String>, user_agent: &str) -> Result<Self, SetupError> {
        let http = http::client(&base, user_agent)?;
        Ok(Self { http, base, token })
    }

    /// The access token of a credential.
    ///
    /// # Errors
    /// [`TokenBrokerError`]
    pub async fn access_token(&self, credential: &str) -> Result<AccessToken, TokenBrokerError> {
        timeout(WITHIN, self.call(credential)).await.unwrap_or(Err(TokenBrokerError::TooLate))
    }

    async fn call(&self, credential: &str) -> Result<AccessToken, TokenBrokerError> {
        // A segment of dots would be taken for a step in the path.
        let id = match credential {
            "." => "%2E".to_owned(),
            ".." => "%2E%2E".to_owned(),
            _ => utf8_percent_encode(credential, PLAIN).to_string(),
        };
        let url = self.base.join(&format!("/credentials/{id}/access_token"));
        let request = self.http.get(url).bearer_auth(self.token.expose());
        let sent = request.send().await;
        let response = sent.map_err(|error| TokenBrokerError::Network(http::reason(error)))?;
        let status = response.status().as_u16();
        let body = http::body(response, LIMIT).await.map_err(|failure| match failure {
            BodyFailure::TooLarge => TokenBrokerError::Answer("it is too large"),
            BodyFailure::Broken(error) => TokenBrokerError::Network(http::reason(error)),
        })?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        match status {
            200 => read(body),
            401 => Err(TokenBrokerError::Unauthorized),
            404 => Err(TokenBrokerError::Unknown),
            422 => Err(TokenBrokerError::Dead(word(&body, "reason"))),
            503 => Err(TokenBrokerError::NotYet(word(&body, "error"))),
            other => Err(TokenBrokerError::Status(other)),
        }
    }
}

fn read(mut body: Value) -> Result<AccessToken, TokenBrokerError> {
    let token = match body.get_mut("access_token").map(Value::take) {
        Some(Value::String(token)) if !token.is_empty() => Secret::new(token),
        _ => return Err(TokenBrokerError::Answer("there is no access_token")),
    };
    let end = body.get("expires_at").and_then(Value::as_str);
    let end = end.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    // The year 1 is how an end is written that is none.
    match end.filter(|end| end.year() > 1) {
        Some(end) => Ok(AccessToken { token, expires_at: end.into() }),
        None => Err(TokenBrokerError::Answer("there is no expires_at")),
    }
}

/// A short text of an answer, or that there is none: an answer's own words are shown only if they are such.
fn word(body: &Value, key: &str) -> String {
    let is_plain = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'-' | b'.');
        (1..=64).contains(&text.len()) && text.bytes().all(plain)
    };
    body.get(key).and_then(Value::as_str).filter(is_plain).unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_a_token_and_its_end() {
        let answer = json!({ "access_token": "at-fake-1", "expires_at": "2031-05-04T09:08:07Z" });
        let token = read(answer).expect("a token");
        assert_eq!(token.token.expose(), "at-fake-1");
        assert!(!format!("{token:?}").contains("fake"));
        for (answer, want) in [
            (json!({ "expires_at": "2031-05-04T09:08:07Z" }), "there is no access_token"),
            (json!({ "access_token": "", "expires_at": "2031-05-04T09:08:07Z" }), "there is no access_token"),
            (json!({ "access_token": "at-fake-1" }), "there is no expires_at"),
            (
                json!({ "access_token": "at-fake-1", "expires_at": "0001-01-01T00:00:00Z" }),
                "there is no expires_at",
            ),
            (json!({ "access_token": "at-fake-1", "expires_at": "soon" }), "there is no expires_at"),
            (json!(null), "there is no access_token"),
        ] {
            assert_eq!(read(answer).err(), Some(TokenBrokerError::Answer(want)));
        }
    }

    #[test]
    fn a_brokers_words_are_shown_when_they_are_a_code() {
        let say = |reason: &str| word(&json!({ "reason": reason }), "reason");
        assert_eq!(say("interrupted_invalid_grant"), "interrupted_invalid_grant");
        for odd in ["", "a\nb", "{\"x\":1}", &"x".repeat(65)] {
            assert_eq!(say(odd), "it does not say why", "{odd:?}");
        }
    }
}
