//! Taking a grant back at the provider (broker.md, section 9; RFC 7009).

use std::time::Duration;

use centaur_base::Secret;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use zeroize::Zeroizing;

use crate::answer::error_code;
use crate::client::Client;
use crate::credential::ClientAuth;
use crate::form::{Form, accepting_json, basic_of, bearer_of, urlencoded};

/// A grant to be taken back.
#[derive(Debug)]
pub struct Revoke {
    /// How the provider wants it.
    pub style: RevokeStyle,
    /// Where, a URL.
    pub endpoint: String,
    /// The token that stands for the grant.
    pub token: Secret<String>,
    /// The client's id.
    pub client_id: Option<String>,
    /// The client's secret.
    pub client_secret: Option<Secret<String>>,
    /// How the client says who it is, beside a form.
    pub client_auth: ClientAuth,
}

/// How a provider wants a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeStyle {
    /// A form with the token, and the client beside it where there is one (RFC 7009).
    Form,
    /// The token as a bearer; the answer says `ok` (Slack).
    Bearer,
    /// `DELETE` of the grant of a client, who names itself with id and secret (GitHub).
    Grant,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The provider took the grant back.
    Revoked,
    /// It did not: a code.
    Failed(String),
}

/// How long a revocation may take.
const WITHIN: Duration = Duration::from_secs(10);

impl Client {
    /// Asks the provider to take the grant back, once.
    pub async fn revoke(&self, revoke: &Revoke) -> Revocation {
        let Some(form) = form(revoke) else { return Revocation::Failed("invalid_header".to_owned()) };
        match self.send(form, WITHIN).await {
            Ok((head, body)) => judge(revoke.style, head.status, &body),
            Err(failed) => Revocation::Failed(failed.code),
        }
    }
}

fn form(revoke: &Revoke) -> Option<Form> {
    let mut headers = accepting_json();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let mut fields = Vec::new();
    match revoke.style {
        RevokeStyle::Grant => {
            let (id, secret) = (revoke.client_id.as_ref()?, revoke.client_secret.as_ref()?);
            headers.insert(AUTHORIZATION, basic_of(id, Some(secret)).ok()?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = serde_json::json!({ "access_token": revoke.token.expose() }).to_string();
            let body = Zeroizing::new(body.into_bytes());
            return Some(Form { method: Method::DELETE, url: revoke.endpoint.clone(), headers, body });
        }
        RevokeStyle::Bearer => {
            headers.insert(AUTHORIZATION, bearer_of(&revoke.token).ok()?);
        }
        RevokeStyle::Form => {
            fields.push(("token", Zeroizing::new(revoke.token.expose().clone())));
            match (&revoke.client_id, &revoke.client_secret, revoke.client_auth) {
                (Some(id), Some(secret), ClientAuth::Basic) => {
                    headers.insert(AUTHORIZATION, basic_of(id, Some(secret)).ok()?);
                }
                (Some(id), secret, _) => {
                    fields.push(("client_id", Zeroizing::new(id.clone())));
                    let secret = secret.as_ref().map(|secret| Zeroizing::new(secret.expose().clone()));
                    fields.extend(secret.map(|secret| ("client_secret", secret)));
                }
                (None, ..) => {}
            }
        }
    }
    Some(Form { method: Method::POST, url: revoke.endpoint.clone(), headers, body: urlencoded(&fields) })
}

fn judge(style: RevokeStyle, status: u16, body: &[u8]) -> Revocation {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let is_ok = match style {
        RevokeStyle::Form | RevokeStyle::Grant => (200..300).contains(&status),
        RevokeStyle::Bearer => (200..300).contains(&status) && said["ok"] == true,
    };
    if is_ok {
        return Revocation::Revoked;
    }
    let said = said.as_object().and_then(error_code);
    Revocation::Failed(said.unwrap_or_else(|| format!("http_{status}")))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_form_names_the_client_and_a_bearer_is_alone() {
        let mut revoke = Revoke {
            style: RevokeStyle::Form,
            endpoint: "https://idp.example/revoke".to_owned(),
            token: Secret::new("fake-rt".to_owned()),
            client_id: Some("client".to_owned()),
            client_secret: None,
            client_auth: ClientAuth::Basic,
        };
        let body = |revoke: &Revoke| {
            let form = form(revoke).expect("a form");
            (String::from_utf8(form.body.to_vec()).expect("text"), form.headers.get(AUTHORIZATION).cloned())
        };
        assert_eq!(body(&revoke), ("token=fake-rt&client_id=client".to_owned(), None));
        revoke.client_secret = Some(Secret::new("fake-cs".to_owned()));
        let basic = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode("client:fake-cs")));
        assert_eq!(body(&revoke), ("token=fake-rt".to_owned(), basic.ok()));
        revoke.client_auth = ClientAuth::Post;
        let both = "token=fake-rt&client_id=client&client_secret=fake-cs";
        assert_eq!(body(&revoke), (both.to_owned(), None));
        revoke.style = RevokeStyle::Bearer;
        assert_eq!(body(&revoke), (String::new(), Some(HeaderValue::from_static("Bearer fake-rt"))));
        revoke.style = RevokeStyle::Grant;
        let grant = form(&revoke).expect("a form");
        assert_eq!(grant.method, Method::DELETE);
        assert_eq!(&grant.body[..], br#"{"access_token":"fake-rt"}"#);
        revoke.client_secret = None;
        assert!(form(&revoke).is_none(), "nobody to say it");
    }

    #[test]
    fn slack_says_no_with_a_status_of_success() {
        assert_eq!(judge(RevokeStyle::Form, 200, b""), Revocation::Revoked);
        assert_eq!(judge(RevokeStyle::Form, 400, b"{}"), Revocation::Failed("http_400".to_owned()));
        assert_eq!(judge(RevokeStyle::Bearer, 200, br#"{"ok":true}"#), Revocation::Revoked);
        let failed = |status, body: &str| match judge(RevokeStyle::Bearer, status, body.as_bytes()) {
            Revocation::Failed(code) => code,
            Revocation::Revoked => panic!("revoked"),
        };
        assert_eq!(failed(200, r#"{"ok":false,"error":"invalid_auth"}"#), "invalid_auth");
        assert_eq!(
            failed(200, r#"{"ok":true,"error":null,"x":1}"#.replace("true", "false").as_str()),
            "http_200"
        );
        assert_eq!(failed(400, r#"{"error":"invalid_token"}"#), "invalid_token");
    }
}
