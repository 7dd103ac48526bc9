//! The body sent upstream: held back until it is wanted, counted, watched for progress.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::{BoxError, ClientBody, Refused, Upload};

/// The body sent upstream.
pub struct RequestBody {
    /// `None`: there is no body at all.
    inner: Option<ClientBody>,
    upload: Option<Arc<Upload>>,
    gate: Option<Arc<Hold>>,
    patience: Option<Duration>,
    stall: Option<Pin<Box<Sleep>>>,
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
                Some(Err(error)) => match error.downcast_ref::<Refused>() {
                    Some(Refused(refusal)) => drop(upload.refused.set(refusal.clone())),
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
