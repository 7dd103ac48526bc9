//! The body a client gets.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use centaur_transform::{BodyError, CodecError, ScrubBody};
use http_body::{Body, Frame, SizeHint};

use super::BoxError;
use crate::exchange::Closing;
use crate::upstream::UpstreamBody;

/// The body a client gets. Ends the exchange (audit line, in-flight count) at its end or when dropped.
pub struct ResponseBody {
    kind: Kind,
    closing: Option<Box<Closing>>,
}

enum Kind {
    Full(Bytes),
    Upstream(Box<UpstreamBody>),
    Scrubbed(Box<ScrubBody<UpstreamBody>>),
}

impl ResponseBody {
    /// A known text.
    pub fn full(bytes: Bytes) -> Self {
        Self { kind: Kind::Full(bytes), closing: None }
    }

    /// The upstream's body as it comes.
    pub fn upstream(body: UpstreamBody) -> Self {
        Self { kind: Kind::Upstream(Box::new(body)), closing: None }
    }

    /// The upstream's body without the values.
    pub fn scrubbed(body: ScrubBody<UpstreamBody>) -> Self {
        Self { kind: Kind::Scrubbed(Box::new(body)), closing: None }
    }

    /// Attaches what ends with the body. One that has ended already must say so from the start: HTTP/2 then ends
    /// the stream with the head, as the upstream did (gRPC clients tell the two apart).
    pub fn closing(mut self, closing: Closing) -> Self {
        let closing = Box::new(closing);
        if self.kind.is_end_stream() {
            closing.finish();
        } else {
            self.closing = Some(closing);
        }
        self
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.closing.as_mut().is_some_and(|closing| closing.poll_revoked(cx)) {
            this.closing = None;
            return Poll::Ready(Some(Err(Box::new(Revoked))));
        }
        let frame = match &mut this.kind {
            Kind::Full(bytes) if bytes.is_empty() => None,
            Kind::Full(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Kind::Upstream(body) => {
                ready!(Pin::new(&mut **body).poll_frame(cx)).map(|f| f.map_err(Into::into))
            }
            Kind::Scrubbed(body) => {
                ready!(Pin::new(&mut **body).poll_frame(cx)).map(|f| {
                    f.map_err(|error| match error {
                        BodyError::Inner(error) => error.into(),
                        BodyError::Codec(error) => error.into(),
                        // Scrubbing raises no objections of its own.
                        other => other.into(),
                    })
                })
            }
        };
        match (&frame, &mut this.closing) {
            (None, closing) => {
                if let Some(closing) = closing.take() {
                    closing.finish();
                }
            }
            (Some(Err(error)), Some(closing)) => closing.failed(broken_by(error), error.as_ref()),
            (Some(Ok(frame)), Some(closing)) => {
                if let Some(data) = frame.data_ref() {
                    closing.sent(data.len());
                }
                if this.kind.is_end_stream()
                    && let Some(closing) = this.closing.take()
                {
                    closing.finish();
                }
            }
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // The closing must see the end; hyper stops polling a body that says it has ended.
        self.closing.is_none() && self.kind.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Upstream(body) => body.size_hint(),
            Kind::Scrubbed(body) => body.size_hint(),
        }
    }
}

/// What the body belongs to is no longer granted.
#[derive(Debug, thiserror::Error)]
#[error("the control plane withdrew what this response was made with")]
struct Revoked;

impl Kind {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Scrubbed(body) => body.is_end_stream(),
        }
    }
}

/// The reason of the audit line for a body that failed: its coding is broken, so it could not be searched on, or the
/// origin did not send the rest.
fn broken_by(error: &BoxError) -> &'static str {
    if error.is::<CodecError>() { "upstream-coding" } else { "upstream-broke-off" }
}
