//! Reading what was asked of a token endpoint. Of the content nothing is kept but the kind of grant.

use std::time::Duration;

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode;
use serde::Deserialize;

use crate::body::ClientBody;
use crate::refusal::Refusal;

/// Longest content that is read, in bytes.
const MOST: usize = 64 * 1024;
/// How long it may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// The one grant that is answered.
const REFRESH: &str = "refresh_token";

/// What was asked for, as far as it is told to anyone.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    grant_type: String,
}

/// Whether this is a call to renew a token; how long its content was, in bytes.
///
/// # Errors
/// The refusal of anything else.
pub async fn read(login: &str, parts: &Parts, body: &mut ClientBody) -> Result<u64, Refusal> {
    if parts.method != Method::POST {
        return Err(Refusal::token_call_method(login));
    }
    let content = tokio::time::timeout(PATIENCE, body.peek(MOST + 1, PATIENCE)).await;
    let Ok(Ok((content, true))) = content else { return Err(Refusal::token_call_unreadable(login)) };
    if content.len() > MOST {
        return Err(Refusal::token_call_unreadable(login));
    }
    match grant(&content).as_deref() {
        Some(REFRESH) => Ok(content.len() as u64),
        Some(_) => Err(Refusal::token_call_grant(login)),
        None => Err(Refusal::token_call_unreadable(login)),
    }
}

/// `grant_type` of JSON or of a form, whatever `Content-Type` says: nobody else will read it.
fn grant(content: &[u8]) -> Option<String> {
    let json = content.trim_ascii_start().starts_with(b"{");
    let grant = if json {
        serde_json::from_slice::<Asked>(content).ok()?.grant_type
    } else {
        let mut pairs = content.split(|byte| *byte == b'&');
        let value = pairs.find_map(|pair| pair.strip_prefix(b"grant_type="))?;
        percent_decode(value).decode_utf8().ok()?.into_owned()
    };
    Some(grant).filter(|grant| !grant.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::Request;

    async fn asked(method: &str, content: &str) -> Result<u64, &'static str> {
        let parts = Request::builder().method(method).uri("/oauth/token").body(()).unwrap().into_parts().0;
        let mut body = ClientBody::full(Bytes::copy_from_slice(content.as_bytes()));
        read("login", &parts, &mut body).await.map_err(|refusal| refusal.code())
    }

    #[tokio::test]
    async fn a_refresh_is_understood_in_both_forms() {
        for content in [
            r#"{"grant_type":"refresh_token","refresh_token":"fake","client_id":"fake"}"#,
            " {\"grant_type\": \"refresh_token\"}",
            "grant_type=refresh_token&refresh_token=fake",
            "client_id=fake&grant_type=%72efresh%5Ftoken",
        ] {
            assert_eq!(asked("POST", content).await, Ok(content.len() as u64), "{content}");
        }
    }

    #[tokio::test]
    async fn everything_else_has_a_code() {
        for (method, content, code) in [
            ("GET", "", "token-call-method"),
            ("PUT", "grant_type=refresh_token", "token-call-method"),
            ("OPTIONS", "", "token-call-method"),
            ("POST", "grant_type=authorization_code&code=fake", "token-call-grant"),
            ("POST", r#"{"grant_type":"client_credentials"}"#, "token-call-grant"),
            ("POST", "grant_type=refresh_token%20", "token-call-grant"),
            ("POST", "", "token-call-unreadable"),
            ("POST", "{", "token-call-unreadable"),
            ("POST", r#"{"grant_type":["refresh_token"]}"#, "token-call-unreadable"),
            ("POST", r#"{"refresh_token":"fake"}"#, "token-call-unreadable"),
            ("POST", "grant_type=%ff", "token-call-unreadable"),
            ("POST", "refresh_token=fake", "token-call-unreadable"),
        ] {
            assert_eq!(asked(method, content).await, Err(code), "{method} {content}");
        }
        let long = format!("grant_type=refresh_token&scope={}", "x".repeat(MOST));
        assert_eq!(asked("POST", &long).await, Err("token-call-unreadable"));
    }
}
