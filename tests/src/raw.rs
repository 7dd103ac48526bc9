//! Origins scripted byte by byte, for everything a well-behaved HTTP library would not do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::client::Io;
use crate::wait::within;

/// A listener on loopback that runs a script per connection.
pub struct RawOrigin {
    addr: SocketAddr,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One accepted connection.
pub struct RawConn {
    io: Box<dyn Io>,
    index: usize,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
    pending: Vec<u8>,
}

impl RawOrigin {
    /// A cleartext origin.
    pub async fn plain<F, Fut>(script: F) -> Self
    where
        F: Fn(RawConn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::start(None, script).await
    }

    /// A TLS origin.
    pub async fn tls<F, Fut>(config: Arc<ServerConfig>, script: F) -> Self
    where
        F: Fn(RawConn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::start(Some(TlsAcceptor::from(config)), script).await
    }

    async fn start<F, Fut>(tls: Option<TlsAcceptor>, script: F) -> Self
    where
        F: Fn(RawConn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let all = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, script, log) = (tls.clone(), script.clone(), all.clone());
                tokio::spawn(async move {
                    let io: Box<dyn Io> = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    let index = {
                        let mut log = log.lock().expect("lock");
                        log.push(Vec::new());
                        log.len() - 1
                    };
                    script(RawConn { io, index, log, pending: Vec::new() }).await;
                });
            }
        });
        Self { addr, log }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// What each connection received, in order of arrival.
    pub fn connections(&self) -> Vec<Vec<u8>> {
        self.log.lock().expect("lock").clone()
    }

    /// Everything received, as text.
    pub fn text(&self) -> String {
        self.connections().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

impl RawConn {
    /// Which connection of the origin this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reads a request head; empty when the peer closed.
    pub async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await
    }

    /// Reads up to and with `needle`; empty when the peer closed before.
    pub async fn until(&mut self, needle: &[u8]) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.pending, needle) {
                let rest = self.pending.split_off(at + needle.len());
                let head = std::mem::replace(&mut self.pending, rest);
                return String::from_utf8_lossy(&head).into_owned();
            }
            if self.fill().await == 0 {
                return String::new();
            }
        }
    }

    /// Reads exactly `count` bytes of content, fewer when the peer closed.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.pending.len() < count && self.fill().await > 0 {}
        let rest = self.pending.split_off(count.min(self.pending.len()));
        std::mem::replace(&mut self.pending, rest)
    }

    /// Sends bytes; a peer that is gone is no error.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if self.io.write_all(bytes.as_ref()).await.is_ok() {
            let _ = self.io.flush().await;
        }
    }

    /// Waits for the peer to close.
    pub async fn closed(&mut self) {
        while self.fill().await > 0 {}
    }

    /// Sends the end of the stream and keeps reading until the peer closes too.
    pub async fn close(mut self) {
        let _ = self.io.shutdown().await;
        self.closed().await;
    }

    /// Hands out the stream, for a protocol library.
    pub fn into_io(self) -> Box<dyn Io> {
        self.io
    }

    async fn fill(&mut self) -> usize {
        let before = self.pending.len();
        let count = within("bytes at a raw origin", self.io.read_buf(&mut self.pending)).await.unwrap_or(0);
        self.log.lock().expect("lock")[self.index].extend_from_slice(&self.pending[before..]);
        count
    }
}
