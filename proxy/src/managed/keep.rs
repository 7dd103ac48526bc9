//! The last-known-good file: the configuration in force, sealed, so that a proxy that starts while its control plane is
//! away can go on for as long as it could have without the restart. Off unless a file is named.
//!
//! It is believed only from the same control plane, under the same token, and for the time since its last good sync:
//! `docs/managed-mode.md`, and decision 0018 for the form. This file says what is kept and when; `seal` how it is
//! sealed, `disk` how it is written.

mod disk;
mod document;
mod seal;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use centaur_client::base::BaseUrl;
use centaur_client::sync::Payload;
use centaur_client::token::{TokenError, TokenSource};

pub use disk::Write;
use document::Document;
use seal::Sealer;

/// Says what time it is.
pub type Clock = Box<dyn Fn() -> SystemTime + Send>;

/// An unchanged configuration is written anew when this part of its time has passed, so that a file is never much older
/// than the sync it stands for, and a poll does not mean a write.
const WRITTEN_PER_AGE: u32 = 8;
/// By how much the clock may have been set back between two starts.
const SKEW: Duration = Duration::from_secs(5);

/// Keeps the file of one proxy.
pub struct Keeper {
    path: PathBuf,
    console: BaseUrl,
    token: TokenSource,
    clock: Clock,
    /// What is in the file, or would be; sealed here too, so that no further copy of a value lies about.
    last: Option<Last>,
    /// Something was not kept, so that nothing that builds on it can be.
    lost: bool,
}

struct Last {
    sealer: Sealer,
    bytes: Vec<u8>,
    synced_at: SystemTime,
    max_age: Duration,
}

/// A configuration from the file.
pub struct Restored {
    /// As the control plane sent it.
    pub payload: Payload,
    /// For how long credentials may be used after a sync.
    pub max_age: Duration,
    /// What is left of that.
    pub left: Duration,
    /// The sync that it is from.
    pub synced_at: SystemTime,
}

/// Why there is nothing in the file, or nothing is put there. Texts hold nothing of its content.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Nothing was kept yet.
    #[error("there is none")]
    Missing,
    /// It cannot be read or written.
    #[error("{0}")]
    Io(std::io::ErrorKind),
    /// Larger than any answer.
    #[error("it is too large")]
    TooLarge,
    /// Another form, or cut off before the sealed part.
    #[error("it is not a file of this kind, or cut off")]
    Form,
    /// Sealed for another control plane or under another token.
    #[error("it is of another control plane or another token")]
    Foreign,
    /// Changed since it was written.
    #[error("it is damaged")]
    Damaged,
    /// Too old.
    #[error("its last sync was {age} s ago, and credentials last {max_age} s without one")]
    Stale {
        /// Seconds since the sync.
        age: u64,
        /// Seconds that were allowed.
        max_age: u64,
    },
    /// The clock was set back.
    #[error("it is from the future: the clock of this machine was set back")]
    Future,
    /// There is no token to derive the key from.
    #[error("{0}")]
    Token(String),
    /// A token that could be guessed.
    #[error("the token is too short to derive a key from: at least {} characters", seal::SHORTEST_TOKEN)]
    ShortToken,
    /// What was sealed cannot be read.
    #[error("its content is not understood")]
    Content,
}

impl From<TokenError> for KeepError {
    fn from(error: TokenError) -> Self {
        Self::Token(error.to_string())
    }
}

impl KeepError {
    /// Whether this is how things are before the first sync.
    pub fn is_missing(&self) -> bool {
        *self == Self::Missing
    }
}

impl Keeper {
    /// Nothing is read or written yet.
    pub fn new(path: PathBuf, console: BaseUrl, token: TokenSource, clock: Clock) -> Self {
        Self { path, console, token, clock, last: None, lost: false }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`KeepError`]: then it is not used.
    pub fn restore(&mut self) -> Result<Restored, KeepError> {
        let bytes = disk::read(&self.path)?;
        let sealer = self.sealer()?;
        let document = sealer.open(&bytes)?;
        let (synced_at, max_age) = (document.synced_at(), document.max_age());
        let age = match (self.clock)().duration_since(synced_at) {
            Ok(age) => age,
            Err(ahead) if ahead.duration() <= SKEW => Duration::ZERO,
            Err(_) => return Err(KeepError::Future),
        };
        let Some(left) = max_age.checked_sub(age).filter(|left| !left.is_zero()) else {
            return Err(KeepError::Stale { age: age.as_secs(), max_age: max_age.as_secs() });
        };
        let payload = Payload::parse(document.body().as_bytes()).map_err(|_| KeepError::Content)?;
        self.last = Some(Last { sealer, bytes, synced_at, max_age });
        Ok(Restored { payload, max_age, left, synced_at })
    }

    /// Takes in an answer that was put in force; what is to be written.
    ///
    /// # Errors
    /// [`KeepError`]
    pub fn applied(&mut self, payload: &Payload, max_age: Duration) -> Result<Option<Write>, KeepError> {
        if self.lost {
            return Ok(None);
        }
        let mut document = self.document()?;
        document.take(payload);
        self.seal(document, max_age).map(Some)
    }

    /// The configuration is still the right one.
    ///
    /// # Errors
    /// [`KeepError`]
    pub fn vouched(&mut self, max_age: Duration) -> Result<Option<Write>, KeepError> {
        let now = (self.clock)();
        let is_due = |last: &Last| {
            let age = now.duration_since(last.synced_at).unwrap_or(max_age);
            last.max_age != max_age || age >= max_age / WRITTEN_PER_AGE
        };
        if self.lost || !self.last.as_ref().is_some_and(is_due) {
            return Ok(None);
        }
        let document = self.document()?;
        self.seal(document, max_age).map(Some)
    }

    /// Credentials were withdrawn for want of news: they are not kept either, the rest is for what comes next.
    pub fn withdrawn(&mut self) {
        disk::remove(&self.path);
        let Ok(mut document) = self.document() else { return };
        document.drop_credentials();
        let max_age = self.last.as_ref().map_or(Duration::ZERO, |last| last.max_age);
        // Not written: the next answer is.
        drop(self.seal(document, max_age));
    }

    /// The proxy was revoked: nothing is left.
    pub fn forget(&mut self) {
        disk::remove(&self.path);
        self.last = None;
    }

    /// What was kept last; empty before the first.
    fn document(&mut self) -> Result<Document, KeepError> {
        let opened = self.last.as_ref().map(|last| last.sealer.open(&last.bytes)).transpose();
        self.lost |= opened.is_err();
        Ok(opened?.unwrap_or_default())
    }

    fn seal(&mut self, mut document: Document, max_age: Duration) -> Result<Write, KeepError> {
        let synced_at = (self.clock)();
        document.stamp(synced_at, max_age);
        let sealed = self.sealer().and_then(|sealer| sealer.seal(&document).map(|bytes| (sealer, bytes)));
        self.lost |= sealed.is_err();
        let (sealer, bytes) = sealed.inspect_err(|_| disk::remove(&self.path))?;
        let write = Write::new(&self.path, bytes.clone());
        self.last = Some(Last { sealer, bytes, synced_at, max_age });
        Ok(write)
    }

    /// With the token as it is now: it may have been rotated.
    fn sealer(&self) -> Result<Sealer, KeepError> {
        Sealer::new(&self.console, &self.token.read()?)
    }
}

#[cfg(test)]
mod tests;
