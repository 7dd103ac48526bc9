//! A listener: HTTP/1.1, small answers, limits on time and number.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::{Api, Asking};
use crate::log::{Level, log};

/// A client that sends its head slower is cut off.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// Connections at a time; more wait.
const CONNECTIONS: usize = 8192;
/// How long exchanges may go on after the end was told.
const GRACE: Duration = Duration::from_secs(5);
/// After a failure to accept, usually for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// True when the listener is to end.
pub type Stop = watch::Receiver<bool>;

/// An address that is bound.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `host:port`, or `:port` for every address.
    ///
    /// # Errors
    /// When the address is not free, not ours, or none.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let inner = match address.strip_prefix(':') {
            // Where there is no IPv6, the other.
            Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
                Ok(inner) => inner,
                Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await?,
            },
            None => TcpListener::bind(address).await?,
        };
        let address = inner.local_addr()?;
        Ok(Self { inner, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until told to stop; then lets what is under way end, for five seconds at most.
    pub async fn serve(self, api: Api, mut stop: Stop) {
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(16 * 1024);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = async {
                    let place = places.clone().acquire_owned().await;
                    (self.inner.accept().await, place)
                } => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, place) = match accepted {
                (Ok((stream, _)), place) => (stream, place),
                (Err(error), _) => {
                    log(Level::Error, "cannot accept", [("error", error.to_string().into())]);
                    sleep(PAUSE).await;
                    continue;
                }
            };
            // Answers are small and complete; waiting to fill a segment only adds delay.
            let _ = stream.set_nodelay(true);
            let api = api.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let api = api.clone();
                async move { Ok::<_, Infallible>(answer(&api, &request).await.into_response()) }
            });
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                // A client that breaks off is no event.
                let _ = connection.await;
                drop(place);
            });
        }
        drop(self.inner);
        let _ = timeout(GRACE, graceful.shutdown()).await;
    }
}

async fn answer(api: &Api, request: &Request<Incoming>) -> super::Answer {
    let mut shown = request.headers().get_all(AUTHORIZATION).iter();
    // Of two, nobody knows which is meant.
    let authorization = shown.next().filter(|_| shown.next().is_none()).map(HeaderValue::as_bytes);
    let asking = Asking { method: request.method(), path: request.uri().path(), authorization };
    api.answer(asking).await
}
