//! A client connection at the level of bytes, with a parser of HTTP/1.1 replies that keeps spelling and order.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::pki::server_name;
use crate::wait::within;

/// Anything that can carry a connection.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Every byte that any client of a world received.
pub type Received = Arc<Mutex<Vec<u8>>>;

/// A connection to the proxy. Each wait fails the test after [`crate::wait::PATIENCE`].
pub struct Conn {
    io: Box<dyn Io>,
    buf: BytesMut,
    received: Received,
    /// The protocol that ALPN chose, if the connection is TLS and one was chosen.
    pub alpn: Option<String>,
    /// The certificates the server showed, in DER.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether the TLS session continues an earlier one.
    pub resumed: bool,
}

/// A parsed HTTP/1.1 reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Minor version: 0 or 1.
    pub minor: u8,
    /// Status code.
    pub status: u16,
    /// Reason phrase, as sent.
    pub reason: String,
    /// Fields in order, as spelled.
    pub headers: Vec<(String, String)>,
    /// Content after the transfer coding was removed.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
    /// Whether the content ended as its framing promised.
    pub complete: bool,
}

impl Reply {
    /// The value of the first field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        self.header("x-iron-reason")
    }

    /// Content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "unexpected reply {self:?}\nbody: {}", self.text());
        self
    }

    /// Fails the test unless this is a refusal with a code.
    #[track_caller]
    pub fn refused(&self, status: u16) -> &Self {
        self.expect(status);
        assert!(self.code().is_some(), "a refusal without a code: {self:?}");
        self
    }
}

impl Conn {
    /// Wraps a stream; what it receives goes to `received` as well.
    pub fn new(io: impl Io + 'static, received: Received) -> Self {
        let peer_certificates = Vec::new();
        Self {
            io: Box::new(io),
            buf: BytesMut::new(),
            received,
            alpn: None,
            peer_certificates,
            resumed: false,
        }
    }

    /// Starts TLS on top, as a client that sends `sni`.
    ///
    /// # Errors
    /// What the handshake ended with.
    pub async fn tls(self, sni: &str, config: ClientConfig) -> std::io::Result<Self> {
        let Self { io, received, .. } = self;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = within("a TLS handshake", connector.connect(server_name(sni), io)).await?;
        let session = stream.get_ref().1;
        let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        let peer_certificates =
            session.peer_certificates().unwrap_or_default().iter().map(|cert| cert.to_vec()).collect();
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        Ok(Self { io: Box::new(stream), buf: BytesMut::new(), received, alpn, peer_certificates, resumed })
    }

    /// Sends bytes and flushes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("send");
    }

    /// The same, when the other side may be gone.
    ///
    /// # Errors
    /// What the write ended with.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("the proxy to take bytes", async {
            self.io.write_all(bytes.as_ref()).await?;
            self.io.flush().await
        })
        .await
    }

    /// Closes the sending half.
    pub async fn shutdown(&mut self) {
        self.io.shutdown().await.expect("shutdown");
    }

    /// One whole reply.
    #[track_caller]
    pub fn reply(&mut self) -> impl Future<Output = Reply> {
        self.reply_to("GET")
    }

    /// One whole reply to a request with `method` (a reply to HEAD has no content).
    pub async fn reply_to(&mut self, method: &str) -> Reply {
        self.try_reply_to(method).await.expect("a reply before the connection closed")
    }

    /// One whole reply, or nothing if the connection closed before a head.
    pub async fn try_reply(&mut self) -> Option<Reply> {
        self.try_reply_to("GET").await
    }

    /// The head of a reply alone; content stays to be read.
    pub async fn head(&mut self) -> Reply {
        self.try_head().await.expect("a reply head before the connection closed")
    }

    /// The head of a reply, or nothing if the connection closed before one.
    pub async fn try_reply_head(&mut self) -> Option<Reply> {
        self.try_head().await
    }

    async fn try_head(&mut self) -> Option<Reply> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buf, b"\r\n\r\n") {
                let head = self.buf.split_to(end + 4);
                return Some(parse_head(&head));
            }
            if self.fill().await == 0 {
                assert!(self.buf.is_empty(), "a broken reply head: {:?}", self.buf);
                return None;
            }
        }
    }

    async fn try_reply_to(&mut self, method: &str) -> Option<Reply> {
        let mut reply = self.try_head().await?;
        while (100..200).contains(&reply.status) && reply.status != 101 {
            reply = self.try_head().await?;
        }
        if method == "HEAD" || matches!(reply.status, 101 | 204 | 304) {
            return Some(reply);
        }
        if reply.header("transfer-encoding").is_some_and(|te| te.to_ascii_lowercase().contains("chunked")) {
            self.chunked(&mut reply).await;
        } else if let Some(length) = reply.header("content-length").and_then(|text| text.parse().ok()) {
            reply.body = self.take(length).await;
            reply.complete = reply.body.len() == length;
        } else {
            while self.fill().await > 0 {}
            reply.body = self.buf.split().to_vec();
        }
        Some(reply)
    }

    async fn chunked(&mut self, reply: &mut Reply) {
        loop {
            let Some(line) = self.line().await else { return reply.complete = false };
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .unwrap_or_else(|_| panic!("a bad chunk size {line:?}"));
            if size == 0 {
                break;
            }
            let chunk = self.take(size).await;
            reply.body.extend_from_slice(&chunk);
            if chunk.len() < size {
                return reply.complete = false;
            }
            self.line().await;
        }
        loop {
            match self.line().await {
                None => return reply.complete = false,
                Some(line) if line.is_empty() => return,
                Some(line) => {
                    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                    reply.trailers.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buf, b"\r\n") {
                let line = self.buf.split_to(end + 2);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Exactly `count` bytes, fewer if the connection closed.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buf.len() < count && self.fill().await > 0 {}
        let count = count.min(self.buf.len());
        self.buf.split_to(count).to_vec()
    }

    /// Reads until `needle` has arrived and returns everything up to and with it.
    pub async fn until(&mut self, needle: &str) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buf, needle.as_bytes()) {
                return String::from_utf8_lossy(&self.buf.split_to(at + needle.len())).into_owned();
            }
            assert!(
                self.fill().await > 0,
                "closed before {needle:?} arrived; got {:?}",
                String::from_utf8_lossy(&self.buf)
            );
        }
    }

    /// Waits for the end and returns what came before it (nothing, when the peer just closed).
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        self.buf.split().to_vec()
    }

    /// Hands out the stream for a protocol library; bytes received after this are recorded too.
    pub fn into_io(self) -> Box<dyn Io> {
        assert!(self.buf.is_empty(), "unread bytes: {:?}", self.buf);
        Box::new(crate::recorded::Recorded::new(self.io, self.received))
    }

    /// Zero at the end of the stream, also when it ends in a reset.
    async fn fill(&mut self) -> usize {
        let before = self.buf.len();
        let count = within("bytes from the proxy", self.io.read_buf(&mut self.buf)).await.unwrap_or(0);
        self.received.lock().expect("lock").extend_from_slice(&self.buf[before..]);
        count
    }
}

fn parse_head(head: &[u8]) -> Reply {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut fields);
    parsed.parse(head).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(head)));
    Reply {
        minor: parsed.version.unwrap_or_default(),
        status: parsed.code.unwrap_or_default(),
        reason: parsed.reason.unwrap_or_default().to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|field| (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned()))
            .collect(),
        body: Vec::new(),
        trailers: Vec::new(),
        complete: true,
    }
}
