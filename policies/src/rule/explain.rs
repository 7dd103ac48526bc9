//! Rules as text: what a log or a refusal shows, always one line of YAML that can be pasted into a configuration.

use std::fmt;

use super::{Destination, Rule, Target};
use crate::glob::Glob;
use crate::pattern::MethodSet;

pub(super) fn write_rule(rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match rule.destination() {
        Destination::Host(pattern) => write!(f, "{{host: {}", quoted(pattern.as_str()))?,
        Destination::Cidr(cidr) => write!(f, "{{cidr: \"{cidr}\"")?,
    }
    if let MethodSet::Only(names) = rule.methods() {
        write!(f, ", methods: [{}]", list(names.iter().map(|name| bare_or_quoted(name))))?;
    }
    if !rule.paths().is_empty() {
        write!(f, ", paths: [{}]", list(rule.paths().iter().map(|path| quoted(path.as_str()))))?;
    }
    if !rule.ports().is_empty() {
        write!(f, ", ports: [{}]", list(rule.ports()))?;
    }
    if !rule.schemes().is_empty() {
        write!(f, ", schemes: [{}]", list(rule.schemes()))?;
    }
    f.write_str("}")
}

/// What cannot be said in a rule is left out: a lower-case method (rules have upper case), the path of
/// `OPTIONS *` and of CONNECT.
pub(super) fn line_for(target: &Target<'_>) -> String {
    let mut parts = vec![format!("host: {}", quoted(target.host.as_str()))];
    let method = target.method;
    if !method.is_empty() && method != "*" && method.to_ascii_uppercase() == method {
        parts.push(format!("methods: [{}]", bare_or_quoted(method)));
    }
    if target.path.starts_with('/') {
        parts.push(format!("paths: [{}]", quoted(&Glob::escape(target.path))));
    }
    parts.push(format!("ports: [{}]", target.port));
    format!("{{{}}}", parts.join(", "))
}

/// A JSON string, which is a YAML string too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Method names need no quotes, unless YAML takes them for something else.
fn bare_or_quoted(text: &str) -> String {
    let plain = text.len() > 3 || matches!(text, "GET" | "PUT");
    if plain && text.bytes().all(|b| b.is_ascii_uppercase()) && !matches!(text, "NULL" | "TRUE" | "FALSE") {
        return text.to_owned();
    }
    quoted(text)
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
