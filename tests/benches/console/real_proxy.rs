//! The proxy itself, whose requests are allowed for as long as a credential is bound to their host.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use centaur_e2e::dns::Dns;
use centaur_e2e::pki::Pki;
use centaur_e2e::world::NAMES;
use centaur_e2e::{Conn, Origin, Proxy, Request};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::args::Args;
use crate::stats::now_us;

/// The host that the credential is bound to.
pub(crate) const HOST: &str = "a.test";
/// Between two requests that ask whether a change is obeyed yet.
const EVERY: Duration = Duration::from_millis(2);

/// A running proxy, its origin and its name server.
pub(crate) struct RealProxy {
    _proxy: Proxy,
    _dns: Dns,
    _dir: TempDir,
    origin: Origin,
    http: SocketAddr,
}

impl RealProxy {
    /// Starts one for this console, and waits for its first configuration.
    ///
    /// # Errors
    /// When its files cannot be written; it panics when the proxy does not start.
    pub(crate) async fn start(args: &Args, console: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let (dir, ca, dns) = (tempfile::tempdir()?, Pki::new("bench"), Dns::start().await);
        let origin = Origin::start(Pki::new("origin").server(NAMES, &["http/1.1"])).await;
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text);
        file("ca.crt", ca.cert_pem())?;
        file("ca.key", ca.key_pem())?;
        file("config.yaml", &config(dir.path(), dns.addr()))?;
        let env: HashMap<String, String> = [
            ("IRON_CONTROL_PLANE_URL", format!("http://{console}")),
            ("IRON_PROXY_TOKEN", token.to_owned()),
            ("IRON_PROXY_ALLOW_HOSTS", "@granted".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let path = dir.path().join("config.yaml").display().to_string();
        let mut proxy = Proxy::spawn_program(&args.proxy, &["-config", &path], &env);
        let addresses = proxy.addresses(&["http"]).await;
        proxy.logged("received initial config from control plane").await;
        let http = *addresses.get("http").context("no address")?;
        Ok(Self { _proxy: proxy, _dns: dns, _dir: dir, origin, http })
    }

    /// Asks until the answer is this status; when that was.
    ///
    /// # Errors
    /// When the proxy does not take a connection.
    pub(crate) async fn answers(&self, status: u16) -> anyhow::Result<u64> {
        let request = Request::get(&format!("{HOST}:{}", self.origin.plain_port()), "/ok");
        loop {
            let mut connection = Conn::new(TcpStream::connect(self.http).await?, Arc::default());
            let reply = request.on(&mut connection).await;
            if reply.status == status {
                return Ok(now_us());
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

fn config(dir: &Path, resolver: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "dns: {{enabled: false, upstream_resolver: \"{resolver}\"}}\n\
         proxy: {{http_listen: \"127.0.0.1:0\", https_listen: \"127.0.0.1:0\", upstream_deny_cidrs: []}}\n\
         tls: {{ca_cert: \"{dir}/ca.crt\", ca_key: \"{dir}/ca.key\"}}\n\
         metrics: {{listen: \"127.0.0.1:0\"}}\n"
    )
}
