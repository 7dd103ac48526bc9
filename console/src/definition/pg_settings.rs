//! `settings` of a PostgreSQL upstream: literal values, or values that come from the principal.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::{Reader, is_blank};

/// One session setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// `name` or `class.name`.
    pub name: String,
    /// What it is set to.
    #[serde(flatten)]
    pub value: SettingValue,
}

/// Where the value of a setting comes from. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingValue {
    /// As written.
    Value(String),
    /// A label of the principal; empty when it has none.
    PrincipalLabel(String),
    /// A field of the principal.
    PrincipalField(PrincipalField),
}

/// `principal_field`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalField {
    /// The OID.
    Id,
    /// The namespace.
    Namespace,
    /// The foreign id.
    ForeignId,
    /// The name.
    Name,
}

impl PrincipalField {
    const ALL: [(&'static str, Self); 4] = [
        ("id", Self::Id),
        ("namespace", Self::Namespace),
        ("foreign_id", Self::ForeignId),
        ("name", Self::Name),
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Namespace => "namespace",
            Self::ForeignId => "foreign_id",
            Self::Name => "name",
        }
    }
}

/// As shown: references stay references.
pub(super) fn shown_settings(settings: &[Setting]) -> Value {
    let shown = |setting: &Setting| match &setting.value {
        SettingValue::Value(value) => json!({ "name": setting.name, "value": value }),
        SettingValue::PrincipalLabel(label) => {
            json!({ "name": setting.name, "value_from": { "principal_label": label } })
        }
        SettingValue::PrincipalField(field) => {
            json!({ "name": setting.name, "value_from": { "principal_field": field.as_str() } })
        }
    };
    settings.iter().map(shown).collect()
}

/// `settings`; of each entry the first problem is noted.
pub(super) fn settings(reader: &mut Reader<'_>) -> Vec<Setting> {
    let items = reader.list("settings", "must be an array").unwrap_or_default();
    let mut settings: Vec<Setting> = Vec::with_capacity(items.len());
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        match setting(item, &mut names) {
            Ok(setting) => settings.push(setting),
            Err(problem) => reader.reject("settings", format!("[{at}] {problem}")),
        }
    }
    settings
}

/// `names` are those of the entries before, in lower case.
fn setting(item: Value, names: &mut Vec<String>) -> Result<Setting, String> {
    let Value::Object(entry) = item else { return Err("must be an object".to_owned()) };
    let name = match entry.get("name") {
        Some(Value::String(name)) if !is_blank(name) => name.clone(),
        None | Some(Value::Null | Value::String(_)) => return Err("name is required".to_owned()),
        Some(other) => return Err(format!("invalid setting name \"{other}\"")),
    };
    if !is_setting_name(&name) {
        return Err(format!("invalid setting name \"{}\"", name.escape_debug()));
    }
    let lower = name.to_ascii_lowercase();
    if matches!(lower.as_str(), "role" | "session_authorization") {
        return Err(format!("\"{name}\" is managed by the proxy; use the role field"));
    }
    if names.contains(&lower) {
        return Err(format!("duplicate setting \"{name}\""));
    }
    names.push(lower);
    let value = value(&entry)?;
    Ok(Setting { name, value })
}

fn value(entry: &Map<String, Value>) -> Result<SettingValue, String> {
    let given = |key: &str| entry.get(key).filter(|value| !value.is_null());
    match (given("value"), given("value_from")) {
        (Some(_), Some(_)) => Err("value and value_from are mutually exclusive".to_owned()),
        (_, Some(from)) => value_from(from),
        // A setting without a value is set to nothing, which is what a row policy compares with in vain.
        (None, None) => Ok(SettingValue::Value(String::new())),
        (Some(Value::String(text)), None) if text.contains('\0') => {
            Err("value must not contain NUL".to_owned())
        }
        (Some(Value::String(text)), None) => Ok(SettingValue::Value(text.clone())),
        (Some(scalar @ (Value::Number(_) | Value::Bool(_))), None) => {
            Ok(SettingValue::Value(scalar.to_string()))
        }
        (Some(_), None) => Err("value must be a string".to_owned()),
    }
}

fn value_from(from: &Value) -> Result<SettingValue, String> {
    let Value::Object(from) = from else { return Err("value_from must be an object".to_owned()) };
    let only = from.iter().next().filter(|_| from.len() == 1);
    match only.map(|(key, value)| (key.as_str(), value)) {
        Some(("principal_label", label)) => match label.as_str().filter(|label| !is_blank(label)) {
            Some(label) => Ok(SettingValue::PrincipalLabel(label.to_owned())),
            None => Err("principal_label can't be blank".to_owned()),
        },
        Some(("principal_field", field)) => {
            let name = field.as_str().map_or_else(|| field.to_string(), str::to_owned);
            let known = PrincipalField::ALL.iter().find(|(known, _)| *known == name);
            known.map(|(_, field)| SettingValue::PrincipalField(*field)).ok_or_else(|| {
                let words = PrincipalField::ALL.map(|(word, _)| word).join(", ");
                format!("unknown principal_field \"{}\" (one of: {words})", name.escape_debug())
            })
        }
        _ => Err("value_from must have exactly one of principal_label or principal_field".to_owned()),
    }
}

/// One or two identifiers with a dot between.
fn is_setting_name(name: &str) -> bool {
    let is_identifier = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match name.split_once('.') {
        Some((class, name)) => is_identifier(class) && is_identifier(name),
        None => is_identifier(name),
    }
}
