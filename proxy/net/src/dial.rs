//! One outgoing TCP connection: resolve, check every address, connect to the first that answers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::address::is_loopback;
use crate::chain::ProxyAddress;
use crate::guard::{Denied, DialGuard, parse_literal};
use crate::resolve::{Addresses, LookupError, Resolver};

/// Makes connections under the guard. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dialer {
    guard: Arc<DialGuard>,
    resolver: Arc<Resolver>,
    limit: Duration,
}

/// What is dialled: a name or an address literal, and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// A name, or an address with or without brackets.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}

/// The usual time limit of [`Dialer::connect`], resolution included.
pub const DIAL_LIMIT: Duration = Duration::from_secs(30);

/// Head start of one address over the next (RFC 8305 section 8, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Idle time before the first keep-alive probe, and between probes.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

impl Dialer {
    /// A dialer whose connections take at most `limit` to set up, resolution included.
    pub fn new(guard: Arc<DialGuard>, resolver: Arc<Resolver>, limit: Duration) -> Self {
        Self { guard, resolver, limit }
    }

    /// Connects to `target`, with `TCP_NODELAY` and a keep-alive of 30 s. With several addresses each is checked on
    /// its own and those left are raced, IPv6 and IPv4 in turn, each 250 ms after the last (RFC 8305). With
    /// `require_loopback` an address that does not stay on this machine is refused; it is for credentials that would
    /// travel in the clear.
    ///
    /// # Errors
    /// No address, every address refused, none answered. When several addresses fail, the first failure is told, and
    /// one of the network before a refusal of ours.
    pub async fn connect(&self, target: &Target<'_>, require_loopback: bool) -> Result<TcpStream, DialError> {
        timeout(self.limit, self.resolve_and_race(target, require_loopback))
            .await
            .unwrap_or_else(|_| Err(DialError::Timeout { target: join(target.host, target.port) }))
    }

    /// Connects to a proxy through which `target` will be asked for. A target that is an address literal is held to
    /// the guard as if it were dialled from here; a name is the proxy's to resolve.
    ///
    /// # Errors
    /// A denied target, or [`DialError::Proxy`] for what went wrong on the way to the proxy.
    pub async fn connect_to_proxy(
        &self,
        proxy: &ProxyAddress,
        target: &Target<'_>,
    ) -> Result<TcpStream, DialError> {
        if let Some(ip) = parse_literal(target.host) {
            self.permits(SocketAddr::new(ip, target.port), false)?;
        }
        self.connect(&proxy.target(), false).await.map_err(|source| DialError::Proxy(Box::new(source)))
    }

    async fn resolve_and_race(
        &self,
        target: &Target<'_>,
        require_loopback: bool,
    ) -> Result<TcpStream, DialError> {
        let found = self.resolver.addresses(target.host).await.map_err(DialError::Resolve)?;
        let mut refused = None;
        let mut allowed = Addresses::new();
        for ip in found {
            match self.permits(SocketAddr::new(ip, target.port), require_loopback) {
                Ok(()) => allowed.push(ip),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let (true, Some(refusal)) = (allowed.is_empty(), refused) {
            return Err(refusal);
        }
        race(in_turn(&allowed), target.port)
            .await
            .unwrap_or_else(|| Err(DialError::NoAddress { target: join(target.host, target.port) }))
    }

    fn permits(&self, address: SocketAddr, require_loopback: bool) -> Result<(), DialError> {
        self.guard.check(address.ip()).map_err(|source| DialError::Denied { address, source })?;
        if require_loopback && !is_loopback(address.ip()) {
            return Err(DialError::NotLoopback { address });
        }
        Ok(())
    }
}

/// Why there is no connection. Texts start as the reference's do: `dial tcp ADDRESS: …`.
#[derive(Debug, Error)]
pub enum DialError {
    /// The name has no address.
    #[error("dial tcp: {0}")]
    Resolve(#[source] LookupError),
    /// The guard denies every address there is.
    #[error("dial tcp {address}: {source}")]
    Denied {
        /// The first address that was denied.
        address: SocketAddr,
        /// The range that holds it.
        source: Denied,
    },
    /// A loopback address was required and there is none.
    #[error("dial tcp {address}: not a loopback address, and a secret travels over TLS only")]
    NotLoopback {
        /// The first address that was refused.
        address: SocketAddr,
    },
    /// Nobody listens there.
    #[error("dial tcp {address}: connect: connection refused")]
    Refused {
        /// The address tried.
        address: SocketAddr,
    },
    /// No way to the network or the host.
    #[error("dial tcp {address}: connect: no route to host")]
    Unreachable {
        /// The address tried.
        address: SocketAddr,
    },
    /// No answer in time.
    #[error("dial tcp {target}: i/o timeout")]
    Timeout {
        /// Host and port, or address and port.
        target: String,
    },
    /// The lookup succeeded without an address.
    #[error("dial tcp {target}: no address")]
    NoAddress {
        /// Host and port.
        target: String,
    },
    /// A proxy further up cannot be reached.
    #[error("proxyconnect tcp: {0}")]
    Proxy(#[source] Box<Self>),
    /// Anything else the system reports.
    #[error("dial tcp {address}: connect: {source}")]
    Io {
        /// The address tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl DialError {
    fn from_connect(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { address },
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                Self::Unreachable { address }
            }
            io::ErrorKind::TimedOut => Self::Timeout { target: address.to_string() },
            _ => Self::Io { address, source },
        }
    }
}

/// `host:port`, an IPv6 literal in brackets.
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The families in turn, beginning with that of the first address (RFC 8305 section 4).
fn in_turn(addresses: &[IpAddr]) -> Addresses {
    let lead_is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let mut lead = addresses.iter().filter(|ip| ip.is_ipv4() == lead_is_v4);
    let mut other = addresses.iter().filter(|ip| ip.is_ipv4() != lead_is_v4);
    let mut ordered = Addresses::new();
    while ordered.len() < addresses.len() {
        ordered.extend(lead.next().copied());
        ordered.extend(other.next().copied());
    }
    ordered
}

/// The first address that answers. The next one starts when the last has failed or has had its head start. `None`
/// when there are no addresses.
async fn race(addresses: Addresses, port: u16) -> Option<Result<TcpStream, DialError>> {
    let mut waiting = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
    let mut running = FuturesUnordered::new();
    running.push(attempt(waiting.next()?));
    let mut first_failure = None;
    loop {
        let head_start = sleep(ATTEMPT_DELAY);
        tokio::select! {
            biased;
            finished = running.next() => match finished {
                Some(Ok(stream)) => return Some(Ok(stream)),
                Some(Err(failure)) => {
                    first_failure = first_failure.or(Some(failure));
                    match waiting.next() {
                        Some(address) => running.push(attempt(address)),
                        None if running.is_empty() => return first_failure.map(Err),
                        None => {}
                    }
                }
                None => return first_failure.map(Err),
            },
            () = head_start, if waiting.len() > 0 => {
                running.extend(waiting.next().map(attempt));
            }
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect(address).await.map_err(|e| DialError::from_connect(address, e))?;
    // A socket without these still works, so a failure is no reason to give the connection up.
    let _ = stream.set_nodelay(true);
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
    Ok(stream)
}

#[cfg(test)]
mod tests;
