//! Real client programs: finding them, running them, keeping what they printed.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::process::Command;

use crate::wait::within;

/// A client program about to run, with an environment of its own.
pub struct Tool {
    command: Command,
    name: String,
}

impl Tool {
    /// `name` from `PATH` or from where `scripts/install-test-deps` puts runtimes.
    ///
    /// A missing program fails the test, since the script should have installed it.
    pub fn new(name: &str) -> Self {
        let path = find(name)
            .unwrap_or_else(|| panic!("{name} is missing: run scripts/install-test-deps, which installs it"));
        let mut command = Command::new(path);
        command.env_clear().env("PATH", search_path()).stdin(Stdio::null()).kill_on_drop(true);
        Self { command, name: name.to_owned() }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// The variables that make most clients use `w` as their proxy and trust it, with a home of their own.
    pub fn behind(self, w: &crate::World) -> Self {
        let proxy = format!("http://{}", w.addr("tunnel"));
        let roots = w.path("ca.crt");
        let home = w.path("home");
        std::fs::create_dir_all(&home).expect("home");
        let mut tool = self.env("HOME", &home);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            tool = tool.env(name, &proxy);
        }
        for name in [
            "SSL_CERT_FILE",
            "CURL_CA_BUNDLE",
            "REQUESTS_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
            "GIT_SSL_CAINFO",
            "PIP_CERT",
            "CARGO_HTTP_CAINFO",
            "npm_config_cafile",
        ] {
            tool = tool.env(name, &roots);
        }
        tool
    }

    /// Runs to the end.
    pub async fn run(mut self) -> Ran {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let limit = std::time::Duration::from_mins(2);
        let Ok(output) = tokio::time::timeout(limit, self.command.output()).await else {
            panic!("waited {limit:?} for {} to finish", self.name);
        };
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Ran { output, name: self.name }
    }

    /// Starts it in the background; killed on drop.
    pub fn spawn(mut self) -> tokio::process::Child {
        self.command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// A client program that has run.
pub struct Ran {
    output: Output,
    name: String,
}

impl Ran {
    /// Everything it printed.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}",
            String::from_utf8_lossy(&self.output.stdout),
            String::from_utf8_lossy(&self.output.stderr)
        )
    }

    /// Exit code, if no signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Tells `w` what the program received, as far as it printed it.
    pub fn noted(self, w: &crate::World) -> Self {
        w.note_received(&self.output.stdout);
        w.note_received(&self.output.stderr);
        self
    }

    /// Fails the test unless it ended with 0.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert!(
            self.output.status.success(),
            "{} failed ({}):\n{}",
            self.name,
            self.output.status,
            self.text()
        );
        self
    }

    /// Fails the test if it ended with 0.
    #[track_caller]
    pub fn failed(&self) -> &Self {
        assert!(!self.output.status.success(), "{} succeeded:\n{}", self.name, self.text());
        self
    }
}

/// The folder that `scripts/install-test-deps` fills.
pub fn deps_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CENTAUR_TEST_DEPS") {
        return PathBuf::from(dir);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
        PathBuf::from,
    );
    cache.join("centaur/test-deps")
}

/// The checkout's `tests/clients`.
pub fn scripts_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A script of `tests/`, to be run by node in a folder of its own, beside the packages that `scripts/install-test-deps`
/// put under `packages`. It is killed when dropped.
pub(crate) fn node(path: &str, packages: &str) -> (TempDir, Command) {
    let modules = deps_dir().join(packages).join("node_modules");
    assert!(modules.exists(), "packages for {path} are missing: run scripts/install-test-deps");
    let folder = tempfile::tempdir().expect("a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let copy = folder.path().join(script.file_name().expect("a name"));
    std::fs::copy(&script, &copy).expect("a copy");
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).expect("a link");
    let mut command = Command::new("node");
    command.arg(copy).env("NODE_NO_WARNINGS", "1").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    (folder, command)
}

fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    std::env::split_paths(&search_path()).map(|dir| dir.join(name)).find(|path| path.exists())
}

fn search_path() -> std::ffi::OsString {
    let deps = deps_dir();
    let mut dirs = vec![deps.join("venv/bin"), deps.join("bin")];
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    // nft, ip and the like live where an ordinary user does not look.
    dirs.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    std::env::join_paths(dirs).expect("no colon in a directory's name")
}

/// Waits for a line on the standard output of a background program.
pub async fn first_line(child: &mut tokio::process::Child) -> String {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let stdout = child.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines();
    within("a first line", lines.next_line()).await.expect("readable").expect("a line")
}
