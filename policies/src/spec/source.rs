//! `source`: where a credential comes from.

use std::time::Duration;

use centaur_base::Secret;

use super::{SourceKind, SourceSpec, tables};
use crate::yaml::{Cursor, Fields, GoDuration};

/// Types that the reference knows besides.
const ELSEWHERE: [&str; 4] = ["1password", "1password_connect", "aws_sm", "aws_ssm"];
/// The key that belongs to each type and to no other.
const OWN_KEYS: [(&str, &str); 5] = [
    ("env", "var"),
    ("file", "path"),
    ("cmd", "argv"),
    ("token_broker", "credential_id"),
    ("control_plane", "value"),
];
const FAILURE_TTL: Duration = Duration::from_mins(1);
/// Of a token broker, which is near and says itself when to come again.
const BROKER_FAILURE_TTL: Duration = Duration::from_secs(5);
/// How long a broker's token is used without asking again.
const BROKER_TTL: Duration = Duration::from_mins(1);

/// Reads a `source`; errors carry the label of the cursor.
pub fn parse_source(source: &Cursor<'_>) -> Option<SourceSpec> {
    if let Some(name) =
        source.node().key("type").and_then(scalar_text).filter(|name| ELSEWHERE.contains(name))
    {
        // Before the keys are looked at: those of these types are not in the table.
        return source.reject(format_args!("source type {name:?} is not available in this build"));
    }
    let fields = source.fields(&tables::SOURCE)?;
    let kind = kind(source, &fields);
    let json_key = Some(fields.text("json_key")).filter(|key| !key.is_empty()).map(str::to_owned);
    let ttl = duration(&fields, "ttl");
    let failure_ttl = duration(&fields, "failure_ttl");
    let kind = kind?;
    if matches!(kind, SourceKind::TokenBroker { .. }) {
        return token_broker(&fields, kind, ttl, failure_ttl);
    }
    Some(SourceSpec { kind, json_key, ttl, failure_ttl: failure_ttl.unwrap_or(FAILURE_TTL) })
}

/// A token is text and ends, so `json_key` means nothing and the time has to be one.
fn token_broker(
    fields: &Fields<'_>,
    kind: SourceKind,
    ttl: Option<Duration>,
    failure_ttl: Option<Duration>,
) -> Option<SourceSpec> {
    if let Some(key) = fields.key("json_key") {
        return key
            .reject("json_key does not go with source type \"token_broker\": the token is all there is");
    }
    let given = fields.key("ttl").filter(|ttl| ttl.text().is_some_and(|text| !text.is_empty()));
    let ttl = match (given, ttl) {
        (None, _) => BROKER_TTL,
        (Some(_), Some(ttl)) if !ttl.is_zero() => ttl,
        (Some(given), _) => {
            // What cannot be read was reported already.
            let is_time = given.text().is_some_and(|text| GoDuration::parse(text).is_ok());
            return is_time.then(|| given.reject("ttl must be more than 0")).flatten();
        }
    };
    let failure_ttl = failure_ttl.unwrap_or(BROKER_FAILURE_TTL);
    Some(SourceSpec { kind, json_key: None, ttl: Some(ttl), failure_ttl })
}

fn kind(source: &Cursor<'_>, fields: &Fields<'_>) -> Option<SourceKind> {
    let name = fields.key_or_null("type").text()?;
    if name.is_empty() {
        return source.reject("type is required");
    }
    for (of, key) in OWN_KEYS {
        if let Some(foreign) = fields.key(key).filter(|_| of != name) {
            foreign.reject::<()>(format_args!("{key} belongs to source type {of:?}, not {name:?}"));
        }
    }
    let required = |key: &str| {
        let cursor = fields.key_or_null(key);
        let text = cursor.text()?;
        if text.is_empty() { cursor.reject(format_args!("{key} is required")) } else { Some(text.to_owned()) }
    };
    match name {
        "env" => required("var").map(|var| SourceKind::Env { var }),
        "file" => required("path").map(|path| SourceKind::File { path: path.into() }),
        "token_broker" => {
            required("credential_id").map(|credential_id| SourceKind::TokenBroker { credential_id })
        }
        "control_plane" => {
            required("value").map(|value| SourceKind::ControlPlane { value: Secret::new(value) })
        }
        "cmd" => {
            let argv = fields.texts("argv");
            if argv.first().is_none_or(String::is_empty) {
                return fields.key_or_null("argv").reject("argv is required, as a list");
            }
            Some(SourceKind::Cmd { argv })
        }
        _ => fields.key_or_null("type").reject(format_args!("unknown source type {name:?}")),
    }
}

/// Empty and zero mean the default, negative means not at all.
fn duration(fields: &Fields<'_>, key: &str) -> Option<Duration> {
    let cursor = fields.key(key)?;
    let text = cursor.text().filter(|text| !text.is_empty())?;
    match GoDuration::parse(text) {
        Ok(duration) if duration.nanoseconds() == 0 => None,
        Ok(duration) => Some(duration.to_std().unwrap_or(Duration::ZERO)),
        Err(error) => cursor.reject(format_args!("{key}: {error}")),
    }
}

fn scalar_text(node: &crate::yaml::Node) -> Option<&str> {
    match &node.kind {
        crate::yaml::Kind::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
