//! One client connection: cleartext or TLS, HTTP/1 or HTTP/2, until it ends or becomes something else.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use centaur_policies::pattern::Scheme;
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::app::{App, Phase};
use crate::audit::{Mode, Record, TunnelInfo};
use crate::body::ResponseBody;
use crate::exchange::{self, ClientGate};
use crate::frames::Frames;
use crate::gate::{CLOCK_STEP, Gate, HeadLimits, Overdue};
use crate::managed::live::Connection;
use crate::step::Step;
use crate::stream::{ClientStream, Rewind};
use crate::target;
use crate::tunnel;
use crate::websocket;

/// What all requests of a connection share.
pub struct Conn {
    /// The process.
    pub app: Arc<App>,
    /// The peer.
    pub client: SocketAddr,
    /// What the connection says about its destination.
    pub path: target::Path,
    /// The SNI as it stands in audit lines.
    pub sni: String,
    /// The tunnel around it.
    pub tunnel: Option<Arc<TunnelInfo>>,
    /// The client has shown who it is.
    pub trusted: bool,
    /// Exchanges under way, for the idle limit of HTTP/2.
    pub streams: Streams,
    /// In managed mode, told when the connection has to end at once.
    pub end: Option<Connection>,
    switch: Mutex<Option<Switch>>,
}

/// Counts exchanges, and notices when there were none for a while.
#[derive(Clone, Default)]
pub struct Streams(Arc<(AtomicUsize, AtomicUsize)>);

/// One exchange, until dropped.
pub struct StreamGuard(Streams);

impl Streams {
    /// An exchange begins.
    pub fn enter(&self) -> StreamGuard {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        self.0.1.fetch_add(1, Ordering::Relaxed);
        StreamGuard(self.clone())
    }

    /// Exchanges now, and all there ever were.
    fn now(&self) -> (usize, usize) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }

    /// Ready when there was no exchange during a whole `limit`.
    async fn idle_for(&self, limit: Duration) {
        let mut before = self.now();
        loop {
            tokio::time::sleep(limit).await;
            let now = self.now();
            if now.0 == 0 && before == now {
                return;
            }
            before = now;
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a connection becomes when hyper is done with it.
pub enum Switch {
    /// A WebSocket.
    WebSocket(Box<websocket::Relay>),
    /// A tunnel.
    Tunnel(Box<tunnel::Opened>),
}

/// HTTP/2 streams of one client at a time.
const MAX_STREAMS: u32 = 256;
/// HTTP/2 flow-control windows, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// The start of HTTP/2 in clear (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long the answer to a stalled client may take to be written.
const LAST_ANSWER: Duration = Duration::from_secs(5);
/// How long and how much is read after the last answer, so that a reset does not destroy it.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;

impl Conn {
    /// A connection as it was accepted.
    pub fn new(app: Arc<App>, client: SocketAddr, path: target::Path, trusted: bool) -> Self {
        let end = app.managed.is_some().then(Connection::default);
        Self {
            app,
            client,
            path,
            sni: String::new(),
            tunnel: None,
            trusted,
            streams: Streams::default(),
            end,
            switch: Mutex::default(),
        }
    }

    /// Whether `CONNECT` opens a tunnel on this connection.
    pub fn opens_tunnels(&self) -> bool {
        self.path.proxy_requests && self.tunnel.is_none()
    }

    /// Says what the connection becomes after the answer under way.
    pub fn switch(&self, to: Switch) {
        *self.switch.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }

    fn take_switch(&self) -> Option<Switch> {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A record with what the connection knows.
    pub fn record(&self) -> Record {
        let mut record = self.app.audit.open(self.client, Mode::Mitm);
        record.sni.clone_from(&self.sni);
        record.tunnel.clone_from(&self.tunnel);
        record
    }

    fn head_limits(&self) -> HeadLimits {
        let limits = self.app.limits.limits();
        HeadLimits { request: limits.max_request_head_bytes, connect: limits.max_connect_head_bytes }
    }
}

/// Serves cleartext: HTTP/1, or HTTP/2 by its preface.
pub async fn serve_clear(conn: Conn, mut tcp: Rewind<tokio::net::TcpStream>) -> Step {
    let limit = conn.app.timeouts.request_head;
    // When nothing was asked, there is nothing to answer or to record.
    let Ok(Ok(is_h2)) = tokio::time::timeout(limit, starts_with_preface(&mut tcp)).await else {
        return Step::End;
    };
    let stream = ClientStream::Tcp(tcp);
    if is_h2 { Step::Http2(Arc::new(conn), stream) } else { Step::Http1(Arc::new(conn), stream) }
}

async fn starts_with_preface(tcp: &mut Rewind<tokio::net::TcpStream>) -> std::io::Result<bool> {
    let mut want = 1;
    loop {
        let seen = tcp.peek(want).await?;
        if seen.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if seen.len() >= PREFACE.len() {
            return Ok(seen.starts_with(PREFACE));
        }
        if !PREFACE.starts_with(seen) || seen.len() < want {
            return Ok(false);
        }
        want = seen.len() + 1;
    }
}

/// Serves HTTP/1 until the connection ends or becomes something else.
pub async fn serve_h1(conn: Arc<Conn>, stream: ClientStream) -> Step {
    let gate = Gate::new(stream, conn.head_limits());
    let served = loop {
        // Between requests there is no parser: it is made for those that come, and put away when none do.
        if let Some(served) = rest(&conn, &gate).await {
            break served;
        }
        let service = service_fn(|request: Request<Incoming>| {
            let (conn, gate) = (&conn, &gate);
            gate.begin();
            // One allocation, where hyper would otherwise need the whole connection pinned.
            Box::pin(exchange::serve(conn, request, Some(gate)).map(Ok::<_, Infallible>))
        });
        let mut http = http1::Builder::new()
            .half_close(true)
            .preserve_header_case(true)
            .title_case_headers(true)
            .auto_date_header(false)
            .header_read_timeout(None)
            .max_buf_size(conn.app.limits.limits().max_request_head_bytes.max(16 * 1024))
            .max_headers(1024)
            .serve_connection(TokioIo::new(gate.clone()), service);
        match drive_h1(&conn, &gate, &mut http).await {
            Served::Overdue(Overdue::Restful) => {}
            served => break served,
        }
    };
    let Some(switch) = conn.take_switch() else {
        end_h1(&conn, &gate, served).await;
        return Step::End;
    };
    let Some((stream, ahead)) = gate.take_stream() else { return Step::End };
    let stream = stream.rewound(ahead);
    match switch {
        Switch::WebSocket(relay) => Step::WebSocket(relay, stream),
        Switch::Tunnel(opened) => Step::Tunnel(opened, stream),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Ended,
    Overdue(Overdue),
    Failed,
}

/// Waits for the next request without a parser. Returns how the connection ends, if it does.
async fn rest(conn: &Conn, gate: &ClientGate) -> Option<Served> {
    let (at, overdue) = gate.idle_deadline(&conn.app.timeouts);
    let mut drain = conn.app.drain.clone();
    tokio::select! {
        biased;
        () = poll_fn(|cx| gate.poll_stirred(cx)) => None,
        _ = drain.wait_for(|phase| *phase != Phase::Running) => {
            gate.end();
            Some(Served::Ended)
        }
        () = tokio::time::sleep_until(Instant::from_std(at)) => Some(Served::Overdue(overdue)),
    }
}

/// Polls the connection, the clock of its time limits, and the drain.
async fn drive_h1<S>(
    conn: &Conn,
    gate: &ClientGate,
    http: &mut http1::Connection<TokioIo<ClientGate>, S>,
) -> Served
where
    S: hyper::service::HttpService<Incoming, ResBody = ResponseBody> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let timeouts = &conn.app.timeouts;
    let mut armed = Instant::now() + timeouts.request_head;
    let mut clock = pin!(tokio::time::sleep_until(armed));
    let mut drain = conn.app.drain.clone();
    let mut draining = pin!(async move { drain.wait_for(|phase| *phase != Phase::Running).await.is_ok() });
    let (mut drained, mut told) = (false, false);
    poll_fn(|cx| {
        loop {
            if !drained && draining.as_mut().poll(cx).is_ready() {
                drained = true;
                Pin::new(&mut *http).graceful_shutdown();
                gate.end();
            }
            if let Poll::Ready(result) = http.poll_without_shutdown(cx) {
                return Poll::Ready(if result.is_ok() { Served::Ended } else { Served::Failed });
            }
            // What was just polled may have begun something with a shorter limit.
            if let Some((at, _)) = deadline(gate, timeouts)
                && at < armed
                && !gate.is_stalled()
            {
                armed = at;
                clock.as_mut().reset(armed);
            }
            while clock.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                let (at, overdue) =
                    deadline(gate, timeouts).unwrap_or((now + timeouts.idle_keep_alive, Overdue::Idle));
                if at > now {
                    armed = at.max(now + CLOCK_STEP);
                    clock.as_mut().reset(armed);
                    continue;
                }
                if overdue != Overdue::Stalled || !gate.stall() {
                    return Poll::Ready(Served::Overdue(overdue));
                }
                // The exchange hears of it first, so that the client gets an answer.
                armed = Instant::now() + LAST_ANSWER;
                clock.as_mut().reset(armed);
                told = true;
            }
            if !std::mem::take(&mut told) {
                return Poll::Pending;
            }
        }
    })
    .await
}

fn deadline(gate: &ClientGate, timeouts: &crate::config::Timeouts) -> Option<(Instant, Overdue)> {
    gate.deadline(timeouts).map(|(at, overdue)| (Instant::from_std(at), overdue))
}

/// The last words of a connection: the answer to what could not be served, and a close that lets it be read.
async fn end_h1(conn: &Conn, gate: &ClientGate, served: Served) {
    let fault = gate.take_fault();
    let inside_head =
        gate.ended_inside_head() || served == Served::Overdue(Overdue::Head) && gate.head_begun();
    let Some((mut stream, _)) = gate.take_stream() else { return };
    if let Some(fault) = fault {
        let mut record = conn.record();
        record.host = fault.host;
        record.method = fault.method;
        record.path = fault.path;
        record.protocol = "http/1.1";
        record.action = crate::audit::Action::Reject;
        record.status = fault.status.as_u16();
        record.reason = Some(fault.code);
        record.close();
        let answer = format!(
            "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Iron-Reason: {}\r\nConnection: close\r\n\r\n{}",
            fault.status_line, fault.code, fault.body
        );
        last_words(&mut stream, answer.as_bytes()).await;
        return;
    }
    if inside_head {
        let late = served == Served::Overdue(Overdue::Head);
        let mut record = conn.record();
        record.protocol = "http/1.1";
        record.action = crate::audit::Action::Reject;
        record.status = if late { 408 } else { 400 };
        record.reason = Some(if late { "request-head-timeout" } else { "request-head-incomplete" });
        record.close();
        if late {
            let answer: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nX-Iron-Reason: request-head-timeout\r\nConnection: close\r\n\r\nrequest-head-timeout: the request head did not arrive whole within proxy.timeouts.request_head\n";
            last_words(&mut stream, answer).await;
        }
        return;
    }
    if served == Served::Failed {
        // Whatever hyper could not write has been noted by the exchange it belonged to.
        return;
    }
    last_words(&mut stream, b"").await;
}

/// Writes, closes the sending side, and reads on for a moment: closing with unread bytes would reset the
/// connection and take the answer with it.
pub async fn last_words(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), answer: &[u8]) {
    let farewell = async {
        if !answer.is_empty() {
            stream.write_all(answer).await?;
        }
        stream.shutdown().await?;
        let mut left = LINGER_BYTES;
        let mut scrap = [0; 4096];
        while left > 0 {
            match stream.read(&mut scrap).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::time::timeout(LINGER, farewell).await;
}

/// Serves HTTP/2 until the connection ends.
pub async fn serve_h2(conn: Arc<Conn>, stream: ClientStream) {
    let service = {
        let conn = conn.clone();
        service_fn(move |request: Request<Incoming>| {
            let conn = conn.clone();
            async move { Ok::<_, Infallible>(Box::pin(exchange::serve(&conn, request, None)).await) }
        })
    };
    let timeouts = conn.app.timeouts.clone();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(
            u32::try_from(conn.app.limits.limits().max_request_head_bytes).unwrap_or(u32::MAX),
        )
        .keep_alive_interval(timeouts.idle_keep_alive)
        .keep_alive_timeout(timeouts.request_head)
        .auto_date_header(false)
        .enable_connect_protocol();
    let mut http = pin!(builder.serve_connection(TokioIo::new(Frames::new(stream)), service));
    let mut drain = conn.app.drain.clone();
    let draining = async move { drain.wait_for(|phase| *phase != Phase::Running).await.is_ok() };
    let streams = conn.streams.clone();
    tokio::select! {
        _ = http.as_mut() => return,
        () = streams.idle_for(timeouts.idle_keep_alive) => http.as_mut().graceful_shutdown(),
        _ = draining => http.as_mut().graceful_shutdown(),
    }
    let _ = http.await;
}

/// What to do inside TLS that has been terminated, by what was negotiated.
pub fn inside(conn: Conn, tls: tokio_rustls::server::TlsStream<Rewind<tokio::net::TcpStream>>) -> Step {
    let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = ClientStream::Tls(Box::new(Rewind::new(Bytes::new(), tls)));
    debug_assert_eq!(conn.path.scheme, Scheme::Https);
    if h2 { Step::Http2(Arc::new(conn), stream) } else { Step::Http1(Arc::new(conn), stream) }
}
