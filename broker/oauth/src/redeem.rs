//! Redeeming the code that a browser brought (RFC 6749, section 4.1.3; broker.md, section 11.3).

use std::fmt;
use std::time::Duration;

use centaur_base::Secret;
use serde_json::{Map, Value};

use crate::answer::failure;
use crate::client::Client;
use crate::credential::ClientAuth;
use crate::form;

/// A code, and what it was asked for with.
#[derive(Debug)]
pub struct Redeem {
    /// The token endpoint, a URL.
    pub endpoint: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret; public clients have none.
    pub client_secret: Option<Secret<String>>,
    /// How the client says who it is.
    pub client_auth: ClientAuth,
    /// The code.
    pub code: Secret<String>,
    /// Where the browser was sent with it, as it stood in the request for it.
    pub redirect_uri: String,
    /// What the challenge was made from.
    pub verifier: Option<Secret<String>>,
}

/// What a provider answered, an object. `Debug` shows nothing of it: it is mostly tokens.
pub struct TokenAnswer(Map<String, Value>);

impl TokenAnswer {
    /// All of it.
    pub fn object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A member that is a text and not blank.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
    }
}

impl From<Map<String, Value>> for TokenAnswer {
    fn from(object: Map<String, Value>) -> Self {
        Self(object)
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer(..)")
    }
}

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(30);

impl Client {
    /// Exchanges a code for tokens, once.
    ///
    /// # Errors
    /// A code: that of the provider, or `network`, `http` for a refusal without one, `parse` for what is no object,
    /// `endpoint_refused` for an endpoint that the rules do not allow.
    pub async fn redeem(&self, redeem: &Redeem) -> Result<TokenAnswer, String> {
        let form = form::redeem(redeem).map_err(str::to_owned)?;
        let (head, body) = self.send(form, WITHIN).await.map_err(|failed| failed.code)?;
        read(head.status, &body)
    }
}

fn read(status: u16, body: &[u8]) -> Result<TokenAnswer, String> {
    let object = match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => object,
        _ if (200..300).contains(&status) => return Err("parse".to_owned()),
        _ => return Err("http".to_owned()),
    };
    match failure(status, &object) {
        Some(code) => Err(code),
        None => Ok(TokenAnswer(object)),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, CONTENT_TYPE};

    use super::*;

    #[test]
    fn each_answer_has_its_reason() {
        for (status, body, want) in [
            (200, r#"{"access_token":"fake-at"}"#, ""),
            (201, r#"{"ok":true,"authed_user":{"access_token":"fake-at"}}"#, ""),
            (200, r#"{"ok":true}"#, ""),
            (200, r#"{"error":"","access_token":"fake-at"}"#, ""),
            (200, r#"{"ok":false,"error":"invalid_code"}"#, "invalid_code"),
            (200, r#"{"ok":false}"#, "http"),
            (200, r#"{"error":"bad_verification_code"}"#, "bad_verification_code"),
            (400, r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            (400, r#"{"error":"the code fake-code is used"}"#, "unnamed_error"),
            (400, r#"{"access_token":"fake-at"}"#, "http"),
            (500, "", "http"),
            (502, "<html>", "http"),
            (302, "", "http"),
            (200, "<html>", "parse"),
            (200, "[]", "parse"),
            (200, "", "parse"),
        ] {
            let read = read(status, body.as_bytes()).map(|answer| format!("{answer:?}"));
            let want = if want.is_empty() { Ok("TokenAnswer(..)".to_owned()) } else { Err(want.to_owned()) };
            assert_eq!(read, want, "{status} {body}");
        }
    }

    #[test]
    fn the_form_has_the_client_where_it_belongs() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let mut asked = Redeem {
            endpoint: "https://idp.example/token".to_owned(),
            client_id: "client 1".to_owned(),
            client_secret: Some(secret("fake-cs&=")),
            client_auth: ClientAuth::Post,
            code: secret("fake/code"),
            redirect_uri: "https://console.example/oauth/x/callback".to_owned(),
            verifier: Some(secret("fake-verifier")),
        };
        let form = form::redeem(&asked).expect("a form");
        assert_eq!(
            String::from_utf8_lossy(&form.body),
            "grant_type=authorization_code&code=fake%2Fcode&redirect_uri=https%3A%2F%2Fconsole.example%2Foauth%2Fx\
             %2Fcallback&code_verifier=fake-verifier&client_id=client+1&client_secret=fake-cs%26%3D"
        );
        assert_eq!(form.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
        assert!(!form.headers.contains_key(AUTHORIZATION));

        asked.client_secret = None;
        asked.verifier = None;
        let form = form::redeem(&asked).expect("a form");
        let body = String::from_utf8_lossy(&form.body).into_owned();
        assert!(body.ends_with("callback&client_id=client+1"), "{body}");

        asked.client_auth = ClientAuth::Basic;
        asked.client_secret = Some(secret("fake-cs&="));
        let form = form::redeem(&asked).expect("a form");
        assert_eq!(form.headers[AUTHORIZATION], "Basic Y2xpZW50KzE6ZmFrZS1jcyUyNiUzRA==");
        assert!(form.headers[AUTHORIZATION].is_sensitive());
        assert!(!String::from_utf8_lossy(&form.body).contains("client"));
    }
}
