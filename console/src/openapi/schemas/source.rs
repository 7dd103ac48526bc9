//! Sources and rules, which secrets are made of.

use serde_json::{Value, json};

use super::Named;
use crate::definition::{METHODS, SourceType};
use crate::openapi::schema::{
    Object, about, flag, integer, list_of, nullable, reference, some_text, text, words, write_only,
};

pub(super) fn all() -> Vec<Named> {
    vec![
        ("Source", one_of(false)),
        ("SourceWrite", one_of(true)),
        ("Rule", rule()),
        ("RuleWrite", rule_write()),
    ]
}

fn one_of(written: bool) -> Value {
    let types: Vec<_> = SourceType::ALL.into_iter().map(|of| source(of, written)).collect();
    json!({ "description": "Where a value comes from.", "oneOf": types })
}

fn source(of: SourceType, written: bool) -> Value {
    let (required, optional) = crate::definition::source_keys(of);
    let value = |key: &str| match key {
        "with_decryption" => flag(),
        "ttl" => about(some_text(), "A duration such as `10m`."),
        _ => some_text(),
    };
    let config = required.iter().fold(Object::new().closed(), |config, key| config.always(key, value(key)));
    let config = optional.iter().fold(config, |config, key| config.maybe(key, value(key)));
    let config = config.build();
    let source = Object::new().always("source_type", json!({ "const": of.as_str() }));
    if !written {
        return source.always("config", config).build();
    }
    // What needs nothing may leave it out.
    let source = if required.is_empty() {
        source.maybe("config", nullable(config))
    } else {
        source.always("config", config)
    };
    if of != SourceType::ControlPlane {
        return source.build();
    }
    let keep = "On an update, keep the value that is stored instead of sending it again.";
    source.maybe("secret", write_only()).maybe("keep_secret", about(nullable(flag()), keep)).build()
}

fn rule() -> Value {
    Object::new()
        .about("Which requests: all parts that are there have to match.")
        .always("host", nullable(text()))
        .always("cidr", nullable(text()))
        .always("position", integer(Some(0), None))
        .always("http_methods", list_of(words(&METHODS)))
        .always("paths", list_of(text()))
        .maybe("ports", list_of(port()))
        .maybe("schemes", list_of(schemes()))
        .build()
}

fn rule_write() -> Value {
    let host = "A host name, a pattern such as `*.example.com`, or `*`. Exactly one of host and cidr.";
    Object::new()
        .maybe("host", about(nullable(text()), host))
        .maybe("cidr", about(nullable(text()), "A range of addresses, or one address."))
        .maybe("http_methods", nullable(list_of(words(&METHODS))))
        .maybe("paths", nullable(list_of(json!({ "type": "string", "pattern": "^/" }))))
        .maybe("ports", nullable(list_of(port())))
        .maybe("schemes", nullable(list_of(schemes())))
        .build()
}

fn port() -> Value {
    integer(Some(1), Some(65_535))
}

fn schemes() -> Value {
    words(&["http", "https"])
}

/// A source that may be absent.
pub(super) fn maybe_source() -> Value {
    nullable(reference("Source"))
}
