//! The listener.

use std::io;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::{App, log};
use crate::api::{self, Peer};

/// A client that sends its head slower is cut off.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long exchanges may go on after the console was told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// After a failure to accept, usually for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Done when the process gets SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

pub(super) async fn run(app: &App, listener: TcpListener, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(Some(HEAD_WITHIN)).max_concurrent_streams(64);
    let router = api::router(app.clone());
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                log("error", "cannot accept", &[("error", &error.to_string())]);
                sleep(PAUSE).await;
                continue;
            }
        };
        // Answers are small and complete; waiting to fill a segment only adds delay.
        let _ = stream.set_nodelay(true);
        let inner = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            if let Some(tidy) = api::tidied(request.uri()) {
                *request.uri_mut() = tidy;
            }
            inner.call(request)
        });
        let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        // A client that breaks off is no event.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    app.stop();
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        log("warn", "stopped with exchanges under way", &[]);
    }
}
