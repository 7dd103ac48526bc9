//! A control plane that does what a test says and is strict about what it is asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::client::Io;
use crate::wait::within;

/// The token that it takes.
pub const TOKEN: &str = "iprx_fake0000000000000000000000000000000000000000000000000000000000";

/// Header fields that a sync may have; any other is an error.
const FIELDS: [&str; 9] = [
    "accept",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "prefer",
    "user-agent",
    "x-config-generation",
    "x-config-rejected",
];

/// A control plane on loopback.
pub struct Console {
    addr: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

/// One sync, as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `config_hash` of the body.
    pub hash: String,
    /// `X-Config-Generation`
    pub generation: u64,
    /// `X-Config-Rejected`
    pub rejected: Option<String>,
    /// Seconds of `Prefer: wait=…`
    pub wait: Option<u64>,
    /// The bearer token.
    pub token: String,
    /// When it arrived.
    pub at: Instant,
}

struct Shared {
    mode: watch::Sender<Mode>,
    asked: watch::Sender<Vec<Asked>>,
    problems: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct Mode {
    config: Value,
    waits: bool,
    max_age: Option<u64>,
    refusal: Option<(u16, String)>,
}

impl Console {
    /// Starts one that answers 503 until [`Self::set`].
    pub async fn start() -> Self {
        Self::listen(None).await
    }

    /// The same over TLS.
    pub async fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self::listen(Some(TlsAcceptor::from(config))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let mode = Mode {
            config: Value::Null,
            waits: false,
            max_age: None,
            refusal: Some((503, "not yet".to_owned())),
        };
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(mode),
            asked: watch::Sender::new(Vec::new()),
            problems: Mutex::default(),
        });
        let serving = shared.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (shared, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    let io: Box<dyn Io> = match tls {
                        None => Box::new(tcp),
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    let service = service_fn(|request| {
                        let shared = shared.clone();
                        async move { Ok::<_, std::convert::Infallible>(shared.answer(request).await) }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(io), service).await;
                });
            }
        });
        Self { addr, scheme, shared }
    }

    /// What goes into `IRON_CONTROL_PLANE_URL`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// Answers with this from now on; `config` has a `config_hash`.
    pub fn set(&self, config: Value) {
        self.shared.mode.send_modify(|mode| {
            mode.config = config;
            mode.refusal = None;
        });
    }

    /// Answers with a status other than 200 from now on.
    pub fn refuse(&self, status: u16, body: &str) {
        self.shared.mode.send_modify(|mode| mode.refusal = Some((status, body.to_owned())));
    }

    /// Whether it waits for changes when asked to. Consoles of old do not.
    pub fn waits(&self, waits: bool) {
        self.shared.mode.send_modify(|mode| mode.waits = waits);
    }

    /// The `X-Config-Max-Age` of its answers.
    pub fn max_age(&self, seconds: u64) {
        self.shared.mode.send_modify(|mode| mode.max_age = Some(seconds));
    }

    /// Every sync so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.borrow().clone()
    }

    /// Waits until the syncs so far satisfy `enough`, and gives them.
    pub async fn until(&self, what: &str, enough: impl Fn(&[Asked]) -> bool) -> Vec<Asked> {
        let mut asked = self.shared.asked.subscribe();
        within(what, asked.wait_for(|asked| enough(asked))).await.expect("the console runs").clone()
    }

    /// Fails the test if any sync was not as it has to be.
    #[track_caller]
    pub fn check(&self) {
        let problems = self.shared.problems.lock().expect("lock");
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let asked = match read(request).await {
            Ok(asked) => asked,
            Err(problem) => {
                self.problems.lock().expect("lock").push(problem.clone());
                return response(400, &Mode::refusing(problem), "");
            }
        };
        let (hash, wait) = (asked.hash.clone(), asked.wait);
        // Before the sync is seen, so that what a test changes when it sees it is a change.
        let mut mode = self.mode.subscribe();
        let mut now = mode.borrow_and_update().clone();
        self.asked.send_modify(|all| all.push(asked));
        let unchanged = |mode: &Mode| mode.refusal.is_none() && mode.config["config_hash"] == hash.as_str();
        if let Some(seconds) = wait.filter(|_| now.waits) {
            let change = mode.wait_for(|mode| !unchanged(mode));
            if let Ok(Ok(changed)) = tokio::time::timeout(Duration::from_secs(seconds), change).await {
                now = changed.clone();
            }
        }
        match &now.refusal {
            Some((status, body)) => response(*status, &now, body),
            None if unchanged(&now) => response(200, &now, &json!({"config_hash": hash}).to_string()),
            None => response(200, &now, &now.config.to_string()),
        }
    }
}

impl Mode {
    fn refusing(body: String) -> Self {
        Self { config: Value::Null, waits: false, max_age: None, refusal: Some((400, body)) }
    }
}

fn response(status: u16, mode: &Mode, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    if mode.waits && status == 200 {
        response = response.header("preference-applied", "wait");
    }
    if let Some(seconds) = mode.max_age {
        response = response.header("x-config-max-age", seconds);
    }
    response.body(Full::new(Bytes::from(body.to_owned()))).expect("response")
}

async fn read(request: Request<Incoming>) -> Result<Asked, String> {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let line = format!("{} {target}", parts.method);
    if line != "POST /api/v1/proxy/sync" {
        return Err(line);
    }
    if let Some(name) = parts.headers.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("field {name}"));
    }
    let field = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if field("content-type") != Some("application/json") {
        return Err(format!("content-type {:?}", field("content-type")));
    }
    let token = field("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or("authorization")?.to_owned();
    let generation = field("x-config-generation").and_then(|text| text.parse().ok()).ok_or("generation")?;
    let wait = field("prefer").map(|text| {
        text.strip_prefix("wait=").and_then(|text| text.parse().ok()).ok_or(format!("prefer {text}"))
    });
    let rejected = field("x-config-rejected").map(str::to_owned);
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let members = body.as_object().ok_or("no object")?;
    let hash = members.get("config_hash").and_then(Value::as_str).filter(|_| members.len() == 1);
    let hash = hash.ok_or(format!("body {body}"))?.to_owned();
    Ok(Asked { hash, generation, rejected, wait: wait.transpose()?, token, at })
}
