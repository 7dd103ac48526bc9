//! One HTTP/1 connection, driven by whoever uses it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use centaur_policies::pattern::Scheme;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Uri};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};

use super::pool::Pool;
use super::{Destination, UpstreamBody, UpstreamError, UpstreamLimits, UpstreamStream};
use crate::body::{RequestBody, Upload};

type Driver = Connection<TokioIo<UpstreamStream>, RequestBody>;

/// Heads of answers may be this long, in bytes (the reference allows 10 MiB).
const MAX_RESPONSE_HEAD: usize = 10 << 20;
/// Header fields of an answer.
const MAX_RESPONSE_HEADERS: usize = 1024;

/// A connection and the handle to it.
pub(super) struct Conn {
    sender: SendRequest<RequestBody>,
    driver: Driver,
    finished: Option<Result<(), UpstreamError>>,
    /// Requests are sent in absolute form (to an HTTP proxy) with this scheme.
    absolute: Option<Scheme>,
    /// Runs from one request to the next and is set anew only when it fires, since almost no request needs it.
    timer: Pin<Box<Sleep>>,
}

/// The raw stream after a 101, with what the origin sent behind its head.
pub struct Switched {
    /// The stream.
    pub stream: UpstreamStream,
    /// Bytes behind the head.
    pub ahead: Bytes,
}

/// A request that got no answer.
pub(super) struct Failed {
    pub(super) error: UpstreamError,
    /// The request itself, when not a byte of it was written.
    pub(super) unsent: Option<Box<Request<RequestBody>>>,
}

impl From<UpstreamError> for Failed {
    fn from(error: UpstreamError) -> Self {
        Self { error, unsent: None }
    }
}

impl Conn {
    pub(super) async fn handshake(
        stream: UpstreamStream,
        absolute: bool,
        scheme: Scheme,
        limits: UpstreamLimits,
    ) -> Result<Box<Self>, UpstreamError> {
        let (sender, driver) = http1::Builder::new()
            .preserve_header_case(true)
            .title_case_headers(true)
            .max_buf_size(MAX_RESPONSE_HEAD)
            .max_headers(MAX_RESPONSE_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| UpstreamError::http(&e))?;
        let timer = Box::pin(tokio::time::sleep(limits.response_header));
        Ok(Box::new(Self { sender, driver, finished: None, absolute: absolute.then_some(scheme), timer }))
    }

    /// Moves the connection on as far as it goes.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.finished.is_none()
            && let Poll::Ready(result) = self.driver.poll_without_shutdown(cx)
        {
            self.finished = Some(result.map_err(|e| UpstreamError::http(&e)));
        }
    }

    /// Looks whether the origin has closed it meanwhile.
    pub(super) fn is_open(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.finished.is_none() && self.sender.is_ready()
    }

    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<RequestBody>,
        limits: UpstreamLimits,
        upload: &Arc<Upload>,
    ) -> Result<(Response<Incoming>, Box<Self>), Failed> {
        let request = in_form(request, self.absolute);
        let response = self.round_trip(request, limits, upload).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::Http("101 without having been asked to switch".to_owned()).into());
        }
        Ok((response, self))
    }

    pub(super) async fn switch(
        mut self: Box<Self>,
        request: Request<RequestBody>,
        limits: UpstreamLimits,
        upload: &Arc<Upload>,
    ) -> Result<(Response<UpstreamBody>, Option<Switched>), UpstreamError> {
        let request = in_form(request, self.absolute);
        let response = self.round_trip(request, limits, upload).await.map_err(|failed| failed.error)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Closed at the end of the body: the origin may think that it has switched.
            return Ok((
                response.map(|body| UpstreamBody::new(body, Some(Lease::single(self)), limits)),
                None,
            ));
        }
        poll_fn(|cx| {
            self.drive(cx);
            if self.finished.is_some() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let (head, body) = response.into_parts();
        let parts = self.driver.into_parts();
        let switched = Switched { stream: parts.io.into_inner(), ahead: parts.read_buf };
        Ok((Response::from_parts(head, UpstreamBody::new(body, None, limits)), Some(switched)))
    }

    async fn round_trip(
        &mut self,
        request: Request<RequestBody>,
        limits: UpstreamLimits,
        upload: &Arc<Upload>,
    ) -> Result<Response<Incoming>, Failed> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let mut due = Instant::now() + limits.response_header;
        let (driver, finished, timer) = (&mut self.driver, &mut self.finished, &mut self.timer);
        poll_fn(|cx| {
            if finished.is_none()
                && let Poll::Ready(result) = driver.poll_without_shutdown(cx)
            {
                *finished = Some(result.map_err(|e| UpstreamError::http(&e)));
            }
            if let Poll::Ready(result) = answer.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(|mut failed| Failed {
                    unsent: failed.take_message().map(Box::new),
                    error: match finished.take() {
                        Some(Err(error)) => error,
                        _ => UpstreamError::http(failed.error()),
                    },
                }));
            }
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                if now >= due {
                    if upload.done.load(Ordering::Acquire) {
                        return Poll::Ready(Err(UpstreamError::HeaderTimeout.into()));
                    }
                    // Still uploading: the limit counts from the end of the request.
                    due = now + limits.response_header;
                }
                timer.as_mut().reset(due);
            }
            Poll::Pending
        })
        .await
    }
}

/// The target in origin form, as origins want it, or in absolute form for a proxy. `Host` holds the authority.
fn in_form(mut request: Request<RequestBody>, absolute: Option<Scheme>) -> Request<RequestBody> {
    let path = request.uri().path_and_query().cloned();
    let path = path.filter(|p| !p.as_str().is_empty()).unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = match absolute.and_then(|scheme| full_uri(scheme, &request, path.clone())) {
        Some(uri) => uri,
        None if request.method() == Method::OPTIONS && path.as_str() == "*" => Uri::from_static("*"),
        None => Uri::from(path),
    };
    *request.version_mut() = http::Version::HTTP_11;
    request
}

/// The absolute target of a request, by its `Host`.
pub(super) fn full_uri<B>(scheme: Scheme, request: &Request<B>, path: PathAndQuery) -> Option<Uri> {
    let authority = Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok()?;
    let scheme = match scheme {
        Scheme::Http => http::uri::Scheme::HTTP,
        Scheme::Https => http::uri::Scheme::HTTPS,
    };
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}

/// A connection in use by the body of its answer.
pub(super) struct Lease {
    conn: Box<Conn>,
    home: Option<(Pool, Destination)>,
}

impl Lease {
    pub(super) fn new(conn: Box<Conn>, pool: Pool, to: Destination) -> Self {
        Self { conn, home: Some((pool, to)) }
    }

    /// For a connection that serves one request only.
    pub(super) fn single(conn: Box<Conn>) -> Self {
        Self { conn, home: None }
    }

    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        self.conn.drive(cx);
    }

    /// Returns the connection to the pool if it can take another request.
    pub(super) fn give_back(mut self) {
        let Some((pool, to)) = self.home.take() else { return };
        if self.conn.is_open() {
            pool.put(&to, self.conn);
        }
    }
}
