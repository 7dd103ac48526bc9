//! `http`, and a string alone.

use super::entry::{Inherited, own_or_inherited_hosts, secret_ref};
use super::fields::Fields;
use super::{header, reserved, template};
use crate::manifest::{Binding, Http, Inject, Placement, Replace};
use crate::problem::Code;

const REPLACE_KEYS: &[&str] = &["replacer", "match_headers", "match_path", "match_query"];
const INJECT_KEYS: &[&str] = &["inject_header", "inject_query_param", "inject_formatter"];

pub(super) const KEYS: &[&str] = &[
    "mode",
    "replacer",
    "match_headers",
    "match_path",
    "match_query",
    "inject_header",
    "inject_query_param",
    "inject_formatter",
];

/// Headers in which the placeholder of a string alone is looked for.
pub(super) const DEFAULT_HEADERS: &[&str] = &[
    "Authorization",
    "Proxy-Authorization",
    "Api-Key",
    "Anthropic-Api-Key",
    "Auth-Token",
    "Jwt",
    "Cookie",
    "Apikey",
    "AccessKey",
    "Api-Access-Key",
    "Api-Signature",
    "FX-ACCESS-KEY",
    "FX-ACCESS-SIGN",
    "FX-ACCESS-PASSPHRASE",
    "X-CB-ACCESS-PASSPHRASE",
    "X-CB-ACCESS-SIGNATURE",
    "/^x-[a-z0-9-]*(api-key|apikey|secret|token|auth|key)$/",
];

/// What a string alone stands for.
pub(super) fn shorthand(name: &str, hosts: Vec<String>) -> Http {
    Http {
        secret_ref: name.to_owned(),
        hosts,
        placement: Placement::Replace(Replace {
            replacer: name.to_owned(),
            match_headers: DEFAULT_HEADERS.iter().map(|&header| header.to_owned()).collect(),
            match_path: false,
            match_query: false,
        }),
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Replace,
    Inject,
}

pub(super) fn read(fields: &Fields<'_>, name: &str, inherited: Inherited<'_>) -> Option<Binding> {
    let secret_ref = secret_ref(fields, name);
    let hosts = own_or_inherited_hosts(fields, inherited);
    let mode = if fields.has("mode") {
        fields.word("mode", Code::ModeUnknown, &[("replace", Mode::Replace), ("inject", Mode::Inject)])
    } else {
        Some(Mode::Replace)
    };
    let placement = match mode? {
        Mode::Replace => {
            refuse(fields, INJECT_KEYS, "replace");
            replace(fields, name).map(Placement::Replace)
        }
        Mode::Inject => {
            refuse(fields, REPLACE_KEYS, "inject");
            inject(fields).map(Placement::Inject)
        }
    };
    Some(Binding::Http(Http { secret_ref: secret_ref?, hosts: hosts?, placement: placement? }))
}

/// A key of the other mode is wrong whatever it holds.
fn refuse(fields: &Fields<'_>, keys: &[&str], mode: &str) {
    for key in keys.iter().filter(|key| fields.has(key)) {
        fields.report::<()>(Code::ModeKeyConflict, key, format!("{key} does not go with mode {mode:?}"));
    }
}

fn replace(fields: &Fields<'_>, name: &str) -> Option<Replace> {
    let replacer = if fields.has("replacer") {
        fields.text("replacer", Code::ReplacerInvalid)
    } else {
        Some(name.to_owned())
    };
    check_reserved(fields, name, replacer.as_deref());
    let match_headers = if fields.has("match_headers") { match_headers(fields) } else { Some(Vec::new()) };
    let match_path = fields.flag("match_path");
    let match_query = fields.flag("match_query");
    if match_headers.as_ref().is_some_and(Vec::is_empty) && !match_path && !match_query {
        let text = "declares no location; set match_headers, match_path or match_query";
        return fields.report(Code::NoMatchLocation, "match_headers", text);
    }
    Some(Replace { replacer: replacer?, match_headers: match_headers?, match_path, match_query })
}

/// Both the placeholder and, when it differs, the name become variables.
fn check_reserved(fields: &Fields<'_>, name: &str, replacer: Option<&str>) {
    let Some(place) = fields.place else { return };
    for (key, text) in [("name", Some(name)), ("replacer", replacer.filter(|replacer| *replacer != name))] {
        if let Some(text) = text {
            let at = fields.get(key).map_or(0, |node| node.span().start);
            reserved::check(fields.log, place, Some(key), at, text);
        }
    }
}

fn match_headers(fields: &Fields<'_>) -> Option<Vec<String>> {
    const KEY: &str = "match_headers";
    let items = fields.array(KEY, Code::MatchHeadersInvalid)?;
    let headers = fields.texts(KEY, Code::MatchHeadersInvalid)?;
    let mut all_good = headers.len() == items.len();
    for header in &headers {
        if let Some(problem) = header::pattern_problem(header) {
            all_good = false;
            fields.report::<()>(Code::MatchHeadersInvalid, KEY, format!("{header:?} {problem}"));
        }
    }
    all_good.then_some(headers)
}

fn inject(fields: &Fields<'_>) -> Option<Inject> {
    let formatter = formatter(fields);
    match (fields.has("inject_header"), fields.has("inject_query_param")) {
        (true, false) => {
            let inject_header = writable_header(fields);
            if fields.has("inject_formatter") {
                return Some(Inject::Header {
                    inject_header: inject_header?,
                    inject_formatter: Some(formatter?),
                });
            }
            Some(Inject::Header { inject_header: inject_header?, inject_formatter: None })
        }
        (false, true) => {
            if fields.has("inject_formatter") {
                let text = "inject_formatter goes with inject_header alone";
                fields.report::<()>(Code::FormatterWithoutHeader, "inject_formatter", text);
            }
            let inject_query_param = fields.text("inject_query_param", Code::InjectTarget)?;
            Some(Inject::Query { inject_query_param })
        }
        (true, true) => fields.report(
            Code::InjectTarget,
            "inject_query_param",
            "inject_header and inject_query_param exclude each other",
        ),
        (false, false) => fields.report(
            Code::InjectTarget,
            "inject_header",
            "mode \"inject\" needs inject_header or inject_query_param",
        ),
    }
}

/// `inject_header`, which is there.
pub(super) fn writable_header(fields: &Fields<'_>) -> Option<String> {
    let name = fields.text("inject_header", Code::InjectTarget)?;
    if !header::is_writable(&name) {
        let text = format!("{name:?} is not a header that can be set");
        return fields.report(Code::InjectTarget, "inject_header", text);
    }
    Some(name)
}

/// `inject_formatter`, when it is there and right.
pub(super) fn formatter(fields: &Fields<'_>) -> Option<String> {
    let formatter = fields.verbatim("inject_formatter", Code::TemplateInvalid)?;
    match template::formatter_problem(&formatter) {
        None => Some(formatter),
        Some(problem) => {
            fields.report(Code::TemplateInvalid, "inject_formatter", format!("inject_formatter {problem}"))
        }
    }
}
