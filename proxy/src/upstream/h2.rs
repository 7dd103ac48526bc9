//! HTTP/2 connections, shared by exchanges.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use centaur_transform::headers::retain;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::h1::{Conn, full_uri};
use super::{Destination, UpstreamError, UpstreamLimits, UpstreamStream};
use crate::body::{RequestBody, Upload};

/// Streams on one connection before another is opened: one connection is one task, and a task has one core.
const STREAMS_PER_CONNECTION: usize = 32;
/// Connections per destination.
const MOST_CONNECTIONS: usize = 8;
/// Destinations whose protocol is remembered without a connection to them.
const MOST_LEARNED: usize = 1024;
/// How long a connection without streams may rest.
const IDLE_FOR: Duration = Duration::from_secs(45);
/// Flow-control windows in bytes: enough for a long fat network, small enough to bound memory.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// All groups.
#[derive(Default)]
pub(super) struct Shared(Mutex<HashMap<Destination, Arc<Group>>>);

/// The connections to one destination.
#[derive(Default)]
pub(super) struct Group {
    conns: Mutex<Vec<Entry>>,
    /// Held while a connection is made, so that a burst of requests makes one.
    pub(super) dialing: tokio::sync::Mutex<()>,
    h1_only: AtomicBool,
    required: AtomicBool,
}

struct Entry {
    sender: SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
    used: Instant,
}

/// What a destination offers.
pub(super) enum Offer {
    /// HTTP/2.
    Sender(Sender),
    /// HTTP/1 only, with the connection that showed it.
    H1Only(Option<Box<Conn>>),
}

/// A place on a connection.
pub(super) struct Sender {
    sender: SendRequest<RequestBody>,
    busy: Busy,
}

/// Counts a stream while it lives.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, Arc<Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn group(&self, to: &Destination) -> Arc<Group> {
        let mut groups = self.lock();
        if let Some(group) = groups.get(to) {
            return group.clone();
        }
        groups.entry(to.clone()).or_default().clone()
    }

    /// Whether this destination has shown that it speaks nothing else.
    pub(super) fn is_required(&self, to: &Destination) -> bool {
        self.lock().get(to).is_some_and(|group| group.required.load(Ordering::Relaxed))
    }

    pub(super) fn require(&self, to: &Destination) {
        self.group(to).required.store(true, Ordering::Relaxed);
    }

    pub(super) fn sweep(&self) {
        let mut groups = self.lock();
        let room = groups.len() < MOST_LEARNED;
        groups.retain(|_, group| {
            let mut conns = group.lock();
            conns.retain(|entry| {
                !entry.sender.is_closed()
                    && (entry.streams.load(Ordering::Relaxed) > 0 || entry.used.elapsed() < IDLE_FOR)
            });
            // A group that someone holds is about to be used; what it has learned of the origin is kept too.
            let learned = group.is_h1_only() || group.required.load(Ordering::Relaxed);
            !conns.is_empty() || Arc::strong_count(group) > 1 || (learned && room)
        });
    }
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_h1_only(&self) -> bool {
        self.h1_only.load(Ordering::Relaxed)
    }

    pub(super) fn set_h1_only(&self) {
        self.h1_only.store(true, Ordering::Relaxed);
    }

    /// The connection with the fewest streams, unless it is better to open one more.
    pub(super) fn least_busy(&self) -> Option<Sender> {
        let mut conns = self.lock();
        conns.retain(|entry| !entry.sender.is_closed());
        let full = conns.len() >= MOST_CONNECTIONS;
        let entry = conns.iter_mut().min_by_key(|entry| entry.streams.load(Ordering::Relaxed))?;
        if entry.streams.load(Ordering::Relaxed) >= STREAMS_PER_CONNECTION && !full {
            return None;
        }
        entry.streams.fetch_add(1, Ordering::Relaxed);
        entry.used = Instant::now();
        Some(Sender { sender: entry.sender.clone(), busy: Busy(entry.streams.clone()) })
    }

    pub(super) async fn add(&self, stream: UpstreamStream) -> Result<(), UpstreamError> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| UpstreamError::http(&e))?;
        tokio::spawn(async move {
            // Streams report the error of their connection themselves.
            let _ = connection.await;
        });
        self.lock().push(Entry { sender, streams: Arc::default(), used: Instant::now() });
        Ok(())
    }
}

impl Sender {
    pub(super) async fn send(
        mut self,
        to: &Destination,
        mut request: Request<RequestBody>,
        limits: UpstreamLimits,
        upload: &Arc<Upload>,
    ) -> Result<Response<(Incoming, Busy)>, UpstreamError> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if let Some(uri) = full_uri(to.scheme, &request, path) {
            *request.uri_mut() = uri;
        }
        retain(request.headers_mut(), |name| name != HOST);
        *request.version_mut() = http::Version::HTTP_2;
        self.sender.ready().await.map_err(|e| UpstreamError::http(&e))?;
        let mut answer = pin!(self.sender.send_request(request));
        loop {
            match tokio::time::timeout(limits.response_header, answer.as_mut()).await {
                Ok(Ok(response)) => return Ok(response.map(|body| (body, self.busy))),
                Ok(Err(error)) => return Err(UpstreamError::http(&error)),
                Err(_) if upload.done.load(Ordering::Acquire) => return Err(UpstreamError::HeaderTimeout),
                Err(_) => {}
            }
        }
    }
}
