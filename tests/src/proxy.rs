//! The program under test as a process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

use crate::wait::within;

/// A running proxy. Killed when dropped.
pub struct Proxy {
    child: Child,
    lines: Arc<Lines>,
    stdout: Arc<Mutex<Vec<u8>>>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

#[derive(Default)]
struct Lines {
    all: Mutex<Vec<String>>,
    changed: Notify,
}

/// How a proxy ended and what it had said.
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// One audit line.
#[derive(Debug, Clone)]
pub struct Audit(pub Value);

impl Audit {
    fn field(&self, name: &str) -> &Value {
        &self.0["audit"][name]
    }

    /// `audit.action`.
    pub fn action(&self) -> &str {
        self.field("action").as_str().unwrap_or_default()
    }

    /// `audit.status_code`.
    pub fn status(&self) -> u64 {
        self.field("status_code").as_u64().unwrap_or(u64::MAX)
    }

    /// `audit.host`.
    pub fn host(&self) -> &str {
        self.field("host").as_str().unwrap_or_default()
    }

    /// `audit.method`.
    pub fn method(&self) -> &str {
        self.field("method").as_str().unwrap_or_default()
    }

    /// `audit.path`.
    pub fn path(&self) -> &str {
        self.field("path").as_str().unwrap_or_default()
    }

    /// `audit.sni`.
    pub fn sni(&self) -> &str {
        self.field("sni").as_str().unwrap_or_default()
    }

    /// `audit.reason`: the stable code of a refusal.
    pub fn reason(&self) -> &str {
        self.field("reason").as_str().unwrap_or_default()
    }

    /// The line as text, to search.
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

impl Proxy {
    /// Starts `args` with exactly the environment `env` (plus `PATH`).
    pub fn spawn(args: &[&str], env: &HashMap<String, String>) -> Self {
        Self::spawn_program(&binary(), args, env)
    }

    /// The same with another program than the one under test.
    pub fn spawn_program(program: &Path, args: &[&str], env: &HashMap<String, String>) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the proxy starts");
        let lines = Arc::new(Lines::default());
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            tokio::spawn(read_lines(child.stderr.take().expect("piped"), lines.clone())),
            tokio::spawn(read_all(child.stdout.take().expect("piped"), stdout.clone())),
        ];
        Self { child, lines, stdout, readers }
    }

    /// Waits for the start lines of `wanted` (`http`, `https`, `tunnel`, …) and returns the bound addresses.
    pub async fn addresses(&mut self, wanted: &[&str]) -> HashMap<String, SocketAddr> {
        loop {
            let changed = self.lines.changed.notified();
            let found = addresses(&self.lines.all.lock().expect("lock"));
            if wanted.iter().all(|name| found.contains_key(*name)) {
                return found;
            }
            tokio::select! {
                () = within("the proxy's start lines", changed) => {}
                status = self.child.wait() => {
                    for reader in &mut self.readers { let _ = reader.await; }
                    panic!("the proxy ended with {status:?} instead of starting:\n{}", self.stderr());
                }
            }
        }
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        self.lines.all.lock().expect("lock").join("\n")
    }

    /// The audit lines so far.
    pub fn audit(&self) -> Vec<Audit> {
        audit_lines(&self.lines.all.lock().expect("lock"))
    }

    /// Waits until there are `count` audit lines.
    pub async fn audited(&self, count: usize) -> Vec<Audit> {
        self.until(&format!("{count} audit lines"), |lines| audit_lines(lines).len() >= count).await;
        self.audit()
    }

    /// Waits for a log line whose `msg` is `message`.
    pub async fn logged(&self, message: &str) -> Value {
        let find = |lines: &[String]| {
            lines
                .iter()
                .filter_map(|line| serde_json::from_str(line).ok())
                .find(|v: &Value| v["msg"] == message)
        };
        self.until(message, |lines| find(lines).is_some()).await;
        find(&self.lines.all.lock().expect("lock")).expect("found before")
    }

    async fn until(&self, what: &str, ready: impl Fn(&[String]) -> bool) {
        let wait = async {
            loop {
                let changed = self.lines.changed.notified();
                if ready(&self.lines.all.lock().expect("lock")) {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(crate::wait::PATIENCE, wait).await;
        assert!(waited.is_ok(), "waited for {what}; standard error so far:\n{}", self.stderr());
    }

    /// Process id.
    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("still running");
        Pid::from_raw(i32::try_from(id).expect("a pid")).expect("not zero")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("kill");
    }

    /// Waits for the end, whatever brings it about.
    pub async fn wait(mut self) -> Ended {
        let status = within("the proxy to end", self.child.wait()).await.expect("wait");
        for reader in &mut self.readers {
            within("the proxy's output to close", reader).await.expect("reader");
        }
        let stdout = self.stdout.lock().expect("lock").clone();
        Ended { status, stdout, stderr: self.stderr() }
    }

    /// SIGTERM, then [`Self::wait`].
    pub async fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait().await
    }
}

/// Audit lines among `lines`.
pub fn audit_lines(lines: &[String]) -> Vec<Audit> {
    lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["msg"] == "request" && line["audit"].is_object())
        .map(Audit)
        .collect()
}

/// A start line is one whose message has `starting` after the listener's name and that carries an address.
fn addresses(lines: &[String]) -> HashMap<String, SocketAddr> {
    let mut found = HashMap::new();
    for line in lines {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(message), Some(addr)) = (line["msg"].as_str(), line["addr"].as_str()) else { continue };
        if let (true, Ok(addr)) = (message.contains(" starting"), addr.parse()) {
            let name = message.split(' ').next().unwrap_or_default();
            found.insert(name.to_owned(), addr);
        }
    }
    found
}

async fn read_lines(stream: impl AsyncRead + Unpin, lines: Arc<Lines>) {
    let mut reader = BufReader::new(stream).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        lines.all.lock().expect("lock").push(line);
        lines.changed.notify_waiters();
    }
}

async fn read_all(mut stream: impl AsyncRead + Unpin, out: Arc<Mutex<Vec<u8>>>) {
    let mut buf = Vec::new();
    let _ = stream.read_to_end(&mut buf).await;
    *out.lock().expect("lock") = buf;
}

/// The program under test: `IRON_PROXY_BIN`, else the one built beside this test.
pub fn binary() -> PathBuf {
    program("IRON_PROXY_BIN", "iron-proxy", "iron-proxy")
}

/// `centaur`: `CENTAUR_BIN`, else the one built beside this test.
pub fn centaur() -> PathBuf {
    program("CENTAUR_BIN", "centaur", "centaur")
}

/// `centaur-console`: `CENTAUR_CONSOLE_BIN`, else the one built beside this test.
pub fn console() -> PathBuf {
    program("CENTAUR_CONSOLE_BIN", "centaur-console", "centaur-console")
}

/// `centaur-perms`: `CENTAUR_PERMS_BIN`, else the one built beside this test.
pub fn perms() -> PathBuf {
    program("CENTAUR_PERMS_BIN", "centaur-perms", "centaur-perms")
}

/// `iron-token-broker`: `IRON_TOKEN_BROKER_BIN`, else the one built beside this test.
pub fn token_broker() -> PathBuf {
    program("IRON_TOKEN_BROKER_BIN", "iron-token-broker", "iron-token-broker")
}

fn program(variable: &str, name: &str, package: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("this test's path");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let path = folder.join(name);
    if !path.exists() {
        build(package, folder);
    }
    path
}

/// Builds into the folder this test was built into. Cargo does not build another package's program for a test.
fn build(package: &str, folder: &Path) {
    let mut cargo = std::process::Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.args(["build", "--quiet", "--package", package]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.arg("--target-dir").arg(folder.parent().expect("target"));
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "cargo build --package {package} failed");
}
