//! `oauth_token` and `brokered_token`.

use super::entry::{Inherited, own_hosts, own_or_inherited_hosts};
use super::fields::{Fields, text_of};
use super::{http, source};
use crate::manifest::{Binding, BrokerSeed, BrokeredToken, Grant, OauthToken};
use crate::problem::Code;

pub(super) const TOKEN_KEYS: &[&str] =
    &["grant", "fields", "token_endpoint", "token_endpoint_headers", "scopes", "audience"];

pub(super) const BROKERED_KEYS: &[&str] = &[
    "fields",
    "token_endpoint",
    "token_endpoint_headers",
    "scopes",
    "credential",
    "inject_header",
    "inject_formatter",
];

pub(super) fn token(fields: &Fields<'_>, _name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    let hosts = own_hosts(fields);
    let grant = fields.word("grant", Code::GrantUnknown, &Grant::ALL.map(|grant| (grant.as_str(), grant)));
    let credentials = table_of_fields(fields);
    if let (Some(grant), Some(credentials)) = (grant, &credentials) {
        let whose = format!("the grant {}", grant.as_str());
        source::check_names(credentials, grant.required(), grant.optional(), &whose);
    }
    let token_endpoint = endpoint(fields);
    let token_endpoint_headers = source::headers(fields, "token_endpoint_headers");
    let scopes = fields.texts("scopes", Code::KeyInvalid).unwrap_or_default();
    let audience = match grant {
        Some(Grant::JwtBearer) => fields.needed("audience", Code::AudienceRequired, Code::AudienceRequired),
        Some(grant) if fields.has("audience") => {
            let text = format!("audience is not used by the grant {}", grant.as_str());
            fields.report(Code::AudienceForbidden, "audience", text)
        }
        _ => None,
    };
    let sources = credentials.as_ref().map(source::map);
    Some(Binding::OauthToken(OauthToken {
        grant: grant?,
        hosts: hosts?,
        token_endpoint: token_endpoint?,
        fields: sources?,
        token_endpoint_headers,
        scopes,
        audience,
    }))
}

pub(super) fn brokered(fields: &Fields<'_>, name: &str, inherited: Inherited<'_>) -> Option<Binding> {
    let hosts = own_or_inherited_hosts(fields, inherited);
    let credential = if fields.has("credential") {
        fields.text("credential", Code::KeyInvalid).filter(|id| check_id(fields, "credential", id))
    } else {
        Some(name.to_owned()).filter(|id| id.is_empty() || check_id(fields, "name", id))
    };
    let inject_header = if fields.has("inject_header") {
        http::writable_header(fields)
    } else {
        Some("Authorization".to_owned())
    };
    let inject_formatter = if fields.has("inject_formatter") {
        http::formatter(fields)
    } else {
        Some("Bearer {{.Value}}".to_owned())
    };
    let seed = match (fields.has("fields"), fields.has("credential")) {
        (true, _) => seed(fields),
        (false, true) => None,
        (false, false) => {
            let text = "needs fields, or the credential that is provisioned elsewhere";
            return fields.report(Code::BrokerFieldsMissing, "fields", text);
        }
    };
    Some(Binding::BrokeredToken(BrokeredToken {
        hosts: hosts?,
        credential: credential?,
        inject_header: inject_header?,
        inject_formatter: inject_formatter?,
        seed,
    }))
}

/// What the console takes for an id.
fn check_id(fields: &Fields<'_>, key: &str, id: &str) -> bool {
    let is_id = id.len() <= 255 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    if !is_id {
        let text = format!("{id:?} cannot be the id of a credential: letters, digits and -._~ alone");
        fields.report::<()>(Code::KeyInvalid, key, text);
    }
    is_id
}

fn seed(fields: &Fields<'_>) -> Option<BrokerSeed> {
    let credentials = table_of_fields(fields);
    if let Some(credentials) = &credentials {
        source::check_names(
            credentials,
            &["client_id", "refresh_token"],
            &["client_secret"],
            "a brokered token",
        );
        refuse_key_of_document(credentials);
    }
    let token_endpoint = endpoint(fields);
    let token_endpoint_headers = source::headers(fields, "token_endpoint_headers");
    let scopes = fields.texts("scopes", Code::KeyInvalid).unwrap_or_default();
    let sources = credentials.as_ref().map(source::map);
    Some(BrokerSeed { fields: sources?, token_endpoint: token_endpoint?, token_endpoint_headers, scopes })
}

/// The refresh token is a whole document that the broker rewrites.
fn refuse_key_of_document(credentials: &Fields<'_>) {
    let Some(node) = credentials.get("refresh_token") else { return };
    let toml::de::DeValue::Table(table) = node.get_ref() else { return };
    let table = credentials.below("refresh_token", table, node.span().start);
    if table.get("json_key").and_then(text_of).is_some() {
        let text = "json_key does not go with refresh_token, which is a whole document that is rewritten";
        table.report::<()>(Code::JsonKeyForbidden, "json_key", text);
    }
}

/// `fields`, which has to be there and not empty.
fn table_of_fields<'a>(fields: &Fields<'a>) -> Option<Fields<'a>> {
    if !fields.has("fields") {
        return fields.report(Code::FieldsMissing, "fields", "fields is missing");
    }
    let table = fields.table("fields", Code::FieldsMissing)?;
    if table.iter().next().is_none() {
        return fields.report(Code::FieldsMissing, "fields", "fields is empty");
    }
    Some(table)
}

fn endpoint(fields: &Fields<'_>) -> Option<String> {
    const KEY: &str = "token_endpoint";
    let url = fields.needed(KEY, Code::TokenEndpointMissing, Code::TokenEndpointInvalid)?;
    let uri = url.parse::<::http::Uri>().ok().filter(|uri| {
        uri.authority()
            .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    });
    match uri.as_ref().and_then(::http::Uri::scheme_str) {
        Some("https") => Some(url),
        Some("http") => {
            fields.report::<()>(Code::PlainHttpEndpoint, KEY, "token_endpoint is not https");
            Some(url)
        }
        _ => fields.report(Code::TokenEndpointInvalid, KEY, "token_endpoint has to be an absolute https URL"),
    }
}
