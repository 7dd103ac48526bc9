//! The body a client sends, read ahead and swapped.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use centaur_transform::{BodyError, Misfit, Missing, SwapBody};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BoxError, Refused};
use crate::refusal::Refusal;

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
                BodyError::Missing(Missing { entry }) => {
                    Refused(Refusal::placeholder_missing(name(names, entry))).into()
                }
                BodyError::Misfit(Misfit { entry }) => {
                    Refused(Refusal::placeholder_length(name(names, entry))).into()
                }
            })
        }))
    }
}

fn name(names: &[String], entry: usize) -> &str {
    names.get(entry).map_or("a secret", String::as_str)
}
