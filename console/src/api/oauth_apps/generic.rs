//! What an app says about a provider that the console does not know: members that only the provider `generic` has.

use centaur_oauth::{EndpointError, EndpointRules};
use centaur_policies::pattern::HostPattern;
use centaur_store::{ClientAuthMethod, GenericProvider, OauthApp};
use serde_json::{Map, Value, json};

use crate::wire::{Reader, is_blank};

/// All of them, in the order in which they are shown.
pub(crate) const FIELDS: [&str; 11] = [
    "authorization_endpoint",
    "token_endpoint",
    "pkce",
    "client_auth",
    "scope_param",
    "scope_separator",
    "api_hosts",
    "issuer",
    "jwks_uri",
    "profile_url",
    "revocation_endpoint",
];

pub(crate) const METHODS: [ClientAuthMethod; 3] =
    [ClientAuthMethod::Post, ClientAuthMethod::Basic, ClientAuthMethod::None];
pub(crate) const SEPARATORS: [&str; 3] = [" ", ",", "+"];

/// What the app is to have. `None` leaves what is stored, `Some(None)` is for another provider.
#[expect(clippy::option_option, reason = "as in the patch: keep, take away, set")]
pub(super) fn read(
    reader: &mut Reader<'_>,
    provider: &str,
    stored: Option<&OauthApp>,
    rules: &EndpointRules,
) -> Option<Option<GenericProvider>> {
    if provider != "generic" {
        for field in FIELDS {
            if reader.is_given(field) {
                reader.reject(field, "is only allowed for the provider generic");
            }
        }
        return stored.is_none_or(|stored| stored.generic.is_some()).then_some(None);
    }
    let kept = stored.and_then(|stored| stored.generic.clone());
    let is_new = kept.is_none();
    let mut about = kept.unwrap_or_else(|| GenericProvider {
        authorization_endpoint: String::new(),
        token_endpoint: String::new(),
        pkce: true,
        client_auth: ClientAuthMethod::default(),
        scope_param: "scope".to_owned(),
        scope_separator: " ".to_owned(),
        api_hosts: Vec::new(),
        issuer: None,
        jwks_uri: None,
        profile_url: None,
        revocation_endpoint: None,
    });
    let called = |url: &str| rules.check(url);
    // Nothing here calls it: a browser does.
    let visited = |url: &str| match rules.check(url) {
        Err(EndpointError::Private) => Ok(()),
        other => other,
    };
    required_url(reader, "authorization_endpoint", is_new, &mut about.authorization_endpoint, visited);
    required_url(reader, "token_endpoint", is_new, &mut about.token_endpoint, called);
    optional_url(reader, "issuer", &mut about.issuer, called);
    optional_url(reader, "jwks_uri", &mut about.jwks_uri, called);
    optional_url(reader, "profile_url", &mut about.profile_url, called);
    optional_url(reader, "revocation_endpoint", &mut about.revocation_endpoint, called);
    if about.jwks_uri.is_some() && about.issuer.is_none() && reader.problems().under("issuer").is_empty() {
        reader.reject("issuer", "can't be blank where there is a jwks_uri");
    }
    about.pkce = reader.flag("pkce").unwrap_or(about.pkce);
    if reader.is_given("client_auth") {
        let words = METHODS.map(|method| (method.as_str(), method));
        about.client_auth = reader.choice("client_auth", &words).unwrap_or_default();
    }
    if reader.is_given("scope_separator") {
        let words = SEPARATORS.map(|separator| (separator, separator));
        about.scope_separator = reader.choice("scope_separator", &words).unwrap_or(" ").to_owned();
    }
    if let Some(param) = reader.text("scope_param").filter(|param| !is_blank(param)) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if param.len() > 64 || !param.bytes().all(is_plain) || RESERVED.contains(&param.as_str()) {
            reader
                .reject("scope_param", "must be the name of a parameter that the request does not have yet");
        }
        about.scope_param = param;
    }
    hosts(reader, is_new, &mut about.api_hosts);
    Some(Some(about))
}

/// Parameters that a request for a consent has anyway.
const RESERVED: [&str; 8] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "code",
];

fn required_url(
    reader: &mut Reader<'_>,
    key: &str,
    is_new: bool,
    url: &mut String,
    check: impl Fn(&str) -> Result<(), EndpointError>,
) {
    if !is_new && !reader.has(key) {
        return;
    }
    if let Some(given) = reader.required_line(key) {
        if let Err(error) = check(&given) {
            reader.reject(key, error.to_string());
        }
        *url = given;
    }
}

fn optional_url(
    reader: &mut Reader<'_>,
    key: &str,
    url: &mut Option<String>,
    check: impl Fn(&str) -> Result<(), EndpointError>,
) {
    if !reader.has(key) {
        return;
    }
    *url = reader.line(key).filter(|given| !is_blank(given));
    if let Some(Err(error)) = url.as_deref().map(check) {
        reader.reject(key, error.to_string());
    }
}

fn hosts(reader: &mut Reader<'_>, is_new: bool, hosts: &mut Vec<String>) {
    const KEY: &str = "api_hosts";
    const LIST: &str = "must be a non-empty array of host names or wildcard patterns";
    if !is_new && !reader.has(KEY) {
        return;
    }
    let before = reader.problems().under(KEY).len();
    let given = reader.texts(KEY, LIST, LIST).unwrap_or_default();
    let is_right = !given.is_empty() && given.iter().all(|host| HostPattern::parse(host).is_ok());
    if !is_right && reader.problems().under(KEY).len() == before {
        reader.reject(KEY, LIST);
    }
    *hosts = given;
}

/// The members, null for other providers.
pub(super) fn shown(row: &OauthApp) -> Map<String, Value> {
    let about = row.generic.as_ref();
    let values = [
        json!(about.map(|about| &about.authorization_endpoint)),
        json!(about.map(|about| &about.token_endpoint)),
        json!(about.map(|about| about.pkce)),
        json!(about.map(|about| about.client_auth.as_str())),
        json!(about.map(|about| &about.scope_param)),
        json!(about.map(|about| &about.scope_separator)),
        json!(about.map(|about| &about.api_hosts)),
        json!(about.map(|about| &about.issuer)),
        json!(about.map(|about| &about.jwks_uri)),
        json!(about.map(|about| &about.profile_url)),
        json!(about.map(|about| &about.revocation_endpoint)),
    ];
    FIELDS.into_iter().map(str::to_owned).zip(values).collect()
}
