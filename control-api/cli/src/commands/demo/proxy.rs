//! The proxy of the demonstration: `centaur proxy` with a fresh CA and a file of ten lines.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use centaur_base::Secret;
use iron_proxy::ca;
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::{KEY, RIGHT};
use crate::loopback::Origin;

/// A proxy that takes longer to start is one that does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running process.
pub(super) struct DemoProxy {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
    directory: TempDir,
}

impl DemoProxy {
    /// Starts it: `right` may be called with the key, and nothing else at all.
    pub(super) fn start(right: &Origin, wrong: &Origin, key: &Secret<String>) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("centaur-demo-").tempdir()?;
        let at = |name: &str| directory.path().join(name);
        let pair = ca::generate(ca::Algorithm::P256, "centaur demo", 24).map_err(io::Error::other)?;
        fs::write(at("ca.crt"), &pair.cert)?;
        write_private(&at("ca.key"), pair.key.expose())?;
        fs::write(at("upstreams.pem"), format!("{}{}", right.ca_pem(), wrong.ca_pem()))?;
        fs::write(at("proxy.yaml"), config(right.address().port(), &at("ca.crt"), &at("ca.key")))?;
        let mut child = Command::new("/proc/self/exe")
            .args(["proxy", "-config"])
            .arg(at("proxy.yaml"))
            .env(KEY, key.expose())
            .env("SSL_CERT_FILE", at("upstreams.pem"))
            .env_remove("SSL_CERT_DIR")
            .envs(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, "")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("the proxy has no log"))?;
        let lines = read_lines(stderr);
        let mut proxy = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), lines, directory };
        proxy.address = proxy.wait_for_tunnel()?;
        Ok(proxy)
    }

    fn wait_for_tunnel(&self) -> io::Result<SocketAddr> {
        let mut last = "it said nothing".to_owned();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if value["msg"] == "tunnel proxy starting"
                && let Some(address) = value["addr"].as_str().and_then(|text| text.parse().ok())
            {
                return Ok(address);
            }
            last = line;
        }
        Err(io::Error::other(format!("the proxy did not start: {last}")))
    }

    /// Where the agent sends its calls.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate the agent trusts.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Ends it and returns what it logged since its start.
    pub(super) fn stop(mut self) -> io::Result<Vec<String>> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait()?;
        Ok(std::mem::replace(&mut self.lines, mpsc::channel().1).into_iter().collect())
    }
}

impl Drop for DemoProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn write_private(path: &std::path::Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

fn config(port: u16, cert: &std::path::Path, key: &std::path::Path) -> String {
    let rules = format!("[{{host: \"{RIGHT}\", ports: [{port}], schemes: [https]}}]");
    format!(
        "dns: {{enabled: false}}\n\
         proxy:\n  http_listen: \"127.0.0.1:0\"\n  https_listen: \"127.0.0.1:0\"\n  \
         tunnel_listen: \"127.0.0.1:0\"\n  upstream_deny_cidrs: []\n\
         tls: {{ca_cert: {cert:?}, ca_key: {key:?}}}\n\
         metrics: {{listen: \"127.0.0.1:0\"}}\n\
         transforms:\n  - {{name: allowlist, config: {{rules: {rules}}}}}\n  - name: secrets\n    config:\n      \
         secrets:\n        - source: {{type: env, var: {KEY}}}\n          rules: {rules}\n          \
         replace: {{proxy_value: {KEY}, match_headers: [Authorization]}}\n",
        cert = cert.display().to_string(),
        key = key.display().to_string(),
    )
}
