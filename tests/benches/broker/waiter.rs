//! A proxy as far as the console sees it: it waits for another configuration, and says when it had it.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Begins with the hash of nothing, and reports each new configuration until the connection ends.
///
/// # Errors
/// What ended it.
pub(crate) async fn run(
    address: SocketAddr,
    token: String,
    news: mpsc::UnboundedSender<Instant>,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut hash, mut held, mut chunk) = (String::new(), Vec::new(), [0; 4_096]);
    loop {
        let body = format!("{{\"config_hash\":\"{hash}\"}}");
        let request = format!(
            "POST /api/v1/proxy/sync HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\nprefer: wait=55\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        held.clear();
        let end = loop {
            let read = stream.read(&mut chunk).await?;
            ensure!(read > 0, "closed without an answer");
            held.extend_from_slice(&chunk[..read]);
            if let Some(end) = end(&held)? {
                break end;
            }
        };
        let at = Instant::now();
        ensure!(held.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&held[..end]));
        let found = self::hash(&held)?;
        if found != hash {
            found.clone_into(&mut hash);
            news.send(at).context("nobody listens")?;
        }
    }
}

/// Where an answer ends that came whole.
fn end(held: &[u8]) -> anyhow::Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(start) = head.parse(held)? else { return Ok(None) };
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length: usize = std::str::from_utf8(length.context("no length")?.value)?.trim().parse()?;
    Ok((held.len() >= start + length).then_some(start + length))
}

fn hash(held: &[u8]) -> anyhow::Result<&str> {
    const NAME: &[u8] = b"\"config_hash\":\"";
    let at = memmem::find(held, NAME).context("an answer without config_hash")? + NAME.len();
    let length = memchr::memchr(b'"', &held[at..]).context("an answer that is cut off")?;
    Ok(std::str::from_utf8(&held[at..at + length])?)
}
