//! What `/v1/status` shows. The first five members are those of the reference; ours follow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::apply::Parts;

/// Shown before the first sync, as the reference has it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The state, shared by the loop that writes it and whoever looks.
#[derive(Default)]
pub struct Status {
    ready: AtomicBool,
    pending: AtomicBool,
    facts: Mutex<Facts>,
}

/// What the loop finds out.
#[derive(Debug, Default, Clone)]
pub struct Facts {
    /// Hash of the configuration in force.
    pub config_hash: String,
    /// Principal of the configuration in force.
    pub principal_id: String,
    /// What the control plane calls its state.
    pub principal_status: String,
    /// End of the last successful sync.
    pub last_sync_at: Option<SystemTime>,
    /// Configurations put in force since the start.
    pub generation: u64,
    /// The last answer was not in time; credentials are withdrawn.
    pub stale: bool,
    /// Until when credentials are used without a further answer.
    pub credentials_until: Option<SystemTime>,
    /// The control plane answers the moment something changes.
    pub long_poll: bool,
    /// Syncs that failed since the last one that did not.
    pub failures: u64,
    /// Why the last sync failed, until one succeeds.
    pub last_error: Option<LastError>,
    /// Hash of the configuration that was last refused.
    pub rejected: Option<String>,
    /// The control plane has revoked this proxy.
    pub revoked: bool,
    /// The last-known-good file.
    pub kept: Kept,
    /// The parts of the configuration in force.
    pub parts: Parts,
}

/// What is known of the last-known-good file.
#[derive(Debug, Default, Clone)]
pub struct Kept {
    /// `off` when none is kept, else what happened last.
    state: Option<&'static str>,
    /// Why it is not used or not written.
    detail: Option<String>,
    /// The sync that the configuration in force is from, if it came from the file.
    pub synced_at: Option<SystemTime>,
}

impl Kept {
    /// Something happened. Whether it is what happened before, too.
    pub(super) fn set(&mut self, state: &'static str, detail: Option<String>) -> bool {
        let again = self.state == Some(state) && self.detail == detail;
        *self = Self { state: Some(state), detail, synced_at: None };
        again
    }

    fn to_json(&self) -> Value {
        json!({
            "state": self.state.unwrap_or("off"),
            "detail": self.detail,
            "synced_at": self.synced_at.map(text),
        })
    }
}

/// Why a sync failed.
#[derive(Debug, Clone)]
pub struct LastError {
    /// Stable word.
    pub code: String,
    /// One line.
    pub message: String,
    /// When.
    pub at: SystemTime,
}

impl Status {
    /// Whether traffic is let through.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// There is a last-known-good file.
    pub(crate) fn keeps(&self) {
        self.facts().kept.set("empty", None);
    }

    /// A sync was asked for.
    pub(super) fn poked(&self) {
        self.pending.store(true, Ordering::Release);
    }

    /// Whether a sync was asked for that has not begun.
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The sync that was asked for begins: what it finds is at least as new as the wish.
    pub(super) fn begins(&self) {
        self.pending.store(false, Ordering::Release);
    }

    /// The facts, to be changed.
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what is known.
    pub fn snapshot(&self) -> Facts {
        self.facts().clone()
    }

    /// The JSON object.
    pub fn to_json(&self) -> Value {
        let facts = self.snapshot();
        let synced_once = facts.last_sync_at.is_some();
        json!({
            "config_hash": facts.config_hash,
            "principal_id": facts.principal_id,
            "principal_status": facts.principal_status,
            "synced_once": synced_once,
            "last_sync_at": facts.last_sync_at.map_or_else(|| NEVER.to_owned(), text),
            "generation": facts.generation,
            "ready": self.is_ready(),
            "pending": self.is_pending(),
            "revoked": facts.revoked,
            "stale": facts.stale,
            "credentials_until": facts.credentials_until.map(text),
            "long_poll": facts.long_poll,
            "failures": facts.failures,
            "last_error": facts.last_error.map(|error| json!({
                "code": error.code,
                "message": error.message,
                "at": text(error.at),
            })),
            "rejected_config_hash": facts.rejected,
            "last_known_good": facts.kept.to_json(),
            "parts": facts.parts.to_json(),
        })
    }
}

fn text(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_else(|_| NEVER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_sync_every_field_is_there() {
        let shown = Status::default().to_json();
        let reference = json!({
            "config_hash": "",
            "principal_id": "",
            "principal_status": "",
            "synced_once": false,
            "last_sync_at": "0001-01-01T00:00:00Z",
        });
        for (name, value) in reference.as_object().unwrap() {
            assert_eq!(&shown[name], value, "{name}");
        }
        assert_eq!(shown["ready"], false);
        assert_eq!(shown["generation"], 0);
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let status = Status::default();
        status.facts().last_sync_at = Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1500));
        let shown = status.to_json();
        assert_eq!(
            (&shown["last_sync_at"], &shown["synced_once"]),
            (&json!("1970-01-01T00:00:01.5Z"), &json!(true))
        );
    }

    #[test]
    fn a_wish_is_pending_until_its_sync_begins() {
        let status = Status::default();
        status.poked();
        assert_eq!(status.to_json()["pending"], true);
        status.begins();
        assert_eq!(status.to_json()["pending"], false);
    }
}
