//! What one run owns: a private directory for the program to read, and files in memory for the proxy alone.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_base::Secret;
use iron_proxy::ca;
use rustix::fs::MemfdFlags;
use tempfile::TempDir;

/// A CA lives as long as a long job: thirty days, in hours.
const CA_HOURS: i64 = 30 * 24;

/// Directory and files of one run; gone when dropped.
pub struct Session {
    directory: TempDir,
    ca_pem: String,
    ca_cert: MemoryFile,
    ca_key: MemoryFile,
    token: Secret<String>,
    token_file: MemoryFile,
}

impl Session {
    /// Makes a CA and a client token.
    ///
    /// # Errors
    /// When the directory or a file in memory cannot be made.
    pub fn open() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("centaur-").tempdir_in(base())?;
        std::fs::create_dir(directory.path().join("scratch"))?;
        let pair = ca::generate(ca::Algorithm::P256, "centaur run", CA_HOURS).map_err(io::Error::other)?;
        let token = random_token()?;
        Ok(Self {
            ca_cert: MemoryFile::new("centaur-ca-cert", pair.cert.as_bytes())?,
            ca_key: MemoryFile::new("centaur-ca-key", pair.key.expose().as_bytes())?,
            token_file: MemoryFile::new("centaur-token", token.expose().as_bytes())?,
            ca_pem: pair.cert,
            directory,
            token,
        })
    }

    /// The directory that the program can read.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// An empty directory, used as a mount point.
    pub fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    /// Our CA certificate, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Path of the CA certificate, for this process.
    pub fn ca_cert(&self) -> String {
        self.ca_cert.path()
    }

    /// Path of the CA key, for this process.
    pub fn ca_key(&self) -> String {
        self.ca_key.path()
    }

    /// Path of the client token, for this process.
    pub fn token_file(&self) -> String {
        self.token_file.path()
    }

    /// The address of the proxy as a program is told it, with the token in it.
    pub fn proxy_url(&self, host: &str, port: u16) -> String {
        format!("http://centaur:{}@{host}:{port}", self.token.expose())
    }
}

/// A file that never touches a disk, and that no other process can open: this one is not dumpable.
struct MemoryFile(File);

impl MemoryFile {
    fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
        file.write_all(content)?;
        Ok(Self(file))
    }

    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}

/// The temporary directory, unless it lies where the program sees an empty directory.
fn base() -> PathBuf {
    let chosen = std::env::temp_dir();
    let hidden = |path: &Path| path.starts_with("/run") || path.starts_with("/var/run");
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let in_runtime = runtime.is_some_and(|runtime| chosen.starts_with(runtime));
    let resolved = std::fs::canonicalize(&chosen).unwrap_or_else(|_| chosen.clone());
    if hidden(&resolved) || in_runtime { PathBuf::from("/tmp") } else { chosen }
}

/// 144 random bits, as text that needs no escaping in a URL.
fn random_token() -> io::Result<Secret<String>> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}
