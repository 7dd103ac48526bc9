//! The body of a call (broker.md, section 3).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use centaur_base::Secret;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::credential::{Ask, ClientAuth, Credential, Grant};
use crate::redeem::Redeem;

/// A call, ready to be sent. It has no `Debug`: it is all material.
pub(crate) struct Form {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no call: the material is not there, or an extra header is none. As a code.
pub(crate) type NoForm = &'static str;

/// The call that asks with this material.
pub(crate) fn build(credential: &Credential, ask: Ask) -> Result<Form, NoForm> {
    let fields = fields(credential, ask)?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let (content_type, body) = if credential.grant == Grant::Preqin {
        multipart(&fields)?
    } else {
        (HeaderValue::from_static("application/x-www-form-urlencoded"), urlencoded(&fields))
    };
    headers.insert(CONTENT_TYPE, content_type);
    if let Some(basic) = basic(credential)? {
        headers.insert(AUTHORIZATION, basic);
    }
    for (name, value) in &credential.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "invalid_header")?;
        headers.insert(name, sensitive(value.expose())?);
    }
    Ok(Form { method: Method::POST, url: url(credential, ask), headers, body })
}

/// Preqin takes refresh tokens beside the place where it takes API keys.
fn url(credential: &Credential, ask: Ask) -> String {
    let endpoint = &credential.endpoint;
    match (credential.grant, ask, endpoint.strip_suffix("/token")) {
        (Grant::Preqin, Ask::Stored, Some(base)) => format!("{base}/refresh_token"),
        _ => endpoint.clone(),
    }
}

type Fields<'a> = Vec<(&'static str, Zeroizing<String>)>;

fn fields(credential: &Credential, ask: Ask) -> Result<Fields<'_>, NoForm> {
    let material = &credential.material;
    let secret = |value: Option<&Secret<String>>, code| {
        value.map(|value| Zeroizing::new(value.expose().clone())).ok_or(code)
    };
    let plain = |value: &str| Zeroizing::new(value.to_owned());
    let mut fields = Fields::new();
    match (credential.grant, ask) {
        (Grant::Preqin, Ask::Stored) => {
            let token = secret(material.refresh_token.as_ref(), "missing_initial_refresh_token")?;
            return Ok(vec![("refresh_token", token)]);
        }
        (Grant::Preqin, Ask::Initial) => {
            let missing = "preqin_missing_initial_values";
            let username = secret(material.username.as_ref(), missing)?;
            return Ok(vec![("username", username), ("apikey", secret(material.api_key.as_ref(), missing)?)]);
        }
        (_, Ask::Stored) => {
            fields.push(("grant_type", plain("refresh_token")));
            let token = secret(material.refresh_token.as_ref(), "missing_initial_refresh_token")?;
            fields.push(("refresh_token", token));
        }
        (_, Ask::Initial) => {
            let missing = "password_grant_missing_initial_values";
            fields.push(("grant_type", plain("password")));
            fields.push(("username", secret(material.username.as_ref(), missing)?));
            fields.push(("password", secret(material.password.as_ref(), missing)?));
        }
    }
    if credential.client_auth == ClientAuth::Post {
        fields.push(("client_id", plain(credential.client_id.as_deref().ok_or("missing_client_id")?)));
        if let Some(secret) = &credential.client_secret {
            fields.push(("client_secret", Zeroizing::new(secret.expose().clone())));
        }
    }
    if !credential.scopes.is_empty() {
        fields.push(("scope", Zeroizing::new(credential.scopes.join(" "))));
    }
    Ok(fields)
}

fn basic(credential: &Credential) -> Result<Option<HeaderValue>, NoForm> {
    if credential.client_auth != ClientAuth::Basic || credential.grant == Grant::Preqin {
        return Ok(None);
    }
    let id = credential.client_id.as_deref().ok_or("missing_client_id")?;
    basic_of(id, credential.client_secret.as_ref()).map(Some)
}

/// Id and secret, form-encoded before they are joined (RFC 6749, section 2.3.1).
pub(crate) fn basic_of(id: &str, secret: Option<&Secret<String>>) -> Result<HeaderValue, NoForm> {
    let secret = secret.map_or("", |secret| secret.expose());
    let pair = Zeroizing::new(format!("{}:{}", &*encoded(id), &*encoded(secret)));
    let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    sensitive(&header)
}

/// The call that redeems a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
pub(crate) fn redeem(redeem: &Redeem) -> Result<Form, NoForm> {
    let copy = |secret: &Secret<String>| Zeroizing::new(secret.expose().clone());
    let plain = |value: &str| Zeroizing::new(value.to_owned());
    let mut fields: Fields<'_> = vec![
        ("grant_type", plain("authorization_code")),
        ("code", copy(&redeem.code)),
        ("redirect_uri", plain(&redeem.redirect_uri)),
    ];
    fields.extend(redeem.verifier.as_ref().map(|verifier| ("code_verifier", copy(verifier))));
    let mut headers = accepting_json();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    match redeem.client_auth {
        ClientAuth::Post => {
            fields.push(("client_id", plain(&redeem.client_id)));
            fields.extend(redeem.client_secret.as_ref().map(|secret| ("client_secret", copy(secret))));
        }
        ClientAuth::Basic => {
            headers.insert(AUTHORIZATION, basic_of(&redeem.client_id, redeem.client_secret.as_ref())?);
        }
    }
    Ok(Form { method: Method::POST, url: redeem.endpoint.clone(), headers, body: urlencoded(&fields) })
}

/// A document, with a bearer token where it wants one.
pub(crate) fn get(url: &str, bearer: Option<&Secret<String>>) -> Result<Form, NoForm> {
    let mut headers = accepting_json();
    if let Some(bearer) = bearer {
        headers.insert(AUTHORIZATION, bearer_of(bearer)?);
    }
    Ok(Form { method: Method::GET, url: url.to_owned(), headers, body: Zeroizing::default() })
}

/// A question as JSON.
pub(crate) fn json(url: &str, bearer: &Secret<String>, body: &Value) -> Result<Form, NoForm> {
    let mut headers = accepting_json();
    headers.insert(AUTHORIZATION, bearer_of(bearer)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Zeroizing::new(body.to_string().into_bytes());
    Ok(Form { method: Method::POST, url: url.to_owned(), headers, body })
}

pub(crate) fn accepting_json() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

pub(crate) fn bearer_of(token: &Secret<String>) -> Result<HeaderValue, NoForm> {
    sensitive(&Zeroizing::new(format!("Bearer {}", token.expose())))
}

fn sensitive(text: &str) -> Result<HeaderValue, NoForm> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "invalid_header")?;
    value.set_sensitive(true);
    Ok(value)
}

/// All but the characters that forms leave alone.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

fn encoded(text: &str) -> Zeroizing<String> {
    let escaped = Zeroizing::new(utf8_percent_encode(text, FORM).to_string());
    Zeroizing::new(escaped.replace(' ', "+"))
}

pub(crate) fn urlencoded(fields: &[(&'static str, Zeroizing<String>)]) -> Zeroizing<Vec<u8>> {
    let parts: Vec<_> = fields.iter().map(|(name, value)| (name, encoded(value))).collect();
    // A buffer that grows by itself would leave copies behind.
    let length = parts.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    for (name, value) in &parts {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        body.extend_from_slice(value.as_bytes());
    }
    body
}

fn multipart(
    fields: &[(&'static str, Zeroizing<String>)],
) -> Result<(HeaderValue, Zeroizing<Vec<u8>>), NoForm> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| "no_randomness")?;
    let mut boundary = "form-".to_owned();
    for byte in random {
        // Writing into a text cannot fail.
        let _ = write!(boundary, "{byte:02x}");
    }
    let length = fields.iter().map(|(name, value)| name.len() + value.len() + 128).sum::<usize>() + 64;
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
    Ok((content_type.map_err(|_| "invalid_header")?, body))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::Material;

    fn credential(grant: Grant) -> Credential {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        Credential {
            grant,
            endpoint: "https://idp.example/connect/token".to_owned(),
            client_id: Some("client 1".to_owned()),
            client_secret: secret("fake-cs&=+"),
            client_auth: ClientAuth::Post,
            scopes: vec!["read".to_owned(), "a/b".to_owned()],
            headers: Vec::new(),
            material: Material {
                refresh_token: secret("fake-rt~"),
                username: secret("fake-user"),
                password: secret("fake pw"),
                api_key: secret("fake-key"),
            },
            subject: None,
            timeout: Duration::from_secs(30),
        }
    }

    fn body(credential: &Credential, ask: Ask) -> String {
        let form = build(credential, ask).unwrap_or_else(|code| panic!("{code}"));
        String::from_utf8(form.body.to_vec()).expect("text")
    }

    #[test]
    fn forms_have_the_fields_of_their_grant_in_order() {
        let mut with = credential(Grant::RefreshToken);
        assert_eq!(
            body(&with, Ask::Stored),
            "grant_type=refresh_token&refresh_token=fake-rt%7E&client_id=client+1&client_secret=fake-cs%26%3D%2B\
             &scope=read+a%2Fb"
        );
        with.client_secret = None;
        with.scopes.clear();
        assert_eq!(
            body(&with, Ask::Stored),
            "grant_type=refresh_token&refresh_token=fake-rt%7E&client_id=client+1"
        );
        let password = credential(Grant::Password);
        assert!(
            body(&password, Ask::Initial)
                .starts_with("grant_type=password&username=fake-user&password=fake+pw&client_id=client+1")
        );
        assert!(body(&password, Ask::Stored).starts_with("grant_type=refresh_token&refresh_token="));
    }

    #[test]
    fn preqin_takes_parts_and_has_a_place_for_each_of_its_grants() {
        let with = credential(Grant::Preqin);
        let initial = build(&with, Ask::Initial).unwrap_or_else(|code| panic!("{code}"));
        assert_eq!(initial.url, "https://idp.example/connect/token");
        let content_type = initial.headers[CONTENT_TYPE].to_str().expect("text");
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        let part = |name: &str, value: &str| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let want =
            part("username", "fake-user") + &part("apikey", "fake-key") + &format!("--{boundary}--\r\n");
        assert_eq!(String::from_utf8_lossy(&initial.body), want);
        let stored = build(&with, Ask::Stored).unwrap_or_else(|code| panic!("{code}"));
        assert_eq!(stored.url, "https://idp.example/connect/refresh_token");
    }

    #[test]
    fn extra_headers_win_and_a_client_may_name_itself_in_a_header() {
        let mut with = credential(Grant::RefreshToken);
        with.client_auth = ClientAuth::Basic;
        with.headers = vec![("Accept".to_owned(), Secret::new("application/vnd.x+json".to_owned()))];
        let form = build(&with, Ask::Stored).unwrap_or_else(|code| panic!("{code}"));
        assert_eq!(form.headers[ACCEPT], "application/vnd.x+json");
        let want = format!("Basic {}", STANDARD.encode("client+1:fake-cs%26%3D%2B"));
        assert_eq!(form.headers[AUTHORIZATION], want.as_str());
        assert!(form.headers[AUTHORIZATION].is_sensitive());
        assert!(!String::from_utf8_lossy(&form.body).contains("client_"));

        with.headers = vec![("a b".to_owned(), Secret::new("x".to_owned()))];
        assert_eq!(build(&with, Ask::Stored).err(), Some("invalid_header"));
        with.headers = vec![("x".to_owned(), Secret::new("a\r\nb".to_owned()))];
        assert_eq!(build(&with, Ask::Stored).err(), Some("invalid_header"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut without = credential(Grant::Password);
        without.material = Material::default();
        assert_eq!(build(&without, Ask::Stored).err(), Some("missing_initial_refresh_token"));
        assert_eq!(build(&without, Ask::Initial).err(), Some("password_grant_missing_initial_values"));
        without.grant = Grant::Preqin;
        assert_eq!(build(&without, Ask::Initial).err(), Some("preqin_missing_initial_values"));
        let mut nameless = credential(Grant::RefreshToken);
        nameless.client_id = None;
        assert_eq!(build(&nameless, Ask::Stored).err(), Some("missing_client_id"));
    }
}
