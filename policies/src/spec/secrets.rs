//! `secrets`: one entry. Problems come in the order mode, source, rules, headers, as in the reference.

use super::headers::{header_matchers, name};
use super::rules::parse_rules;
use super::source::parse_source;
use super::{InjectPlace, InjectSpec, ReplaceSpec, SecretMode, SecretSpec, tables};
use crate::rule::RuleSet;
use crate::yaml::{Cursor, Fields};

/// Headers that say where a request ends or where it goes; they are not the configuration's to set.
const FRAMING: [&str; 3] = ["host", "content-length", "transfer-encoding"];

/// Reads one entry, labelled `secrets[i]`.
pub(super) fn secret(item: &Cursor<'_>) -> Option<SecretSpec> {
    let fields = item.fields(&tables::SECRET)?;
    let mode = mode(item, &fields);
    let source = fields.key_or_null("source");
    let source = source.clone().labelled(format!("{}: source", item.label()));
    let source = parse_source(&source);
    let rules = RuleSet::new(parse_rules(&fields));
    let mode = mode.and_then(Mode::finish);
    Some(SecretSpec {
        source: source?,
        rules,
        mode: mode?,
        allow_plaintext: fields.bool_or("allow_plaintext", false),
        scrub_responses: fields.bool_or("scrub_responses", true),
        websocket: fields.bool_or("websocket", true),
    })
}

/// A mode of which everything but the headers was looked at.
enum Mode<'a> {
    Replace(Fields<'a>),
    Inject(Fields<'a>),
}

fn mode<'a>(item: &Cursor<'a>, fields: &Fields<'a>) -> Option<Mode<'a>> {
    let (replace, inject) = (fields.key("replace"), fields.key("inject"));
    let older = has_older_form(fields);
    match (older, replace, inject) {
        (false, None, None) => item.reject("one of replace or inject is required"),
        (true, Some(_), _) => {
            item.reject("proxy_value, match_headers, match_body and require stand inside replace")
        }
        (true, _, Some(_)) => {
            item.reject("proxy_value, match_headers, match_body and require do not go with inject")
        }
        (_, Some(_), Some(_)) => item.reject("replace and inject are mutually exclusive"),
        (true, None, None) if fields.text("proxy_value").is_empty() => item.reject("proxy_value is required"),
        (true, None, None) => Some(Mode::Replace(fields.clone())),
        (false, Some(replace), None) => {
            let fields = replace.fields(&tables::REPLACE)?;
            if fields.text("proxy_value").is_empty() {
                return fields.key_or_null("proxy_value").reject("replace: proxy_value is required");
            }
            Some(Mode::Replace(fields))
        }
        (false, None, Some(inject)) => {
            let fields = inject.fields(&tables::INJECT)?;
            match (fields.text("header"), fields.text("query_param")) {
                ("", "") => inject.reject("inject: one of header or query_param is required"),
                (_, "") | ("", _) => Some(Mode::Inject(fields)),
                _ => inject.reject("inject: header and query_param are mutually exclusive"),
            }
        }
    }
}

/// The form from before there was `replace`; there when one of its keys has a value other than its zero.
fn has_older_form(fields: &Fields<'_>) -> bool {
    !fields.text("proxy_value").is_empty()
        || !fields.items("match_headers").is_empty()
        || fields.bool_or("match_body", false)
        || fields.bool_or("require", false)
}

impl Mode<'_> {
    fn finish(self) -> Option<SecretMode> {
        match self {
            Self::Replace(fields) => Some(SecretMode::Replace(replace(&fields))),
            Self::Inject(fields) => inject(&fields).map(SecretMode::Inject),
        }
    }
}

/// In the older form, `match_query`, `match_query_params` and `match_path` are not there to be read.
fn replace(fields: &Fields<'_>) -> ReplaceSpec {
    ReplaceSpec {
        placeholder: fields.text("proxy_value").to_owned(),
        match_headers: header_matchers(fields, "match_headers"),
        match_body: fields.bool_or("match_body", false),
        match_query: fields.bool_or("match_query", false),
        match_query_params: query_params(fields),
        match_path: fields.bool_or("match_path", false),
        require: fields.bool_or("require", false),
    }
}

fn query_params(fields: &Fields<'_>) -> Vec<String> {
    let list = fields.key_or_null("match_query_params");
    let names = fields.texts("match_query_params");
    if let Some(at) = names.iter().position(String::is_empty) {
        list.reject::<()>(format_args!("replace: match_query_params[{at}]: a parameter name is required"));
    }
    if !names.is_empty() && fields.bool_or("match_query", false) {
        list.reject::<()>(
            "replace: match_query searches every parameter; leave it out to search match_query_params only",
        );
    }
    names
}

fn inject(fields: &Fields<'_>) -> Option<InjectSpec> {
    let header = fields.key_or_null("header");
    let place = if header.text()?.is_empty() {
        InjectPlace::Query(fields.text("query_param").to_owned())
    } else {
        let name = name(&header, "inject: header")?;
        if FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(&name)) {
            return header.reject(format_args!("inject: header {name:?} cannot be set"));
        }
        InjectPlace::Header(name)
    };
    let formatter = Some(fields.text("formatter")).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(InjectSpec { place, formatter, require: fields.bool_or("require", false) })
}
