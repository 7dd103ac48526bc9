//! Registrations that a killed run left at its console.
//!
//! Each run keeps a note in the data directory, `runs/<proxy id>.json`, and holds a lock on it. The kernel gives the
//! lock back whatever ends the process, so a note without one is of a run that is gone: the next run takes its
//! registration back. The directory is empty inside, so no program can write a note about somebody else's proxy.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use centaur_base::oid::ProxyId;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// Notes of the data directory.
const DIRECTORY: &str = "runs";
/// Registrations that one run takes back at most, so that it does not wait for long.
const MOST: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    console: String,
    proxy: ProxyId,
}

/// A note, and the lock on it for as long as this lives.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    _lock: File,
}

impl Note {
    /// Notes that this process has registered `proxy` at `console`.
    pub(super) fn write(data: &Path, console: &str, proxy: ProxyId) -> io::Result<Self> {
        let directory = data.join(DIRECTORY);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let path = directory.join(format!("{proxy}.json"));
        let new = directory.join(format!("{proxy}.new"));
        let mut lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        // Before it has its name, so that nobody finds it without a lock.
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let content = Content { console: console.to_owned(), proxy };
        writeln!(lock, "{}", serde_json::to_string(&content)?)?;
        fs::rename(&new, &path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The registration is taken back.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The proxies that runs which are gone have left at `console`, each with its note, which is held.
pub(super) fn all(data: &Path, console: &str) -> Vec<(ProxyId, Note)> {
    let Ok(entries) = fs::read_dir(data.join(DIRECTORY)) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let notes = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    notes.filter_map(|path| left(path, console)).take(MOST).collect()
}

fn left(path: PathBuf, console: &str) -> Option<(ProxyId, Note)> {
    let mut lock = File::open(&path).ok()?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    let mut text = String::new();
    // A note is a line; more than that is none.
    (&mut lock).take(LONGEST).read_to_string(&mut text).ok()?;
    let content: Content = serde_json::from_str(&text).ok()?;
    (content.console == console).then_some((content.proxy, Note { path, _lock: lock }))
}

/// Of a note, in bytes.
const LONGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use centaur_base::oid::Oid as _;

    use super::*;

    #[test]
    fn a_note_is_found_when_its_process_let_go_of_it_and_only_for_its_console() {
        let data = tempfile::tempdir().unwrap();
        let id = ProxyId::new(7).unwrap();
        let found = |console: &str| all(data.path(), console).iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(found("http://a.test"), [], "no directory");
        let note = Note::write(data.path(), "http://a.test", id).unwrap();
        assert_eq!(found("http://a.test"), [], "it is held");
        drop(note);
        assert_eq!(found("http://b.test"), []);
        assert_eq!(found("http://a.test"), [id]);
        let held = all(data.path(), "http://a.test");
        assert_eq!(found("http://a.test"), [], "somebody else takes it back already");
        held[0].1.remove();
        drop(held);
        assert_eq!(found("http://a.test"), []);
    }

    #[test]
    fn what_is_no_note_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join(DIRECTORY);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a.json"), "{\"console\":\"http://a.test\",\"proxy\":\"x\"}").unwrap();
        fs::write(directory.join("b.json"), "x".repeat(10_000)).unwrap();
        fs::write(directory.join("c.new"), "").unwrap();
        assert!(all(data.path(), "http://a.test").is_empty());
        assert_eq!(fs::read_dir(directory).unwrap().count(), 3);
    }
}
