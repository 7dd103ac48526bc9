//! The data directory of `centaur up`: who holds it, what is in it, and where others find the console.
//!
//! | Path | What | Mode |
//! |---|---|---|
//! | `lock` | held while `centaur up` runs; the number of its process | 0600 |
//! | `secrets.env` | generated keys, the operator's password, the API key | 0600 |
//! | `centaur.db` | the console's database | 0600 |
//! | `ca/ca.crt`, `ca/ca.key` | the proxy's certificate authority | 0600 |
//! | `proxy/` | token and id of the registered proxy, the client token, the URL with it | 0600 |
//! | `logs/` | lines of console and proxy | 0600 |
//! | `runs/` | proxies that `centaur run --principal` has registered, while it runs | 0600 |
//! | `running.json` | where console and proxy listen, while they do | 0600 |
//!
//! The directory itself has mode 0700.

mod files;
mod secrets;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

pub use files::{check_mode, write_private};
pub use secrets::{Secrets, SecretsError};

/// Variable that names the directory.
pub const VARIABLE: &str = "CENTAUR_DATA_DIR";

/// Where the directory is: `flag`, else `CENTAUR_DATA_DIR`, else `centaur` in `$XDG_DATA_HOME` or `~/.local/share`.
pub fn locate(flag: Option<&Path>, env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let shared = || {
        // The specification of XDG_DATA_HOME: a relative path is ignored.
        let named = path("XDG_DATA_HOME").filter(|path| path.is_absolute());
        named.or_else(|| path("HOME").map(|home| home.join(".local/share"))).map(|dir| dir.join("centaur"))
    };
    flag.map(Path::to_owned).or_else(|| path(VARIABLE)).or_else(shared)
}

/// A directory that this process alone may start from.
pub struct Home {
    dir: PathBuf,
    _lock: File,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Another `centaur up`.
    #[error("{dir} is in use by process {pid}")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// What its lock says.
        pid: String,
    },
    /// A file or directory of it.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where console and proxy listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// `http://ADDRESS:PORT`
    pub console: String,
    /// `ADDRESS:PORT`
    pub proxy: String,
    /// The process that listens.
    pub pid: u32,
}

impl Home {
    /// Makes the directory if need be, and takes its lock.
    ///
    /// # Errors
    /// [`HomeError`]
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| HomeError::Io { path, source }
        };
        private_dir(dir).map_err(failed(dir))?;
        let dir = fs::canonicalize(dir).map_err(failed(dir))?;
        let path = dir.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path))?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            let _ = lock.read_to_string(&mut pid);
            return Err(HomeError::InUse { dir, pid: pid.trim().to_owned() });
        }
        let note = || -> io::Result<()> {
            lock.set_len(0)?;
            writeln!(&lock, "{}", std::process::id())
        };
        note().map_err(failed(&path))?;
        for name in ["ca", "proxy", "logs"] {
            private_dir(&dir.join(name)).map_err(failed(&dir.join(name)))?;
        }
        Ok(Self { dir, _lock: lock })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log of a part of the program, to be appended to. A long one is begun anew, and the old one kept beside it.
    ///
    /// # Errors
    /// Which file cannot be opened, and why.
    pub fn log(&self, name: &str) -> Result<File, HomeError> {
        let path = self.path(&format!("logs/{name}.jsonl"));
        let open = || {
            if fs::metadata(&path).is_ok_and(|found| found.len() > LOG_BYTES) {
                fs::rename(&path, self.path(&format!("logs/{name}.old.jsonl")))?;
            }
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path)
        };
        open().map_err(|source| HomeError::Io { path: path.clone(), source })
    }

    /// Tells others where to find us.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, addresses: &Addresses) -> io::Result<()> {
        let text = serde_json::to_string(addresses).map_err(io::Error::other)?;
        write_private(&self.path(RUNNING), &text)
    }
}

impl Drop for Home {
    /// Nobody is here any more.
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path(RUNNING));
    }
}

/// Who listens for the `centaur up` of a directory; `None` when nobody does.
pub fn running(dir: &Path) -> Option<Addresses> {
    let addresses: Addresses = serde_json::from_slice(&fs::read(dir.join(RUNNING)).ok()?).ok()?;
    // A kill leaves the file behind. Whoever holds the lock is alive.
    let lock = File::open(dir.join("lock")).ok()?;
    let free = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared).is_ok();
    (!free).then_some(addresses)
}

/// The size of a log, in bytes, with which the next start begins a new one.
const LOG_BYTES: u64 = 16 << 20;

const RUNNING: &str = "running.json";

fn private_dir(dir: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::metadata(dir)
            .and_then(|found| if found.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn located(flag: Option<&str>, vars: &[(&str, &str)]) -> Option<PathBuf> {
        let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, v)| OsString::from(v));
        locate(flag.map(Path::new), &env)
    }

    #[test]
    fn the_flag_wins_over_the_variables_and_a_relative_data_home_is_ignored() {
        let all = [(VARIABLE, "/v"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(located(Some("f"), &all), Some("f".into()));
        assert_eq!(located(None, &all), Some("/v".into()));
        assert_eq!(located(None, &all[1..]), Some("/x/centaur".into()));
        assert_eq!(located(None, &all[2..]), Some("/h/.local/share/centaur".into()));
        assert_eq!(located(None, &[("XDG_DATA_HOME", "x"), all[2]]), Some("/h/.local/share/centaur".into()));
        assert_eq!(located(None, &[]), None);
    }

    #[test]
    fn a_directory_is_its_owners_and_has_one_user_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        let home = Home::open(&dir).unwrap();
        home.log("a").unwrap().set_len(LOG_BYTES + 1).unwrap();
        assert_eq!(home.log("a").unwrap().metadata().unwrap().len(), 0);
        assert!(home.path("logs/a.old.jsonl").exists());
        for path in [&dir, &dir.join("ca")] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        let second = Home::open(&dir).err().unwrap().to_string();
        assert!(second.ends_with(&format!("is in use by process {}", std::process::id())), "{second}");
        let addresses =
            Addresses { console: "http://127.0.0.1:1".into(), proxy: "127.0.0.1:2".into(), pid: 3 };
        assert_eq!(running(&dir), None);
        home.announce(&addresses).unwrap();
        assert_eq!(running(&dir), Some(addresses.clone()));
        drop(home);
        assert_eq!(running(&dir), None);
        // After a kill the file is still there; nobody holds the lock.
        let home = Home::open(&dir).unwrap();
        home.announce(&addresses).unwrap();
        std::mem::forget(home);
        fs::copy(dir.join(RUNNING), dir.join("left")).unwrap();
        let other = parent.path().join("c");
        drop(Home::open(&other).unwrap());
        fs::copy(dir.join("left"), other.join(RUNNING)).unwrap();
        assert_eq!(running(&other), None);
    }
}
