//! Reading and writing the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::KeepError;

/// An answer has at most 16 MiB, and its JSON at most twice that as a text in JSON.
const MAX_BYTES: u64 = 34 << 20;

/// Something to be written; may block on the disk.
#[must_use]
pub struct Write {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Write {
    pub(super) fn new(path: &Path, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes }
    }

    /// Replaces the file in one step, readable by its owner alone; after a loss of power it is the old or the new one.
    ///
    /// # Errors
    /// [`KeepError::Io`]; then the old one is there.
    pub fn run(&self) -> Result<(), KeepError> {
        let mut temporary = self.path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let written = self.replace(&temporary);
        if written.is_err() {
            remove(&temporary);
        }
        written.map_err(|error| KeepError::Io(error.kind()))
    }

    fn replace(&self, temporary: &Path) -> io::Result<()> {
        // A leftover may have another mode, or be a link to elsewhere.
        match fs::remove_file(temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(temporary, &self.path)?;
        File::open(parent(&self.path))?.sync_all()
    }
}

/// The directory of a file.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeepError> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => KeepError::Missing,
        kind => KeepError::Io(kind),
    };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES { Err(KeepError::TooLarge) } else { Ok(bytes) }
}

/// Removes it, with its entry in the directory. What cannot be removed is still sealed and gets old.
pub(super) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => drop(File::open(parent(path)).and_then(|directory| directory.sync_all())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), error = %error, "a file cannot be removed"),
    }
}
