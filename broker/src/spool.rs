//! Answers that the store did not take, on the disk of this process (broker.md, section 7.2, rule 4).
//!
//! One sealed file per attempt, named after it; written beside its name, synced, renamed, and the directory synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use centaur_base::Secret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::row::{Claim, Minted, Outcome};
use crate::time::Moment;

/// Encrypts what goes to the disk.
pub trait Seal: Send + Sync {
    /// Seals bytes for the attempt of this name; they do not open for another. `None` when it fails.
    fn seal(&self, attempt: &str, plain: &[u8]) -> Option<Vec<u8>>;
    /// The inverse. `None` when the bytes were altered, moved, or sealed with a key that is not here.
    fn open(&self, attempt: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// A directory for outcomes.
pub struct Spool {
    directory: PathBuf,
    seal: Box<dyn Seal>,
}

/// Why the spool failed; names files, never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file system.
    #[error("spool {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// It could not be sealed.
    #[error("spool: sealing failed")]
    Seal,
    /// It does not open, or does not hold an outcome.
    #[error("spool {0}: not an outcome that this console can open; it is left there")]
    Foreign(PathBuf),
}

impl Spool {
    /// A spool in a directory, which is made for its owner alone if it is not there.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn open(directory: &Path, seal: Box<dyn Seal>) -> Result<Self, SpoolError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| SpoolError::Io(directory.to_owned(), error))?;
        Ok(Self { directory: directory.to_owned(), seal })
    }

    /// Writes an outcome that carries tokens. False for others: they can be learned again.
    ///
    /// # Errors
    /// [`SpoolError`]; then nothing is there.
    pub fn put(&self, claim: &Claim, outcome: &Outcome) -> Result<bool, SpoolError> {
        let Outcome::Minted(minted) = outcome else { return Ok(false) };
        let plain = Entry::of(claim, minted).to_bytes().ok_or(SpoolError::Seal)?;
        let sealed = self.seal.seal(&claim.attempt, &plain).ok_or(SpoolError::Seal)?;
        let path = self.path(&claim.attempt);
        self.write(&path, &sealed).map_err(|error| SpoolError::Io(path, error))?;
        Ok(true)
    }

    fn write(&self, path: &Path, sealed: &[u8]) -> io::Result<()> {
        let partial = path.with_extension("part");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(sealed)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        File::open(&self.directory)?.sync_all()
    }

    /// Names of the attempts that are there.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn list(&self) -> Result<Vec<String>, SpoolError> {
        let failed = |error| SpoolError::Io(self.directory.clone(), error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|end| end == "sealed")) {
                found.push(name.to_owned());
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Reads an outcome.
    ///
    /// # Errors
    /// [`SpoolError`]
    pub fn get(&self, attempt: &str) -> Result<(Claim, Outcome), SpoolError> {
        let path = self.path(attempt);
        let sealed = fs::read(&path).map_err(|error| SpoolError::Io(path.clone(), error))?;
        let plain = self.seal.open(attempt, &sealed).ok_or_else(|| SpoolError::Foreign(path.clone()))?;
        let entry: Entry = serde_json::from_slice(&plain).map_err(|_| SpoolError::Foreign(path))?;
        Ok(entry.into_parts())
    }

    /// Forgets an outcome.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn remove(&self, attempt: &str) -> Result<(), SpoolError> {
        let path = self.path(attempt);
        fs::remove_file(&path).map_err(|error| SpoolError::Io(path, error))
    }

    fn path(&self, attempt: &str) -> PathBuf {
        self.directory.join(format!("{attempt}.sealed"))
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// What stands in a file.
#[derive(Serialize, Deserialize)]
struct Entry {
    key: String,
    attempt: String,
    seed_version: i64,
    started_at: Moment,
    after_interruption: bool,
    access_token: String,
    refresh_token: Option<String>,
    forget_refresh_token: bool,
    expires_at: Moment,
    last_refresh: Moment,
    next_attempt_at: Moment,
}

impl Entry {
    fn of(claim: &Claim, minted: &Minted) -> Self {
        Self {
            key: claim.key.clone(),
            attempt: claim.attempt.clone(),
            seed_version: claim.seed_version,
            started_at: claim.started_at,
            after_interruption: claim.after_interruption,
            access_token: minted.access_token.expose().clone(),
            refresh_token: minted.refresh_token.as_ref().map(|token| token.expose().clone()),
            forget_refresh_token: minted.forget_refresh_token,
            expires_at: minted.expires_at,
            last_refresh: minted.last_refresh,
            next_attempt_at: minted.next_attempt_at,
        }
    }

    fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Large enough not to grow, which would leave copies behind.
        let tokens = self.access_token.len() + self.refresh_token.as_ref().map_or(0, String::len);
        let mut plain = Zeroizing::new(Vec::with_capacity(1_024 + 6 * tokens));
        serde_json::to_writer(&mut *plain, self).ok()?;
        Some(plain)
    }

    fn into_parts(mut self) -> (Claim, Outcome) {
        let claim = Claim {
            key: std::mem::take(&mut self.key),
            attempt: std::mem::take(&mut self.attempt),
            seed_version: self.seed_version,
            started_at: self.started_at,
            after_interruption: self.after_interruption,
        };
        let minted = Minted {
            access_token: Secret::new(std::mem::take(&mut self.access_token)),
            refresh_token: self.refresh_token.take().map(Secret::new),
            forget_refresh_token: self.forget_refresh_token,
            expires_at: self.expires_at,
            last_refresh: self.last_refresh,
            next_attempt_at: self.next_attempt_at,
        };
        (claim, Outcome::Minted(minted))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}
