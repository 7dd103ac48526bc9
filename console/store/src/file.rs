//! The file of a SQLite database, and whether it is still the one that was opened.
//!
//! SQLite goes on with a file that was renamed, deleted or replaced: it reads and writes what no path leads to any more, and
//! every commit is gone with the process. So nothing is done then.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// A file by its path and by what it was when it was opened.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    /// The one that the path leads to now.
    pub(crate) fn at(path: &Path) -> Result<Self, StoreError> {
        let found = std::fs::metadata(path).map_err(away)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Fails when the path leads elsewhere, or nowhere.
    pub(crate) fn is_there(&self) -> Result<(), StoreError> {
        let now = Self::at(&self.path)?;
        if (now.device, now.inode) == (self.device, self.inode) {
            return Ok(());
        }
        let text =
            "the file of the database is not the one that was opened; start again with the one that counts";
        Err(away(std::io::Error::other(text)))
    }
}

fn away(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(sqlx::Error::Io(error))
}
