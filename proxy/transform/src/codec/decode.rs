//! Decoders that are asked for a bounded number of bytes at a time, so that a body which expands a
//! thousandfold is streamed like any other.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use super::{CodecError, Coding, STEP};

/// One decoder with the input it has not taken yet.
pub(super) struct Stage {
    coding: Coding,
    decoder: Option<Decoder>,
    input: Bytes,
    /// The last output was full, so more may come without input.
    more: bool,
    /// A member or frame has just ended; the body may end here.
    whole: bool,
    /// `deflate` without the zlib wrapping.
    bare: bool,
}

enum Decoder {
    Flate(Decompress),
    Brotli(Box<BrotliDecoder>),
    Zstd(zstd::stream::raw::Decoder<'static>),
    /// A finished body; what follows is dropped.
    Ended,
}

struct BrotliDecoder(BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>);

struct Step {
    read: usize,
    written: usize,
    ended: bool,
}

/// Decodes through all stages, the first of which gives plain bytes; zero when more input is needed.
pub(super) fn fill(stages: &mut [Stage], out: &mut [u8]) -> Result<usize, CodecError> {
    let Some((stage, outer)) = stages.split_first_mut() else { return Ok(0) };
    loop {
        if !stage.ready() {
            if outer.is_empty() {
                return Ok(0);
            }
            let mut between = vec![0; STEP];
            let n = fill(outer, &mut between)?;
            if n == 0 {
                return Ok(0);
            }
            between.truncate(n);
            stage.feed(Bytes::from(between));
            continue;
        }
        let written = stage.step(out)?;
        if written > 0 {
            return Ok(written);
        }
    }
}

impl Stage {
    pub(super) fn new(coding: Coding) -> Self {
        Self { coding, decoder: None, input: Bytes::new(), more: false, whole: false, bare: false }
    }

    pub(super) fn feed(&mut self, piece: Bytes) {
        if self.input.is_empty() {
            self.input = piece;
        } else {
            self.input = [&self.input[..], &piece[..]].concat().into();
        }
    }

    /// Whether a deflate body came without its wrapping.
    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    pub(super) fn check_whole(&self) -> Result<(), CodecError> {
        if self.whole { Ok(()) } else { Err(CodecError::Cut(self.coding)) }
    }

    /// Whether a step can be made without more input.
    pub(super) fn ready(&self) -> bool {
        // Two bytes tell the wrapped deflate from the bare one.
        let needed = if self.decoder.is_none() && self.coding == Coding::Deflate { 2 } else { 1 };
        self.more || self.input.len() >= needed
    }

    fn step(&mut self, out: &mut [u8]) -> Result<usize, CodecError> {
        let coding = self.coding;
        let malformed = || CodecError::Malformed(coding);
        if matches!(self.decoder, Some(Decoder::Ended)) && !self.continues() {
            self.input.clear();
            return Ok(0);
        }
        if self.decoder.is_none() {
            self.bare = self.coding == Coding::Deflate && !wrapped(&self.input);
            self.decoder = Decoder::new(self.coding, self.bare);
        }
        let decoder = self.decoder.as_mut().ok_or_else(malformed)?;
        let step = decoder.step(&self.input, out).ok_or_else(malformed)?;
        if step.read == 0 && step.written == 0 && !step.ended && !self.input.is_empty() {
            return Err(malformed());
        }
        self.input.advance(step.read);
        self.more = step.written == out.len() && !step.ended;
        self.whole = step.ended;
        if step.ended && self.coding != Coding::Zstd {
            self.decoder = Some(Decoder::Ended);
        }
        Ok(step.written)
    }

    /// Whether another gzip member follows (RFC 1952 section 2.2); starts it if so.
    fn continues(&mut self) -> bool {
        let follows = self.coding == Coding::Gzip && self.input.first() == Some(&0x1f);
        if follows {
            self.decoder = None;
        }
        follows
    }
}

/// Whether two bytes are a zlib header (RFC 1950 section 2.2).
fn wrapped(input: &[u8]) -> bool {
    let &[method, flags, ..] = input else { return false };
    method & 0x0f == 8 && (u16::from(method) << 8 | u16::from(flags)).is_multiple_of(31)
}

impl Decoder {
    fn new(coding: Coding, bare: bool) -> Option<Self> {
        Some(match coding {
            Coding::Gzip => Self::Flate(Decompress::new_gzip(15)),
            Coding::Deflate => Self::Flate(Decompress::new(!bare)),
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Self::Brotli(Box::new(BrotliDecoder(BrotliState::new_strict(alloc(), alloc(), alloc()))))
            }
            Coding::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new().ok()?;
                decoder.set_parameter(DParameter::WindowLogMax(23)).ok()?;
                Self::Zstd(decoder)
            }
        })
    }

    /// `None` when the input is malformed.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        match self {
            Self::Flate(decoder) => {
                let (read, written) = (decoder.total_in(), decoder.total_out());
                let status = decoder.decompress(input, out, FlushDecompress::None).ok()?;
                Some(Step {
                    read: (decoder.total_in() - read) as usize,
                    written: (decoder.total_out() - written) as usize,
                    ended: status == Status::StreamEnd,
                })
            }
            Self::Brotli(decoder) => {
                let (mut left, mut read, mut room, mut written, mut total) =
                    (input.len(), 0, out.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    input,
                    &mut room,
                    &mut written,
                    out,
                    &mut total,
                    &mut decoder.0,
                );
                let ended = match result {
                    BrotliResult::ResultFailure => return None,
                    BrotliResult::ResultSuccess => true,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => false,
                };
                Some(Step { read, written, ended })
            }
            Self::Zstd(decoder) => {
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(out);
                let left = decoder.run(&mut from, &mut to).ok()?;
                Some(Step { read: from.pos(), written: to.pos(), ended: left == 0 })
            }
            Self::Ended => Some(Step { read: input.len(), written: 0, ended: true }),
        }
    }
}
