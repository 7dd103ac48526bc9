//! The leg to the origin: connections that are reused, protocol by negotiation, answers as bodies.
//!
//! An HTTP/1 connection is driven by the task of the exchange that uses it (`h1`), so a request crosses no task
//! and no channel between threads; between exchanges it rests in the `pool`. HTTP/2 connections are shared and
//! have tasks of their own (`h2`).

mod error;
mod h1;
mod h2;
mod pool;
mod tls;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use centaur_net::chain::{Chain, Route, connect, socks};
use centaur_net::dial::{Dialer, Target};
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::body::{RequestBody, Upload};
use crate::pipeline::Permit;
use crate::workers::PerWorker;
pub use error::UpstreamError;
use h1::Lease;
pub use h1::Switched;
use pool::Pool;
pub use tls::ClientTls;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// TLS or not.
    pub scheme: Scheme,
    /// Canonical.
    pub host: CanonicalHost,
    /// Explicit.
    pub port: u16,
    /// A credential travels in clear: only an address of this machine will do.
    pub loopback_only: bool,
}

/// Protocol of the upstream leg that the client's leg suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// Stay with HTTP/1.1: spelling, order and reason phrase survive.
    H1,
    /// HTTP/2 if the origin offers it.
    H2,
}

/// Connections to origins. One per process.
pub struct Upstream {
    dialer: Dialer,
    chain: Chain,
    tls: ClientTls,
    pool: PerWorker<Pool>,
    h2: PerWorker<h2::Shared>,
    limits: UpstreamLimits,
}

/// Time limits of this leg.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamLimits {
    /// From the end of the request to the head of the response.
    pub response_header: Duration,
    /// TLS handshake.
    pub tls_handshake: Duration,
    /// A body of known length that makes no progress.
    pub stalled_body: Duration,
    /// A body without known length that makes no progress (an event stream may be silent for long).
    pub idle_stream: Duration,
}

/// An open connection to an origin, TLS or not.
pub enum UpstreamStream {
    /// Cleartext.
    Tcp(TcpStream),
    /// TLS.
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// TLS through a TLS proxy.
    Nested(Box<tokio_rustls::client::TlsStream<tokio_rustls::client::TlsStream<TcpStream>>>),
    /// Cleartext through a TLS proxy.
    Proxied(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Upstream {
    /// Puts the parts together; nothing is dialled.
    pub fn new(dialer: Dialer, chain: Chain, tls: ClientTls, limits: UpstreamLimits) -> Arc<Self> {
        Arc::new(Self { dialer, chain, tls, pool: PerWorker::default(), h2: PerWorker::default(), limits })
    }

    /// Sends a request whose URI is in absolute form and whose hop-by-hop headers are gone.
    pub async fn send(
        &self,
        permit: &Permit,
        request: Request<RequestBody>,
        prefer: Prefer,
        upload: &Arc<Upload>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let to = permit.destination();
        let mut fresh = None;
        if prefer == Prefer::H2 || self.h2.here().is_required(to) {
            match Box::pin(self.h2_sender(to)).await? {
                h2::Offer::Sender(sender) => {
                    return Box::pin(self.send_h2(sender, to, request, upload)).await;
                }
                h2::Offer::H1Only(conn) => fresh = conn,
            }
        }
        match self.send_h1(to, request, upload, fresh).await {
            Err(Undelivered::NeedsH2(request)) => match Box::pin(self.h2_sender(to)).await? {
                h2::Offer::Sender(sender) => Box::pin(self.send_h2(sender, to, *request, upload)).await,
                h2::Offer::H1Only(_) => Err(UpstreamError::NeedsH2),
            },
            Err(Undelivered::Failed(error)) => Err(error),
            Ok(response) => Ok(response),
        }
    }

    /// Sends a request that asks to switch protocols, on a connection of its own.
    pub async fn switch(
        &self,
        permit: &Permit,
        request: Request<RequestBody>,
        upload: &Arc<Upload>,
    ) -> Result<(Response<UpstreamBody>, Option<Switched>), UpstreamError> {
        let to = permit.destination();
        let (stream, absolute) = self.open(to, false).await?;
        let conn = h1::Conn::handshake(stream.0, absolute, to.scheme, self.limits).await?;
        conn.switch(request, self.limits, upload).await
    }

    /// Opens a raw connection for relaying bytes that are not looked at.
    pub async fn relay(&self, permit: &Permit) -> Result<TcpStream, UpstreamError> {
        let to = permit.destination();
        let target = Target { host: to.host.as_str(), port: to.port };
        Ok(self.dialer.connect(&target, false).await?)
    }

    /// Drops idle connections that have been idle for longer than they may.
    pub fn sweep(&self) {
        self.pool.iter().for_each(Pool::sweep);
        self.h2.iter().for_each(h2::Shared::sweep);
    }

    /// Idle connections now, for the metrics.
    pub fn idle(&self) -> usize {
        self.pool.iter().map(Pool::idle).sum()
    }

    async fn send_h1(
        &self,
        to: &Destination,
        mut request: Request<RequestBody>,
        upload: &Arc<Upload>,
        mut fresh: Option<Box<h1::Conn>>,
    ) -> Result<Response<UpstreamBody>, Undelivered> {
        let pool = self.pool.here();
        loop {
            let (conn, reused) = match fresh.take() {
                Some(conn) => (conn, false),
                None => match pool.take(to) {
                    Some(conn) => (conn, true),
                    None => match Box::pin(self.dial_h1(to)).await {
                        Ok(conn) => (conn, false),
                        Err(UpstreamError::NeedsH2) => return Err(Undelivered::NeedsH2(Box::new(request))),
                        Err(error) => return Err(error.into()),
                    },
                },
            };
            let spare = (reused && request.body().is_empty() && is_idempotent(request.method()))
                .then(|| copy_head(&request));
            match conn.send(request, self.limits, upload).await {
                Ok((response, conn)) => {
                    let lease = Lease::new(conn, pool.clone(), to.clone());
                    return Ok(response.map(|body| UpstreamBody::new(body, Some(lease), self.limits)));
                }
                // The connection had died before the request was written: nothing happened, try another.
                Err(failed) if reused && failed.unsent.is_some() => {
                    request =
                        failed.unsent.map_or_else(|| Request::new(RequestBody::empty()), |unsent| *unsent);
                }
                // Written to a connection that the origin was closing (RFC 9110 section 9.2.2).
                Err(failed) if failed.error.is_stale_connection() && spare.is_some() => {
                    request = spare.unwrap_or_else(|| Request::new(RequestBody::empty()));
                }
                Err(failed) => return Err(failed.error.into()),
            }
        }
    }

    async fn send_h2(
        &self,
        sender: h2::Sender,
        to: &Destination,
        request: Request<RequestBody>,
        upload: &Arc<Upload>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let response = sender.send(to, request, self.limits, upload).await?;
        Ok(response.map(|(body, guard)| UpstreamBody::shared(body, guard, self.limits)))
    }

    async fn dial_h1(&self, to: &Destination) -> Result<Box<h1::Conn>, UpstreamError> {
        let (stream, absolute) = self.open(to, false).await?;
        h1::Conn::handshake(stream.0, absolute, to.scheme, self.limits).await
    }

    async fn h2_sender(&self, to: &Destination) -> Result<h2::Offer, UpstreamError> {
        let group = self.h2.here().group(to);
        loop {
            if group.is_h1_only() {
                return Ok(h2::Offer::H1Only(None));
            }
            if let Some(sender) = group.least_busy() {
                return Ok(h2::Offer::Sender(sender));
            }
            let _turn = group.dialing.lock().await;
            if let Some(sender) = group.least_busy() {
                return Ok(h2::Offer::Sender(sender));
            }
            let (stream, absolute) = self.open(to, true).await?;
            if stream.1 {
                group.add(stream.0).await?;
            } else {
                group.set_h1_only();
                let conn = h1::Conn::handshake(stream.0, absolute, to.scheme, self.limits).await?;
                return Ok(h2::Offer::H1Only(Some(conn)));
            }
        }
    }

    /// A connection to the destination, whether it negotiated HTTP/2, and whether requests on it are in absolute
    /// form (an HTTP proxy for cleartext).
    async fn open(
        &self,
        to: &Destination,
        h2: bool,
    ) -> Result<((UpstreamStream, bool), bool), UpstreamError> {
        let target = Target { host: to.host.as_str(), port: to.port };
        let (tcp, absolute) = match self.chain.for_target(to.scheme, &to.host, to.port) {
            Route::Direct => (Hop::Tcp(self.dialer.connect(&target, to.loopback_only).await?), false),
            _ if to.loopback_only => return Err(UpstreamError::PlaintextThroughProxy),
            Route::Socks(proxy) => {
                let mut tcp = self.dialer.connect_to_proxy(&proxy.address, &target).await?;
                socks::tunnel(&mut tcp, &target, proxy).await?;
                (Hop::Tcp(tcp), false)
            }
            Route::Http(proxy) => {
                let tcp = self.dialer.connect_to_proxy(&proxy.address, &target).await?;
                let mut hop = if proxy.tls {
                    Hop::Tls(Box::new(
                        self.tls.plain(tcp, &proxy.address.host, self.limits.tls_handshake).await?,
                    ))
                } else {
                    Hop::Tcp(tcp)
                };
                if to.scheme == Scheme::Https {
                    match &mut hop {
                        Hop::Tcp(io) => connect::tunnel(io, &target, proxy).await?,
                        Hop::Tls(io) => connect::tunnel(io, &target, proxy).await?,
                    }
                    (hop, false)
                } else {
                    (hop, true)
                }
            }
        };
        let limit = self.limits.tls_handshake;
        let stream = match (to.scheme, tcp) {
            (Scheme::Http, Hop::Tcp(tcp)) => (UpstreamStream::Tcp(tcp), h2 && !absolute),
            (Scheme::Http, Hop::Tls(tls)) => (UpstreamStream::Proxied(tls), false),
            (Scheme::Https, Hop::Tcp(tcp)) => {
                let tls = match self.tls.connect(tcp, &to.host, h2, limit).await {
                    Err(UpstreamError::NeedsH2) => {
                        self.h2.here().require(to);
                        return Err(UpstreamError::NeedsH2);
                    }
                    other => other?,
                };
                let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                (UpstreamStream::Tls(Box::new(tls)), is_h2)
            }
            (Scheme::Https, Hop::Tls(outer)) => {
                let tls = self.tls.connect(*outer, &to.host, h2, limit).await?;
                let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                (UpstreamStream::Nested(Box::new(tls)), is_h2)
            }
        };
        Ok((stream, absolute))
    }
}

/// A request that was not sent.
enum Undelivered {
    /// The origin takes HTTP/2 only; here is the request.
    NeedsH2(Box<Request<RequestBody>>),
    Failed(UpstreamError),
}

impl From<UpstreamError> for Undelivered {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

enum Hop {
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

fn is_idempotent(method: &http::Method) -> bool {
    method.is_safe() || *method == http::Method::PUT || *method == http::Method::DELETE
}

fn copy_head(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

/// The body of an answer. It carries the connection it comes from, drives it, and gives it back at the end.
pub struct UpstreamBody {
    incoming: Incoming,
    lease: Option<Lease>,
    guard: Option<h2::Busy>,
    patience: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    progressed: bool,
}

impl UpstreamBody {
    fn new(incoming: Incoming, lease: Option<Lease>, limits: UpstreamLimits) -> Self {
        let known = incoming.size_hint().exact().is_some();
        let patience = if known { limits.stalled_body } else { limits.idle_stream };
        let mut body = Self { incoming, lease, guard: None, patience, stall: None, progressed: false };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn shared(incoming: Incoming, guard: h2::Busy, limits: UpstreamLimits) -> Self {
        let mut body = Self::new(incoming, None, limits);
        body.guard = Some(guard);
        body
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        self.guard = None;
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        while stall.as_mut().poll(cx).is_ready() {
            if !std::mem::replace(&mut self.progressed, false) {
                return Poll::Ready(());
            }
            stall.as_mut().reset(tokio::time::Instant::now() + patience);
        }
        Poll::Pending
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        if let Some(lease) = this.lease.as_mut() {
            lease.drive(cx);
        }
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.progressed = true;
                if this.incoming.is_end_stream() {
                    this.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.lease = None;
                this.guard = None;
                Poll::Ready(Some(Err(UpstreamError::body(error))))
            }
            Poll::Ready(None) => {
                this.give_back();
                Poll::Ready(None)
            }
            Poll::Pending => match this.poll_stall(cx) {
                Poll::Ready(()) => {
                    this.lease = None;
                    Poll::Ready(Some(Err(UpstreamError::Stalled)))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Bytes read at a time. hyper doubles its buffer for as long as it is filled, up to the longest head it takes, which
/// is far more than a body needs.
const READ_AT_MOST: usize = 64 * 1024;

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            UpstreamStream::Tcp($io) => {
                let $io = Pin::new($io);
                $call
            }
            UpstreamStream::Tls($io) | UpstreamStream::Proxied($io) => {
                let $io = Pin::new(&mut **$io);
                $call
            }
            UpstreamStream::Nested($io) => {
                let $io = Pin::new(&mut **$io);
                $call
            }
        }
    };
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        // An origin that ends TLS without close_notify ends its stream all the same; a body of known length that
        // is cut short by it is still noticed.
        let read = if buf.remaining() > READ_AT_MOST {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(READ_AT_MOST));
            let read = each!(self, io => io.poll_read(cx, &mut part));
            let filled = part.filled().len();
            buf.advance(filled);
            read
        } else {
            each!(self, io => io.poll_read(cx, buf))
        };
        match read {
            Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        each!(self, io => io.poll_write(cx, buf))
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        each!(self, io => io.poll_write_vectored(cx, bufs))
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self, io => io.poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self, io => io.poll_shutdown(cx))
    }
}
