//! Bodies on both legs: what a client sends, looked at before it is sent on, and what it gets back.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use centaur_transform::{BodyError, SwapBody};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::exchange::Closing;
use crate::upstream::UpstreamBody;

/// Any failure of a body; the text is for the audit line and holds no payload.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body a client sends, with whatever was read ahead of its turn.
pub struct ClientBody {
    ahead: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    inner: Option<Source>,
    length: Option<u64>,
    swapped: bool,
}

/// Where the rest of a client's body comes from.
enum Source {
    Client(Incoming),
    /// Placeholders are swapped on the way; names of the secrets by entry.
    Swapped(Box<SwapBody<ClientBody>>, Arc<[String]>),
    /// It broke off while it was read ahead: whoever reads on hears of it.
    Failed,
}

/// A required placeholder did not occur in a body that was already on its way.
#[derive(Debug, thiserror::Error)]
#[error("the placeholder of {0} does not occur in the request")]
pub struct MissingPlaceholder(pub String);

impl ClientBody {
    /// Wraps what hyper hands over.
    pub fn new(inner: Incoming) -> Self {
        let length = inner.size_hint().exact();
        let inner = (!inner.is_end_stream()).then_some(Source::Client(inner));
        Self { ahead: VecDeque::new(), trailers: None, inner, length, swapped: false }
    }

    /// A body of known bytes.
    pub fn full(bytes: Bytes) -> Self {
        let length = Some(bytes.len() as u64);
        let ahead = if bytes.is_empty() { VecDeque::new() } else { VecDeque::from([bytes]) };
        Self { ahead, trailers: None, inner: None, length, swapped: false }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.ahead.is_empty() && self.inner.is_none() && self.trailers.is_none()
    }

    /// The length, when it is known.
    pub fn length(&self) -> Option<u64> {
        if self.inner.is_none() && self.trailers.is_none() {
            return Some(self.ahead.iter().map(|b| b.len() as u64).sum());
        }
        self.length
    }

    /// Whether real values may stand in it.
    pub fn is_swapped(&self) -> bool {
        self.swapped
    }

    /// Puts known bytes in the place of a body that was read whole; trailers the client sent stay.
    pub fn replace(&mut self, bytes: Bytes, trailers: Option<HeaderMap>) {
        let trailers = trailers.or_else(|| self.trailers.take());
        *self = Self { trailers, swapped: true, ..Self::full(bytes) };
    }

    /// Swaps placeholders while the body is sent. `names` are the secrets by entry.
    pub fn swap(&mut self, wrap: impl FnOnce(Self) -> SwapBody<Self>, names: Arc<[String]>) {
        let inner = std::mem::replace(self, Self::full(Bytes::new()));
        let swapped = wrap(inner);
        let length = swapped.size_hint().exact();
        self.inner = Some(Source::Swapped(Box::new(swapped), names));
        self.length = length;
        self.swapped = true;
    }

    /// Reads ahead until `most` bytes are there, the body ends, or nothing comes for `patience`. What was read is
    /// still sent. Returns the bytes known and whether they are all.
    pub async fn peek(&mut self, most: usize, patience: Duration) -> Result<(Bytes, bool), BoxError> {
        let mut have: usize = self.ahead.iter().map(Bytes::len).sum();
        while have < most {
            let Some(inner) = self.inner.as_mut() else { break };
            let frame = poll_fn(|cx| Pin::new(&mut *inner).poll_frame(cx));
            match tokio::time::timeout(patience, frame).await {
                Err(_) => break,
                Ok(None) => self.inner = None,
                Ok(Some(Err(error))) => {
                    self.inner = Some(Source::Failed);
                    return Err(error);
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        have += data.len();
                        self.ahead.push_back(data);
                        if inner.is_end_stream() {
                            self.inner = None;
                        }
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.inner = None;
                    }
                },
            }
        }
        let whole = self.inner.is_none();
        if self.ahead.len() == 1 {
            return Ok((self.ahead[0].clone(), whole));
        }
        let mut joined = BytesMut::with_capacity(have);
        self.ahead.iter().for_each(|piece| joined.extend_from_slice(piece));
        Ok((joined.freeze(), whole))
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(self.trailers.take().map(|t| Ok(Frame::trailers(t))));
        };
        Pin::new(inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty()
            && self.trailers.is_none()
            && self.inner.as_ref().is_none_or(Source::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Source {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Client(body) => body.is_end_stream(),
            Self::Swapped(body, _) => body.is_end_stream(),
            Self::Failed => false,
        }
    }

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, names) = match &mut *self {
            Self::Client(body) => {
                return Poll::Ready(ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(Into::into)));
            }
            Self::Swapped(body, names) => (body, names),
            Self::Failed => return Poll::Ready(Some(Err("the request body broke off".into()))),
        };
        let frame = ready!(Pin::new(&mut **body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| match error {
                BodyError::Inner(error) => error,
                BodyError::Codec(error) => error.into(),
                BodyError::Missing(missing) => {
                    MissingPlaceholder(names.get(missing.entry).cloned().unwrap_or_default()).into()
                }
            })
        }))
    }
}

/// What is known of a request body while it is sent, shared with the exchange.
#[derive(Debug, Default)]
pub struct Upload {
    /// Bytes read from the client.
    pub bytes: AtomicU64,
    /// The whole body was handed over (or there was none).
    pub done: AtomicBool,
    /// The client stopped sending without ending.
    pub stalled: AtomicBool,
    /// The client's side failed: it went away, or sent broken framing.
    pub client_failed: AtomicBool,
    /// A required placeholder did not occur: the name of its secret.
    pub missing: OnceLock<String>,
}

/// The body sent upstream.
pub struct RequestBody {
    /// `None`: there is no body at all.
    inner: Option<ClientBody>,
    upload: Option<Arc<Upload>>,
    gate: Option<Arc<Hold>>,
    patience: Option<Duration>,
    stall: Option<Pin<Box<Sleep>>>,
}

/// Holds a body back until the upstream asked for it (`Expect: 100-continue`).
#[derive(Debug, Default)]
pub struct Hold {
    open: AtomicBool,
    waker: futures_util::task::AtomicWaker,
}

impl Hold {
    /// Lets the body go.
    pub fn release(&self) {
        self.open.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self { inner: None, upload: None, gate: None, patience: None, stall: None }
    }

    /// The client's body.
    pub fn new(body: ClientBody, upload: Arc<Upload>) -> Self {
        if body.is_empty() {
            upload.done.store(true, Ordering::Release);
            return Self { upload: Some(upload), ..Self::empty() };
        }
        Self { inner: Some(body), upload: Some(upload), ..Self::empty() }
    }

    /// Fails when nothing comes for so long. For clients whose connection does not watch over it.
    pub fn impatient(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(patience) = self.patience else { return Poll::Pending };
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stall.as_mut().poll(cx));
        if let Some(upload) = &self.upload {
            upload.stalled.store(true, Ordering::Release);
            upload.client_failed.store(true, Ordering::Release);
        }
        Poll::Ready(Some(Err("the request body made no progress".into())))
    }

    /// Sends nothing before `hold` is released.
    pub fn held(mut self, hold: Arc<Hold>) -> Self {
        self.gate = Some(hold);
        self
    }

    /// Whether there is no body at all, so that the request can be sent again.
    pub fn is_empty(&self) -> bool {
        self.inner.is_none()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(hold) = &this.gate {
            hold.waker.register(cx.waker());
            if !hold.open.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            this.gate = None;
        }
        let frame = match &mut this.inner {
            None => None,
            Some(body) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    this.stall = None;
                    frame
                }
                Poll::Pending => return this.poll_stall(cx),
            },
        };
        if let Some(upload) = &this.upload {
            match &frame {
                None => upload.done.store(true, Ordering::Release),
                Some(Err(error)) => match error.downcast_ref::<MissingPlaceholder>() {
                    Some(missing) => drop(upload.missing.set(missing.0.clone())),
                    None => upload.client_failed.store(true, Ordering::Release),
                },
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        upload.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                    }
                    if this.inner.as_ref().is_none_or(ClientBody::is_end_stream) {
                        upload.done.store(true, Ordering::Release);
                    }
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(ClientBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), ClientBody::size_hint)
    }
}

/// The body a client gets. Ends the exchange (audit line, in-flight count) at its end or when dropped.
pub struct ResponseBody {
    kind: Kind,
    closing: Option<Box<Closing>>,
}

enum Kind {
    Full(Bytes),
    Upstream(Box<UpstreamBody>),
    Scrubbed(Box<centaur_transform::ScrubBody<UpstreamBody>>),
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
    pub fn scrubbed(body: centaur_transform::ScrubBody<UpstreamBody>) -> Self {
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
        let frame = match &mut this.kind {
            Kind::Full(bytes) if bytes.is_empty() => None,
            Kind::Full(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Kind::Upstream(body) => {
                ready!(Pin::new(&mut **body).poll_frame(cx)).map(|f| f.map_err(Into::into))
            }
            Kind::Scrubbed(body) => {
                ready!(Pin::new(&mut **body).poll_frame(cx)).map(|f| f.map_err(BoxError::from))
            }
        };
        match (&frame, &mut this.closing) {
            (None, closing) => {
                if let Some(closing) = closing.take() {
                    closing.finish();
                }
            }
            (Some(Err(error)), Some(closing)) => closing.failed(error.as_ref()),
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

impl Kind {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Scrubbed(body) => body.is_end_stream(),
        }
    }
}
