//! Content codings (RFC 9110 section 8.4): which ones we can look into, and the pair of decoder and encoder with
//! which an edit is put between.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use smallvec::SmallVec;

use self::decode::Stage;
use self::encode::Encoder;
use crate::media::compresses_messages;

/// A content coding we can decode and encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950), or the bare deflate stream some servers send.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878), window at most 8 MiB as RFC 9659 demands.
    Zstd,
}

/// The codings of a body in the order in which they were applied; empty means identity.
pub type Codings = SmallVec<[Coding; 2]>;

/// Why a body cannot be looked into, or could not be.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// `Content-Encoding` names a coding we do not know.
    #[error("content coding not supported")]
    Unknown,
    /// Messages are compressed one by one inside the body (`grpc-encoding`).
    #[error("the messages in the body are compressed one by one")]
    Messages,
    /// More than [`MAX_CODINGS`].
    #[error("too many content codings")]
    TooMany,
    /// The body does not follow its coding.
    #[error("malformed {0:?} body")]
    Malformed(Coding),
    /// The body ended inside its coding.
    #[error("{0:?} body ends too early")]
    Cut(Coding),
    /// The encoder failed; it does not for lack of memory short of aborting.
    #[error("{0:?} encoder failed")]
    Encode(Coding),
}

/// More codings than this are refused; each costs a window of memory.
pub const MAX_CODINGS: usize = 3;

impl Coding {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The codings that `Content-Encoding` lists.
///
/// # Errors
/// [`CodecError::Unknown`] for a name we cannot decode, [`CodecError::TooMany`] for a long list,
/// [`CodecError::Messages`] when another compression lies inside.
pub fn codings(headers: &HeaderMap) -> Result<Codings, CodecError> {
    if compresses_messages(headers) {
        return Err(CodecError::Messages);
    }
    let mut list = Codings::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| CodecError::Unknown)?;
        for name in value.split(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                continue;
            }
            if list.len() == MAX_CODINGS {
                return Err(CodecError::TooMany);
            }
            list.push(Coding::named(name).ok_or(CodecError::Unknown)?);
        }
    }
    Ok(list)
}

/// Reduces `Accept-Encoding` to what we can decode, so that the response can be scrubbed; the client's order and
/// weights stay. `*` is dropped, since it would allow anything. Says `identity` when nothing remains, and also
/// when the client sent none, which would let the server choose.
pub(crate) fn limit_accept_encoding(headers: &mut HeaderMap) {
    let kept = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|item| {
            let name = item.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("identity") || Coding::named(name).is_some()
        })
        .collect::<Vec<_>>()
        .join(", ");
    // A list of refusals alone would leave the choice open.
    let any = kept.split(',').any(|item| !refused(item) && !item.trim().is_empty());
    let value = if any { HeaderValue::from_str(&kept).ok() } else { None };
    headers.insert(ACCEPT_ENCODING, value.unwrap_or(HeaderValue::from_static("identity")));
}

/// Whether an item of `Accept-Encoding` carries the weight zero.
fn refused(item: &str) -> bool {
    item.split(';').skip(1).any(|parameter| {
        let weight = parameter.trim().strip_prefix(['q', 'Q']).and_then(|p| p.trim_start().strip_prefix('='));
        weight.and_then(|w| w.trim().parse::<f32>().ok()).is_some_and(|w| w <= 0.0)
    })
}

/// Decodes a body, and encodes it again after an edit.
pub(crate) struct Recoder {
    /// The one that gives plain bytes first.
    stages: Vec<Stage>,
    /// In the order of application.
    encoders: Vec<Option<Encoder>>,
    codings: Codings,
    /// Something was written that the encoders may still hold.
    dirty: bool,
    /// Any input at all; an empty body stays empty.
    begun: bool,
}

impl Recoder {
    pub(crate) fn new(codings: Codings) -> Self {
        let stages = codings.iter().map(|&coding| Stage::new(coding)).collect();
        let encoders = codings.iter().map(|_| None).collect();
        Self { stages, encoders, codings, dirty: false, begun: false }
    }

    /// Hands over encoded bytes; they must have been consumed ([`Recoder::decode`] gave `None`) before.
    pub(crate) fn feed(&mut self, piece: Bytes) {
        self.begun |= !piece.is_empty();
        if let Some(outer) = self.stages.last_mut() {
            outer.feed(piece);
        }
    }

    /// The next decoded bytes, at most [`STEP`]; `None` when more input is needed.
    pub(crate) fn decode(&mut self) -> Result<Option<Bytes>, CodecError> {
        if !self.stages.iter().any(Stage::ready) {
            return Ok(None);
        }
        let mut out = vec![0; STEP];
        let n = decode::fill(&mut self.stages, &mut out)?;
        out.truncate(n);
        Ok((n > 0).then(|| Bytes::from(out)))
    }

    /// Encodes edited bytes; gives what the encoders let go of.
    pub(crate) fn encode(&mut self, text: &[u8]) -> Result<Vec<u8>, CodecError> {
        self.run(text, Drain::Write)
    }

    /// Makes everything encoded so far readable for the other side.
    pub(crate) fn flush(&mut self) -> Result<Vec<u8>, CodecError> {
        if self.dirty { self.run(&[], Drain::Flush) } else { Ok(Vec::new()) }
    }

    /// Checks that the input was whole, and closes the encoders.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, CodecError> {
        if !self.begun {
            return Ok(Vec::new());
        }
        self.stages.iter().rev().try_for_each(Stage::check_whole)?;
        self.run(&[], Drain::Finish)
    }

    fn run(&mut self, text: &[u8], drain: Drain) -> Result<Vec<u8>, CodecError> {
        self.dirty = drain == Drain::Write && (self.dirty || !text.is_empty());
        let mut bytes = Cow::Borrowed(text);
        // The innermost coding was applied first; `stages` is in that order too.
        for ((slot, stage), &coding) in self.encoders.iter_mut().zip(&self.stages).zip(&self.codings) {
            if bytes.is_empty() && drain == Drain::Write {
                return Ok(Vec::new());
            }
            let encoder = match slot.take() {
                Some(encoder) => encoder,
                None => Encoder::new(coding, stage.is_bare()).map_err(|_| CodecError::Encode(coding))?,
            };
            bytes = encoder.run(&bytes, drain, slot).map_err(|_| CodecError::Encode(coding))?.into();
        }
        Ok(bytes.into_owned())
    }
}

/// How much of what an encoder holds has to come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    Write,
    Flush,
    Finish,
}

/// Most bytes decoded in one step, whatever the input expands to.
pub(crate) const STEP: usize = 32 * 1024;
