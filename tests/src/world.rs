//! One test's world: a name server, an honest origin, the proxy in front, and everything any client received.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::client::{Conn, Received};
use crate::dns::Dns;
use crate::h2client::H2;
use crate::leak;
use crate::origin::Origin;
use crate::pki::Pki;
use crate::proxy::{Audit, Ended, Proxy};
use crate::wait::within;

/// Names the origins have certificates for.
pub const NAMES: &[&str] = &[
    "a.test",
    "b.test",
    "c.test",
    "sub.a.test",
    "raw.test",
    "other.test",
    "evil.test",
    "dead.test",
    "rebind.test",
    "localhost",
    "127.0.0.1",
    "::1",
];

/// The value behind [`PLACEHOLDER`]: every character class that some encoding changes.
pub const REAL: &str = "r3al/fake+\"val=ue0";

/// What a client holds instead of [`REAL`].
pub const PLACEHOLDER: &str = "PLACEHOLDER_A";

/// What to start.
pub struct Builder {
    transforms: String,
    secrets: String,
    allow: Vec<String>,
    no_allowlist: bool,
    proxy_keys: String,
    tls_keys: String,
    dns: Option<String>,
    top: String,
    deny: String,
    env: HashMap<String, String>,
    wanted: Vec<&'static str>,
    origin_alpn: Vec<&'static str>,
    values: Vec<String>,
}

/// A running world.
pub struct World {
    /// The running proxy.
    pub proxy: Proxy,
    /// The honest origin.
    pub origin: Origin,
    /// The name server the proxy asks.
    pub dns: Dns,
    /// Signs the origins' certificates.
    pub upstream_ca: Pki,
    /// Signs the proxy's leaf certificates.
    pub proxy_ca: Arc<Pki>,
    addresses: HashMap<String, SocketAddr>,
    received: Received,
    dir: TempDir,
    values: Vec<String>,
}

impl Builder {
    fn new() -> Self {
        Self {
            transforms: String::new(),
            secrets: String::new(),
            allow: Vec::new(),
            no_allowlist: false,
            proxy_keys: String::new(),
            tls_keys: String::new(),
            dns: None,
            top: String::new(),
            deny: "[]".to_owned(),
            env: HashMap::new(),
            wanted: vec!["http", "https", "tunnel"],
            origin_alpn: vec!["h2", "http/1.1"],
            values: Vec::new(),
        }
    }

    /// Allows a host glob.
    pub fn allow(mut self, host: &str) -> Self {
        self.allow.push(format!("{{host: \"{host}\"}}"));
        self
    }

    /// Allows by a whole rule, in YAML flow style.
    pub fn allow_rule(mut self, rule: &str) -> Self {
        self.allow.push(rule.to_owned());
        self
    }

    /// No allowlist in the file at all, so that another source decides.
    pub fn without_allowlist(mut self) -> Self {
        self.no_allowlist = true;
        self
    }

    /// Binds [`REAL`] to `host`: `replace` in header `Authorization` and whatever `keys` (YAML flow style) adds.
    pub fn bind(self, host: &str, keys: &str) -> Self {
        let keys = if keys.is_empty() { "match_headers: [\"Authorization\"]" } else { keys };
        self.secret(&format!(
            "{{source: {{type: env, var: REAL_A}}, rules: [{{host: \"{host}\"}}], \
             replace: {{proxy_value: \"{PLACEHOLDER}\", {keys}}}}}"
        ))
        .value("REAL_A", REAL)
    }

    /// Adds a `secrets` entry in YAML flow style.
    pub fn secret(mut self, entry: &str) -> Self {
        let _ = writeln!(self.secrets, "        - {entry}");
        self
    }

    /// A variable of the proxy whose value must never come out.
    pub fn value(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self.values.push(value.to_owned());
        self
    }

    /// A variable of the proxy.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A whole transform (`- name: …`, indented by two) before the allowlist.
    pub fn transform(mut self, yaml: &str) -> Self {
        self.transforms.push_str(yaml);
        self.transforms.push('\n');
        self
    }

    /// Lines under `proxy:` (indented by two).
    pub fn proxy_keys(mut self, yaml: &str) -> Self {
        self.proxy_keys.push_str(yaml);
        self.proxy_keys.push('\n');
        self
    }

    /// Lines under `tls:` (indented by two).
    pub fn tls_keys(mut self, yaml: &str) -> Self {
        self.tls_keys.push_str(yaml);
        self.tls_keys.push('\n');
        self
    }

    /// Lines at the top level.
    pub fn top(mut self, yaml: &str) -> Self {
        self.top.push_str(yaml);
        self.top.push('\n');
        self
    }

    /// The deny list, instead of none.
    pub fn deny(mut self, cidrs: &str) -> Self {
        cidrs.clone_into(&mut self.deny);
        self
    }

    /// Turns the DNS server on with these keys (flow style, without `listen` and `upstream_resolver`).
    pub fn dns(mut self, keys: &str) -> Self {
        self.dns = Some(keys.to_owned());
        self.listener("dns")
    }

    /// Waits for another listener's start line.
    pub fn listener(mut self, name: &'static str) -> Self {
        self.wanted.push(name);
        self
    }

    /// What the origin offers by ALPN.
    pub fn origin_alpn(mut self, alpn: &[&'static str]) -> Self {
        self.origin_alpn = alpn.to_vec();
        self
    }

    /// Starts everything and waits for the listeners.
    pub async fn start(self) -> World {
        let upstream_ca = Pki::new("origins");
        let origin = Origin::start(upstream_ca.server(NAMES, &self.origin_alpn)).await;
        self.start_before(upstream_ca, origin).await
    }

    /// The same with an origin that exists already.
    pub async fn start_before(self, upstream_ca: Pki, origin: Origin) -> World {
        let dir = tempfile::tempdir().expect("temporary directory");
        let proxy_ca = shared_ca();
        let dns = Dns::start().await;
        write(dir.path(), "ca.crt", proxy_ca.cert_pem());
        write(dir.path(), "ca.key", proxy_ca.key_pem());
        write(dir.path(), "roots.pem", upstream_ca.cert_pem());
        write(dir.path(), "config.yaml", &self.yaml(dir.path(), dns.addr()));

        let mut env = self.env;
        env.insert("SSL_CERT_FILE".to_owned(), dir.path().join("roots.pem").display().to_string());
        let config = dir.path().join("config.yaml").display().to_string();
        let mut proxy = Proxy::spawn(&["-config", &config], &env);
        let addresses = proxy.addresses(&self.wanted).await;
        World {
            proxy,
            origin,
            dns,
            upstream_ca,
            proxy_ca,
            addresses,
            received: Arc::new(Mutex::new(Vec::new())),
            dir,
            values: self.values,
        }
    }

    /// The configuration file.
    pub fn yaml(&self, dir: &Path, resolver: SocketAddr) -> String {
        let dns = match &self.dns {
            Some(keys) => {
                format!(
                    "{{enabled: true, listen: \"127.0.0.1:0\", upstream_resolver: \"{resolver}\", {keys}}}"
                )
            }
            None => format!("{{enabled: false, upstream_resolver: \"{resolver}\"}}"),
        };
        let dir = dir.display();
        let mut yaml = format!(
            "dns: {dns}\n\
             proxy:\n  http_listen: \"127.0.0.1:0\"\n  https_listen: \"127.0.0.1:0\"\n  \
             tunnel_listen: \"127.0.0.1:0\"\n  upstream_deny_cidrs: {}\n{}\
             tls:\n  ca_cert: \"{dir}/ca.crt\"\n  ca_key: \"{dir}/ca.key\"\n{}\
             metrics: {{listen: \"127.0.0.1:0\"}}\n{}",
            self.deny, self.proxy_keys, self.tls_keys, self.top
        );
        yaml.push_str("transforms:\n");
        yaml.push_str(&self.transforms);
        if !self.no_allowlist {
            let _ = writeln!(yaml, "  - name: allowlist\n    config: {{rules: [{}]}}", self.allow.join(", "));
        }
        if !self.secrets.is_empty() {
            let _ = write!(yaml, "  - name: secrets\n    config:\n      secrets:\n{}", self.secrets);
        }
        yaml
    }
}

impl World {
    /// An empty plan: everything is refused until allowed.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// `a.test` is allowed and [`REAL`] is bound to it in `Authorization`; `b.test` is allowed without credential.
    pub fn usual() -> Builder {
        Self::builder().allow("a.test").allow("b.test").bind("a.test", "")
    }

    /// The address of a listener by its start line's first word.
    pub fn addr(&self, listener: &str) -> SocketAddr {
        *self.addresses.get(listener).unwrap_or_else(|| panic!("no start line for {listener}"))
    }

    /// `name:port` of the origin's TLS listener.
    pub fn at(&self, name: &str) -> String {
        format!("{name}:{}", self.origin.tls_port())
    }

    /// `name:port` of the origin's cleartext listener.
    pub fn plain_at(&self, name: &str) -> String {
        format!("{name}:{}", self.origin.plain_port())
    }

    /// A file in the world's directory.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Changes the configuration file by text replacement.
    pub fn edit_config(&self, from: &str, to: &str) {
        let path = self.path("config.yaml");
        let yaml = std::fs::read_to_string(&path).expect("config");
        assert!(yaml.contains(from), "{from:?} is not in\n{yaml}");
        std::fs::write(path, yaml.replace(from, to)).expect("config");
    }

    /// A raw connection to a listener.
    pub async fn connect(&self, listener: &str) -> Conn {
        let stream = within("a connection", TcpStream::connect(self.addr(listener))).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Conn::new(stream, self.received.clone())
    }

    /// A connection to the cleartext listener.
    pub async fn http(&self) -> Conn {
        self.connect("http").await
    }

    /// A connection to the TLS listener with this SNI, HTTP/1.1.
    pub async fn https(&self, sni: &str) -> Conn {
        self.try_https(sni, &["http/1.1"]).await.expect("handshake")
    }

    /// The same with a choice of protocols.
    ///
    /// # Errors
    /// A refused handshake.
    pub async fn try_https(&self, sni: &str, alpn: &[&str]) -> std::io::Result<Conn> {
        self.connect("https").await.tls(sni, self.proxy_ca.client(alpn)).await
    }

    /// An HTTP/2 connection to the TLS listener.
    pub async fn h2(&self, sni: &str) -> H2 {
        H2::new(self.try_https(sni, &["h2"]).await.expect("handshake")).await
    }

    /// A tunnel to `target`, opened with CONNECT.
    pub async fn tunnel(&self, target: &str) -> Conn {
        let mut conn = self.connect("tunnel").await;
        conn.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
        conn.head().await.expect(200);
        conn
    }

    /// A tunnel to `name` at the origin's TLS port with TLS inside.
    pub async fn tunnel_tls(&self, name: &str) -> Conn {
        let conn = self.tunnel(&self.at(name)).await;
        conn.tls(name, self.proxy_ca.client(&["http/1.1"])).await.expect("handshake")
    }

    /// Where a client library reports what it received, so that [`Self::finish`] searches it as well.
    pub fn note_received(&self, bytes: &[u8]) {
        self.received.lock().expect("lock").extend_from_slice(bytes);
    }

    /// Everything received by clients so far.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().expect("lock").clone()
    }

    /// Stops the proxy and checks what every test claims: exactly `audited` lines, exit code 0, and no real value
    /// in anything the proxy wrote or a client received. Returns the audit lines.
    pub async fn finish(self, audited: usize) -> Vec<Audit> {
        let audit = self.finish_at_least(audited).await;
        assert_eq!(audit.len(), audited, "audit lines: {audit:#?}");
        audit
    }

    /// The same for a client program that decides itself how many requests it makes.
    pub async fn finish_at_least(self, audited: usize) -> Vec<Audit> {
        self.proxy.audited(audited).await;
        let Ended { status, stdout, stderr } = self.proxy.stop().await;
        assert!(status.success(), "the proxy ended with {status}:\n{stderr}");
        leak::refuse("standard output", &stdout, &self.values);
        leak::refuse("standard error", stderr.as_bytes(), &self.values);
        leak::refuse("what clients received", &self.received.lock().expect("lock"), &self.values);
        let lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
        crate::proxy::audit_lines(&lines)
    }
}

/// One authority for all worlds of a test program: minting it is the slowest part of a start.
fn shared_ca() -> Arc<Pki> {
    static CA: std::sync::OnceLock<Arc<Pki>> = std::sync::OnceLock::new();
    CA.get_or_init(|| Arc::new(Pki::new("proxy under test"))).clone()
}

fn write(dir: &Path, name: &str, content: &str) {
    std::fs::write(dir.join(name), content).expect("write");
}
