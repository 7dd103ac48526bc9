//! `file`: a document in a file of its own.
//!
//! It is written beside its name, synced, renamed, and the directory synced; its mode stays. A lock on `<path>.lock`,
//! held as long as the process lives, keeps a second process out. Whoever else writes, an operator say, is noticed by
//! what stands in the file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use centaur_base::Secret;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{BlobStore, LIMIT, Pending, StoreError, Stored, Version};
use crate::blob::hex;

/// A file.
#[derive(Debug)]
pub struct FileStore {
    name: String,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The lock, once it is ours.
    lock: Mutex<Option<File>>,
}

impl FileStore {
    /// The file at `path`. Nothing is opened yet.
    pub fn new(path: &Path) -> Self {
        let inner = Inner { path: path.to_owned(), lock: Mutex::default() };
        Self { name: format!("file {}", path.display()), inner: Arc::new(inner) }
    }

    /// Does something away from the threads that serve.
    fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&inner)).await;
            done.unwrap_or_else(|_| Err(StoreError::failed("the write was abandoned")))
        })
    }
}

impl BlobStore for FileStore {
    fn load(&self) -> Pending<'_, Option<Stored>> {
        self.aside(|inner| {
            inner.lock()?;
            inner.read()
        })
    }

    fn store<'a>(&'a self, text: &'a str, seen: Option<&'a Version>) -> Pending<'a, Version> {
        let (text, seen) = (Zeroizing::new(text.to_owned()), seen.cloned());
        self.aside(move |inner| {
            inner.lock()?;
            let found = inner.read()?.map(|stored| stored.version);
            if found != seen {
                return Err(StoreError::Conflict);
            }
            inner.write(text.as_bytes()).map_err(|error| inner.failed("cannot be written", &error))?;
            Ok(version(text.as_bytes()))
        })
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Inner {
    /// The file itself, where the path is a link to it.
    fn target(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    fn failed(&self, what: &str, error: &io::Error) -> StoreError {
        StoreError::failed(format_args!("{} {what}: {error}", self.path.display()))
    }

    fn lock(&self) -> Result<(), StoreError> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(());
        }
        let path = suffixed(&self.target(), ".lock");
        let failed = |error| StoreError::failed(format_args!("{} cannot be opened: {error}", path.display()));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                *held = Some(file);
                Ok(())
            }
            Err(fs::TryLockError::WouldBlock) => {
                let text = format_args!("{} is locked: another broker works on this file", path.display());
                Err(StoreError::failed(text))
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(StoreError::failed(format_args!("{} cannot be locked: {error}", path.display())))
            }
        }
    }

    fn read(&self) -> Result<Option<Stored>, StoreError> {
        let failed = |error: io::Error| self.failed("cannot be read", &error);
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        // Room for all of it and the end: a buffer that grows leaves copies behind.
        let length = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(LIMIT).min(LIMIT);
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + 64));
        file.take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > LIMIT {
            return Err(StoreError::failed(format_args!(
                "{} is larger than {LIMIT} bytes",
                self.path.display()
            )));
        }
        let version = version(&bytes);
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| StoreError::failed(format_args!("{} is not UTF-8 text", self.path.display())))?;
        Ok(Some(Stored { text: Secret::new(text.to_owned()), version }))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let target = self.target();
        let mode = fs::metadata(&target).map_or(0o600, |found| found.permissions().mode() & 0o7777);
        let partial = suffixed(&target, ".part");
        // A process that was killed may have left one.
        if let Err(error) = fs::remove_file(&partial)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&partial, &target)?;
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn version(bytes: &[u8]) -> Version {
    Version(hex(&Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expose(stored: &Stored) -> &str {
        stored.text.expose()
    }

    #[tokio::test]
    async fn a_document_is_replaced_only_by_who_has_seen_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob.json");
        let store = FileStore::new(&path);
        assert!(store.load().await.unwrap().is_none(), "nothing there");
        let first = store.store("rt-fake-1", None).await.unwrap();
        assert_eq!(store.store("rt-fake-2", None).await, Err(StoreError::Conflict));
        let loaded = store.load().await.unwrap().unwrap();
        assert_eq!((expose(&loaded), &loaded.version), ("rt-fake-1", &first));
        fs::write(&path, "by-an-operator").unwrap();
        assert_eq!(store.store("rt-fake-2", Some(&first)).await, Err(StoreError::Conflict));
        let seen = store.load().await.unwrap().unwrap().version;
        store.store("rt-fake-2", Some(&seen)).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "rt-fake-2");
        let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
    }

    #[tokio::test]
    async fn a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob.json");
        let store = FileStore::new(&path);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let seen = store.store("rt-fake-1", None).await.unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        store.store("rt-fake-2", Some(&seen)).await.unwrap();
        assert_eq!(mode(), 0o640);
    }

    #[tokio::test]
    async fn a_link_stays_one_and_what_a_killed_process_left_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let (link, path) = (directory.path().join("link"), directory.path().join("blob.json"));
        fs::write(&path, "rt-fake-1").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::write(directory.path().join("blob.json.part"), "half").unwrap();
        let store = FileStore::new(&link);
        let seen = store.load().await.unwrap().unwrap().version;
        store.store("rt-fake-2", Some(&seen)).await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "rt-fake-2");
    }

    #[tokio::test]
    async fn a_second_store_on_the_file_is_kept_out_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob.json");
        let (first, second) = (FileStore::new(&path), FileStore::new(&path));
        first.load().await.unwrap();
        let error = second.load().await.unwrap_err().to_string();
        assert!(error.ends_with("another broker works on this file"), "{error}");
        assert!(second.store("x", None).await.is_err());
        drop(first);
        assert!(second.load().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        for (content, want) in
            [(b"\xff\xfefake".to_vec(), "not UTF-8"), (vec![b'a'; LIMIT + 1], "larger than")]
        {
            let path = directory.path().join(want.replace(' ', "-"));
            fs::write(&path, content).unwrap();
            let error = FileStore::new(&path).load().await.unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("fake"), "{error}");
        }
        let missing = directory.path().join("none/blob.json");
        assert!(FileStore::new(&missing).load().await.unwrap_err().to_string().contains("cannot be opened"));
    }
}
