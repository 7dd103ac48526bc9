//! `static_secrets`: a value put into a request as it is.

use regex::RegexBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rule::{self, Rule, rules};
use super::source::{Source, SourceReader};
use super::template;
use crate::wire::{Attributes, Reader, is_blank, is_header_name};

/// A static secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaticSecret {
    /// What is done with the value.
    #[serde(flatten)]
    pub placement: Placement,
    /// Without one, the secret is never delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// To the data plane, none means never.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// The value may travel over cleartext HTTP. Ours; `None` leaves it to the proxy, which says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_plaintext: Option<bool>,
    /// The value is replaced in responses. Ours; `None` leaves it to the proxy, which says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrub_responses: Option<bool>,
    /// The value may be placed in a WebSocket upgrade. Ours; `None` leaves it to the proxy, which says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<bool>,
}

/// `inject_config` or `replace_config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Set the value, whatever the client sent.
    Inject(Inject),
    /// Put the value where the client wrote the placeholder.
    Replace(Replace),
}

/// `inject_config`: exactly one of `header` and `query_param`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inject {
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_param: Option<String>,
    /// A template such as `Bearer {{ .Value }}`; the value alone without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formatter: Option<String>,
}

/// `replace_config`; what is absent is left to the proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// The placeholder.
    pub proxy_value: String,
    /// Headers searched, by name or as `/regex/`; the proxy searches all when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_headers: Option<Vec<String>>,
    /// Search the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_body: Option<bool>,
    /// Search the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_path: Option<bool>,
    /// Search the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_query: Option<bool>,
    /// Refuse a request without the placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<bool>,
}

impl StaticSecret {
    pub(super) fn read(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Self> {
        let placement = placement(reader);
        let source = sources.optional(reader, "source");
        let rules = rules(reader);
        let allow_plaintext = reader.flag("allow_plaintext");
        let scrub_responses = reader.flag("scrub_responses");
        let websocket = reader.flag("websocket");
        Some(Self { placement: placement?, source, rules, allow_plaintext, scrub_responses, websocket })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        let (inject, replace) = match &self.placement {
            Placement::Inject(inject) => (Some(inject), None),
            Placement::Replace(replace) => (None, Some(replace)),
        };
        out.insert("inject_config".to_owned(), json!(inject));
        out.insert("replace_config".to_owned(), json!(replace));
        out.insert("source".to_owned(), self.source.as_ref().map_or(Value::Null, Source::shown));
        out.insert("rules".to_owned(), rule::shown(&self.rules));
        for (key, flag) in self.flags() {
            out.insert(key.to_owned(), flag.into());
        }
    }

    /// The switches that were set; under the same names in the API and on the wire.
    pub(crate) fn flags(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let flags = [
            ("allow_plaintext", self.allow_plaintext),
            ("scrub_responses", self.scrub_responses),
            ("websocket", self.websocket),
        ];
        flags.into_iter().filter_map(|(key, flag)| Some((key, flag?)))
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        self.source.iter().map(|source| ("source".to_owned(), source)).collect()
    }
}

fn placement(reader: &mut Reader<'_>) -> Option<Placement> {
    let inject = config(reader, "inject_config");
    let replace = config(reader, "replace_config");
    match (inject, replace) {
        (Config::Absent, Config::Absent) => {
            reader.reject("base", "must define one of inject_config or replace_config");
            None
        }
        (Config::Object(mut config), Config::Absent) => {
            inject_config(&mut config, reader).map(Placement::Inject)
        }
        (Config::Absent, Config::Object(mut config)) => {
            replace_config(&mut config, reader).map(Placement::Replace)
        }
        (Config::Wrong, _) | (_, Config::Wrong) => None,
        (Config::Object(mut inject), Config::Object(mut replace)) => {
            reader.reject("base", "inject_config and replace_config are mutually exclusive");
            inject_config(&mut inject, reader);
            replace_config(&mut replace, reader);
            None
        }
    }
}

enum Config {
    /// Not sent, null or `{}`.
    Absent,
    /// Not an object; noted.
    Wrong,
    Object(Attributes),
}

fn config(reader: &mut Reader<'_>, key: &str) -> Config {
    if !reader.is_given(key) {
        return Config::Absent;
    }
    match reader.object(key) {
        None => Config::Wrong,
        Some(object) if object.keys().next().is_none() => Config::Absent,
        Some(object) => Config::Object(object),
    }
}

fn inject_config(config: &mut Attributes, reader: &mut Reader<'_>) -> Option<Inject> {
    let mut part = Part { config, reader, key: "inject_config" };
    part.refuse_unknown(&["header", "query_param", "formatter"]);
    let header = part.text("header");
    let query_param = part.text("query_param");
    let formatter = part.text("formatter");
    if let Some(header) = &header {
        part.check_header(header);
    }
    if let Some(problem) = formatter.as_deref().and_then(template::formatter_problem) {
        part.reject(format!("formatter {problem}"));
        part.reader.reject("inject_config.formatter", problem);
    }
    match (&header, &query_param) {
        (Some(_), Some(_)) => part.reject("header and query_param are mutually exclusive"),
        (None, None) => part.reject("must define one of header or query_param"),
        _ => return Some(Inject { header, query_param, formatter }),
    }
    None
}

fn replace_config(config: &mut Attributes, reader: &mut Reader<'_>) -> Option<Replace> {
    let mut part = Part { config, reader, key: "replace_config" };
    let known = ["proxy_value", "match_headers", "match_body", "match_path", "match_query", "require"];
    part.refuse_unknown(&known);
    if !part.config.has("proxy_value") {
        part.reject("proxy_value can't be blank");
    }
    let proxy_value = part.text("proxy_value");
    let match_headers = part.header_patterns();
    let match_body = part.flag("match_body");
    let match_path = part.flag("match_path");
    let match_query = part.flag("match_query");
    let require = part.flag("require");
    let proxy_value = proxy_value?;
    Some(Replace { proxy_value, match_headers, match_body, match_path, match_query, require })
}

/// One of the two objects; all its problems are noted under its own name.
struct Part<'a, 'r> {
    config: &'a mut Attributes,
    reader: &'a mut Reader<'r>,
    key: &'static str,
}

impl Part<'_, '_> {
    fn reject(&mut self, message: impl Into<String>) {
        self.reader.reject(self.key, message);
    }

    fn refuse_unknown(&mut self, known: &[&str]) {
        let unknown: Vec<_> =
            self.config.keys().filter(|key| !known.contains(key)).map(str::to_owned).collect();
        for key in unknown {
            self.reject(format!("has unknown key \"{key}\""));
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.config.take(key) {
            // Null is absent, as everywhere.
            None if !self.config.has(key) || key != "proxy_value" => None,
            Some(Value::String(text)) if !is_blank(&text) => Some(text),
            _ => {
                self.reject(format!("{key} must be a non-empty string"));
                None
            }
        }
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.config.take(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.reject(format!("{key} must be true or false"));
        }
        flag
    }

    fn check_header(&mut self, header: &str) {
        if !is_header_name(header) {
            self.reject(format!("\"{}\" is not a header name", header.escape_debug()));
        } else if FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(header)) {
            self.reject(format!("header must not be \"{header}\", which the proxy sets itself"));
        }
    }

    fn header_patterns(&mut self) -> Option<Vec<String>> {
        let value = self.config.take("match_headers")?;
        let Value::Array(items) = value else {
            self.reject("match_headers must be an array");
            return None;
        };
        let mut patterns = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::String(text) if is_header_pattern(&text) => patterns.push(text),
                Value::String(text) => self.reject(format!(
                    "match_headers: \"{}\" is neither a header name nor a /regular expression/",
                    text.escape_debug()
                )),
                _ => self.reject("match_headers must all be strings"),
            }
        }
        Some(patterns)
    }
}

/// What the proxy takes: a name, or a regular expression between slashes.
fn is_header_pattern(text: &str) -> bool {
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(pattern) => RegexBuilder::new(pattern).case_insensitive(true).build().is_ok(),
        None => is_header_name(text),
    }
}

/// Headers that say where a request ends or goes. The proxy refuses an entry that sets one, and with it the payload.
const FRAMING: [&str; 3] = ["host", "content-length", "transfer-encoding"];
