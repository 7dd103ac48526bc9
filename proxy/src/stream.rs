//! Client connections as the rest of the program sees them: bytes that were looked at are replayed, not lost.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A stream with bytes to replay before it.
pub struct Rewind<T> {
    ahead: Bytes,
    inner: T,
}

impl<T> Rewind<T> {
    /// `ahead` is read before anything from `inner`.
    pub fn new(ahead: Bytes, inner: T) -> Self {
        Self { ahead, inner }
    }

    /// The stream below.
    pub fn inner(&self) -> &T {
        &self.inner
    }
}

impl<T: AsyncRead + Unpin> Rewind<T> {
    /// Looks at the coming bytes without consuming them: reads once, unless at least `want` are there already.
    /// Returns what is known so far; an empty slice means the stream ended.
    pub async fn peek(&mut self, want: usize) -> io::Result<&[u8]> {
        while self.ahead.len() < want {
            let mut buffer = BytesMut::with_capacity(want.max(1024) + self.ahead.len());
            buffer.extend_from_slice(&self.ahead);
            let read = self.inner.read_buf(&mut buffer).await?;
            self.ahead = buffer.freeze();
            if read == 0 {
                break;
            }
        }
        Ok(&self.ahead)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewind<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let take = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..take]);
            self.ahead.advance(take);
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewind<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A client's connection, in clear or with TLS terminated here.
pub enum ClientStream {
    /// Cleartext.
    Tcp(Rewind<TcpStream>),
    /// TLS terminated with a minted certificate; bytes read ahead of it are replayed first.
    Tls(Box<Rewind<TlsStream<Rewind<TcpStream>>>>),
}

impl ClientStream {
    /// Whether the socket has reported a failure, such as a reset by the peer.
    pub fn is_broken(&self) -> bool {
        let tcp = match self {
            Self::Tcp(tcp) => tcp.inner(),
            Self::Tls(tls) => tls.inner().get_ref().0.inner(),
        };
        !matches!(tcp.take_error(), Ok(None))
    }

    /// Puts bytes that were read already in front of the stream.
    pub fn rewound(self, ahead: Bytes) -> Self {
        if ahead.is_empty() {
            return self;
        }
        match self {
            Self::Tcp(tcp) => {
                let ahead = joined(ahead, &tcp.ahead);
                Self::Tcp(Rewind::new(ahead, tcp.inner))
            }
            Self::Tls(tls) => {
                let ahead = joined(ahead, &tls.ahead);
                Self::Tls(Box::new(Rewind::new(ahead, tls.inner)))
            }
        }
    }
}

fn joined(first: Bytes, second: &Bytes) -> Bytes {
    if second.is_empty() {
        return first;
    }
    let mut both = BytesMut::with_capacity(first.len() + second.len());
    both.extend_from_slice(&first);
    both.extend_from_slice(second);
    both.freeze()
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($io) => {
                let $io = Pin::new($io);
                $call
            }
            Self::Tls($io) => {
                let $io = Pin::new(&mut **$io);
                $call
            }
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A peer that ends TLS without close_notify ends its stream all the same.
        match ready!(each!(self, io => io.poll_read(cx, buf))) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            other => Poll::Ready(other),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => io.poll_write(cx, buf))
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => io.poll_write_vectored(cx, bufs))
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => io.poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => io.poll_shutdown(cx))
    }
}
