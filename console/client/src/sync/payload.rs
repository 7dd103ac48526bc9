//! The body of an answer.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use centaur_base::Secret;
use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};
use zeroize::Zeroize;

/// A member of an object: left out, null, or there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Member<T> {
    /// Left out.
    #[default]
    Absent,
    /// `null`
    Null,
    /// There.
    Given(T),
}

impl<T> Member<T> {
    /// The value, if there is one.
    pub fn given(&self) -> Option<&T> {
        if let Self::Given(value) = self { Some(value) } else { None }
    }
}

/// The members that a proxy knows. Names are exact; others are ignored. Values of secrets are wiped on drop.
#[derive(Default)]
pub struct Payload {
    /// Opaque; echoed when what came with it is in force.
    pub config_hash: String,
    /// For status pages.
    pub status: Member<String>,
    /// For status pages, and to see that the principal changed.
    pub principal_id: Member<String>,
    /// The allowlist.
    pub rules: Member<Value>,
    /// Entries of the `secrets` transform.
    pub secrets: Member<Value>,
    /// Further transforms.
    pub transforms: Member<Value>,
    /// MCP policy.
    pub mcp: Member<Value>,
    /// Upstreams of the PostgreSQL listener.
    pub postgres: Member<Value>,
    /// Token for the upload of audit lines.
    pub ingest_token: Option<Secret<String>>,
    digest: String,
}

/// A body that is not what belongs there. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not JSON.
    #[error("the answer is not JSON (line {line}, column {column})")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Not an object.
    #[error("the answer is not a JSON object")]
    Shape,
    /// A member of another type.
    #[error("{member} in the answer is not {wanted}")]
    Type {
        /// Its name.
        member: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
}

impl Payload {
    /// Reads a body.
    ///
    /// # Errors
    /// [`PayloadError`]
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let mut read: Value = serde_json::from_slice(body)
            .map_err(|error| PayloadError::Syntax { line: error.line(), column: error.column() })?;
        let Value::Object(members) = &mut read else { return Err(PayloadError::Shape) };
        let digest = BASE64_STANDARD.encode(Sha1::digest(body));
        let parsed = Self::take(members, digest);
        wipe(&mut read);
        parsed
    }

    fn take(members: &mut Map<String, Value>, digest: String) -> Result<Self, PayloadError> {
        let mut payload = Self::default();
        payload.digest = digest;
        for (name, place) in [
            ("rules", &mut payload.rules),
            ("secrets", &mut payload.secrets),
            ("transforms", &mut payload.transforms),
            ("mcp", &mut payload.mcp),
            ("postgres", &mut payload.postgres),
        ] {
            *place = match members.remove(name) {
                None => Member::Absent,
                Some(Value::Null) => Member::Null,
                Some(value) => Member::Given(value),
            };
        }
        payload.status = text(members, "status")?;
        payload.principal_id = text(members, "principal_id")?;
        if let Member::Given(hash) = text(members, "config_hash")? {
            payload.config_hash = hash;
        }
        if let Member::Given(token) = text(members, "ingest_token")? {
            payload.ingest_token = Some(Secret::new(token)).filter(|token| !token.expose().is_empty());
        }
        Ok(payload)
    }

    /// Whether there is anything to put in force.
    pub fn is_update(&self) -> bool {
        [&self.rules, &self.secrets, &self.transforms, &self.mcp, &self.postgres]
            .into_iter()
            .any(|member| member.given().is_some())
    }

    /// What tells this configuration from others: its hash, or, where a console gives none, a digest of the body.
    pub fn identity(&self) -> &str {
        if self.config_hash.is_empty() { &self.digest } else { &self.config_hash }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        for member in
            [&mut self.rules, &mut self.secrets, &mut self.transforms, &mut self.mcp, &mut self.postgres]
        {
            if let Member::Given(value) = member {
                wipe(value);
            }
        }
    }
}

impl std::fmt::Debug for Payload {
    /// Shows what is there, not what it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload")
            .field("config_hash", &self.config_hash)
            .field("status", &self.status)
            .field("principal_id", &self.principal_id)
            .finish_non_exhaustive()
    }
}

fn text(members: &mut Map<String, Value>, member: &'static str) -> Result<Member<String>, PayloadError> {
    match members.remove(member) {
        None => Ok(Member::Absent),
        Some(Value::Null) => Ok(Member::Null),
        Some(Value::String(text)) => Ok(Member::Given(text)),
        Some(mut other) => {
            wipe(&mut other);
            Err(PayloadError::Type { member, wanted: "a string" })
        }
    }
}

/// Overwrites every text.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
