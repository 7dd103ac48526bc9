//! Roles and principals as a file, for review and version control.
//!
//! ```toml
//! version = 1
//! namespace = "default"
//!
//! [[role]]
//! id = "tool-support"
//! name = "Support desk"
//! tools = ["pylon", "linear"]
//! secrets = ["static/tool-slack-slack-bot-token"]
//!
//! [[principal]]
//! id = "slack-channel-c456"
//! roles = ["tool-support"]
//! secrets = [{ secret = "static/on-call-key", expires_at = "2030-01-31T12:00:00Z" }]
//! ```
//!
//! It names what is held, never a value. What a principal or role of the file holds is all that it shall hold; what the
//! file does not name is left alone.

mod read;
mod write;

use centaur_base::oid::SecretKind;
use centaur_client::api::Secret;
use serde::Serialize;

use crate::shape;

pub use self::read::{open, parse};
pub use self::write::toml;

/// The version of the form.
pub const VERSION: i64 = 1;
/// The priority of a direct grant that names none.
pub const DIRECT_PRIORITY: i64 = 100;
/// The priority of a grant of a role that names none.
pub const ROLE_PRIORITY: i64 = 0;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Of the form.
    pub version: i64,
    /// Of everything that is named; `None` is that of the command.
    pub namespace: Option<String>,
    /// `[[role]]`
    pub role: Vec<RoleEntry>,
    /// `[[principal]]`
    pub principal: Vec<PrincipalEntry>,
}

/// `[[role]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleEntry {
    /// Foreign id; `role_…` for one that has none.
    pub id: String,
    /// Name for people; `None` leaves it, and is the id for a role that is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tools, all of whose secrets it holds.
    pub tools: Vec<String>,
    /// Further secrets.
    pub secrets: Vec<Held>,
}

/// `[[principal]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrincipalEntry {
    /// Foreign id; `prn_…` for one that has none.
    pub id: String,
    /// Roles that are assigned.
    pub roles: Vec<String>,
    /// Secrets that are granted directly.
    pub secrets: Vec<Held>,
}

/// A secret that is held: a text, or a table when the grant has a priority or an end of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Held {
    /// `TYPE/FOREIGN_ID`, or an id.
    pub secret: String,
    /// `None` is the default: 100 for a principal, 0 for a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// RFC 3339; `None` is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// How a secret is written in a file: by its type and foreign id, by its id when it has none.
pub fn reference(secret: &Secret) -> String {
    match &secret.foreign_id {
        Some(foreign_id) => typed(secret.id.kind, foreign_id),
        None => secret.id.to_string(),
    }
}

/// `TYPE/FOREIGN_ID`
pub fn typed(kind: SecretKind, foreign_id: &str) -> String {
    format!("{}/{foreign_id}", shape::type_name(kind))
}
