//! Stand-ins for the providers of the sample tools, which speak as the providers document it: where the credential has to
//! be and in what form, what a request has to have, and how a failure looks. Each answer repeats the credential that it was
//! asked with under `echo`, as no honest provider does.
//!
//! They listen on one port of this machine and take `CONNECT` for it, so that a proxy that is told to go through another
//! proxy finds them under their real names.

mod forms;
mod github;
mod linear;
mod parallel;
mod slack;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::pki::Pki;

/// Their names.
pub const NAMES: [&str; 4] = ["api.github.com", "api.linear.app", "slack.com", "api.parallel.ai"];

/// The credentials that they accept.
#[derive(Debug, Clone, Default)]
pub struct Accepted {
    /// Of GitHub: a token.
    pub github: String,
    /// Of Linear: a personal key.
    pub linear: String,
    /// Of Slack: a bot's token.
    pub slack_bot: String,
    /// Of Slack: a user's token, without which nothing is searched.
    pub slack_user: String,
    /// Of Parallel: a key.
    pub parallel: String,
}

/// All of them, running. They stop with the runtime.
pub struct Providers {
    address: SocketAddr,
    ca: Pki,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name of the provider.
    pub host: String,
    /// Method and target.
    pub line: String,
    /// The field `Authorization`.
    pub authorization: String,
    /// The whole content.
    pub body: Vec<u8>,
}

/// What a provider answers.
pub(crate) struct Said {
    status: u16,
    body: Value,
}

impl Said {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }
}

impl Providers {
    /// Starts them.
    pub async fn start(accepted: Accepted) -> Self {
        let ca = Pki::new("providers");
        let tls = TlsAcceptor::from(ca.server(&NAMES, &["h2", "http/1.1"]));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let address = listener.local_addr().expect("address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, accepted) = (asked.clone(), Arc::new(accepted));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, log, accepted) = (tls.clone(), log.clone(), accepted.clone());
                tokio::spawn(async move {
                    // Who goes away in the middle has nothing to be told.
                    let _ = serve(stream, tls, log, accepted).await;
                });
            }
        });
        Self { address, ca, asked }
    }

    /// As `proxy.upstream_proxy` names a proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The certificate that theirs come from.
    pub fn ca_pem(&self) -> &str {
        self.ca.cert_pem()
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("lock").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    tls: TlsAcceptor,
    log: Arc<Mutex<Vec<Asked>>>,
    accepted: Arc<Accepted>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let names = NAMES.map(|name| format!("CONNECT {name}:443 HTTP/1.1\r\n"));
    if !names.iter().any(|line| head.starts_with(line.as_bytes())) {
        return stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let stream = tls.accept(stream).await?;
    let service = service_fn(move |request| {
        let (log, accepted) = (log.clone(), accepted.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(request, &log, &accepted).await) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    served.map_err(std::io::Error::other)
}

async fn answer(
    request: Request<Incoming>,
    log: &Mutex<Vec<Asked>>,
    accepted: &Accepted,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let authorization = field(&parts, "authorization").to_owned();
    let host = parts.uri.host().unwrap_or_else(|| field(&parts, "host")).to_owned();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let line = format!("{} {target}", parts.method);
    let mut said = match host.as_str() {
        "api.github.com" => github::answer(&parts, accepted),
        "api.linear.app" => linear::answer(&parts, &body, accepted),
        "slack.com" => slack::answer(&parts, &body, accepted),
        "api.parallel.ai" => parallel::answer(&parts, &body, accepted),
        _ => Said::new(421, Value::Null),
    };
    if let Value::Object(members) = &mut said.body {
        members.insert("echo".to_owned(), authorization.as_str().into());
    }
    log.lock().expect("lock").push(Asked { host, line, authorization, body });
    let response = Response::builder().status(said.status).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(said.body.to_string()))).expect("a response")
}

fn field<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The token of `Authorization: Bearer …`.
fn bearer(parts: &Parts) -> Option<&str> {
    field(parts, "authorization").strip_prefix("Bearer ")
}
