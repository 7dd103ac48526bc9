//! From a text to a [`Config`].

use std::collections::HashMap;

use centaur_base::Secret;
use centaur_broker::Timing;
use centaur_oauth::EndpointRules;
use centaur_policies::yaml::{self, Cursor, Fields, Position, Problem, Problems};

use super::{Config, CredentialConfig, credential, tables};
use crate::log::{Format, Level};

pub(super) fn config(text: &str) -> Result<Config, Vec<String>> {
    let problems = Problems::default();
    let node = yaml::parse(text, &problems);
    let config = node.as_ref().and_then(|node| root(&Cursor::new(node, &problems)));
    let (errors, _) = problems.into_parts();
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        _ => Err(errors.iter().map(Problem::to_string).collect()),
    }
}

fn root(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.fields(&tables::ROOT)?;
    let (log_level, log_format) = log(&fields);
    let (https_proxy, no_proxy) = upstream_proxy(&fields);
    let endpoints = endpoints(&fields).unwrap_or_default();
    let timing = fields
        .key_or_null("defaults")
        .fields(&tables::DEFAULTS)
        .map_or_else(Timing::default, |of| timing(&of, Timing::default()));
    let credentials = credentials(&fields, &endpoints, timing);
    Some(Config {
        listen: address(&fields, "listen").or_else(|| required(&fields, "listen"))?,
        metrics_listen: address(&fields, "metrics_listen"),
        bearer_auth_env: fields.key("bearer_auth_env").and_then(|cursor| match cursor.text()? {
            "" => cursor.reject("bearer_auth_env must name a variable"),
            name => Some(name.to_owned()),
        }),
        log_level,
        log_format,
        https_proxy,
        no_proxy,
        endpoints,
        credentials,
    })
}

/// The text of a key that must be there and not be empty.
pub(super) fn required(fields: &Fields<'_>, key: &str) -> Option<String> {
    let cursor = fields.key_or_null(key);
    match cursor.text()? {
        "" => cursor.reject(format_args!("{key} is required")),
        text => Some(text.to_owned()),
    }
}

fn address(fields: &Fields<'_>, key: &str) -> Option<String> {
    let cursor = fields.key(key)?;
    let text = cursor.text().filter(|text| !text.is_empty())?;
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if matches!(port, Some(Ok(_))) {
        return Some(text.to_owned());
    }
    cursor.reject(format_args!("{key} must be host:port, or :port for every address"))
}

fn log(fields: &Fields<'_>) -> (Level, Format) {
    let (mut level, mut format) = (Level::Info, Format::Json);
    if let Some(log) = fields.key_or_null("log").fields(&tables::LOG) {
        let text = |key: &str| log.key(key).and_then(|cursor| Some((cursor.text()?, cursor)));
        if let Some((text, cursor)) = text("level") {
            let found = Level::parse(text);
            level =
                found.or_else(|| cursor.reject("level must be debug, info, warn or error")).unwrap_or(level);
        }
        if let Some((text, cursor)) = text("format") {
            format = match text {
                "json" => Format::Json,
                "text" => Format::Text,
                _ => cursor.reject("format must be json or text").unwrap_or(format),
            };
        }
    }
    (level, format)
}

fn upstream_proxy(fields: &Fields<'_>) -> (Option<Secret<String>>, Option<String>) {
    let Some(of) = fields.key_or_null("upstream_proxy").fields(&tables::UPSTREAM_PROXY) else {
        return (None, None);
    };
    let text = |key| Some(of.text(key).to_owned()).filter(|text| !text.is_empty());
    (text("https_proxy").map(Secret::new), text("no_proxy"))
}

fn endpoints(fields: &Fields<'_>) -> Option<EndpointRules> {
    let texts = fields.texts("token_endpoint_allow");
    // The rules take one text; an entry with a comma would be two.
    let rules = EndpointRules::parse(&texts.join(","), false).ok();
    rules.or_else(|| {
        let cursor = fields.key_or_null("token_endpoint_allow");
        cursor.reject("token_endpoint_allow must be a list of hosts, host patterns, addresses and CIDRs")
    })
}

/// The four keys about time, on top of what holds without them.
pub(super) fn timing(fields: &Fields<'_>, base: Timing) -> Timing {
    let duration = |key: &str| {
        let cursor = fields.key(key)?;
        let parsed = cursor.duration()?;
        parsed.to_std().or_else(|| cursor.reject(format_args!("{key} must not be negative")))
    };
    let positive = |key: &str| duration(key).filter(|duration| !duration.is_zero());
    let timeout = positive("refresh_timeout").and_then(|timeout| {
        if timeout.as_secs() <= 300 {
            return Some(timeout);
        }
        fields.key_or_null("refresh_timeout").reject("refresh_timeout must not be more than 300s")
    });
    Timing {
        slack: duration("early_refresh_slack").unwrap_or(base.slack),
        fraction_ppm: fraction(fields).unwrap_or(base.fraction_ppm),
        longest: positive("max_refresh_interval").unwrap_or(base.longest),
        timeout: timeout.unwrap_or(base.timeout),
    }
}

fn fraction(fields: &Fields<'_>) -> Option<u32> {
    let cursor = fields.key("early_refresh_fraction")?;
    let fraction = cursor.text()?.parse::<f64>().ok().filter(|number| (0.0..1.0).contains(number));
    let Some(fraction) = fraction else {
        return cursor.reject("early_refresh_fraction must be a number from 0 to below 1");
    };
    Some(((fraction * 1e6).round() as u32).min(999_999))
}

fn credentials(fields: &Fields<'_>, endpoints: &EndpointRules, timing: Timing) -> Vec<CredentialConfig> {
    let mut ids: HashMap<String, Position> = HashMap::new();
    let mut stores = HashMap::new();
    let mut found: Vec<CredentialConfig> = Vec::new();
    for cursor in fields.items("credentials") {
        let Some(credential) = credential::credential(&cursor, endpoints, timing) else { continue };
        if let Some(first) = ids.insert(credential.id.clone(), cursor.at()) {
            cursor.reject::<()>(format_args!("id {:?} is taken by the credential of {first}", credential.id));
        }
        if let Some(first) = stores.insert(format!("{:?}", credential.store), cursor.at()) {
            cursor
                .reject::<()>(format_args!("store is that of the credential of {first}; each needs its own"));
        }
        found.push(credential);
    }
    found
}
