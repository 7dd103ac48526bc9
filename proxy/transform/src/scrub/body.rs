//! Response bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use http::{Method, StatusCode};

use super::ScrubSet;
use crate::body::{Edit, EditBody, Missing};
use crate::codec::{CodecError, Codings, codings};
use crate::engine::StreamReplacer;

/// A response body with the values taken out. See [`ScrubSet::response`].
pub type ScrubBody<B> = EditBody<B, Scrub>;

/// The edit of a [`ScrubBody`].
#[derive(Debug)]
pub struct Scrub {
    set: ScrubSet,
    replacer: StreamReplacer,
    hits: Arc<ScrubHits>,
    /// Finds reported so far, per pattern.
    reported: Vec<u64>,
}

/// What will be done to a response body.
#[derive(Debug)]
pub struct BodyScrub {
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

    fn add(&self, value: usize, n: u64) {
        if let Some(count) = self.0.get(value) {
            count.fetch_add(n, Ordering::Release);
        }
    }
}

/// A response prepared by [`ScrubSet::response`].
#[derive(Debug)]
pub struct Scrubbed {
    /// The header fields that changed, with the number of the value found in each.
    pub headers: Vec<(HeaderName, usize)>,
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
}

impl ScrubSet {
    /// Prepares a response: scrubs its header fields, and removes `Content-Length` when there is a body, whose
    /// length is not known any more.
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
        if status == StatusCode::PARTIAL_CONTENT && !codings.is_empty() {
            return Err(ScrubError::EncodedRange);
        }
        crate::headers::retain(headers, |name| name != CONTENT_LENGTH);
        Ok(Scrubbed { headers: found, body: Some(BodyScrub { scrub: self.edit(), codings }) })
    }

    fn edit(&self) -> Scrub {
        let values = self.values.iter().max().map_or(0, |most| most + 1);
        let hits = Arc::new(ScrubHits((0..values).map(|_| AtomicU64::new(0)).collect()));
        let reported = vec![0; self.patterns.len()];
        Scrub { set: self.clone(), replacer: self.replacer(), hits, reported }
    }
}

impl BodyScrub {
    /// The count of finds.
    pub fn hits(&self) -> Arc<ScrubHits> {
        Arc::clone(&self.scrub.hits)
    }

    /// The body with the edit in it.
    pub fn wrap<B>(self, inner: B) -> ScrubBody<B> {
        EditBody::around(inner, self.scrub, self.codings)
    }
}

impl Scrub {
    fn record(&mut self) {
        let patterns = self.replacer.hits().iter().zip(&mut self.reported).zip(self.set.values.iter());
        for ((&now, reported), &value) in patterns.filter(|((now, reported), _)| **now > **reported) {
            self.hits.add(value, now - *reported);
            *reported = now;
        }
    }
}

impl Edit for Scrub {
    fn push(&mut self, piece: Bytes) -> Bytes {
        let out = self.replacer.push(piece);
        self.record();
        out
    }

    fn finish(&mut self) -> Bytes {
        let out = self.replacer.finish();
        self.record();
        out
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) {
        self.set.headers(trailers).into_iter().for_each(|(_, value)| self.hits.add(value, 1));
    }

    fn verdict(&mut self) -> Result<(), Missing> {
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.replacer.held() == 0
    }

    fn keeps_length(&self) -> bool {
        false
    }

    fn held(&self) -> usize {
        self.replacer.held()
    }
}
