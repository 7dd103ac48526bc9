//! Encoders at their fast levels: what passes is re-encoded on the way, and the client waits for it.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::{Coding, Drain};

pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Bare(DeflateEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding, bare: bool) -> io::Result<Self> {
        let fast = Compression::fast();
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), fast)),
            Coding::Deflate if bare => Self::Bare(DeflateEncoder::new(Vec::new(), fast)),
            Coding::Deflate => Self::Zlib(ZlibEncoder::new(Vec::new(), fast)),
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                4096,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    /// Takes `text` and gives the output; puts the encoder back into `slot` unless it is finished.
    pub(super) fn run(mut self, text: &[u8], drain: Drain, slot: &mut Option<Self>) -> io::Result<Vec<u8>> {
        let writer = self.writer();
        writer.write_all(text)?;
        if drain == Drain::Finish {
            return self.finish();
        }
        if drain == Drain::Flush {
            writer.flush()?;
        }
        let out = std::mem::take(self.output());
        *slot = Some(self);
        Ok(out)
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Zlib(encoder) => encoder,
            Self::Bare(encoder) => encoder,
            Self::Brotli(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zlib(encoder) => encoder.get_mut(),
            Self::Bare(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zlib(encoder) => encoder.finish(),
            Self::Bare(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

const BROTLI_QUALITY: u32 = 1;
/// 256 KiB: the window of the fast levels, and the memory one response costs.
const BROTLI_WINDOW: u32 = 18;
const ZSTD_LEVEL: i32 = 1;
