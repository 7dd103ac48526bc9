//! `secrets` in request bodies: searched before they are sent if they are small, while they are sent otherwise.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use centaur_transform::swap::{BodyHits, Swapped};
use centaur_transform::{BodyError, Misfit, SwapBody, SwapSet};
use futures_util::FutureExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Collected};

use super::{Applying, Passage, Refused, Work, annotate};
use crate::body::{BoxError, ClientBody};
use crate::refusal::Refusal;

/// Bodies up to this size (bytes) are searched before they are sent, so that they keep a `Content-Length`.
const WHOLE_BODY: usize = 64 * 1024;
/// How long a body of unknown length is waited for before it is sent in pieces.
const PATIENCE: Duration = Duration::from_millis(20);

/// Finds in a body that is still being sent when the head was decided; joins the trace at the end.
pub struct LateSwap {
    /// Position of the trace.
    pub(crate) trace: usize,
    pub(super) names: Vec<String>,
    pub(super) locations: Vec<Vec<String>>,
    pub(super) injected: Vec<(String, Vec<String>)>,
    pub(super) unavailable: Vec<String>,
    pub(super) hits: Arc<BodyHits>,
}

impl LateSwap {
    /// The annotations of the trace, as JSON text, with what was found by now.
    pub(crate) fn annotations(&self) -> String {
        let mut placed: Vec<(String, Vec<String>)> = Vec::new();
        for (entry, name) in self.names.iter().enumerate() {
            let mut locations = self.locations[entry].clone();
            if self.hits.hit(entry) {
                locations.push("body".to_owned());
            }
            if !locations.is_empty() {
                placed.push((name.clone(), locations));
            }
        }
        annotate(&placed, &self.injected, &self.unavailable).into_json()
    }
}

impl Work<'_> {
    /// Searches the body: before it is sent if it is small, while it is sent otherwise. Decides `require`.
    pub(super) async fn body(
        &mut self,
        set: &SwapSet,
        values: &[Option<&str>],
        replacing: &[&Applying<'_>],
        done: &Swapped,
        passage: &mut Passage<'_>,
    ) -> Result<Option<(Arc<BodyHits>, bool)>, Refused> {
        let in_body = Self::verdicts(set, replacing, done)?;
        if !set.wants_body() || passage.body.is_empty() {
            if let Some(&n) = in_body.first() {
                let name = &replacing[n].entry.name;
                return Err((Refusal::placeholder_missing(name), Some(name.clone())));
            }
            return Ok(None);
        }
        let mut swap = match set.body(values, &passage.parts.headers) {
            Ok(Some(swap)) => swap,
            Ok(None) => return Ok(None),
            Err(error) => {
                let Some(&n) = in_body.first() else { return Ok(None) };
                return Err((Refusal::body_unverifiable(error), Some(replacing[n].entry.name.clone())));
            }
        };
        let hits = swap.hits();
        if let Some(whole) = whole_body(passage).await {
            let names = |n: usize| replacing[n].entry.name.clone();
            let edited = in_memory(swap.wrap(ClientBody::full(whole))).map_err(|error| match error {
                BodyError::Misfit(Misfit { entry: n }) => {
                    (Refusal::placeholder_length(&names(n)), Some(names(n)))
                }
                error => (Refusal::transform("secrets", "request", error), None),
            })?;
            let trailers = edited.trailers().cloned();
            let edited = edited.to_bytes();
            if let Some(n) = in_body.into_iter().find(|&n| !hits.hit(n)) {
                return Err((Refusal::placeholder_missing(&names(n)), Some(names(n))));
            }
            for (n, one) in replacing.iter().enumerate() {
                if hits.hit(n) {
                    self.placed(one, passage).map_err(|e| (e, Some(names(n))))?;
                    self.scrub(one);
                }
            }
            if passage.parts.headers.contains_key(CONTENT_LENGTH) {
                passage.parts.headers.insert(CONTENT_LENGTH, edited.len().into());
            }
            passage.body.replace(edited, trailers);
            return Ok(Some((hits, true)));
        }
        for (n, one) in replacing.iter().enumerate() {
            if set.entry_wants_body(n) && one.value.is_some() {
                self.placed(one, passage).map_err(|e| (e, Some(one.entry.name.clone())))?;
                self.scrub(one);
            }
        }
        in_body.iter().for_each(|&n| swap.require(n));
        if !swap.keeps_length() || !in_body.is_empty() {
            centaur_transform::headers::retain(&mut passage.parts.headers, |name| name != CONTENT_LENGTH);
        }
        let names: Arc<[String]> = replacing.iter().map(|one| one.entry.name.clone()).collect();
        passage.body.swap(|inner| swap.wrap(inner), names);
        Ok(Some((hits, false)))
    }
}

/// The whole body if it is small and there; streams between two programs are not held up.
async fn whole_body(passage: &mut Passage<'_>) -> Option<Bytes> {
    let known = passage.body.length();
    if known.is_some_and(|length| length > WHOLE_BODY as u64) {
        return None;
    }
    if known.is_none() {
        let grpc = passage.parts.headers.get(CONTENT_TYPE);
        let grpc = grpc.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        if grpc || passage.expects_continue {
            return None;
        }
    }
    // A client that named the length is committed to sending it; the connection's own limits watch over it.
    let patience = if known.is_some() { Duration::from_mins(5) } else { PATIENCE };
    // A body that breaks off while it is looked at fails again when it is sent, and the exchange with it.
    match passage.body.peek(WHOLE_BODY + 1, patience).await {
        Ok((bytes, true)) => Some(bytes),
        Ok((_, false)) | Err(_) => None,
    }
}

/// Runs an edit over a body that is there already, so it never waits.
fn in_memory(body: SwapBody<ClientBody>) -> Result<Collected<Bytes>, BodyError<BoxError>> {
    let waits = || Err(BodyError::Inner("a body in memory did not come".into()));
    body.collect().now_or_never().unwrap_or_else(waits)
}
