//! Values that the proxy of a run takes from where the program could read them too: variables and files of the caller.

use std::path::PathBuf;

use centaur_base::Secret;
use centaur_client::api::EffectiveConfig;
use serde_json::Value;

/// The variables and files that a principal's credentials come from.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// A variable, and the member of the JSON object in it that counts.
    variables: Vec<(String, Option<String>)>,
    pub(super) files: Vec<PathBuf>,
}

impl Taken {
    pub(super) fn of(config: &EffectiveConfig) -> Self {
        let mut taken = Self::default();
        for part in config.secrets.iter().chain(&config.transforms).chain(&config.postgres) {
            taken.look(part);
        }
        taken
    }

    /// A source stands in many places: of a credential, a field of a token request, a database.
    fn look(&mut self, value: &Value) {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("type").as_deref(), text("var"), text("path")) {
            (Some("env"), Some(variable), _) => self.variables.push((variable, text("json_key"))),
            (Some("file"), _, Some(path)) => self.files.push(path.into()),
            _ => match value {
                Value::Object(members) => members.values().for_each(|member| self.look(member)),
                Value::Array(items) => items.iter().for_each(|item| self.look(item)),
                _ => {}
            },
        }
    }

    /// What the variables hold, whole and the members that count.
    pub(super) fn values(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<Secret<String>> {
        let mut values = Vec::new();
        for (variable, key) in &self.variables {
            let Some(whole) = env(variable).filter(|text| !text.is_empty()) else { continue };
            let whole = Secret::new(whole);
            if let Some(key) = key
                && let Ok(mut document) = serde_json::from_str::<Value>(whole.expose())
            {
                if let Some(Value::String(member)) = document.get_mut(key).map(Value::take) {
                    values.push(Secret::new(member));
                }
                wipe(document);
            }
            values.push(whole);
        }
        values.retain(|value| !value.expose().is_empty());
        values
    }
}

/// The rest of a document that was read.
fn wipe(value: Value) {
    match value {
        Value::String(text) => drop(Secret::new(text)),
        Value::Array(items) => items.into_iter().for_each(wipe),
        Value::Object(members) => members.into_iter().for_each(|(_, member)| wipe(member)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_variable_and_file_that_a_credential_comes_from_is_found_wherever_it_is_named() {
        let config = EffectiveConfig {
            secrets: vec![
                json!({"source": {"type": "env", "var": "A"}, "inject": {"header": "X"}}),
                json!({"source": {"type": "file", "path": "/run/b"}, "replace": {"proxy_value": "B"}}),
                json!({"source": {"type": "control_plane", "id": "ssr_x"}}),
            ],
            transforms: vec![json!({"name": "oauth_token", "config": {"tokens": [
                {"client_id": {"type": "env", "var": "DOC", "json_key": "id"},
                 "refresh_token": {"type": "env", "var": "DOC", "json_key": "none"}}]}})],
            postgres: vec![json!({"dsn": {"type": "env", "var": "DSN"}})],
        };
        let taken = Taken::of(&config);
        assert_eq!(taken.files, [PathBuf::from("/run/b")]);
        let env = |name: &str| match name {
            "A" => Some("fake-a".to_owned()),
            "DOC" => Some(r#"{"id": "fake-id", "other": ["fake-other"]}"#.to_owned()),
            "DSN" => Some(String::new()),
            _ => None,
        };
        let values = taken.values(&env);
        let values: Vec<&str> = values.iter().map(|value| value.expose().as_str()).collect();
        let document = env("DOC").unwrap();
        assert_eq!(values, ["fake-a", "fake-id", &document, &document]);
    }
}
