//! Configuration and command line of each contender's proxy.

mod mitmproxy;
mod squid;
mod yaml;

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;

use crate::contender::Contender;
use crate::wire::{Variant, WorldSpec};

/// How long a proxy may take until it accepts.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is tried.
const KNOCK: Duration = Duration::from_micros(200);

/// A proxy that runs; ended when dropped.
pub(crate) struct Proxy {
    child: Child,
    /// Where it takes CONNECT.
    pub(crate) address: SocketAddr,
}

impl Proxy {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Facts a configuration needs.
struct Site<'a> {
    spec: &'a WorldSpec,
    dir: &'a Path,
    variant: Variant,
    port: u16,
    dns_port: u16,
}

/// Writes the configuration of `variant` and gives the command that starts it, and the address it will listen on.
///
/// # Errors
///
/// When files cannot be written, or there is no proxy to start.
pub(crate) fn prepare(
    spec: &WorldSpec,
    variant: Variant,
    dns_port: u16,
) -> anyhow::Result<(Command, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let dir = spec.dir.join(format!("port-{}", address.port()));
    std::fs::create_dir_all(&dir)?;
    let site = Site { spec, dir: &dir, variant, port: address.port(), dns_port };
    let command = match &spec.contender {
        Contender::Direct => bail!("nothing to start"),
        Contender::Relay => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--role", "relay", "--spec", &site.port.to_string()]);
            command
        }
        Contender::Ours(path) => yaml::command(&site, path, true)?,
        Contender::Peer(_, path) => yaml::command(&site, path, false)?,
        Contender::Mitmproxy(path) => mitmproxy::command(&site, path)?,
        Contender::Squid(path) => squid::command(&site, path)?,
    };
    Ok((command, address))
}

/// Starts what [`prepare`] gave. Its output goes to `/dev/null`: audit lines are made and written, but nobody's disk
/// or terminal is measured.
///
/// # Errors
///
/// When the program cannot be started.
pub(crate) fn spawn(command: &mut Command, address: SocketAddr) -> anyhow::Result<Proxy> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().with_context(|| format!("{}", command.get_program().display()))?;
    Ok(Proxy { child, address })
}

/// Waits until the proxy accepts connections.
///
/// # Errors
///
/// When it ends or does not listen in time.
pub(crate) async fn until_ready(proxy: &mut Proxy) -> anyhow::Result<()> {
    let begin = Instant::now();
    while TcpStream::connect(proxy.address).await.is_err() {
        if let Some(status) = proxy.child.try_wait()? {
            bail!("the proxy ended with {status}");
        }
        if begin.elapsed() > PATIENCE {
            bail!("the proxy does not listen");
        }
        tokio::time::sleep(KNOCK).await;
    }
    Ok(())
}

/// Starts a proxy that did not come up once more, to tell what it says about it.
pub(crate) fn last_words(command: &mut Command) -> String {
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn() else {
        return String::new();
    };
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            let _ = stderr.take(2_000).read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    std::thread::sleep(Duration::from_secs(1));
    let _ = child.kill();
    let _ = child.wait();
    reader.join().unwrap_or_default()
}
