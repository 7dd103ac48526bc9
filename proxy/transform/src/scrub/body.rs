//! Response bodies.
//!
//! In text a value is replaced by its placeholder whatever their lengths. In anything else (gRPC and other messages
//! that hold lengths, archives, programs) and in ranges the replacement has the length of what it replaces, so that the
//! lengths and offsets in the body stay true, and its `Content-Length` with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{Method, StatusCode};

use super::{Found, ScrubSet};
use crate::body::{Edit, EditBody, Missing};
use crate::codec::{CodecError, Codings, codings};
use crate::engine::{Fit, StreamReplacer};
use crate::media::Media;

/// A response body with the values taken out. See [`ScrubSet::response`].
pub type ScrubBody<B> = EditBody<B, Scrub>;

/// The edit of a [`ScrubBody`].
#[derive(Debug)]
pub struct Scrub {
    set: ScrubSet,
    hits: Arc<ScrubHits>,
}

/// What will be done to a response body.
#[derive(Debug)]
pub struct BodyScrub {
    replacer: StreamReplacer,
    scrub: Scrub,
    codings: Codings,
}

/// How often each value was found in a body and its trailers; shared with it, complete when it has ended.
#[derive(Debug)]
pub struct ScrubHits(Box<[AtomicU64]>);

impl ScrubHits {
    /// Finds by now, all values together.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|n| n.load(Ordering::Acquire)).sum()
    }

    /// The numbers of the values found by now.
    pub fn values(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().filter(|(_, n)| n.load(Ordering::Acquire) > 0).map(|(value, _)| value)
    }

    fn add(&self, value: usize) {
        if let Some(count) = self.0.get(value) {
            count.fetch_add(1, Ordering::Release);
        }
    }
}

/// A response prepared by [`ScrubSet::response`].
#[derive(Debug)]
pub struct Scrubbed {
    /// The numbers of the values found in header fields, one for each field and value.
    pub headers: Found,
    /// What to wrap the body in; `None` when the response has none (HEAD, 1xx, 204, 304).
    pub body: Option<BodyScrub>,
}

/// Why a response cannot be scrubbed. It must not be passed on.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// The body is in a coding we cannot decode.
    #[error("the response cannot be searched: {0}")]
    Coding(#[from] CodecError),
    /// A range of an encoded body cannot be decoded (RFC 9110 section 14).
    #[error("the response cannot be searched: a range of an encoded body")]
    EncodedRange,
    /// Several ranges in one body, of which none was asked for (RFC 9110 section 15.3.7.2).
    #[error("the response cannot be searched: several ranges in one body")]
    ManyRanges,
}

impl ScrubSet {
    /// Prepares a response: scrubs its header fields, and removes `Content-Length` when there is a body whose length
    /// is not known any more.
    ///
    /// # Errors
    /// The body cannot be searched; the response must be refused.
    pub fn response(
        &self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
    ) -> Result<Scrubbed, ScrubError> {
        let found = self.headers(headers);
        let bodiless = method == Method::HEAD
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        if bodiless {
            return Ok(Scrubbed { headers: found, body: None });
        }
        let codings = codings(headers)?;
        let (patterns, with) = (Arc::clone(&self.patterns), Arc::clone(&self.with));
        let replacer = if status == StatusCode::PARTIAL_CONTENT {
            if !codings.is_empty() {
                return Err(ScrubError::EncodedRange);
            }
            let kind = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..BYTE_RANGES.len()));
            if kind.is_some_and(|kind| kind.eq_ignore_ascii_case(BYTE_RANGES)) {
                return Err(ScrubError::ManyRanges);
            }
            StreamReplacer::part(patterns, with)
        } else {
            let fit = if Media::of(headers) == Media::Text { Fit::Free } else { Fit::Fill };
            StreamReplacer::new(patterns, with, fit)
        };
        if !replacer.keeps_length() || !codings.is_empty() {
            crate::headers::retain(headers, |name| name != CONTENT_LENGTH);
        }
        let hits = Arc::new(ScrubHits((0..self.count).map(|_| AtomicU64::new(0)).collect()));
        let scrub = Scrub { set: self.clone(), hits };
        Ok(Scrubbed { headers: found, body: Some(BodyScrub { replacer, scrub, codings }) })
    }
}

const BYTE_RANGES: &[u8] = b"multipart/byteranges";

impl BodyScrub {
    /// The count of finds.
    pub fn hits(&self) -> Arc<ScrubHits> {
        Arc::clone(&self.scrub.hits)
    }

    /// The body with the edit in it.
    pub fn wrap<B>(self, inner: B) -> ScrubBody<B> {
        EditBody::around(inner, self.replacer, self.scrub, self.codings)
    }
}

impl Edit for Scrub {
    fn found(&mut self, pattern: usize) {
        self.hits.add(self.entry(pattern));
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) {
        self.set.headers(trailers).into_iter().for_each(|value| self.hits.add(value));
    }

    fn verdict(&mut self) -> Result<(), Missing> {
        Ok(())
    }

    fn may_object(&self) -> bool {
        false
    }

    fn entry(&self, pattern: usize) -> usize {
        self.set.values[pattern]
    }
}
