//! `rules`.

use super::tables;
use crate::pattern::{Cidr, HostPattern, PathPattern, Scheme};
use crate::rule::{Destination, Rule};
use crate::yaml::{Cursor, Fields};

/// Reads the key `rules` of a mapping. Errors carry the label of the mapping and the index of the rule.
pub fn parse_rules(fields: &Fields<'_>) -> Vec<Rule> {
    let rule = |(at, item): (usize, Cursor<'_>)| {
        let label = match item.label() {
            "" => format!("rules[{at}]"),
            outer => format!("{outer}: rules[{at}]"),
        };
        rule(&item.labelled(label))
    };
    fields.items("rules").into_iter().enumerate().filter_map(rule).collect()
}

fn rule(item: &Cursor<'_>) -> Option<Rule> {
    let fields = item.fields(&tables::RULE)?;
    let destination = destination(item, &fields);
    let paths = each(&fields, "paths", |path| {
        let text = path.text()?;
        PathPattern::parse(text).map_err(|error| format!("{text:?} {error}")).or_reject(path)
    });
    let ports = each(&fields, "ports", |port| {
        let number = u16::try_from(port.int()?).ok().filter(|number| *number != 0);
        number.ok_or("must be from 1 to 65535").or_reject(port)
    });
    let schemes = each(&fields, "schemes", |scheme| {
        let text = scheme.text()?;
        text.parse::<Scheme>().map_err(|error| format!("{text:?} {error}")).or_reject(scheme)
    });
    let rule = Rule::from(destination?).with_methods(fields.texts("methods"));
    Some(rule.with_paths(paths).with_ports(ports).with_schemes(schemes))
}

fn destination(item: &Cursor<'_>, fields: &Fields<'_>) -> Option<Destination> {
    let (host, cidr) = (fields.key_or_null("host"), fields.key_or_null("cidr"));
    match (host.text()?, cidr.text()?) {
        ("", "") => item.reject("one of host or cidr is required"),
        (text, "") => match HostPattern::parse(text) {
            Ok(pattern) => Some(Destination::Host(pattern)),
            Err(error) => host.reject(format_args!("host {text:?} {error}")),
        },
        ("", text) => match Cidr::parse(text) {
            Ok(range) => Some(Destination::Cidr(range)),
            Err(error) => cidr.reject(error),
        },
        _ => item.reject("host and cidr are mutually exclusive"),
    }
}

/// Reads every item of a list, its index in the label.
fn each<'a, T>(fields: &Fields<'a>, key: &str, read: impl Fn(&Cursor<'a>) -> Option<T>) -> Vec<T> {
    let read = |(at, item): (usize, Cursor<'a>)| {
        let label = format!("{}: {key}[{at}]", item.label());
        read(&item.labelled(label))
    };
    fields.items(key).into_iter().enumerate().filter_map(read).collect()
}

trait OrReject<T> {
    fn or_reject(self, cursor: &Cursor<'_>) -> Option<T>;
}

impl<T, E: std::fmt::Display> OrReject<T> for Result<T, E> {
    fn or_reject(self, cursor: &Cursor<'_>) -> Option<T> {
        match self {
            Ok(value) => Some(value),
            Err(error) => cursor.reject(error),
        }
    }
}
