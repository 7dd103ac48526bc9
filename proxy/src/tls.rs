//! TLS from clients: terminated with a minted leaf, or relayed by its server name.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use crate::app::App;
use crate::audit::{Action, Mode, Record, TunnelInfo};
use crate::conn::{Conn, inside, last_words};
use crate::managed::live::Ticket;
use crate::pipeline::{Reach, Used};
use crate::refusal::Refusal;
use crate::relay::{self, Ending, Filter};
use crate::sniff;
use crate::step::Step;
use crate::stream::Rewind;
use crate::target::{self, TunnelTarget};
use crate::tunnel::HELLO_WITHIN;

/// What is around a TLS connection.
#[derive(Default)]
pub struct Around {
    /// The tunnel's target, or the original destination of a redirected connection.
    pub target: Option<TunnelTarget>,
    /// For the audit lines.
    pub info: Option<Arc<TunnelInfo>>,
    /// The client has shown who it is.
    pub trusted: bool,
}

/// HTTP on a TLS port, as the reference answers it.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Where relayed connections go, whatever port the tunnel named (as the reference).
const RELAY_PORT: u16 = 443;

/// Terminates TLS; what is inside is the next step.
pub async fn terminate(
    app: Arc<App>,
    client: SocketAddr,
    mut tcp: Rewind<TcpStream>,
    around: Around,
) -> Step {
    let limit = app.timeouts.tls_handshake;
    match tokio::time::timeout(limit, tcp.peek(1)).await {
        Ok(Ok([0x16, ..])) => {}
        Ok(Ok([b'A'..=b'Z', ..])) => {
            failed(&app, client, &around, None, "http-on-tls-port", 400);
            last_words(&mut tcp, NOT_TLS).await;
            return Step::End;
        }
        Ok(Ok([_, ..])) => return failed(&app, client, &around, None, "not-tls", 400),
        Ok(Ok([]) | Err(_)) | Err(_) => return Step::End,
    }
    let deadline = tokio::time::Instant::now() + limit;
    let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp);
    let start = match tokio::time::timeout_at(deadline, acceptor).await {
        Ok(Ok(start)) => start,
        Ok(Err(_)) => return failed(&app, client, &around, None, "tls-handshake", 400),
        Err(_) => return failed(&app, client, &around, None, "tls-handshake-timeout", 408),
    };
    let sni = start.client_hello().server_name().map(str::to_owned);
    let Some(name) = name(sni.as_deref(), around.target.as_ref()) else {
        failed(&app, client, &around, sni.as_deref(), "tls-no-server-name", 400);
        let _ = tokio::time::timeout_at(deadline, start.into_stream(app.no_certificate.clone())).await;
        return Step::End;
    };
    let config = match leaf(&app, client, &name).await {
        Ok(config) => config,
        Err(code) => {
            let status = if code == "too-many-new-names" { 429 } else { 500 };
            failed(&app, client, &around, sni.as_deref(), code, status);
            let _ = tokio::time::timeout_at(deadline, start.into_stream(app.no_certificate.clone())).await;
            return Step::End;
        }
    };
    let tls = match tokio::time::timeout_at(deadline, start.into_stream(config)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(_)) => return failed(&app, client, &around, sni.as_deref(), "tls-handshake", 400),
        Err(_) => return failed(&app, client, &around, sni.as_deref(), "tls-handshake-timeout", 408),
    };
    let certified = tls.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
    // With a server name the name decides; without one, what is around the connection does.
    let tunnel = around.target.clone();
    let bound = sni.is_some() || tunnel.as_ref().is_some_and(|t| t.host == name);
    let path =
        target::Path { scheme: Scheme::Https, sni: bound.then_some(name), tunnel, proxy_requests: false };
    let mut conn = Conn::new(app, client, path, around.trusted || certified);
    conn.sni = sni.unwrap_or_default();
    conn.tunnel = around.info;
    inside(conn, tls)
}

/// The name to present a certificate for: the server name, else where the client thinks it is going.
fn name(sni: Option<&str>, target: Option<&TunnelTarget>) -> Option<CanonicalHost> {
    match sni {
        Some(sni) => CanonicalHost::parse(sni).ok(),
        None => target.map(|target| target.host.clone()),
    }
}

async fn leaf(
    app: &App,
    client: SocketAddr,
    name: &CanonicalHost,
) -> Result<Arc<ServerConfig>, &'static str> {
    let Some(leaves) = &app.leaves else { return Err("tls-no-authority") };
    if !leaves.knows(name) {
        if !app.limits.new_name(client.ip()) {
            return Err("too-many-new-names");
        }
        app.metrics.minted();
    }
    leaves.config(name).await.map_err(|error| {
        tracing::error!(error = %error, "minting a leaf certificate");
        "internal"
    })
}

/// The audit line of a handshake that failed: no request came of it, but somebody knocked.
fn failed(
    app: &App,
    client: SocketAddr,
    around: &Around,
    sni: Option<&str>,
    code: &'static str,
    status: u16,
) -> Step {
    app.metrics.handshake_failed();
    let mut record = app.audit.open(client, Mode::Mitm);
    record.protocol = "tls";
    record.action = Action::Reject;
    record.status = status;
    record.reason = Some(code);
    record.tunnel.clone_from(&around.info);
    let text = sni.or(around.target.as_ref().map(|target| target.host.as_str())).unwrap_or_default();
    record.host.push_str(text);
    record.sni.push_str(sni.unwrap_or_default());
    record.close();
    Step::End
}

/// sni-only mode: looks at the server name and relays the rest.
pub async fn relay(
    app: Arc<App>,
    client: SocketAddr,
    mut tcp: Rewind<TcpStream>,
    target: Option<TunnelTarget>,
    trusted: bool,
) {
    let hello = match tokio::time::timeout(HELLO_WITHIN, sniff::client_hello(&mut tcp)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(_)) | Err(_) => None,
    };
    let mut record = app.audit.open(client, Mode::SniOnly);
    record.protocol = "tls";
    let Some(hello) = hello else {
        record.action = Action::Reject;
        record.status = 400;
        record.reason = Some("not-tls");
        return;
    };
    if !trusted {
        record.refuse(&Refusal::client_auth());
        return;
    }
    let Some(host) = hello.sni.as_deref().and_then(|sni| CanonicalHost::parse(sni).ok()) else {
        record.action = Action::Error;
        record.status = 400;
        record.reason = Some("tls-no-server-name");
        record.error = Some("client hello missing sni".to_owned());
        return;
    };
    record.host = hello.sni.clone().unwrap_or_default();
    record.sni.clone_from(&record.host);
    if target.as_ref().is_some_and(|target| target.host.as_ip().is_none() && target.host != host) {
        record.refuse(&Refusal::tunnel_mismatch());
        return;
    }
    match open_relay(&app, &host, &mut record).await {
        Ok((upstream, ticket)) => {
            let _counted = app.metrics.tunnel();
            record.status = 200;
            let upstream = Rewind::new(Bytes::new(), upstream);
            let ending = Ending { idle: app.timeouts.idle_tunnel, drain: app.drain.clone(), ticket };
            match relay::run(tcp, upstream, Filter::None, ending).await {
                Ok(done) => {
                    record.bytes_in = done.up;
                    record.bytes_out = done.down;
                    record.reason = done.ended_by;
                    app.metrics.body_bytes(done.up, done.down);
                }
                Err(error) => {
                    tracing::debug!(error = %error, "sni passthrough error");
                    record.reason = Some("relay-broke-off");
                }
            }
        }
        Err(refusal) => record.refuse(&refusal),
    }
}

async fn open_relay(
    app: &App,
    host: &CanonicalHost,
    record: &mut Record,
) -> Result<(TcpStream, Option<Ticket>), Refusal> {
    let pipeline = app.pipeline.load_full();
    let permit = pipeline.relay(host, RELAY_PORT, "", record).inspect_err(|refusal| {
        tracing::info!(sni = %record.sni, status = refusal.status().as_u16(), "sni passthrough short-circuited by transform");
    })?;
    let ticket = app.enter(None, &pipeline, || Used::of_host(host, RELAY_PORT, Reach::Relay));
    let upstream = app.upstream.relay(&permit).await.map_err(|error| error.refusal(None))?;
    Ok((upstream, ticket))
}

/// Presents nothing, so that the handshake ends with an alert.
#[derive(Debug)]
pub struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}
