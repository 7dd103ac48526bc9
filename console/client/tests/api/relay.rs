//! Stands between a client and a real console: writes down each call, and loses or replaces answers when it is told to.
//! Also used by the tests of `centaur-perms`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// A call that came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `PUT /api/v1/roles/tools`
    pub(crate) line: String,
    pub(crate) body: String,
    pub(crate) if_match: Option<String>,
    /// `None` when no answer was given.
    pub(crate) status: Option<u16>,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It does not reach the console; this is the answer: status, a header, body.
    Answer(u16, Option<(&'static str, &'static str)>, String),
    /// It does not reach the console, and the connection breaks.
    Lost,
    /// The console does it, and the connection breaks before the answer.
    AnswerLost,
    /// It reaches the console after so long.
    Late(Duration),
}

/// A plain answer.
pub(crate) fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer(status, None, body.to_owned())
}

struct Rule {
    begins: String,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    rules: Vec<Rule>,
}

/// It stops with the runtime of the test.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Relay {
    pub(crate) async fn start(console: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let relay = Self { address, state: Arc::default() };
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(HttpConnector::new());
        let served = relay.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (relay, client) = (served.clone(), client.clone());
                let service = service_fn(move |request| {
                    let (relay, client) = (relay.clone(), client.clone());
                    async move { relay.pass(console, &client, request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        relay
    }

    /// The next calls whose line begins like this fail, so many times.
    pub(crate) fn fail(&self, begins: &str, times: usize, fault: Fault) {
        let rule = Rule { begins: begins.to_owned(), times, fault };
        self.state.lock().expect("no panic").rules.push(rule);
    }

    /// How many calls are still to fail: one that has arrived is not among them.
    pub(crate) fn pending(&self) -> usize {
        self.state.lock().expect("no panic").rules.iter().map(|rule| rule.times).sum()
    }

    /// Forgets the calls and the faults.
    pub(crate) fn reset(&self) {
        *self.state.lock().expect("no panic") = State::default();
    }

    /// The calls since the start or the last [`Relay::reset`].
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().expect("no panic").seen.clone()
    }

    /// Their lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    fn fault(&self, line: &str) -> Option<Fault> {
        let mut state = self.state.lock().expect("no panic");
        let rule = state.rules.iter_mut().find(|rule| rule.times > 0 && line.starts_with(&rule.begins))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    async fn pass(
        &self,
        console: SocketAddr,
        client: &Client<HttpConnector, Full<Bytes>>,
        request: Request<Incoming>,
    ) -> io::Result<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let line = format!("{} {path}", head.method);
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let if_match = head.headers.get("if-match").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let note = |status: Option<u16>| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let seen = Seen { line: line.clone(), body, if_match: if_match.clone(), status };
            self.state.lock().expect("no panic").seen.push(seen);
        };
        let fault = self.fault(&line);
        match &fault {
            Some(Fault::Answer(status, header, text)) => {
                note(Some(*status));
                let mut response = Response::builder().status(*status);
                if let Some((name, value)) = header {
                    response = response.header(*name, *value);
                }
                return response.body(Full::new(Bytes::from(text.clone()))).map_err(io::Error::other);
            }
            Some(Fault::Lost) => {
                note(None);
                return Err(io::Error::other("lost"));
            }
            Some(Fault::Late(after)) => tokio::time::sleep(*after).await,
            Some(Fault::AnswerLost) | None => {}
        }
        head.uri = format!("http://{console}{path}").parse().map_err(io::Error::other)?;
        head.headers.remove("host");
        let response = client.request(Request::from_parts(head, Full::new(body.clone()))).await;
        let (head, body) = response.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if matches!(fault, Some(Fault::AnswerLost)) {
            note(None);
            return Err(io::Error::other("lost"));
        }
        note(Some(head.status.as_u16()));
        Ok::<_, Infallible>(Response::from_parts(head, Full::new(body))).map_err(|never| match never {})
    }
}
