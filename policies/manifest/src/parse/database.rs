//! `pg_dsn` and `plain`: entries whose names are variables.

use toml::de::DeValue;

use super::entry::{Inherited, secret_ref};
use super::fields::{Fields, text_of};
use super::reserved;
use crate::manifest::{Binding, PgDsn, Plain, PrincipalField, Setting, SettingValue};
use crate::problem::Code;

pub(super) const PG_KEYS: &[&str] = &["database", "role", "settings"];
pub(super) const PLAIN_KEYS: &[&str] = &["default"];

pub(super) fn pg_dsn(fields: &Fields<'_>, name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    check_variable(fields, name);
    let secret_ref = secret_ref(fields, name);
    let database = fields.needed("database", Code::DatabaseMissing, Code::DatabaseMissing);
    let role = fields.text("role", Code::KeyInvalid);
    let settings = settings(fields);
    Some(Binding::PgDsn(PgDsn { secret_ref: secret_ref?, database: database?, role, settings }))
}

pub(super) fn plain(fields: &Fields<'_>, name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    check_variable(fields, name);
    let default = match fields.get("default").map(toml::Spanned::get_ref) {
        // An empty default is a value like any other.
        Some(DeValue::String(text)) if !text.contains('\0') => Some(text.clone().into_owned()),
        Some(_) => return fields.report(Code::KeyInvalid, "default", "default has to be a string"),
        None => None,
    };
    Some(Binding::Plain(Plain { default }))
}

fn check_variable(fields: &Fields<'_>, name: &str) {
    if name.is_empty() {
        return;
    }
    if !is_identifier(name) {
        let text = format!("{name:?} cannot be a variable: letters, digits and _ alone, no digit in front");
        fields.report::<()>(Code::EnvNameInvalid, "name", text);
    }
    if let Some(place) = fields.place {
        let at = fields.get("name").map_or(0, |node| node.span().start);
        reserved::check(fields.log, place, Some("name"), at, name);
    }
}

fn settings(fields: &Fields<'_>) -> Vec<Setting> {
    const KEY: &str = "settings";
    let Some(items) = fields.array(KEY, Code::SettingInvalid) else { return Vec::new() };
    let mut settings: Vec<Setting> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            let text = format!("settings[{index}] has to be a table");
            fields.report_at::<()>(Code::SettingInvalid, KEY, at, text);
            continue;
        };
        let table = fields.below(&format!("{KEY}[{index}]"), table, at);
        table.note_unknown(&["name", "value", "value_from"]);
        let name = setting_name(&table, &settings);
        let value = setting_value(&table);
        settings.extend(name.zip(value).map(|(name, value)| Setting { name, value }));
    }
    settings
}

fn setting_name(table: &Fields<'_>, before: &[Setting]) -> Option<String> {
    let name = table.needed("name", Code::SettingInvalid, Code::SettingInvalid)?;
    let problem = if !is_setting(&name) {
        "is no name of a setting: an identifier, or two with a dot between"
    } else if ["role", "session_authorization"].iter().any(|managed| managed.eq_ignore_ascii_case(&name)) {
        "is set by the proxy; use the key role of the entry"
    } else if before.iter().any(|setting| setting.name.eq_ignore_ascii_case(&name)) {
        "is there twice"
    } else {
        return Some(name);
    };
    table.report(Code::SettingInvalid, "name", format!("{name:?} {problem}"))
}

fn setting_value(table: &Fields<'_>) -> Option<SettingValue> {
    match (table.get("value"), table.has("value_from")) {
        (Some(_), true) => {
            table.report(Code::SettingInvalid, "value_from", "value and value_from exclude each other")
        }
        (None, false) => table.report(Code::SettingInvalid, "value", "value or value_from is missing"),
        (Some(value), false) => match value.get_ref() {
            DeValue::String(text) if !text.contains('\0') => {
                Some(SettingValue::Value(text.clone().into_owned()))
            }
            _ => table.report(Code::SettingInvalid, "value", "value has to be a string"),
        },
        (None, true) => value_from(&table.table("value_from", Code::SettingInvalid)?),
    }
}

fn value_from(table: &Fields<'_>) -> Option<SettingValue> {
    const WANTED: &str = "value_from has to hold principal_label or principal_field, and nothing else";
    let mut members = table.iter();
    let (Some((key, node)), None) = (members.next(), members.next()) else {
        return table.report(Code::SettingInvalid, "principal_label", WANTED);
    };
    let text = text_of(node).map(str::trim);
    match (key, text) {
        ("principal_label", Some(label)) => Some(SettingValue::PrincipalLabel(label.to_owned())),
        ("principal_field", Some(word)) => {
            let field = PrincipalField::ALL.into_iter().find(|field| field.as_str() == word);
            field.map(SettingValue::PrincipalField).or_else(|| {
                let all = PrincipalField::ALL.map(PrincipalField::as_str).join(", ");
                table.report(Code::SettingInvalid, key, format!("principal_field {word:?} is none of {all}"))
            })
        }
        _ => table.report(Code::SettingInvalid, key, WANTED),
    }
}

fn is_setting(name: &str) -> bool {
    match name.split_once('.') {
        Some((class, name)) => is_identifier(class) && is_identifier(name),
        None => is_identifier(name),
    }
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
