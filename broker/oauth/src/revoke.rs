//! Taking a grant back at the provider (broker.md, section 9; RFC 7009).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use centaur_base::Secret;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::form::{Form, urlencoded};

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
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let mut fields = Vec::new();
    match revoke.style {
        RevokeStyle::Grant => {
            let (id, secret) = (revoke.client_id.as_ref()?, revoke.client_secret.as_ref()?);
            let pair = Zeroizing::new(format!("{id}:{}", secret.expose()));
            headers.insert(AUTHORIZATION, sensitive("Basic", &STANDARD.encode(pair.as_bytes()))?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = serde_json::json!({ "access_token": revoke.token.expose() }).to_string();
            let body = Zeroizing::new(body.into_bytes());
            return Some(Form { method: Method::DELETE, url: revoke.endpoint.clone(), headers, body });
        }
        RevokeStyle::Bearer => {
            headers.insert(AUTHORIZATION, sensitive("Bearer", revoke.token.expose())?);
        }
        RevokeStyle::Form => {
            fields.push(("token", Zeroizing::new(revoke.token.expose().clone())));
            match (&revoke.client_id, &revoke.client_secret) {
                (Some(id), Some(secret)) => {
                    let pair = Zeroizing::new(format!("{id}:{}", secret.expose()));
                    headers.insert(AUTHORIZATION, sensitive("Basic", &STANDARD.encode(pair.as_bytes()))?);
                }
                (Some(id), None) => fields.push(("client_id", Zeroizing::new(id.clone()))),
                (None, _) => {}
            }
        }
    }
    Some(Form { method: Method::POST, url: revoke.endpoint.clone(), headers, body: urlencoded(&fields) })
}

fn sensitive(scheme: &str, text: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {text}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn judge(style: RevokeStyle, status: u16, body: &[u8]) -> Revocation {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let is_ok = match style {
        RevokeStyle::Form | RevokeStyle::Grant => (200..300).contains(&status),
        RevokeStyle::Bearer => (200..300).contains(&status) && said["ok"] == true,
    };
    if is_ok { Revocation::Revoked } else { Revocation::Failed(format!("http_{status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_the_client_and_a_bearer_is_alone() {
        let mut revoke = Revoke {
            style: RevokeStyle::Form,
            endpoint: "https://idp.example/revoke".to_owned(),
            token: Secret::new("fake-rt".to_owned()),
            client_id: Some("client".to_owned()),
            client_secret: None,
        };
        let body = |revoke: &Revoke| {
            let form = form(revoke).expect("a form");
            (String::from_utf8(form.body.to_vec()).expect("text"), form.headers.get(AUTHORIZATION).cloned())
        };
        assert_eq!(body(&revoke), ("token=fake-rt&client_id=client".to_owned(), None));
        revoke.client_secret = Some(Secret::new("fake-cs".to_owned()));
        let basic = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode("client:fake-cs")));
        assert_eq!(body(&revoke), ("token=fake-rt".to_owned(), basic.ok()));
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
        assert_eq!(
            judge(RevokeStyle::Bearer, 200, br#"{"ok":false}"#),
            Revocation::Failed("http_200".to_owned())
        );
    }
}
