//! What `secrets show` and `broker show` have in common.

use serde_json::{Map, Value, json};

use crate::printer::{Table, escape_json};
use crate::report::Report;
use crate::session::Session;
use crate::settings::Output;

/// A whole record: as JSON, or under `wide` one member a line.
pub(super) fn report(session: &Session, kind: &str, record: &Map<String, Value>) -> Report {
    let text = if session.settings.output == Output::Wide {
        let mut table = Table::new();
        table.row(["type", kind]);
        record.iter().for_each(|(name, value)| rows(&mut table, name, value));
        table.text()
    } else {
        let shown = serde_json::to_string_pretty(record).unwrap_or_default();
        format!("{kind}\n{}\n", escape_json(&shown))
    };
    Report::new(json!({ "type": kind, "record": record }), text)
}

/// `rules.0.host  a.test`; a list of plain values is one line.
fn rows(table: &mut Table, name: &str, value: &Value) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, value)| rows(table, &format!("{name}.{key}"), value));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(at, value)| rows(table, &format!("{name}.{at}"), value));
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            table.row([name, &items.join(", ")]);
        }
        Value::Object(_) => table.row([name, ""]),
        value => table.row([name.to_owned(), plain(value)]),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
