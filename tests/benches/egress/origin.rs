//! The origin: TLS, HTTP/1.1 and HTTP/2 by ALPN. It answers 200 only when the real key arrived, and begins every
//! body with the path it was asked for, so that a swap that did not happen or an answer given to the wrong request
//! cannot go unnoticed.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use crate::args::Args;
use crate::wire::{OriginSpec, OriginUp};
use crate::{dns, pki};

/// The value that must arrive here; obviously a fake.
pub(crate) const KEY: &str = "bench-real-key-0000000000000000000000000001";
/// What clients of a swapping proxy send in its place.
pub(crate) const PLACEHOLDER: &str = "bench-placeholder-000001";
/// Length of an ordinary answer.
pub(crate) const SMALL: usize = 1_024;
/// Length of the piece of text that long answers repeat.
const PATTERN: usize = 1 << 20;
/// Length of one frame of a long answer.
const FRAME: usize = 64 << 10;

/// What follows the path in an ordinary answer.
pub(crate) static FILLER: LazyLock<Bytes> = LazyLock::new(|| pattern().slice(..SMALL));

/// Lines of 63 letters and digits that look random but are the same in each process.
pub(crate) fn pattern() -> Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        (0..PATTERN)
            .map(|at| {
                // xorshift64
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                if at % 64 == 63 { b'\n' } else { LETTERS[(state >> 58) as usize] }
            })
            .collect()
    });
    TEXT.clone()
}

/// The body of an ordinary answer to `path`.
pub(crate) fn small(path: &str) -> Bytes {
    let mut body = Vec::with_capacity(SMALL);
    body.extend_from_slice(path.as_bytes());
    body.push(b'\n');
    let rest = SMALL.saturating_sub(body.len());
    body.extend_from_slice(&FILLER[..rest]);
    Bytes::from(body)
}

/// Serves until standard input closes, so that no origin outlives its world.
///
/// # Errors
///
/// When it cannot listen.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let spec: OriginSpec = args.role_spec()?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let socket = UdpSocket::bind(("127.0.0.1", spec.dns_port)).await?;
        let open = TcpListener::bind("127.0.0.1:0").await?;
        let closing = TcpListener::bind("127.0.0.1:0").await?;
        let up = OriginUp {
            port: open.local_addr()?.port(),
            closing_port: closing.local_addr()?.port(),
            dns_port: socket.local_addr()?.port(),
        };
        tokio::spawn(dns::serve(socket));
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http2().max_concurrent_streams(1_000);
        let tls = pki::server_config(&spec.pki, &[b"h2", b"http/1.1"])?;
        tokio::spawn(accept(open, TlsAcceptor::from(tls), server));
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().keep_alive(false);
        let tls = pki::server_config(&spec.pki, &[b"http/1.1"])?;
        tokio::spawn(accept(closing, TlsAcceptor::from(tls), server));
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", serde_json::to_string(&up)?)?;
        stdout.flush()?;
        let _ = end.await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, server: auto::Builder<TokioExecutor>) {
    loop {
        // Out of descriptors for a moment is no reason to end.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, server) = (tls.clone(), server.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = tls.accept(stream).await else { return };
            // A client that leaves is none of the origin's business: the client counts.
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    let key = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.strip_prefix(b"Bearer ") != Some(KEY.as_bytes()) {
        return Ok(text(StatusCode::UNAUTHORIZED, Full::from("the key did not arrive\n").boxed_unsync()));
    }
    if let Some(length) = path.strip_prefix("/big/") {
        let Ok(left) = length.parse() else {
            return Ok(text(StatusCode::NOT_FOUND, Full::default().boxed_unsync()));
        };
        return Ok(text(StatusCode::OK, Long { pattern: pattern(), left, at: 0 }.boxed_unsync()));
    }
    Ok(text(StatusCode::OK, Full::new(small(path)).boxed_unsync()))
}

fn text(status: StatusCode, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

/// A body of any length that repeats the pattern and costs no memory.
struct Long {
    pattern: Bytes,
    left: u64,
    at: usize,
}

impl Body for Long {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let length = FRAME.min(usize::try_from(this.left).unwrap_or(FRAME));
        let frame = this.pattern.slice(this.at..this.at + length);
        this.at = (this.at + length) % PATTERN;
        this.left -= length as u64;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
