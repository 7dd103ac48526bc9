//! An honest HTTP origin, HTTP/1.1 and HTTP/2, cleartext and TLS, that remembers what it saw.
//!
//! | Path | Answer |
//! |---|---|
//! | `/ok` | `ok` |
//! | `/headers` | the request's fields, one a line |
//! | `/body` | the request's content |
//! | `/target` | the request target |
//! | `/echo/FORM/CODING` | field `authorization` in a form (`raw`, `base64`, `percent`, `json`) under a content coding |
//! | `/reflect` | field `authorization` in a field, in the content and in a trailer |
//! | `/status/NNN` | that status |
//! | `/sse`, `/ndjson` | one event, then one per [`Origin::release`], three in all |
//! | `/trailers` | content, then the trailer `x-after: yes` |
//! | `/grpc` | a gRPC-like reply: content echoed, `grpc-status: 0` in the trailers |
//! | `/ws` | a WebSocket that echoes; with `x-refuse: 1` a 403 instead |
//! | `/wait` | `ok` after one [`Origin::release`] |
//! | `/files/…` | a file of [`Origin::share`], for requests that carry the real value as Bearer, Basic or bare token |
//! | `/hop` | hop-by-hop fields and `Alt-Svc` that must not reach a client |

mod body;
mod endpoints;
mod files;
mod ws;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

pub use body::{Body, compress, decompress};

use crate::client::Io;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Request target as the origin's HTTP library gives it: path and query.
    pub target: String,
    /// `Host` or `:authority`.
    pub authority: String,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub version: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// SNI of the connection.
    pub sni: Option<String>,
    /// Fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Content.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    /// The first field called `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Everything in one text, to search.
    pub fn everything(&self) -> String {
        let mut text = format!("{} {} {}\n", self.method, self.target, self.authority);
        // Not `Debug`, which would escape quotes and so hide a value that has one.
        for (name, value) in self.headers.iter().chain(&self.trailers) {
            text.push_str(&[name, ": ", value, "\n"].concat());
        }
        text.push_str(&String::from_utf8_lossy(&self.body));
        text
    }
}

/// A running origin. It stops with the runtime.
#[derive(Clone)]
pub struct Origin {
    plain: SocketAddr,
    tls: SocketAddr,
    state: Arc<State>,
}

pub(crate) struct State {
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) gate: Semaphore,
    connections: Mutex<usize>,
    shared: Mutex<Option<std::path::PathBuf>>,
}

impl Origin {
    /// Starts both listeners; TLS is offered with `config`.
    pub async fn start(config: Arc<ServerConfig>) -> Self {
        Self::start_at(config, (Ipv4Addr::LOCALHOST, 0).into(), (Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// The same on given addresses (for the ports 80 and 443 of a private network namespace).
    pub async fn start_at(config: Arc<ServerConfig>, plain: SocketAddr, tls: SocketAddr) -> Self {
        let state = Arc::new(State {
            seen: Mutex::new(Vec::new()),
            gate: Semaphore::new(0),
            connections: Mutex::new(0),
            shared: Mutex::new(None),
        });
        let plain = listen(plain, None, state.clone()).await;
        let tls = listen(tls, Some(TlsAcceptor::from(config)), state.clone()).await;
        Self { plain, tls, state }
    }

    /// Port of the cleartext listener.
    pub fn plain_port(&self) -> u16 {
        self.plain.port()
    }

    /// Port of the TLS listener.
    pub fn tls_port(&self) -> u16 {
        self.tls.port()
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("lock").clone()
    }

    /// The one request so far.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "the origin saw {seen:#?}");
        seen.into_iter().next().expect("one")
    }

    /// The newest request.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the origin saw no request")
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        *self.state.connections.lock().expect("lock")
    }

    /// Serves the files of `dir` under `/files/` to whoever shows [`crate::world::REAL`].
    pub fn share(&self, dir: &std::path::Path) {
        *self.state.shared.lock().expect("lock") = Some(dir.to_owned());
    }

    /// Lets one waiting stream go on by one event.
    pub fn release(&self) {
        self.state.gate.add_permits(1);
    }
}

async fn listen(addr: SocketAddr, tls: Option<TlsAcceptor>, state: Arc<State>) -> SocketAddr {
    let listener = TcpListener::bind(addr).await.expect("bind");
    let addr = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *state.connections.lock().expect("lock") += 1;
            let _ = stream.set_nodelay(true);
            let (tls, state) = (tls.clone(), state.clone());
            tokio::spawn(async move {
                let Some(tls) = tls else { return serve(Box::new(stream), false, None, state).await };
                if let Ok(stream) = tls.accept(stream).await {
                    let sni = stream.get_ref().1.server_name().map(str::to_owned);
                    serve(Box::new(stream), true, sni, state).await;
                }
            });
        }
    });
    addr
}

async fn serve(io: Box<dyn Io>, tls: bool, sni: Option<String>, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, sni) = (state.clone(), sni.clone());
        async move {
            Ok::<Response<Body>, std::convert::Infallible>(endpoints::answer(request, tls, sni, state).await)
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().enable_connect_protocol();
    // A client that goes away in the middle is what several tests are about.
    let _ = server.serve_connection_with_upgrades(TokioIo::new(io), service).await;
}
