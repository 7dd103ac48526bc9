//! Named profiles: `$XDG_CONFIG_HOME/centaur/perms.toml`.
//!
//! ```toml
//! [context.staging]
//! iron-control-url = "https://console.staging.example"
//! iron-control-api-key-file = "/home/ada/.config/centaur/staging.key"
//! namespace = "lab"
//! ```
//!
//! Keys are those of the options.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::Env;
use crate::args::Sensitive;
use crate::failure::Failure;

/// One profile.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) iron_control_url: Option<String>,
    pub(super) iron_control_api_key: Option<Key>,
    pub(super) iron_control_api_key_file: Option<PathBuf>,
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) tools_dir: Vec<PathBuf>,
    pub(super) source_policy: Option<String>,
    pub(super) op_vault: Option<String>,
    pub(super) op_ttl: Option<String>,
    pub(super) output: Option<String>,
    pub(super) timeout: Option<u32>,
    pub(super) retries: Option<u32>,
    pub(super) default_roles: Option<String>,
}

/// An API key, wiped when dropped.
#[derive(Debug, Clone)]
pub(super) struct Key(pub(super) Sensitive);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    context: BTreeMap<String, Profile>,
}

impl Profile {
    /// The one with this name.
    pub(super) fn load(name: &str, env: Env<'_>) -> Result<Self, Failure> {
        let config = env("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.or_else(|| Some(PathBuf::from(env("HOME")?).join(".config")));
        let path = config.unwrap_or_default().join("centaur/perms.toml");
        let bad = |problem: String| Failure::BadProfile { path: path.display().to_string(), problem };
        let text = std::fs::read_to_string(&path).map_err(|error| bad(error.kind().to_string()))?;
        let mut file: File = toml::from_str(&text).map_err(|error| bad(problem(&error, &text)))?;
        if let Some(profile) = file.context.remove(name) {
            return Ok(profile);
        }
        let known: Vec<_> = file.context.into_keys().collect();
        Err(bad(format!("there is no context {name}; there are: {}", known.join(", "))))
    }
}

/// Where and what, without the line, which may hold more than it should.
fn problem(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message().replace('\n', " "))
}
