//! HTTP/2 frames on their way to the parser, counted: a peer may send SETTINGS, PING, PRIORITY and RST_STREAM
//! without end and without ever asking for anything. Each costs an answer or work; a budget bounds them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::ClientStream;

/// Control frames that may come at once.
const BURST: f64 = 1000.0;
/// Control frames per second after that.
const PER_SECOND: f64 = 100.0;
/// Control frames that each HEADERS or DATA frame pays for.
const PER_WORK: f64 = 4.0;
/// Length of the preface and of a frame header, in bytes (RFC 9113 sections 3.4 and 4.1).
const PREFACE: u64 = 24;
const HEADER: usize = 9;

/// A client stream that ends with an error when the budget is spent.
pub struct Frames {
    io: ClientStream,
    budget: Budget,
}

impl Frames {
    /// Starts before the preface.
    pub fn new(io: ClientStream) -> Self {
        Self { io, budget: Budget::new(Instant::now()) }
    }
}

struct Budget {
    header: [u8; HEADER],
    have: usize,
    skip: u64,
    left: f64,
    at: Instant,
}

impl Budget {
    fn new(at: Instant) -> Self {
        Self { header: [0; HEADER], have: 0, skip: PREFACE, left: BURST, at }
    }

    /// Follows the frames over bytes just read. False when there were too many control frames.
    fn follow(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let take = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= take as u64;
                bytes = &bytes[take..];
                continue;
            }
            let take = bytes.len().min(HEADER - self.have);
            self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
            self.have += take;
            bytes = &bytes[take..];
            if self.have < HEADER {
                break;
            }
            self.have = 0;
            let [a, b, c, kind, ..] = self.header;
            self.skip = u64::from(u32::from_be_bytes([0, a, b, c]));
            match kind {
                // DATA and HEADERS are the work; WINDOW_UPDATE answers to what we send.
                0 | 1 => self.left = (self.left + PER_WORK).min(BURST),
                8 => {}
                _ => {
                    let passed = now.saturating_duration_since(self.at).as_secs_f64();
                    self.at = now;
                    self.left = (self.left + passed * PER_SECOND).min(BURST) - 1.0;
                    if self.left < 0.0 {
                        return false;
                    }
                }
            }
        }
        true
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if self.budget.follow(&buf.filled()[before..], Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        tracing::warn!("an HTTP/2 client sent control frames without end");
        Poll::Ready(Err(io::Error::other("too many control frames")))
    }
}

impl AsyncWrite for Frames {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, 0, 0, 0, 0, 0];
        frame.resize(HEADER + payload, 0);
        frame
    }

    /// How many of `frames` pass, cut into pieces of `piece` bytes.
    fn passes(frames: &[Vec<u8>], piece: usize) -> bool {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        let bytes = [vec![0; PREFACE as usize], frames.concat()].concat();
        bytes.chunks(piece).all(|part| budget.follow(part, now))
    }

    #[test]
    fn control_frames_without_end_are_stopped_and_work_pays_for_some() {
        for piece in [1, 7, 4096] {
            assert!(passes(&vec![frame(6, 8); 1000], piece));
            assert!(!passes(&vec![frame(6, 8); 1001], piece));
            assert!(!passes(&vec![frame(4, 6); 1001], piece));
            let busy: Vec<_> =
                (0..2000).map(|n| if n % 5 == 0 { frame(1, 30) } else { frame(3, 4) }).collect();
            assert!(passes(&busy, piece));
        }
    }

    #[test]
    fn the_budget_grows_back_with_time() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        budget.skip = 0;
        assert!(budget.follow(&vec![frame(6, 8); 1000].concat(), start));
        assert!(!budget.follow(&frame(6, 8), start));
        assert!(budget.follow(&vec![frame(6, 8); 90].concat(), start + std::time::Duration::from_secs(1)));
    }
}
