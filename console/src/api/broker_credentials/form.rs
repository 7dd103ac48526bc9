//! Reading a write of a credential (broker.md, section 2). It is partial: what is absent stays, and a secret changes
//! only by a value that is not blank.

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, Oid as _};
use centaur_store::{BrokerCredential, CredentialPatch, GrantType, Timing};
use http::HeaderValue;
use serde_json::{Map, Value};

use super::{GRANTS, PREQIN_ENDPOINT};
use crate::wire::{
    Address, Attributes, Details, Identity, Reader, description, identity, is_blank, is_header_name, labels,
    name, wipe,
};
use centaur_oauth::EndpointRules;

/// What is there before the write.
pub(super) struct Stored {
    pub(super) row: BrokerCredential,
    pub(super) has_username: bool,
    pub(super) has_password: bool,
    pub(super) has_api_key: bool,
}

/// Reads a create (without `stored`) or an update.
///
/// # Errors
/// Every problem.
pub(super) fn parse(
    attributes: &mut Attributes,
    address: Address<'_>,
    stored: Option<&Stored>,
    endpoints: &EndpointRules,
) -> Result<(Identity, CredentialPatch), Details> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let reader = &mut reader;
    let identity = identity(reader, BrokerCredentialId::PREFIX, address);
    let row = stored.map(|stored| &stored.row);
    let sent_grant = reader.is_given("grant").then(|| reader.choice("grant", &GRANTS)).flatten();
    let grant = sent_grant.or(row.map(|row| row.grant)).unwrap_or_default();
    let patch = CredentialPatch {
        name: reader.has("name").then(|| name(reader)),
        description: reader.has("description").then(|| description(reader)),
        labels: reader.has("labels").then(|| labels(reader)),
        grant: sent_grant,
        token_endpoint: token_endpoint(reader, grant, row.is_some(), endpoints),
        scopes: reader.has("scopes").then(|| reader.texts("scopes", SCOPES, SCOPES).unwrap_or_default()),
        client_id: reader.has("client_id").then(|| reader.line("client_id").filter(|text| !is_blank(text))),
        timing: timing(reader, row.map(|row| row.timing).unwrap_or_default()),
        client_secret: client_secret(reader),
        token_endpoint_headers: headers(reader),
        refresh_token: seed(reader, "refresh_token"),
        username: seed(reader, "username"),
        password: seed(reader, "password"),
        api_key: seed(reader, "api_key"),
        ..CredentialPatch::default()
    };
    check_material(reader, grant, &patch, stored);
    problems.into_result()?;
    Ok((identity, patch))
}

const SCOPES: &str = "must be an array of strings";

fn token_endpoint(
    reader: &mut Reader<'_>,
    grant: GrantType,
    exists: bool,
    endpoints: &EndpointRules,
) -> Option<String> {
    if grant == GrantType::Preqin {
        return Some(PREQIN_ENDPOINT.to_owned());
    }
    if exists && !reader.has("token_endpoint") {
        return None;
    }
    let url = reader.required_line("token_endpoint")?;
    if let Err(error) = endpoints.check(&url) {
        reader.reject("token_endpoint", error.to_string());
    }
    Some(url)
}

/// What the grant cannot do without has to be sent or stored. Only whether it is there is looked at.
fn check_material(
    reader: &mut Reader<'_>,
    grant: GrantType,
    patch: &CredentialPatch,
    stored: Option<&Stored>,
) {
    let has = |sent: &Option<Secret<String>>, is_stored: fn(&Stored) -> bool| {
        sent.is_some() || stored.is_some_and(is_stored)
    };
    let has_client = match &patch.client_id {
        Some(sent) => sent.is_some(),
        None => stored.is_some_and(|stored| stored.row.client_id.is_some()),
    };
    let is_linked = stored.is_some_and(|stored| stored.row.oauth_app_id.is_some());
    let has_username = has(&patch.username, |stored| stored.has_username);
    let needed: &[(&str, bool, &str)] = match grant {
        GrantType::RefreshToken => &[("client_id", has_client || is_linked, "can't be blank")],
        GrantType::Password => &[
            ("client_id", has_client || is_linked, "can't be blank"),
            ("username", has_username, PASSWORD),
            ("password", has(&patch.password, |stored| stored.has_password), PASSWORD),
        ],
        GrantType::Preqin => &[
            ("username", has_username, PREQIN),
            ("api_key", has(&patch.api_key, |stored| stored.has_api_key), PREQIN),
        ],
    };
    for (key, is_there, message) in needed {
        if !is_there && reader.problems().under(key).is_empty() {
            reader.reject(key, *message);
        }
    }
}

const PASSWORD: &str = "can't be blank for the password grant";
const PREQIN: &str = "can't be blank for the Preqin broker grant";

/// A value that revives the credential; blank is unchanged.
fn seed(reader: &mut Reader<'_>, key: &str) -> Option<Secret<String>> {
    reader.secret(key).filter(|value| !is_blank(value.expose()))
}

#[expect(clippy::option_option, reason = "kept, taken away, set: three states, as in the JSON")]
fn client_secret(reader: &mut Reader<'_>) -> Option<Option<Secret<String>>> {
    let sent = seed(reader, "client_secret");
    if reader.flag("clear_client_secret").unwrap_or(false) {
        if sent.is_some() {
            reader.reject("clear_client_secret", "and client_secret are mutually exclusive");
        }
        return Some(None);
    }
    sent.map(Some)
}

/// Replaced whole when they are sent; null and `{}` take them away.
#[expect(clippy::option_option, reason = "kept, taken away, set: three states, as in the JSON")]
fn headers(reader: &mut Reader<'_>) -> Option<Option<(Vec<String>, Secret<String>)>> {
    const KEY: &str = "token_endpoint_headers";
    if !reader.has(KEY) {
        return None;
    }
    let headers = match reader.value(KEY) {
        None => return Some(None),
        Some(Value::Object(headers)) if headers.is_empty() => return Some(None),
        Some(Value::Object(headers)) => headers,
        Some(mut other) => {
            wipe(&mut other);
            reader.reject(KEY, HEADERS);
            return None;
        }
    };
    check_headers(reader, KEY, &headers);
    let names = headers.keys().cloned().collect();
    let mut headers = Value::Object(headers);
    let text = Secret::new(headers.to_string());
    wipe(&mut headers);
    Some(Some((names, text)))
}

const HEADERS: &str = "must be an object mapping header names to string values";

fn check_headers(reader: &mut Reader<'_>, key: &str, headers: &Map<String, Value>) {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    for (at, (name, value)) in headers.iter().enumerate() {
        let shown = name.escape_debug();
        if !is_header_name(name) {
            reader.reject(key, format!("\"{shown}\" is not a header name"));
        } else if FRAMING.iter().any(|framing| same(framing, name)) {
            reader.reject(key, format!("must not set \"{shown}\""));
        } else if headers.keys().take(at).any(|earlier| same(earlier, name)) {
            reader.reject(key, format!("sets \"{shown}\" twice"));
        }
        match value.as_str() {
            None => reader.reject(key, HEADERS),
            // Never with the value: it is a secret.
            Some(text) if HeaderValue::from_str(text).is_err() => {
                reader.reject(key, format!("the value of \"{shown}\" must not contain control characters"));
            }
            Some(_) => {}
        }
    }
}

/// What says where a request goes and where it ends.
const FRAMING: [&str; 3] = ["host", "content-length", "transfer-encoding"];

fn timing(reader: &mut Reader<'_>, mut timing: Timing) -> Option<Timing> {
    const FRACTION: &str = "early_refresh_fraction";
    let mut is_sent = false;
    for (key, field, most) in [
        ("early_refresh_slack_seconds", &mut timing.early_refresh_slack_seconds, MOST_SECONDS),
        ("max_refresh_interval_seconds", &mut timing.max_refresh_interval_seconds, MOST_SECONDS),
        ("refresh_timeout_seconds", &mut timing.refresh_timeout_seconds, MOST_TIMEOUT),
    ] {
        if reader.has(key) {
            is_sent = true;
            *field = seconds(reader, key, most).unwrap_or(*field);
        }
    }
    if reader.has(FRACTION) {
        is_sent = true;
        timing.early_refresh_fraction_ppm = fraction(reader, FRACTION).unwrap_or_default();
    }
    is_sent.then_some(timing)
}

/// Ten years: longer than any token, and far from what sums of times overflow at.
const MOST_SECONDS: i64 = 315_360_000;
const MOST_TIMEOUT: i64 = 300;

fn seconds(reader: &mut Reader<'_>, key: &str, most: i64) -> Option<i64> {
    let Some(Value::Number(number)) = reader.value(key) else {
        reader.reject(key, "is not a number");
        return None;
    };
    // 300.0 is 300; what no integer type holds is too large.
    let float = number.as_f64().unwrap_or(f64::MAX);
    if float.fract() != 0.0 {
        reader.reject(key, "must be an integer");
    } else if float <= 0.0 {
        reader.reject(key, "must be greater than 0");
    } else if float > most as f64 {
        reader.reject(key, format!("must be less than or equal to {most}"));
    } else {
        return Some(float as i64);
    }
    None
}

/// In millionths, cut off.
fn fraction(reader: &mut Reader<'_>, key: &str) -> Option<i64> {
    let Some(number) = reader.value(key).as_ref().and_then(Value::as_f64) else {
        reader.reject(key, "is not a number");
        return None;
    };
    if number < 0.0 {
        reader.reject(key, "must be greater than or equal to 0");
    } else if number >= 1.0 {
        reader.reject(key, "must be less than 1");
    } else {
        // A millionth of a millionth is for what decimals lose in binary: 0.29 is 290000.
        return Some(((number * 1e6 + 1e-6) as i64).min(999_999));
    }
    None
}
