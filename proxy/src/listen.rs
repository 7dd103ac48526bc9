//! Listeners: bind all before any serves, accept with limits and back-off, stop on the drain.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use centaur_net::dns::DnsServer;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::admin;
use crate::app::{App, Phase, Reloader};
use crate::ca::errno_text;
use crate::config::{Config, TlsMode};
use crate::conn::Conn;
use crate::step::{self, Step};
use crate::stream::Rewind;
use crate::target::{self, TunnelTarget};
use crate::tls::Around;
use crate::tunnel;
use crate::workers::Dispatch;

/// Listeners opened by the caller, in place of those of the configuration.
#[derive(Default)]
pub struct Sockets {
    /// Cleartext HTTP. If this, `https` or `tunnel` has an entry, the configuration's addresses are not bound.
    pub http: Vec<std::net::TcpListener>,
    /// TLS.
    pub https: Vec<std::net::TcpListener>,
    /// CONNECT and SOCKS5.
    pub tunnel: Vec<std::net::TcpListener>,
    /// DNS over UDP.
    pub dns_udp: Vec<std::net::UdpSocket>,
    /// DNS over TCP.
    pub dns_tcp: Vec<std::net::TcpListener>,
}

impl Sockets {
    fn any(&self) -> bool {
        !(self.http.is_empty() && self.https.is_empty() && self.tunnel.is_empty())
    }
}

/// Where the proxy listens, ports filled in.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// `proxy.http_listen`
    pub http: Option<SocketAddr>,
    /// `proxy.https_listen`
    pub https: Option<SocketAddr>,
    /// `proxy.tunnel_listen`
    pub tunnel: Option<SocketAddr>,
    /// `proxy.transparent_listen`
    pub transparent: Option<SocketAddr>,
    /// `dns.listen`
    pub dns: Option<SocketAddr>,
    /// `metrics.listen`
    pub metrics: Option<SocketAddr>,
    /// `management.listen`
    pub management: Option<SocketAddr>,
}

/// A listener that could not be opened; the text starts as the reference's.
#[derive(Debug, thiserror::Error)]
#[error("{service}: listen {network} {address}: {problem}")]
pub struct BindError {
    service: &'static str,
    network: &'static str,
    address: String,
    problem: String,
}

/// Bound, not yet serving.
pub struct Listeners {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    tunnel: Vec<TcpListener>,
    transparent: Vec<TcpListener>,
    dns: Option<(UdpSocket, TcpListener)>,
    more_dns: Vec<(UdpSocket, TcpListener)>,
    metrics: Option<TcpListener>,
    management: Option<(TcpListener, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    Tunnel,
    Transparent,
}

impl Listeners {
    /// Opens everything, or says what cannot be opened.
    pub fn bind(config: &Config, given: Sockets, metrics: bool, dns: bool) -> Result<Self, BindError> {
        let proxy = &config.proxy;
        let ours = !given.any();
        let one = |wanted: Option<&str>, service| -> Result<Vec<TcpListener>, BindError> {
            wanted
                .filter(|_| ours)
                .map(|address| tcp(address, service))
                .transpose()
                .map(|l| l.into_iter().collect())
        };
        let adopted = |list: Vec<std::net::TcpListener>| -> Result<Vec<TcpListener>, BindError> {
            list.into_iter()
                .map(|l| adopt(l).map_err(|e| BindError::new("proxy", "tcp", "given socket", &e)))
                .collect()
        };
        let mut http = one(Some(&proxy.http_listen), "proxy: http listen")?;
        let mut https = one(Some(&proxy.https_listen), "proxy: https listen")?;
        let mut tunnel = one(proxy.tunnel_listen.as_deref(), "proxy: tunnel: tunnel listen")?;
        let transparent = one(proxy.transparent_listen.as_deref(), "proxy: transparent listen")?;
        http.extend(adopted(given.http)?);
        https.extend(adopted(given.https)?);
        tunnel.extend(adopted(given.tunnel)?);
        let mut more_dns = Vec::new();
        for (udp, tcp) in given.dns_udp.into_iter().zip(given.dns_tcp) {
            let fail = |e: &io::Error| BindError::new("dns", "udp", "given socket", e);
            udp.set_nonblocking(true).map_err(|e| fail(&e))?;
            let udp = UdpSocket::from_std(udp).map_err(|e| fail(&e))?;
            more_dns.push((udp, adopt(tcp).map_err(|e| fail(&e))?));
        }
        let dns = (dns && more_dns.is_empty()).then(|| dns_pair(&config.dns.listen)).transpose()?;
        let management = match &config.management {
            Some(management) => Some((
                tcp(&management.listen, "management")?,
                std::env::var(&management.api_key_env).unwrap_or_default(),
            )),
            None => None,
        };
        let metrics = metrics.then(|| tcp(&config.metrics_listen, "metrics")).transpose()?;
        Ok(Self { http, https, tunnel, transparent, dns, more_dns, metrics, management })
    }

    /// What is bound.
    pub fn addresses(&self) -> Addresses {
        let first = |list: &[TcpListener]| list.first().and_then(|l| l.local_addr().ok());
        Addresses {
            http: first(&self.http),
            https: first(&self.https),
            tunnel: first(&self.tunnel),
            transparent: first(&self.transparent),
            dns: self.dns.as_ref().or(self.more_dns.first()).and_then(|(udp, _)| udp.local_addr().ok()),
            metrics: self.metrics.as_ref().and_then(|l| l.local_addr().ok()),
            management: self.management.as_ref().and_then(|(l, _)| l.local_addr().ok()),
        }
    }

    /// The lines by which supervisors and tests find the ports.
    pub fn log_start(&self, config: &Config) {
        let addresses = self.addresses();
        let mitm = config.tls.mode == TlsMode::Mitm;
        let lines = [
            ("http proxy starting", addresses.http),
            (if mitm { "https proxy starting" } else { "https proxy starting (sni-only)" }, addresses.https),
            ("tunnel proxy starting", addresses.tunnel),
            ("transparent proxy starting", addresses.transparent),
            ("dns server starting", addresses.dns),
            ("management server starting", addresses.management),
            ("metrics server starting", addresses.metrics),
        ];
        for (message, address) in lines {
            if let Some(addr) = address {
                tracing::info!(addr = %addr, "{message}");
            }
        }
        let proxy = &config.proxy;
        let dns = if config.dns.enabled { config.dns.listen.as_str() } else { "disabled" };
        if let Some(tunnel) = &proxy.tunnel_listen {
            tracing::info!(
                dns_listen = dns,
                http_listen = %proxy.http_listen,
                https_listen = %proxy.https_listen,
                metrics_listen = %config.metrics_listen,
                tunnel_listen = %tunnel,
                "iron-proxy starting"
            );
        } else {
            tracing::info!(
                dns_listen = dns,
                http_listen = %proxy.http_listen,
                https_listen = %proxy.https_listen,
                metrics_listen = %config.metrics_listen,
                "iron-proxy starting"
            );
        }
    }

    /// Serves everything.
    pub fn serve(
        self,
        app: &Arc<App>,
        dns: Option<Arc<DnsServer>>,
        reloader: &Arc<Reloader>,
        dispatch: &Dispatch,
        tasks: &mut JoinSet<Result<(), String>>,
    ) {
        let kinds = [
            (Kind::Http, self.http),
            (Kind::Https, self.https),
            (Kind::Tunnel, self.tunnel),
            (Kind::Transparent, self.transparent),
        ];
        for (kind, listeners) in kinds {
            for listener in listeners {
                tasks.spawn(accept(app.clone(), listener, kind, dispatch.clone()));
            }
        }
        if let Some(server) = dns {
            for (udp, tcp) in self.dns.into_iter().chain(self.more_dns) {
                let (server, mut drain) = (server.clone(), app.drain.clone());
                tasks.spawn(async move {
                    let stop = async move {
                        let _ = drain.wait_for(|phase| *phase != Phase::Running).await;
                    };
                    server.serve(udp, tcp, stop).await;
                    Ok(())
                });
            }
        }
        if let Some(listener) = self.metrics {
            tasks.spawn(admin::serve_metrics(app.clone(), listener));
        }
        if let Some((listener, key)) = self.management {
            tasks.spawn(admin::serve_management(app.clone(), listener, key, reloader.clone()));
        }
    }
}

/// The longest pause after an accept that failed, for example out of descriptors.
const MOST_BACK_OFF: Duration = Duration::from_secs(1);

async fn accept(app: Arc<App>, listener: TcpListener, kind: Kind, dispatch: Dispatch) -> Result<(), String> {
    let mut drain = app.drain.clone();
    let mut back_off = Duration::from_millis(5);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = drain.wait_for(|phase| *phase != Phase::Running) => return Ok(()),
        };
        match accepted {
            Ok((tcp, client)) => {
                back_off = Duration::from_millis(5);
                let app = app.clone();
                // Leaves the event loop of the listener and enters that of the thread that will serve it.
                let tcp = tcp.into_std();
                dispatch.spawn(async move {
                    match tcp.and_then(TcpStream::from_std) {
                        Ok(tcp) => connection(app, tcp, client, kind).await,
                        Err(error) => tracing::warn!(error = %errno_text(&error), "accept error"),
                    }
                });
            }
            Err(error) => {
                let what = if kind == Kind::Tunnel { "tunnel accept error" } else { "accept error" };
                tracing::warn!(error = %errno_text(&error), "{what}");
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(MOST_BACK_OFF);
            }
        }
    }
}

async fn connection(app: Arc<App>, mut tcp: TcpStream, client: SocketAddr, kind: Kind) {
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    let _counted = app.metrics.connection();
    let _connected = match app.limits.connection(client.ip()) {
        Ok(connected) => connected,
        Err(code) => {
            tracing::warn!(client = %client, reason = code, "connection refused");
            if kind != Kind::Https && kind != Kind::Transparent {
                let answer = format!(
                    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nX-Iron-Reason: {code}\r\nConnection: close\r\n\r\n{code}: the limit of connections is reached (proxy.limits)\n"
                );
                let _ = tokio::time::timeout(MOST_BACK_OFF, tcp.write_all(answer.as_bytes())).await;
            }
            return;
        }
    };
    let _ = tcp.set_nodelay(true);
    let trusted = app.auth.load().trusts(client.ip());
    let first = match kind {
        Kind::Tunnel => tunnel::accept(app, client, tcp, trusted).await,
        Kind::Http => clear(app, client, Rewind::new(Bytes::new(), tcp), None, trusted),
        Kind::Https => tls(app, client, Rewind::new(Bytes::new(), tcp), None, trusted),
        Kind::Transparent => redirected(app, client, tcp, trusted).await,
    };
    step::run(first).await;
}

fn clear(
    app: Arc<App>,
    client: SocketAddr,
    tcp: Rewind<TcpStream>,
    target: Option<TunnelTarget>,
    trusted: bool,
) -> Step {
    let path = target::Path { scheme: Scheme::Http, sni: None, tunnel: target, proxy_requests: false };
    Step::Clear(Box::new(Conn::new(app, client, path, trusted)), tcp)
}

fn tls(
    app: Arc<App>,
    client: SocketAddr,
    tcp: Rewind<TcpStream>,
    target: Option<TunnelTarget>,
    trusted: bool,
) -> Step {
    if app.mode == TlsMode::SniOnly {
        return Step::Relay(app, client, tcp, target, trusted);
    }
    Step::Terminate(app, client, tcp, Around { target, info: None, trusted })
}

/// A connection that nftables or TPROXY sent here: where it was going says the port, the name inside decides.
async fn redirected(app: Arc<App>, client: SocketAddr, tcp: TcpStream, trusted: bool) -> Step {
    let original = original_destination(&tcp)
        .map(|address| TunnelTarget { host: CanonicalHost::from(address.ip()), port: address.port() });
    let mut tcp = Rewind::new(Bytes::new(), tcp);
    let first = tokio::time::timeout(app.timeouts.tunnel_first_byte, tcp.peek(1)).await;
    match first {
        Ok(Ok([0x16, ..])) => return tls(app, client, tcp, original, trusted),
        Ok(Ok([b'A'..=b'Z', ..])) => return clear(app, client, tcp, original, trusted),
        Ok(Ok([_, ..])) => {
            let mut record = app.audit.open(client, crate::audit::Mode::Mitm);
            record.protocol = "tunnel";
            record.action = crate::audit::Action::Reject;
            record.status = 400;
            record.reason = Some("unknown-protocol");
            if let Some(target) = original {
                record.host = format!("{}:{}", target.host.to_authority(), target.port);
            }
        }
        _ => {}
    }
    Step::End
}

/// The destination before `REDIRECT`, or, with TPROXY, the local address of the socket.
fn original_destination(tcp: &TcpStream) -> Option<SocketAddr> {
    let socket = SockRef::from(tcp);
    let asked = match tcp.local_addr().ok()? {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    let address = asked.ok().and_then(|address| address.as_socket()).or_else(|| tcp.local_addr().ok())?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl BindError {
    fn new(service: &'static str, network: &'static str, address: &str, error: &io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::InvalidInput => error.to_string(),
            _ => format!("bind: {}", errno_text(error)),
        };
        Self { service, network, address: address.to_owned(), problem }
    }
}

/// How often the kernel may choose a port for DNS.
const CHOICES: u32 = 16;
/// Pending connections the kernel holds.
const BACKLOG: i32 = 1024;

/// Binds `host:port`; an empty host means every address, IPv6 and IPv4.
fn tcp(address: &str, service: &'static str) -> Result<TcpListener, BindError> {
    let fail = |e: &io::Error| BindError::new(service, "tcp", address, e);
    each_address(address)
        .and_then(|list| first_ok(&list, |address| listener(address).and_then(adopt)))
        .map_err(|e| fail(&e))
}

fn dns_pair(address: &str) -> Result<(UdpSocket, TcpListener), BindError> {
    let list = each_address(address).map_err(|e| BindError::new("dns", "udp", address, &e))?;
    let pair = |address: SocketAddr| {
        let udp = udp(address)?;
        let same_port = SocketAddr::new(address.ip(), udp.local_addr()?.port());
        Ok((udp, listener(same_port).and_then(adopt)?))
    };
    first_ok(&list, |address| {
        // A port that the kernel chose for UDP may be taken for TCP: then it chooses again.
        let more = if address.port() == 0 { CHOICES } else { 0 };
        (0..more).find_map(|_| pair(address).ok()).map_or_else(|| pair(address), Ok)
    })
    .map_err(|e| BindError::new("dns", "udp", address, &e))
}

fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn each_address(address: &str) -> io::Result<Vec<SocketAddr>> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(invalid(format!("address {address}: missing port in address")));
    };
    let Ok(number) = port.parse::<u16>() else {
        return Err(invalid(format!("address {address}: invalid port {port:?}")));
    };
    if host.is_empty() {
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, number).into(), (Ipv4Addr::UNSPECIFIED, number).into()]);
    }
    address.to_socket_addrs().map(Iterator::collect).map_err(|e| invalid(format!("lookup {host}: {e}")))
}

fn first_ok<T>(list: &[SocketAddr], open: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address");
    for address in list {
        match open(*address) {
            Ok(opened) => return Ok(opened),
            Err(error) => last = error,
        }
    }
    Err(last)
}
