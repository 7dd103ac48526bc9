//! Which requests a secret applies to.

use std::net::IpAddr;

use centaur_policies::pattern::{Cidr, HostPattern, PathPattern, Scheme};
use centaur_policies::rule as policy;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::{Attributes, Reader, is_blank};

/// One rule, as it was written. All parts that are there have to match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `host` or `cidr`
    #[serde(flatten)]
    pub scope: Scope,
    /// Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_methods: Vec<String>,
    /// Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Empty means all. Ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Empty means both. Ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
}

/// Where a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A pattern over host names.
    Host(String),
    /// A range of addresses, or one address.
    Cidr(String),
}

impl Rule {
    /// As a response shows it: five keys always, what is ours only where it says something.
    pub fn shown(&self, position: usize) -> Value {
        let (host, cidr) = match &self.scope {
            Scope::Host(host) => (Some(host), None),
            Scope::Cidr(cidr) => (None, Some(cidr)),
        };
        let mut rule = Map::new();
        rule.insert("host".to_owned(), json!(host));
        rule.insert("cidr".to_owned(), json!(cidr));
        rule.insert("position".to_owned(), json!(position));
        rule.insert("http_methods".to_owned(), json!(self.http_methods));
        rule.insert("paths".to_owned(), json!(self.paths));
        self.insert_ours(&mut rule);
        Value::Object(rule)
    }

    /// As the proxy reads it. The proxy takes no bare address, so it gets the range that is this one address.
    pub fn wire(&self) -> Value {
        let mut rule = Map::new();
        match &self.scope {
            Scope::Host(host) => rule.insert("host".to_owned(), json!(host)),
            Scope::Cidr(text) => {
                let range = cidr(text).map_or_else(|| text.clone(), |cidr| cidr.to_string());
                rule.insert("cidr".to_owned(), json!(range))
            }
        };
        if !self.http_methods.is_empty() {
            rule.insert("methods".to_owned(), json!(self.http_methods));
        }
        if !self.paths.is_empty() {
            rule.insert("paths".to_owned(), json!(self.paths));
        }
        self.insert_ours(&mut rule);
        Value::Object(rule)
    }

    /// As the proxy matches with it; `None` for one that was stored before it was checked.
    pub(crate) fn compiled(&self) -> Option<policy::Rule> {
        let rule = match &self.scope {
            Scope::Host(host) => policy::Rule::host(host).ok()?,
            Scope::Cidr(text) => policy::Rule::cidr(&cidr(text)?.to_string()).ok()?,
        };
        let paths: Result<Vec<_>, _> = self.paths.iter().map(|path| PathPattern::parse(path)).collect();
        let schemes: Result<Vec<Scheme>, _> = self.schemes.iter().map(|scheme| scheme.parse()).collect();
        let rule = rule.with_methods(&self.http_methods).with_paths(paths.ok()?);
        Some(rule.with_ports(self.ports.clone()).with_schemes(schemes.ok()?))
    }

    fn insert_ours(&self, rule: &mut Map<String, Value>) {
        if !self.ports.is_empty() {
            rule.insert("ports".to_owned(), json!(self.ports));
        }
        if !self.schemes.is_empty() {
            rule.insert("schemes".to_owned(), json!(self.schemes));
        }
    }
}

/// A range, or an address as the range that is it alone.
pub(crate) fn cidr(text: &str) -> Option<Cidr> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(Cidr::from(IpNet::from(address.to_canonical()))),
        Err(_) => Cidr::parse(text).ok(),
    }
}

/// As shown: all rules of a definition with their positions.
pub(super) fn shown(rules: &[Rule]) -> Value {
    rules.iter().enumerate().map(|(at, rule)| rule.shown(at)).collect()
}

/// `rules`; absent is empty.
pub(super) fn rules(reader: &mut Reader<'_>) -> Vec<Rule> {
    let items = reader.list("rules", "must be an array").unwrap_or_default();
    let mut rules = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("rules[{at}]");
        let Value::Object(members) = item else {
            reader.problems().add("rules", "must be an array of objects");
            reader.problems().add(&path, "must be a hash");
            continue;
        };
        let mut members = Attributes::new(members);
        rules.extend(rule(&mut Reader::nested(&mut members, reader.problems(), &path)));
    }
    rules
}

/// `rules` of a type that has to have one.
pub(super) fn some_rules(reader: &mut Reader<'_>) -> Vec<Rule> {
    let is_list = reader.peek("rules").is_none_or(|value| value.is_array() || value.is_null());
    let is_empty = reader.peek("rules").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if is_list && is_empty {
        reader.reject("rules", "must include at least one rule");
    }
    rules(reader)
}

fn rule(reader: &mut Reader<'_>) -> Option<Rule> {
    let host = place(reader, "host", HOST, |text| HostPattern::parse(text).is_ok());
    let cidr = place(reader, "cidr", "is not a valid CIDR", |text| cidr(text).is_some());
    let scope = match (host, cidr) {
        (Some(_), Some(_)) => {
            reader.reject("base", "host and cidr are mutually exclusive");
            None
        }
        (None, None) => {
            reader.reject("base", "either host or cidr must be present");
            None
        }
        (Some(host), None) => Some(Scope::Host(host)),
        (None, Some(cidr)) => Some(Scope::Cidr(cidr)),
    };
    let http_methods = checked(reader, "http_methods", |value| {
        let known = value.as_str().is_some_and(|method| METHODS.contains(&method));
        (!known).then(|| format!("{value} is not a supported HTTP method"))
    });
    let paths = checked(reader, "paths", path_problem);
    let ports = ports(reader);
    let schemes = checked(reader, "schemes", |value| {
        let known = value
            .as_str()
            .is_some_and(|text| [Scheme::Http, Scheme::Https].map(Scheme::as_str).contains(&text));
        (!known).then(|| format!("{value} must be \"http\" or \"https\""))
    });
    Some(Rule { scope: scope?, http_methods, paths, ports, schemes })
}

/// `host` or `cidr`: a text that is there counts as there, right or wrong.
fn place(
    reader: &mut Reader<'_>,
    key: &str,
    message: &str,
    is_right: impl Fn(&str) -> bool,
) -> Option<String> {
    let text = match reader.value(key)? {
        Value::String(text) if is_blank(&text) => return None,
        Value::String(text) => text,
        other => {
            reader.reject(key, message);
            return Some(other.to_string());
        }
    };
    if !is_right(&text) {
        reader.reject(key, message);
    }
    Some(text)
}

/// A list of texts, each checked for itself.
fn checked(reader: &mut Reader<'_>, key: &str, problem: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    let items = reader.list(key, "must be an array").unwrap_or_default();
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match (problem(&item), item) {
            (None, Value::String(text)) => texts.push(text),
            (problem, item) => {
                reader.reject(key, problem.unwrap_or_else(|| format!("{item} must be a string")));
            }
        }
    }
    texts
}

fn path_problem(value: &Value) -> Option<String> {
    let Some(path) = value.as_str().filter(|path| path.starts_with('/')) else {
        return Some(format!("{value} must be a string starting with /"));
    };
    PathPattern::parse(path).err().map(|error| format!("{value} is not a path pattern: {error}"))
}

fn ports(reader: &mut Reader<'_>) -> Vec<u16> {
    let items = reader.list("ports", "must be an array").unwrap_or_default();
    let mut ports = Vec::with_capacity(items.len());
    for item in items {
        match item.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0) {
            Some(port) => ports.push(port),
            None => reader.reject("ports", format!("{item} is not a port from 1 to 65535")),
        }
    }
    ports
}

const HOST: &str = "must be a hostname or wildcard pattern, without scheme or path";

/// What `http_methods` may name.
pub(crate) const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "*"];
