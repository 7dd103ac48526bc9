//! What a manifest says, with defaults applied. Two files that say the same are equal, however they are written.

mod binding;
mod field;

use std::fmt;

use serde::Serialize;

pub use self::binding::{
    AwsAuth, Binding, BrokerSeed, BrokeredToken, GcpAuth, GcpIdToken, Grant, HmacHeader, HmacSign, Http,
    Inject, OauthToken, PgDsn, Placement, Plain, PrincipalField, Replace, Setting, SettingValue,
};
pub use self::field::{FieldSource, Fields};
use crate::slug::hex;

/// What one `pyproject.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// Tool or persona.
    #[serde(flatten)]
    pub kind: Kind,
    /// `project.name`, or the name of the directory. Never identifies the tool.
    pub package: String,
    /// `project.description`, trimmed.
    pub description: Option<String>,
    /// Names of the commands in sandboxes, sorted.
    pub commands: Vec<String>,
    /// File with the factory of the client, relative to the directory.
    pub module: String,
    /// Hosts that entries may inherit.
    pub hosts: Vec<String>,
    /// Limit of a call, when the manifest has one.
    pub timeout: Option<Timeout>,
    /// Variable that overrides the limit of a call.
    pub timeout_env: Option<String>,
    /// Credentials the tool needs.
    #[serde(rename = "secrets")]
    pub required: Vec<Entry>,
    /// Credentials whose absence the tool tolerates.
    #[serde(rename = "optional_secrets")]
    pub optional: Vec<Entry>,
}

impl Manifest {
    /// All entries: those that are needed first, each list as declared.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.required.iter().chain(&self.optional)
    }

    /// Whether it is a tool, and not a persona.
    pub fn is_tool(&self) -> bool {
        matches!(self.kind, Kind::Tool)
    }
}

/// What a directory with a manifest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A tool.
    Tool,
    /// A persona. It has no credentials and cannot be granted.
    Persona {
        /// File with the prompt, relative to the directory.
        prompt: String,
        /// Preferred harness; informational.
        engine: Option<String>,
    },
}

/// How long a call of a tool may take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timeout {
    /// As long as it wants.
    Unlimited,
    /// Seconds, above 0.
    Seconds(f64),
}

/// One declared credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The list it stands in.
    pub list: List,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its declared name.
    pub name: String,
    /// What it is and where it applies.
    #[serde(flatten)]
    pub binding: Binding,
}

impl Entry {
    /// `sha256:` and the first 16 hexadecimal digits over what the entry says. Where it stands does not matter, so
    /// that a change of one entry does not touch another.
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        let said = serde_json::json!({ "name": self.name, "binding": self.binding });
        format!("sha256:{}", hex(&Sha256::digest(said.to_string())[..8]))
    }
}

/// A list of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum List {
    /// `secrets`
    #[serde(rename = "secrets")]
    Required,
    /// `optional_secrets`
    #[serde(rename = "optional_secrets")]
    Optional,
}

impl List {
    /// Both, in the order in which they count.
    pub const ALL: [Self; 2] = [Self::Required, Self::Optional];

    /// The key in the manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "secrets",
            Self::Optional => "optional_secrets",
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
