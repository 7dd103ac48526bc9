//! `/run` and the runtime directory: the place where daemons listen. Inside, `/run` is a new directory that shows
//! the parts without sockets, so that a daemon that starts later does not appear in it either.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Staging, bind};
use crate::sandbox::IsolationError;

/// Directories that daemons listen in.
const RUN: [&str; 2] = ["/run", "/var/run"];
/// Entries looked at before a directory is taken to hold a socket.
const SEARCH_ENTRIES: usize = 20_000;

pub(super) fn replace(stage: &Staging, fresh: &BTreeSet<PathBuf>) -> Result<(), IsolationError> {
    let directories: BTreeSet<PathBuf> = RUN.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    for (index, directory) in directories.iter().enumerate() {
        replace_one(stage, &format!("run{index}"), directory)?;
    }
    for (index, directory) in fresh.iter().enumerate() {
        let under_run = directories.iter().any(|run| directory.starts_with(run));
        if under_run {
            private(directory).map_err(|e| failed(directory, e))?;
        } else if directory.is_dir() {
            let empty = stage.directory(&format!("fresh{index}"))?;
            fs::set_permissions(&empty, fs::Permissions::from_mode(0o700))
                .map_err(|e| failed(directory, e))?;
            bind(&empty, directory)?;
        }
    }
    Ok(())
}

fn replace_one(stage: &Staging, name: &str, directory: &Path) -> Result<(), IsolationError> {
    let new = stage.directory(name)?;
    for entry in fs::read_dir(directory).map_err(|e| failed(directory, e))?.flatten() {
        let (from, to) = (entry.path(), new.join(entry.file_name()));
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            let target = fs::read_link(&from).map_err(|e| failed(&from, e))?;
            std::os::unix::fs::symlink(target, &to).map_err(|e| failed(&from, e))?;
        } else if kind.is_dir() {
            fs::create_dir(&to).map_err(|e| failed(&from, e))?;
            let mut budget = SEARCH_ENTRIES;
            if !may_hold_socket(&from, &mut budget) {
                bind(&from, &to)?;
            }
        } else if kind.is_file() {
            fs::write(&to, b"").map_err(|e| failed(&from, e))?;
            bind(&from, &to)?;
        }
    }
    bind(&new, directory)
}

/// Whether a socket or a pipe lies anywhere below. A directory that cannot be read may hold one.
fn may_hold_socket(directory: &Path, budget: &mut usize) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return true };
    for entry in entries {
        *budget = budget.saturating_sub(1);
        let Ok(kind) = entry.as_ref().map_err(|_| ()).and_then(|e| e.file_type().map_err(|_| ())) else {
            return true;
        };
        if *budget == 0 || kind.is_socket() || kind.is_fifo() {
            return true;
        }
        if let Ok(entry) = entry
            && kind.is_dir()
            && may_hold_socket(&entry.path(), budget)
        {
            return true;
        }
    }
    false
}

fn private(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

fn failed(path: &Path, error: std::io::Error) -> IsolationError {
    IsolationError::new(format!("rebuild {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_deep_below_is_found_and_plain_files_are_not_mistaken_for_one() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("pid"), "1").unwrap();
        assert!(!may_hold_socket(directory.path(), &mut 100));
        let _listener = std::os::unix::net::UnixListener::bind(deep.join("s")).unwrap();
        assert!(may_hold_socket(directory.path(), &mut 100));
    }

    #[test]
    fn a_directory_too_large_to_search_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert!(may_hold_socket(directory.path(), &mut 2));
        assert!(!may_hold_socket(directory.path(), &mut 10));
    }
}
