//! Request bodies: streaming, in the escapes of their content type, through their content codings.
//!
//! In messages that hold the lengths of their parts (gRPC, protocol buffers) only a value as long as its placeholder
//! can be swapped. The body fails where another would have to be, before the message is sent on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_TYPE, HeaderMap};

use super::{SwapSet, Values};
use crate::body::{Edit, EditBody, Missing};
use crate::codec::{CodecError, Codings, codings};
use crate::engine::{Fit, StreamReplacer};
use crate::escape::Escapes;
use crate::media::Media;

/// A request body in which placeholders are replaced. See [`SwapSet::body`].
pub type SwapBody<B> = EditBody<B, Swap>;

/// The edit of a [`SwapBody`].
#[derive(Debug)]
pub struct Swap {
    /// The entry of each pattern.
    entries: Arc<[usize]>,
    hits: Arc<BodyHits>,
    required: Vec<usize>,
}

/// What will be done to a request body.
#[derive(Debug)]
pub struct BodySwap {
    replacer: StreamReplacer,
    swap: Swap,
    codings: Codings,
}

/// Which entries were found in a body; shared with it, complete when it has ended.
#[derive(Debug)]
pub struct BodyHits(Box<[AtomicBool]>);

impl BodyHits {
    /// Whether the placeholder of an entry has been replaced by now.
    pub fn hit(&self, entry: usize) -> bool {
        self.0.get(entry).is_some_and(|hit| hit.load(Ordering::Acquire))
    }

    /// The entries replaced by now.
    pub fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len()).filter(|&entry| self.hit(entry))
    }
}

impl SwapSet {
    /// Whether any entry looks into bodies.
    pub fn wants_body(&self) -> bool {
        !self.body.entries.is_empty()
    }

    /// Whether an entry looks into bodies.
    pub fn entry_wants_body(&self, entry: usize) -> bool {
        self.body.entries.contains(&entry)
    }

    /// Prepares to swap in a body with these headers; `None` when no entry with a value looks into bodies.
    /// Unless [`BodySwap::keeps_length`], `Content-Length` has to go.
    ///
    /// # Errors
    /// The body cannot be looked into. The caller refuses the request when an entry for the body has `require`
    /// (nobody can say whether its placeholder is there), else sends the body as it is.
    pub fn body(&self, values: &Values<'_>, headers: &HeaderMap) -> Result<Option<BodySwap>, CodecError> {
        let escapes = body_escapes(headers);
        let Some(compiled) = self.compiled(&self.body, escapes, values) else {
            return Ok(None);
        };
        let codings = codings(headers)?;
        let same = |i: usize| compiled.with[i].len() == self.entries[compiled.entries[i]].placeholder.len();
        let all_same = || escapes == Escapes::RAW && (0..compiled.entries.len()).all(same);
        let fit = if Media::of(headers) == Media::Messages || all_same() { Fit::Exact } else { Fit::Free };
        let hits = Arc::new(BodyHits((0..self.len()).map(|_| AtomicBool::new(false)).collect()));
        let replacer = StreamReplacer::new(compiled.patterns, compiled.with, fit);
        let swap = Swap { entries: compiled.entries, hits, required: Vec::new() };
        Ok(Some(BodySwap { replacer, swap, codings }))
    }
}

/// The escapes of a content type: forms and JSON have their own, all else is bytes.
fn body_escapes(headers: &HeaderMap) -> Escapes {
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Escapes::FORM,
        "application/json"
        | "application/x-ndjson"
        | "application/jsonl"
        | "application/json-seq"
        | "text/json" => Escapes::JSON,
        other if other.ends_with("+json") => Escapes::JSON,
        _ => Escapes::RAW,
    }
}

impl BodySwap {
    /// Makes the body fail at its end when the placeholder of `entry` did not occur. The length is not kept
    /// then: the upstream has to notice that the body is not whole.
    pub fn require(&mut self, entry: usize) {
        if !self.swap.required.contains(&entry) {
            self.swap.required.push(entry);
        }
    }

    /// Whether the length of the body cannot change: nothing is encoded, every value is as long as its placeholder
    /// or the body fails, and it does not fail at its end.
    pub fn keeps_length(&self) -> bool {
        self.codings.is_empty() && self.replacer.keeps_length() && !self.swap.may_object()
    }

    /// The record of finds.
    pub fn hits(&self) -> Arc<BodyHits> {
        Arc::clone(&self.swap.hits)
    }

    /// The body with the edit in it.
    pub fn wrap<B>(self, inner: B) -> SwapBody<B> {
        EditBody::around(inner, self.replacer, self.swap, self.codings)
    }
}

impl Edit for Swap {
    fn found(&mut self, pattern: usize) {
        self.hits.0[self.entries[pattern]].store(true, Ordering::Release);
    }

    fn trailers(&mut self, _: &mut HeaderMap) {}

    fn verdict(&mut self) -> Result<(), Missing> {
        match self.required.iter().find(|&&entry| !self.hits.hit(entry)) {
            Some(&entry) => Err(Missing { entry }),
            None => Ok(()),
        }
    }

    fn may_object(&self) -> bool {
        !self.required.is_empty()
    }

    fn entry(&self, pattern: usize) -> usize {
        self.entries[pattern]
    }
}
