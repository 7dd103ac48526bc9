//! What is kept: the members of the answers that make up the configuration in force, and when they were vouched for.

use std::time::{Duration, SystemTime};

use centaur_client::sync::{Member, Payload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use super::KeepError;

/// Texts are wiped on drop; some hold values.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Document {
    /// Milliseconds since 1970 at the end of the last good sync.
    synced_at: u64,
    /// Milliseconds that credentials last without a further one.
    max_age: u64,
    config_hash: String,
    principal_id: Option<String>,
    status: Option<String>,
    /// Names of members and their JSON.
    members: Vec<(String, String)>,
}

/// The members that hold values.
const CREDENTIALS: [&str; 2] = ["secrets", "transforms"];

impl Document {
    pub(super) fn read(text: &[u8]) -> Result<Self, KeepError> {
        serde_json::from_slice(text).map_err(|_| KeepError::Content)
    }

    pub(super) fn text(&self) -> Result<Zeroizing<Vec<u8>>, KeepError> {
        // Room for all of it, since a buffer that grows leaves copies behind.
        let room = self.members.iter().map(|(name, text)| name.len() + 2 * text.len() + 16).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(room + 1024));
        serde_json::to_writer(&mut *text, self).map_err(|_| KeepError::Content)?;
        Ok(text)
    }

    pub(super) fn stamp(&mut self, at: SystemTime, max_age: Duration) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.synced_at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.max_age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
    }

    pub(super) fn synced_at(&self) -> SystemTime {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.synced_at));
        at.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(super) fn max_age(&self) -> Duration {
        Duration::from_millis(self.max_age)
    }

    /// An answer, over those before it: the same rules as for putting it in force.
    pub(super) fn take(&mut self, payload: &Payload) {
        let principal = match &payload.principal_id {
            Member::Absent => self.principal_id.clone(),
            Member::Null => None,
            Member::Given(id) => Some(id.clone()),
        };
        if principal.as_deref().unwrap_or_default() != self.principal_id.as_deref().unwrap_or_default() {
            self.wipe(|_| true);
        }
        self.principal_id = principal;
        if let Some(status) = payload.status.given() {
            self.status = Some(status.clone());
        }
        self.config_hash.clone_from(&payload.config_hash);
        for (name, member) in [
            ("rules", &payload.rules),
            ("secrets", &payload.secrets),
            ("transforms", &payload.transforms),
            ("mcp", &payload.mcp),
            ("postgres", &payload.postgres),
        ] {
            self.set(name, member);
        }
        if matches!(payload.postgres, Member::Null) {
            self.wipe(|name| name == "postgres");
        }
    }

    pub(super) fn drop_credentials(&mut self) {
        self.config_hash.clear();
        self.wipe(|name| CREDENTIALS.contains(&name));
    }

    /// The body of an answer that has all of it.
    pub(super) fn body(&self) -> Zeroizing<String> {
        let room = self.members.iter().map(|(name, text)| name.len() + text.len() + 8).sum::<usize>();
        let head = serde_json::json!({
            "config_hash": self.config_hash, "status": self.status, "principal_id": self.principal_id,
        });
        let mut body = Zeroizing::new(String::with_capacity(room + 1024));
        body.push_str(head.to_string().trim_end_matches('}'));
        for (name, text) in &self.members {
            for part in [",\"", name, "\":", text] {
                body.push_str(part);
            }
        }
        body.push('}');
        body
    }

    fn set(&mut self, name: &str, member: &Member<Value>) {
        let Some(value) = member.given() else { return };
        self.wipe(|known| known == name);
        self.members.push((name.to_owned(), value.to_string()));
    }

    fn wipe(&mut self, mut which: impl FnMut(&str) -> bool) {
        self.members.retain_mut(|(name, text)| {
            let gone = which(name);
            if gone {
                text.zeroize();
            }
            !gone
        });
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.wipe(|_| true);
    }
}
