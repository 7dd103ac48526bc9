//! The load client's connections. Every answer is checked: status, length and each byte of the body.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST as HOST_HEADER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::origin::{FILLER, KEY, PLACEHOLDER, SMALL};
use crate::pki;

/// Longest answer to CONNECT that is read.
const MAX_CONNECT_HEAD: usize = 4_096;

/// How the client gets to the origin.
#[derive(Clone)]
pub(crate) struct Route {
    /// The proxy, spoken to with CONNECT; straight to the origin if absent.
    pub(crate) proxy: Option<SocketAddr>,
    /// Port of the origin on loopback.
    pub(crate) origin_port: u16,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    authorization: HeaderValue,
}

impl Route {
    /// A way without a proxy; `swaps` says whether the client holds the placeholder or the key.
    ///
    /// # Errors
    ///
    /// When the certificates are not there.
    pub(crate) fn new(pki_dir: &Path, origin_port: u16, swaps: bool) -> anyhow::Result<Self> {
        let key = if swaps { PLACEHOLDER } else { KEY };
        Ok(Self {
            proxy: None,
            origin_port,
            h1: pki::client_config(pki_dir, b"http/1.1")?,
            h2: pki::client_config(pki_dir, b"h2")?,
            authorization: HeaderValue::from_str(&format!("Bearer {key}"))?,
        })
    }

    /// What stands in `Host`.
    pub(crate) fn authority(&self, host: &str) -> String {
        format!("{host}:{}", self.origin_port)
    }

    /// A connection on which one request at a time can be sent.
    ///
    /// # Errors
    ///
    /// When any step fails, or the certificate is not under a CA of this run.
    pub(crate) async fn http1(&self, host: &str) -> anyhow::Result<Http1> {
        let stream = self.tls(host, &self.h1).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Http1 {
            sender,
            authority: HeaderValue::from_str(&self.authority(host))?,
            authorization: self.authorization.clone(),
        })
    }

    /// A connection for many requests at a time; `None` when the other side does not speak HTTP/2.
    ///
    /// # Errors
    ///
    /// As [`Self::http1`].
    pub(crate) async fn http2(&self, host: &str) -> anyhow::Result<Option<Http2>> {
        let stream = self.tls(host, &self.h2).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Ok(None);
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Some(Http2 {
            sender,
            base: format!("https://{}", self.authority(host)),
            authorization: self.authorization.clone(),
        }))
    }

    async fn tls(&self, host: &str, config: &Arc<ClientConfig>) -> anyhow::Result<TlsStream<TcpStream>> {
        let address = self.proxy.unwrap_or(SocketAddr::from(([127, 0, 0, 1], self.origin_port)));
        let mut stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        if self.proxy.is_some() {
            tunnel(&mut stream, &self.authority(host)).await?;
        }
        let name = ServerName::try_from(host.to_owned())?;
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.context("TLS handshake")
    }
}

async fn tunnel(stream: &mut TcpStream, authority: &str) -> anyhow::Result<()> {
    let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    // The client speaks first inside the tunnel, so nothing can follow the head.
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        ensure!(answer.len() < MAX_CONNECT_HEAD, "endless answer to CONNECT");
        ensure!(stream.read_buf(&mut answer).await? > 0, "closed instead of answering CONNECT");
    }
    let first = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
    if !first.starts_with(b"HTTP/1.1 200") && !first.starts_with(b"HTTP/1.0 200") {
        bail!("CONNECT answered {}", String::from_utf8_lossy(first));
    }
    Ok(())
}

/// One HTTP/1.1 connection.
pub(crate) struct Http1 {
    sender: http1::SendRequest<Empty<Bytes>>,
    authority: HeaderValue,
    authorization: HeaderValue,
}

impl Http1 {
    /// Asks for `path` and checks the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer or a wrong one.
    pub(crate) async fn small(&mut self, path: String) -> anyhow::Result<()> {
        check(self.send(&path).await?, &path).await
    }

    /// Asks for `path` and gives the answer, of which only the status is checked.
    ///
    /// # Errors
    ///
    /// When there is no answer or a status other than 200.
    pub(crate) async fn send(&mut self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let request = Request::get(path)
            .header(HOST_HEADER, &self.authority)
            .header(AUTHORIZATION, &self.authorization)
            .body(Empty::new())?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        ensure_ok(answer).await
    }
}

/// One HTTP/2 connection; clones share it.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: http2::SendRequest<Empty<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

impl Http2 {
    /// Asks for `path` and checks the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer or a wrong one.
    pub(crate) async fn small(&mut self, path: String) -> anyhow::Result<()> {
        let request = Request::get(format!("{}{path}", self.base))
            .header(AUTHORIZATION, &self.authorization)
            .body(Empty::new())?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        check(ensure_ok(answer).await?, &path).await
    }
}

async fn ensure_ok(answer: Response<Incoming>) -> anyhow::Result<Response<Incoming>> {
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(answer);
    }
    let body =
        answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    bail!("{status}: {}", String::from_utf8_lossy(&body[..body.len().min(200)]).trim());
}

async fn check(answer: Response<Incoming>, path: &str) -> anyhow::Result<()> {
    let body = answer.into_body().collect().await?.to_bytes();
    let rest = body.strip_prefix(path.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n"));
    let Some(rest) = rest else { bail!("the body is not the one of {path}") };
    ensure!(body.len() == SMALL && rest == &FILLER[..rest.len()], "the body of {path} was changed");
    Ok(())
}
