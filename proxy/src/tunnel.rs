//! The tunnel listener: CONNECT, SOCKS5 and absolute-form requests by the first byte; and what goes on inside a
//! tunnel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use http::request::Parts;
use http::{Response, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::app::App;
use crate::audit::{Action, Mode, Record, TunnelInfo};
use crate::body::ResponseBody;
use crate::config::TlsMode;
use crate::conn::{Conn, Switch, last_words};
use crate::exchange::ClientGate;
use crate::managed::live::Ticket;
use crate::pipeline::{Reach, Used};
use crate::refusal::Refusal;
use crate::respond;
use crate::socks::{self, Parsed};
use crate::step::Step;
use crate::stream::{ClientStream, Rewind};
use crate::target::{self, RequestTarget, TunnelTarget};
use crate::tls;

/// A tunnel that policy allowed, before its first byte.
pub struct Opened {
    app: Arc<App>,
    client: SocketAddr,
    target: TunnelTarget,
    info: Arc<TunnelInfo>,
    ticket: Option<Ticket>,
}

impl Opened {
    /// In managed mode, the right of the tunnel to go on, for whoever drives its connection.
    pub fn take_ticket(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }
}

/// Serves a connection of the tunnel listener.
pub async fn accept(app: Arc<App>, client: SocketAddr, tcp: TcpStream, trusted: bool) -> Step {
    let mut tcp = Rewind::new(Bytes::new(), tcp);
    let limit = app.timeouts.tunnel_first_byte;
    let first = match tokio::time::timeout(limit, tcp.peek(1)).await {
        Ok(Ok([first, ..])) => *first,
        // It never said anything, so there is nothing to record.
        _ => return Step::End,
    };
    if first == 5 {
        return Step::Socks(app, client, tcp, trusted);
    }
    let path = target::Path { scheme: Scheme::Http, sni: None, tunnel: None, proxy_requests: true };
    Step::Clear(Box::new(Conn::new(app, client, path, trusted)), tcp)
}

/// Answers a `CONNECT` whose client and words are in order.
pub fn connect(
    conn: &Arc<Conn>,
    parts: &Parts,
    target: RequestTarget,
    mut record: Record,
    gate: Option<&ClientGate>,
) -> Response<ResponseBody> {
    let port = parts.uri.port_u16().unwrap_or(443);
    let text = format!("{}:{port}", target.host.to_authority());
    record.host.clone_from(&text);
    target.host.as_str().clone_into(&mut record.sni);
    record.protocol = "connect";
    if conn.app.mode == TlsMode::SniOnly {
        record.set_mode(Mode::SniOnly);
    }
    let target = TunnelTarget { host: target.host, port };
    tracing::debug!(target = %text, "tunnel CONNECT");
    match decide(&conn.app, &target, text, &mut record) {
        Ok((info, ticket)) => {
            record.status = 200;
            record.close();
            let opened = Opened { app: conn.app.clone(), client: conn.client, target, info, ticket };
            conn.switch(Switch::Tunnel(Box::new(opened)));
            let mut response = Response::new(ResponseBody::full(Bytes::new()));
            response
                .extensions_mut()
                .insert(hyper::ext::ReasonPhrase::from_static(b"Connection Established"));
            response
        }
        Err(refusal) => {
            let refusal = refusal.closing();
            record.refuse(&refusal);
            record.close();
            if let Some(gate) = gate {
                gate.end();
            }
            respond::refusal(&refusal, &http::Method::POST)
        }
    }
}

fn decide(
    app: &App,
    target: &TunnelTarget,
    text: String,
    record: &mut Record,
) -> Result<(Arc<TunnelInfo>, Option<Ticket>), Refusal> {
    let pipeline = app.pipeline.load_full();
    match app.mode {
        TlsMode::Mitm => pipeline.tunnel(&target.host, target.port, record)?,
        TlsMode::SniOnly => drop(pipeline.relay(&target.host, target.port, "CONNECT", record)?),
    }
    // What is relayed has a ticket of its own.
    let ticket = match app.mode {
        TlsMode::Mitm => {
            app.enter(None, &pipeline, || Used::of_host(&target.host, target.port, Reach::Tunnel))
        }
        TlsMode::SniOnly => None,
    };
    Ok((Arc::new(TunnelInfo { target: text, traces: record.request_traces.clone().into() }), ticket))
}

/// The SOCKS5 handshake.
pub async fn accept_socks(app: Arc<App>, client: SocketAddr, tcp: Rewind<TcpStream>, trusted: bool) -> Step {
    let mut record =
        app.audit.open(client, if app.mode == TlsMode::Mitm { Mode::Mitm } else { Mode::SniOnly });
    record.protocol = "socks5";
    record.method.push_str("CONNECT");
    let limit = app.timeouts.request_head;
    let mut socks = Socks { tcp, seen: Vec::new() };
    let outcome = tokio::time::timeout(limit, socks.handshake(&app, client, trusted, &mut record)).await;
    let Ok(outcome) = outcome else {
        reject(record, "request-head-timeout", StatusCode::REQUEST_TIMEOUT);
        return Step::End;
    };
    let opened = match outcome {
        Ok(opened) => opened,
        Err(Ended { code, status, reply }) => {
            reject(record, code, status);
            last_words(&mut socks.tcp, &reply).await;
            return Step::End;
        }
    };
    record.status = 200;
    record.close();
    let stream = ClientStream::Tcp(socks.tcp).rewound(Bytes::from(socks.seen));
    Step::Tunnel(Box::new(opened), stream)
}

fn reject(mut record: Record, code: &'static str, status: StatusCode) {
    // A policy refusal has noted itself.
    if record.reason.is_none() {
        record.action = Action::Reject;
        record.status = status.as_u16();
        record.reason = Some(code);
    }
    record.close();
}

struct Socks {
    tcp: Rewind<TcpStream>,
    /// Read, not yet consumed.
    seen: Vec<u8>,
}

struct Ended {
    code: &'static str,
    status: StatusCode,
    reply: Vec<u8>,
}

impl Ended {
    fn new(code: &'static str, reply: &[u8]) -> Self {
        Self { code, status: StatusCode::BAD_REQUEST, reply: reply.to_vec() }
    }
}

impl Socks {
    async fn handshake(
        &mut self,
        app: &Arc<App>,
        client: SocketAddr,
        trusted: bool,
        record: &mut Record,
    ) -> Result<Opened, Ended> {
        let methods = self.read(|bytes| socks::greeting(bytes).map(<[u8]>::to_vec)).await?;
        let auth = app.auth.load_full();
        let known = trusted || auth.trusts(client.ip());
        if known && methods.contains(&0) {
            self.write(socks::METHOD_NONE).await?;
        } else if methods.contains(&2) && auth.has_token() {
            self.write(socks::METHOD_PASSWORD).await?;
            let word = self.read(|bytes| socks::password(bytes).map(|(_, word)| word.to_vec())).await?;
            if !auth.accepts(&word) {
                let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
                return Err(Ended { status, ..Ended::new("client-auth-required", socks::AUTH_REFUSED) });
            }
            self.write(socks::AUTH_OK).await?;
        } else {
            let code = if known { "socks-method" } else { "client-auth-required" };
            return Err(Ended::new(code, socks::METHOD_REFUSED));
        }
        let (text, host, port) = match self.read(socks::request).await? {
            socks::Request::Connect { text, host, port } => (text, host, port),
            socks::Request::BadCommand => {
                return Err(Ended::new("socks-command", &socks::reply(socks::BAD_COMMAND)));
            }
            socks::Request::BadAddress => {
                return Err(Ended::new("socks-address", &socks::reply(socks::BAD_ADDRESS)));
            }
        };
        record.sni.clone_from(&text);
        record.host = host
            .as_ref()
            .map_or_else(|| format!("{text}:{port}"), |h| format!("{}:{port}", h.to_authority()));
        tracing::debug!(target = %record.host, "tunnel SOCKS5 CONNECT");
        let refused = || Ended::new("bad-host", &socks::reply(socks::NOT_ALLOWED));
        let target = TunnelTarget { host: host.ok_or_else(refused)?, port };
        match decide(app, &target, record.host.clone(), record) {
            Ok((info, ticket)) => {
                self.write(&socks::reply(socks::SUCCEEDED)).await?;
                Ok(Opened { app: app.clone(), client, target, info, ticket })
            }
            Err(refusal) => {
                record.refuse(&refusal);
                Err(Ended::new(refusal.code(), &socks::reply(socks::NOT_ALLOWED)))
            }
        }
    }

    async fn read<T>(&mut self, parse: impl Fn(&[u8]) -> Parsed<T>) -> Result<T, Ended> {
        loop {
            match parse(&self.seen) {
                Parsed::Whole(message, used) => {
                    self.seen.drain(..used);
                    return Ok(message);
                }
                Parsed::Bad => return Err(Ended::new("malformed-socks", b"")),
                Parsed::More => {}
            }
            let read = tokio::io::AsyncReadExt::read_buf(&mut self.tcp, &mut self.seen).await;
            if !matches!(read, Ok(1..)) {
                return Err(Ended::new("request-head-incomplete", b""));
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.tcp.write_all(bytes).await.map_err(|_| Ended::new("client-closed", b""))
    }
}

impl<T> Parsed<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Parsed<U> {
        match self {
            Self::Whole(message, used) => Parsed::Whole(with(message), used),
            Self::More => Parsed::More,
            Self::Bad => Parsed::Bad,
        }
    }
}

/// Serves what is inside a tunnel: TLS or HTTP by the first byte, nothing else.
pub async fn serve(opened: Opened, stream: ClientStream) -> Step {
    let ClientStream::Tcp(mut tcp) = stream else { return Step::End };
    let Opened { app, client, target, info, .. } = opened;
    let _counted = app.metrics.tunnel();
    let limit = app.timeouts.tunnel_first_byte;
    let first = tokio::time::timeout(limit, tcp.peek(1)).await;
    let first = match first {
        Ok(Ok([first, ..])) => Some(*first),
        Ok(_) => return Step::End,
        Err(_) => None,
    };
    match first {
        Some(0x16) if app.mode == TlsMode::SniOnly => Step::Relay(app, client, tcp, Some(target), true),
        Some(0x16) => {
            let around = tls::Around { target: Some(target), info: Some(info), trusted: true };
            Step::Terminate(app, client, tcp, around)
        }
        Some(b'A'..=b'Z') => {
            let path =
                target::Path { scheme: Scheme::Http, sni: None, tunnel: Some(target), proxy_requests: false };
            let mut conn = Conn::new(app, client, path, true);
            conn.tunnel = Some(info);
            Step::Clear(Box::new(conn), tcp)
        }
        other => {
            let mut record = app.audit.open(client, Mode::Mitm);
            record.host.clone_from(&info.target);
            record.sni = host_text(&target.host);
            record.tunnel = Some(info);
            record.protocol = "tunnel";
            record.action = Action::Reject;
            record.status = 400;
            record.reason = Some(if other.is_some() { "unknown-protocol" } else { "tunnel-silent" });
            record.close();
            last_words(&mut tcp, b"").await;
            Step::End
        }
    }
}

fn host_text(host: &CanonicalHost) -> String {
    host.as_str().to_owned()
}

/// How long a relayed connection may take to send its ClientHello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
