//! `oauth_token_secrets`: tokens that the proxy fetches from a token endpoint.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rule::{self, Rule, some_rules};
use super::source::{Source, SourceReader};
use crate::wire::{Reader, is_blank, is_header_name};

/// How tokens are fetched and where they go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OauthToken {
    /// Which grant of OAuth.
    pub grant: OauthGrant,
    /// An `http` or `https` URL.
    pub token_endpoint: String,
    /// Who the assertion is for; required for `jwt_bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Scopes asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Where the token goes; `None` is `Authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What stands before the token; `None` is `Bearer `.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_prefix: Option<String>,
    /// The grant's fields, in the order sent.
    pub credentials: Vec<(String, Source)>,
    /// Headers of the request to the token endpoint, in the order sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_headers: Vec<(String, Source)>,
    /// At least one.
    pub rules: Vec<Rule>,
}

/// `grant`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OauthGrant {
    /// RFC 6749 section 6.
    RefreshToken,
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 7523.
    JwtBearer,
}

impl OauthGrant {
    const CHOICES: [(&'static str, Self); 4] = [
        ("refresh_token", Self::RefreshToken),
        ("client_credentials", Self::ClientCredentials),
        ("password", Self::Password),
        ("jwt_bearer", Self::JwtBearer),
    ];

    /// The name in the API and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::JwtBearer => "jwt_bearer",
        }
    }

    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::RefreshToken => &["refresh_token", "client_id"],
            Self::ClientCredentials => &["client_id", "client_secret"],
            Self::Password => &["username", "password", "client_id"],
            Self::JwtBearer => &["issuer", "subject", "private_key"],
        }
    }

    const fn optional(self) -> &'static [&'static str] {
        match self {
            Self::RefreshToken | Self::Password => &["client_secret"],
            Self::ClientCredentials => &[],
            Self::JwtBearer => &["private_key_id"],
        }
    }
}

impl OauthToken {
    pub(super) fn read(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Self> {
        let grant = reader.choice("grant", &OauthGrant::CHOICES);
        let token_endpoint = reader.required_line("token_endpoint");
        if token_endpoint.as_ref().is_some_and(|url| !is_endpoint(url)) {
            reader.reject("token_endpoint", "must be an http or https URL with a host");
        }
        let audience = reader.line("audience").filter(|audience| !is_blank(audience));
        if grant == Some(OauthGrant::JwtBearer) && audience.is_none() {
            reader.reject("audience", "can't be blank for the jwt_bearer grant");
        }
        const SCOPES: &str = "must be an array of strings";
        let scopes = reader.texts("scopes", SCOPES, SCOPES).unwrap_or_default();
        let header = reader.text("header").filter(|header| !is_blank(header));
        if header.as_ref().is_some_and(|header| !is_header_name(header)) {
            reader.reject("header", "is not a header name");
        }
        let value_prefix = reader.line("value_prefix").filter(|prefix| !prefix.is_empty());
        let credentials = sources.map(reader, "credentials");
        check_fields(&credentials, grant, reader);
        let headers = sources.map(reader, "token_endpoint_headers");
        for (name, _) in headers.iter().filter(|(name, _)| !is_header_name(name)) {
            let text = format!("\"{}\" is not a header name", name.escape_debug());
            reader.reject("token_endpoint_headers", text);
        }
        let rules = some_rules(reader);
        Some(Self {
            grant: grant?,
            token_endpoint: token_endpoint?,
            audience,
            scopes,
            header,
            value_prefix,
            credentials: all_read(credentials)?,
            token_endpoint_headers: all_read(headers)?,
            rules,
        })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        out.insert("grant".to_owned(), self.grant.as_str().into());
        out.insert("token_endpoint".to_owned(), json!(self.token_endpoint));
        out.insert("audience".to_owned(), json!(self.audience));
        out.insert("scopes".to_owned(), json!(self.scopes));
        out.insert("header".to_owned(), json!(self.header));
        out.insert("value_prefix".to_owned(), json!(self.value_prefix));
        out.insert("credentials".to_owned(), shown_map(&self.credentials));
        out.insert("token_endpoint_headers".to_owned(), shown_map(&self.token_endpoint_headers));
        out.insert("rules".to_owned(), rule::shown(&self.rules));
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        let credentials =
            self.credentials.iter().map(|(name, source)| (format!("credentials.{name}"), source));
        let headers = self.token_endpoint_headers.iter();
        let headers = headers.map(|(name, source)| (format!("token_endpoint_headers.{name}"), source));
        credentials.chain(headers).collect()
    }
}

/// Sources by name, as shown.
pub(super) fn shown_map(sources: &[(String, Source)]) -> Value {
    Value::Object(sources.iter().map(|(name, source)| (name.clone(), source.shown())).collect())
}

/// All sources of a map, unless one could not be read, which is noted already.
pub(super) fn all_read(sources: Vec<(String, Option<Source>)>) -> Option<Vec<(String, Source)>> {
    sources.into_iter().map(|(name, source)| Some((name, source?))).collect()
}

fn check_fields(sent: &[(String, Option<Source>)], grant: Option<OauthGrant>, reader: &mut Reader<'_>) {
    // Which fields are right depends on the grant; without one there is nothing to compare with.
    let Some(grant) = grant else { return };
    let (required, optional) = (grant.required(), grant.optional());
    for field in required {
        if !sent.iter().any(|(name, _)| name == field) {
            let grant = grant.as_str();
            reader.reject("sources", format!("is missing required field \"{field}\" for the {grant} grant"));
        }
    }
    for (name, _) in sent {
        if required.contains(&name.as_str()) || optional.contains(&name.as_str()) {
            continue;
        }
        let grants = OauthGrant::CHOICES.map(|(_, grant)| grant);
        let is_field =
            grants.iter().any(|known| [known.required(), known.optional()].concat().contains(&name.as_str()));
        let message = if is_field {
            format!("field \"{name}\" is not used by the {} grant", grant.as_str())
        } else {
            format!("\"{}\" is not a valid credential field", name.escape_debug())
        };
        reader.reject("sources", message);
    }
}

fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let scheme = uri.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
    scheme && uri.host().is_some_and(|host| !host.is_empty())
}
