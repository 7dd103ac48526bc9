//! HTTP/1.1 as cheap as it can be sent and read: requests that are bytes already, answers that have a length.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest that an answer may take; one that waits is answered within 55 s.
const PATIENCE: Duration = Duration::from_secs(75);

/// A connection. It holds no memory for what it does not hold yet.
pub(crate) struct Wire {
    stream: TcpStream,
    held: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// What the attempt ended with.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, held: Vec::new() })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(request).await?;
        timeout(PATIENCE, self.answer()).await.context("no answer in time")?
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        loop {
            if let Some(answer) = self.parse()? {
                return Ok(answer);
            }
            self.stream.readable().await?;
            match self.fill() {
                Ok(0) => bail!("closed without an answer"),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The buffer is on the stack of this call, so that who waits has none.
    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.try_read(&mut buffer)?;
        self.held.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    fn parse(&mut self) -> anyhow::Result<Option<Answer>> {
        if self.held.is_empty() {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(start) = head.parse(&self.held)? else { return Ok(None) };
        let status = head.code.context("no status")?;
        let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
        let length: usize = match length {
            Some(field) => std::str::from_utf8(field.value)?.trim().parse()?,
            None => 0,
        };
        if self.held.len() < start + length {
            return Ok(None);
        }
        ensure!(self.held.len() == start + length, "more than one answer");
        let mut body = std::mem::take(&mut self.held);
        body.drain(..start);
        Ok(Some(Answer { status, body }))
    }
}

/// A sync of the proxy with this token, as proxies of this version write it. `wait` is in seconds; 0 is none.
pub(crate) fn sync(host: SocketAddr, token: &str, hash: &str, generation: u64, wait: u64) -> Vec<u8> {
    let body = format!("{{\"config_hash\":\"{hash}\"}}");
    let prefer = if wait > 0 { format!("prefer: wait={wait}\r\n") } else { String::new() };
    format!(
        "POST /api/v1/proxy/sync HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nx-config-generation: {generation}\r\n{prefer}\
         user-agent: iron-proxy/bench\r\naccept: */*\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A read with a key.
pub(crate) fn get(host: SocketAddr, path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// The `config_hash` of a body.
///
/// # Errors
/// When there is none.
pub(crate) fn hash(body: &[u8]) -> anyhow::Result<&str> {
    const NAME: &[u8] = b"\"config_hash\":\"";
    let at = memchr::memmem::find(body, NAME).context("an answer without config_hash")? + NAME.len();
    let length = memchr::memchr(b'"', &body[at..]).context("an answer that is cut off")?;
    Ok(std::str::from_utf8(&body[at..at + length])?)
}
