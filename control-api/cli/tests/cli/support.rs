//! Running `centaur`, and an origin with a configuration that leads to it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use centaur_cli::loopback::Origin;
use tempfile::TempDir;

/// The only value in these tests that stands for a real one.
pub(crate) const VALUE: &str = "fake-value-0123456789";

/// `centaur` with a plain environment.
pub(crate) fn centaur() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_centaur"));
    command.env_clear().envs(plain_environment()).stdin(Stdio::null());
    command
}

/// `centaur run` with these flags in front of `--`.
pub(crate) fn run(flags: &[&str], program: &[&str]) -> Command {
    let mut command = centaur();
    command.arg("run").args(flags).arg("--").args(program);
    command
}

/// Runs it; the outcome is easier to read than an [`Output`].
pub(crate) fn outcome(command: &mut Command) -> Outcome {
    Outcome::from(command.output().unwrap())
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: std::process::ExitStatus,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        }
    }
}

fn plain_environment() -> Vec<(&'static str, String)> {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    vec![("PATH", path), ("HOME", "/nonexistent".to_owned()), ("LANG", "C".to_owned())]
}

/// The same binary where every user can run it, and the words that run it as an ordinary user. `None` when the tests
/// are not root: then they are an ordinary user already.
pub(crate) fn as_ordinary_user() -> Option<(TempDir, Command)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("centaur");
    fs::copy(env!("CARGO_BIN_EXE_centaur"), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(copy);
    command.env_clear().envs(plain_environment()).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.current_dir("/");
    Some((directory, command))
}

/// An origin called `api.test`, and a configuration in which the value of `T` is bound to it. The origin answers
/// with the `Authorization` it received, so that a test sees the answer scrubbed.
pub(crate) struct World {
    pub(crate) origin: Origin,
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let origin = Origin::start(&["api.test"], |request| {
            ("200 OK", format!("got {}", request.header("authorization").unwrap_or("nothing")))
        })
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let rules = "[{host: api.test, ports: [443]}]";
        // The origin stands behind an upstream proxy that is the origin itself, so that no name is looked up.
        let config = format!(
            "dns: {{proxy_ip: 127.0.0.1}}\n\
             proxy: {{upstream_deny_cidrs: [], upstream_proxy: {{https_proxy: \"http://{}\"}}}}\n\
             transforms:\n  - {{name: allowlist, config: {{rules: {rules}}}}}\n  - name: secrets\n    config:\n      \
             secrets: [{{source: {{type: env, var: T}}, rules: {rules}, replace: {{proxy_value: PLACEHOLDER-T}}}}]\n",
            origin.address()
        );
        fs::write(directory.path().join("egress.yaml"), config).unwrap();
        fs::write(directory.path().join("roots.pem"), origin.ca_pem()).unwrap();
        Self { origin, directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `centaur run --config …` with the value in the caller's environment.
    pub(crate) fn run(&self, flags: &[&str], program: &[&str]) -> Command {
        let config = self.path("egress.yaml");
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(flags);
        let mut command = run(&all, program);
        command.env("T", VALUE).env("SSL_CERT_FILE", self.path("roots.pem"));
        command
    }
}

impl World {
    /// `centaur run` with flags instead of a configuration: the caller's own proxy leads to the origin.
    pub(crate) fn run_with_flags(&self, flags: &[&str], program: &[&str]) -> Command {
        let mut command = run(flags, program);
        command.env("KEY", VALUE).env("SSL_CERT_FILE", self.path("roots.pem"));
        command.env("HTTPS_PROXY", format!("http://{}", self.origin.address()));
        command
    }
}

/// Whether any process on this machine was started with this word among its arguments.
pub(crate) fn runs_somewhere(word: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|b| *b == 0).any(|argument| argument == word.as_bytes()))
}

/// Waits for a condition that another process brings about.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    for _ in 0..6_000 {
        if condition() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

/// Whether a path exists, for closures.
pub(crate) fn exists(path: impl AsRef<OsStr>) -> bool {
    Path::new(path.as_ref()).exists()
}
