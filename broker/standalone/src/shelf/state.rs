//! What is known of a credential.

use centaur_base::Secret;
use centaur_broker::{Lease, Moment, Row, next_refresh};

use super::{Fault, Slot};
use crate::blob::{Blob, Note, Rest, Sending};
use crate::stores::Version;

/// What is known of a credential in memory.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The document was read once.
    pub(super) is_loaded: bool,
    /// Why there is none to work with: a code.
    pub(super) missing: Option<&'static str>,
    /// The protocol's part.
    pub(super) row: Row,
    /// Which document was seen last.
    pub(super) version: Option<Version>,
    /// Its counter.
    pub(super) number: u64,
    /// Its members that are not ours.
    pub(super) rest: Rest,
    /// Whose the lease of the row is.
    pub(super) holder: Holder,
    /// What was got and is not stored yet; served all the same.
    pub(super) unsaved: bool,
    /// When the last attempt failed.
    pub(super) failed_at: Option<Moment>,
    /// Until when the provider then asked to be left alone, or nothing is tried since nothing could be sent.
    pub(super) not_before: Option<Moment>,
    /// Why the last attempt could not even begin.
    pub(super) fault: Option<Fault>,
}

/// Whose a lease is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// An attempt of this process.
    #[default]
    Us,
    /// Another process's.
    Other,
}

/// How a credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `bootstrapping`, `live`, `failing` or `dead`.
    pub status: &'static str,
    /// Why it is dead, or what failed last.
    pub reason: Option<String>,
    /// When the access token was asked for.
    pub last_refresh: Option<Moment>,
    /// When it ends.
    pub expires_at: Option<Moment>,
    /// A token that was got is not stored yet.
    pub is_unsaved: bool,
}

impl State {
    /// Takes what is new in a document. `None` is one without a refresh token.
    pub(super) fn take(&mut self, blob: Option<Blob>, version: Option<Version>, now: Moment, slot: &Slot) {
        self.is_loaded = true;
        self.version = version;
        let Some(blob) = blob else {
            if self.is_trying() {
                // What the attempt brings is written in its place.
                return;
            }
            self.missing = Some("blob_not_bootstrapped");
            self.forget();
            self.rest = Rest::default();
            return;
        };
        self.missing = None;
        self.number = blob.version;
        self.rest = blob.rest;
        if same(self.row.refresh_token.as_ref(), blob.refresh_token.as_ref()) {
            // Another writer may have refreshed without a rotation.
            if blob.expires_at > self.row.expires_at && !self.unsaved {
                self.row.access_token = blob.access_token;
                self.row.expires_at = blob.expires_at;
                self.row.last_refresh = blob.last_refresh;
                self.row.next_attempt_at = Some(self.scheduled(now, slot));
            }
        } else {
            self.replace(Row {
                refresh_token: blob.refresh_token,
                access_token: blob.access_token,
                expires_at: blob.expires_at,
                last_refresh: blob.last_refresh,
                ..Row::default()
            });
            self.row.next_attempt_at = Some(self.scheduled(now, slot));
        }
        self.heed(blob.note, slot);
    }

    /// Forgets all material.
    pub(super) fn forget(&mut self) {
        self.replace(Row::default());
    }

    /// Fresh material: whoever is at it with the old has lost it.
    fn replace(&mut self, row: Row) {
        let seed_version = self.row.seed_version + 1;
        self.row = Row { seed_version, ..row };
        self.unsaved = false;
        self.failed_at = None;
        self.not_before = None;
    }

    /// Takes the note of a document about its refresh token.
    fn heed(&mut self, note: Note, slot: &Slot) {
        self.row.interrupted |= note.interrupted;
        if let Some(reason) = note.dead {
            self.row.dead.get_or_insert(reason);
        }
        let ours = |sending: &Sending| sending.writer == slot.context.writer;
        match note.attempt {
            // This process knows its own attempts; one that is not under way was never sent.
            Some(sending) if ours(&sending) => {}
            Some(Sending { attempt, until, .. }) => {
                // Nobody else lives where the store is ours alone.
                let until = if slot.store.is_exclusive() { Moment(0) } else { until };
                self.row.lease = Some(Lease { attempt, until });
                self.holder = Holder::Other;
            }
            None if self.holder == Holder::Other => self.row.lease = None,
            None => {}
        }
    }

    /// When the token that is here is refreshed.
    fn scheduled(&self, now: Moment, slot: &Slot) -> Moment {
        let row = &self.row;
        match (&row.access_token, row.expires_at, row.last_refresh) {
            (Some(_), Some(end), Some(begin)) => {
                next_refresh(&slot.config.timing, begin, end.since(begin), slot.context.chance.unit())
            }
            _ => now,
        }
    }

    /// The document that says what is known, with a note.
    pub(super) fn blob(&mut self, note: Note, writer: &str) -> Blob {
        let copy = |token: &Option<Secret<String>>| token.as_ref().map(|t| Secret::new(t.expose().clone()));
        Blob {
            access_token: copy(&self.row.access_token),
            refresh_token: copy(&self.row.refresh_token),
            expires_at: self.row.expires_at,
            last_refresh: self.row.last_refresh,
            version: self.number.saturating_add(1),
            writer: writer.to_owned(),
            note,
            rest: std::mem::take(&mut self.rest),
        }
    }

    /// Why it will not be tried again, as a code.
    pub(super) fn dead(&self) -> Option<&str> {
        self.missing.or(self.row.dead.as_deref())
    }

    /// The access token, while it lasts.
    pub(super) fn token(&self, now: Moment) -> Option<(&Secret<String>, Moment)> {
        let end = self.row.expires_at.filter(|end| *end > now)?;
        Some((self.row.access_token.as_ref()?, end))
    }

    /// An attempt of this process is under way.
    pub(super) fn is_trying(&self) -> bool {
        self.row.lease.is_some() && self.holder == Holder::Us
    }

    /// An attempt of another process is under way.
    pub(super) fn is_others(&self) -> bool {
        self.row.lease.is_some() && self.holder == Holder::Other
    }

    pub(super) fn health(&self, now: Moment) -> Health {
        let fault = || self.fault.as_ref().map(ToString::to_string);
        let (status, reason) = if let Some(reason) = self.dead() {
            ("dead", Some(reason.to_owned()))
        } else if !self.is_loaded {
            ("bootstrapping", fault())
        } else if self.fault.is_some() || self.row.failure_count > 0 || self.unsaved {
            ("failing", fault())
        } else if self.token(now).is_none() {
            ("bootstrapping", None)
        } else {
            ("live", None)
        };
        let (last_refresh, expires_at) = (self.row.last_refresh, self.row.expires_at);
        Health { status, reason, last_refresh, expires_at, is_unsaved: self.unsaved }
    }
}

/// Whether two refresh tokens are one.
pub(super) fn same(a: Option<&Secret<String>>, b: Option<&Secret<String>>) -> bool {
    a.map(Secret::expose) == b.map(Secret::expose)
}
