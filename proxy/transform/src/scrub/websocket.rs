//! Server-to-client WebSocket bytes: every frame keeps its length, so a value is replaced by a text of the same
//! length, the placeholder cut, or filled up with `*`.
//!
//! The scan follows the frames (RFC 6455 section 5.2), so a value that is cut across the fragments of a message is
//! found although headers and control frames stand between the pieces. At most an end of an unfinished message
//! that may be the beginning of a value waits for the next bytes; the end of a message never does.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::ScrubSet;
use crate::engine::{Fit, StreamReplacer};

/// Scrubs the bytes that a server sends after the 101 answer. The upgrade must not have negotiated an extension
/// (compression hides the text): remove `Sec-WebSocket-Extensions` from the request.
pub struct WebSocketScrubber {
    set: ScrubSet,
    /// At its place in the message.
    replacer: StreamReplacer,
    frame: FrameState,
    /// The frame header as far as it was read.
    header: Vec<u8>,
    /// Wire bytes that wait for the payload bytes before them.
    waiting: Vec<Part>,
    hits: u64,
}

/// Why a connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// A server masks no frame (RFC 6455 section 5.1); a masked one could hide anything.
    #[error("the server sent a masked frame")]
    Masked,
    /// A reserved bit: an extension is in use that was not offered.
    #[error("the server uses an extension that was not negotiated")]
    Extension,
    /// A length with its top bit set.
    #[error("malformed frame length")]
    Length,
}

/// Something that waits: bytes that pass as they are, or so many payload bytes of the message.
enum Part {
    Wire(Vec<u8>),
    Payload(usize),
}

enum FrameState {
    Header,
    Payload { left: u64, scanned: bool, last: bool },
}

impl ScrubSet {
    /// A scrubber at the start of the server's frames.
    pub fn websocket(&self) -> WebSocketScrubber {
        WebSocketScrubber {
            replacer: self.message(),
            set: self.clone(),
            frame: FrameState::Header,
            header: Vec::with_capacity(MAX_HEADER),
            waiting: Vec::new(),
            hits: 0,
        }
    }

    fn message(&self) -> StreamReplacer {
        StreamReplacer::new(Arc::clone(&self.patterns), Arc::clone(&self.with), Fit::Fill)
    }
}

const MAX_HEADER: usize = 10;

impl WebSocketScrubber {
    /// Takes the next bytes of the server and gives those that may go to the client.
    ///
    /// # Errors
    /// The stream cannot be searched; the connection must be closed.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Bytes, WebSocketError> {
        let mut out = Vec::with_capacity(bytes.len() + self.header.len());
        while !bytes.is_empty() {
            match &mut self.frame {
                FrameState::Header => {
                    self.header.push(bytes[0]);
                    bytes = &bytes[1..];
                    if let Some(frame) = frame(&self.header)? {
                        let header = std::mem::take(&mut self.header);
                        self.wire(&header, &mut out);
                        self.frame = frame;
                        self.end_frame(&mut out);
                    }
                }
                FrameState::Payload { left, scanned, .. } => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (piece, rest) = bytes.split_at(n);
                    *left -= n as u64;
                    bytes = rest;
                    if *scanned {
                        let settled =
                            self.replacer.push(Bytes::copy_from_slice(piece), &mut |_| self.hits += 1);
                        self.payload(n);
                        self.settle(&settled, &mut out);
                    } else {
                        self.wire(piece, &mut out);
                    }
                    self.end_frame(&mut out);
                }
            }
        }
        Ok(out.into())
    }

    /// Values found so far.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Gives what still waits, when the server has closed.
    pub fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.end_message(&mut out);
        out.append(&mut self.header);
        out.into()
    }

    /// Bytes that pass as they are, behind what waits.
    fn wire(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.waiting.last_mut() {
            None => out.extend_from_slice(bytes),
            Some(Part::Wire(wire)) => wire.extend_from_slice(bytes),
            Some(Part::Payload(_)) => self.waiting.push(Part::Wire(bytes.to_vec())),
        }
    }

    fn payload(&mut self, n: usize) {
        match self.waiting.last_mut() {
            Some(Part::Payload(count)) => *count += n,
            _ => self.waiting.push(Part::Payload(n)),
        }
    }

    /// Fills decided payload bytes into the places that wait for them.
    fn settle(&mut self, mut settled: &[u8], out: &mut Vec<u8>) {
        let mut done = 0;
        for part in &mut self.waiting {
            match part {
                Part::Wire(wire) => out.append(wire),
                Part::Payload(count) => {
                    let n = (*count).min(settled.len());
                    out.extend_from_slice(&settled[..n]);
                    settled = &settled[n..];
                    *count -= n;
                    if *count > 0 {
                        break;
                    }
                }
            }
            done += 1;
        }
        self.waiting.drain(..done);
    }

    fn end_frame(&mut self, out: &mut Vec<u8>) {
        let FrameState::Payload { left: 0, scanned, last } = self.frame else { return };
        self.frame = FrameState::Header;
        if scanned && last {
            self.end_message(out);
        }
    }

    fn end_message(&mut self, out: &mut Vec<u8>) {
        let rest = self.replacer.finish(&mut |_| self.hits += 1);
        self.settle(&rest, out);
        self.replacer = self.set.message();
    }
}

impl fmt::Debug for WebSocketScrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketScrubber").field("hits", &self.hits()).finish_non_exhaustive()
    }
}

/// What a header announces; `None` while it is not complete.
fn frame(header: &[u8]) -> Result<Option<FrameState>, WebSocketError> {
    let &[first, second, ref extended @ ..] = header else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(WebSocketError::Extension);
    }
    if second & 0x80 != 0 {
        return Err(WebSocketError::Masked);
    }
    let wanted = match second {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if extended.len() < wanted {
        return Ok(None);
    }
    let left = if wanted == 0 {
        u64::from(second)
    } else {
        extended.iter().fold(0, |length, &byte| length << 8 | u64::from(byte))
    };
    if left >> 63 != 0 {
        return Err(WebSocketError::Length);
    }
    let control = first & 0x08 != 0;
    Ok(Some(FrameState::Payload { left, scanned: !control, last: first & 0x80 != 0 }))
}
