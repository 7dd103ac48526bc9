//! Copying bytes between two streams: half-closes are passed on, silence ends it, the drain cuts it.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use centaur_transform::scrub::WebSocketScrubber;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::watch;

use crate::managed::live::{self, Ticket};

/// Size of one read, in bytes.
const PIECE: usize = 16 * 1024;

/// What is done to bytes from the upstream.
pub enum Filter {
    /// Nothing.
    None,
    /// Values are taken out of WebSocket frames.
    WebSocket(Box<WebSocketScrubber>),
}

/// How it went.
#[derive(Debug, Default)]
pub struct Done {
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// Occurrences taken out.
    pub scrubbed: u64,
    /// Why it was ended from here, if it was.
    pub ended_by: Option<&'static str>,
}

/// What ends a relay beside its two sides.
pub struct Ending {
    /// Longest silence.
    pub idle: Duration,
    /// The process stops.
    pub drain: watch::Receiver<crate::app::Phase>,
    /// In managed mode, the right to go on.
    pub ticket: Option<Ticket>,
}

/// Relays until both directions have ended.
///
/// # Errors
/// What broke, as a text without payload.
pub async fn run(
    client: impl AsyncRead + AsyncWrite + Unpin,
    upstream: impl AsyncRead + AsyncWrite + Unpin,
    filter: Filter,
    ending: Ending,
) -> Result<Done, String> {
    let Ending { idle, mut drain, mut ticket } = ending;
    let (mut client_read, mut client_write) = split(client);
    let (mut upstream_read, mut upstream_write) = split(upstream);
    let seen = Seen::default();
    let to_upstream = async {
        copy(&mut client_read, &mut upstream_write, &seen, &seen.up)
            .await
            .map_err(|e| (e.kind(), format!("client->upstream copy: {e}")))
    };
    let to_client = async {
        let copied = match filter {
            Filter::None => copy(&mut upstream_read, &mut client_write, &seen, &seen.down).await,
            Filter::WebSocket(mut scrubber) => {
                let copied = filtered(&mut upstream_read, &mut client_write, &mut scrubber, &seen).await;
                seen.scrubbed.store(scrubber.hits(), Relaxed);
                copied
            }
        };
        copied.map_err(|e| (e.kind(), format!("upstream->client copy: {e}")))
    };
    let watch_idle = async {
        let mut before = seen.pieces.load(Relaxed);
        loop {
            tokio::time::sleep(idle).await;
            let now = seen.pieces.load(Relaxed);
            if now == before {
                return Some("idle-tunnel");
            }
            before = now;
        }
    };
    let watch_drain = async {
        // A closed channel means that the process is going down as well.
        let _ = drain.wait_for(|phase| *phase == crate::app::Phase::Stopping).await;
        Some("shutdown")
    };
    let both = async {
        match tokio::try_join!(to_upstream, to_client) {
            Ok(_) => Ok(None),
            // Peers part in many ways; only what our own search objects to is a failure.
            Err((io::ErrorKind::Other, text)) => Err(text),
            Err((_, text)) => {
                tracing::debug!(error = %text, "relay ended");
                Ok(Some("broke-off"))
            }
        }
    };
    let ended_by = tokio::select! {
        ended = both => ended?,
        ended = watch_idle => ended,
        ended = watch_drain => ended,
        () = live::revoked(ticket.as_mut()) => Some("revoked"),
    };
    Ok(Done {
        up: seen.up.load(Relaxed),
        down: seen.down.load(Relaxed),
        scrubbed: seen.scrubbed.load(Relaxed),
        ended_by,
    })
}

/// What moved so far.
#[derive(Default)]
struct Seen {
    up: AtomicU64,
    down: AtomicU64,
    scrubbed: AtomicU64,
    pieces: AtomicU64,
}

impl Seen {
    fn moved(&self, count: &AtomicU64, bytes: usize) {
        count.fetch_add(bytes as u64, Relaxed);
        self.pieces.fetch_add(1, Relaxed);
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    seen: &Seen,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        let read = from.read_buf(&mut buffer).await?;
        if read == 0 {
            return end(to).await;
        }
        to.write_all(&buffer).await?;
        to.flush().await?;
        seen.moved(count, read);
        buffer.clear();
        if buffer.capacity() > PIECE {
            buffer = BytesMut::new();
        }
    }
}

async fn filtered(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    scrubber: &mut WebSocketScrubber,
    seen: &Seen,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        let read = from.read_buf(&mut buffer).await?;
        if read == 0 {
            // What was held back belongs to a message that never ends.
            return end(to).await;
        }
        let clean: Bytes = scrubber.push(&buffer).map_err(io::Error::other)?;
        buffer.clear();
        to.write_all(&clean).await?;
        to.flush().await?;
        seen.moved(&seen.down, clean.len());
    }
}

/// Passes the end of a stream on. A peer that is gone already has ended too.
async fn end(to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    match to.shutdown().await {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        other => other,
    }
}
