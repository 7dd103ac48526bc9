//! Listeners on the host that nobody inside may reach, and one that may be reached through the proxy.

use std::io::{self, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::probes::Targets;

/// What the origin answers with, for the allowed twin.
pub(super) const REACHED: &str = "reached-through-the-proxy";

/// All baits; they live until dropped with the process.
pub(super) struct Baits {
    targets: Targets,
    touched: Vec<(&'static str, Arc<AtomicBool>)>,
    _directory: TempDir,
}

impl Baits {
    /// Opens everything on loopback and starts to watch.
    pub(super) fn lay() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("centaur-bait-").tempdir()?;
        let mut touched = Vec::new();

        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let tcp_port = tcp.local_addr()?.port();
        watch(&mut touched, "TCP service", move || tcp.accept().map(drop));

        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let udp_port = udp.local_addr()?.port();
        watch(&mut touched, "UDP service, which is also the resolver", move || {
            udp.recv_from(&mut [0; 64]).map(drop)
        });

        let path = directory.path().join("agent.sock");
        let unix = UnixListener::bind(&path)?;
        watch(&mut touched, "UNIX socket", move || unix.accept().map(drop));

        let name = format!("centaur-bait-{}", std::process::id());
        let unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        watch(&mut touched, "abstract UNIX socket", move || unix.accept().map(drop));

        let origin = TcpListener::bind("127.0.0.1:0")?;
        let origin_port = origin.local_addr()?.port();
        std::thread::spawn(move || origin.incoming().flatten().for_each(answer));

        let targets = Targets {
            tcp: tcp_port,
            udp: udp_port,
            origin: origin_port,
            socket: path,
            abstract_name: name,
            parent: std::process::id(),
        };
        Ok(Self { targets, touched, _directory: directory })
    }

    pub(super) fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Names of the baits that somebody reached.
    pub(super) fn touched(&self) -> Vec<&'static str> {
        let touched = self.touched.iter().filter(|(_, touched)| touched.load(Ordering::SeqCst));
        touched.map(|(name, _)| *name).collect()
    }
}

fn watch(
    list: &mut Vec<(&'static str, Arc<AtomicBool>)>,
    name: &'static str,
    wait: impl FnOnce() -> io::Result<()> + Send + 'static,
) {
    let touched = Arc::new(AtomicBool::new(false));
    list.push((name, touched.clone()));
    std::thread::spawn(move || {
        if wait().is_ok() {
            touched.store(true, Ordering::SeqCst);
        }
    });
}

fn answer(mut stream: std::net::TcpStream) {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head);
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{REACHED}",
        REACHED.len()
    );
}
