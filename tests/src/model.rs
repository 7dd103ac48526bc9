//! The APIs of model providers, as far as their own programs need them to answer one prompt.
//!
//! | Request | Answer |
//! |---|---|
//! | `POST /backend-api/codex/responses` | events of OpenAI's Responses API that say [`HELLO`] |
//! | `GET /backend-api/wham/accounts/check` | the one account there is, served here |
//! | `POST /v1/messages` | events of Anthropic's Messages API that say [`HELLO`] |
//! | `POST …/oauth/token` | 400 `invalid_grant`: what comes out of a sandbox is no refresh token |
//! | a WebSocket there | 426, or after [`Model::speaks_websocket`] the same events as messages, for each message |
//! | all else | 404 |

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What the model says to every prompt.
pub const HELLO: &str = "hello from the stand-in";

/// A running server for every name its certificate has. It stops with the runtime.
pub struct Model {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    account: String,
    calls: Mutex<Vec<Call>>,
    refusals: Mutex<u32>,
    websocket: AtomicBool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Host, without a port.
    pub host: String,
    /// Path.
    pub path: String,
    headers: HeaderMap,
}

impl Call {
    /// The values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
    }

    /// Whether a prompt is asked here.
    pub fn is_prompt(&self) -> bool {
        let paths = ["/backend-api/codex/responses", "/v1/messages"];
        self.method == Method::POST && paths.contains(&self.path.as_str())
    }
}

impl Model {
    /// Starts it; `account` is the one account there is.
    pub async fn start(config: Arc<ServerConfig>, account: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let shared = Arc::new(Shared {
            account: account.to_owned(),
            calls: Mutex::default(),
            refusals: Mutex::new(0),
            websocket: AtomicBool::new(false),
        });
        let (serving, tls) = (shared.clone(), TlsAcceptor::from(config));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (shared, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(tcp).await else { return };
                    let service = service_fn(|request| {
                        let shared = shared.clone();
                        async move { Ok::<_, std::convert::Infallible>(shared.answer(request).await) }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A program that ends while it still reports something.
                    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { addr, shared }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Answers the next `count` prompts with 401, as for a token that has expired.
    pub fn refuse(&self, count: u32) {
        *self.shared.refusals.lock().expect("lock") = count;
    }

    /// Takes prompts over WebSockets from now on.
    pub fn speaks_websocket(&self) {
        self.shared.websocket.store(true, Ordering::Relaxed);
    }

    /// The requests so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("lock").clone()
    }
}

impl Shared {
    async fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return text(StatusCode::BAD_REQUEST, &json!({})) };
        let host = parts.headers.get("host").and_then(|value| value.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let call = Call {
            method: parts.method.clone(),
            host: host.unwrap_or_default().split(':').next().unwrap_or_default().to_owned(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers.clone(),
        };
        self.calls.lock().expect("lock").push(call.clone());
        if let Some(key) = parts.headers.get("sec-websocket-key") {
            if !self.websocket.load(Ordering::Relaxed) {
                return text(StatusCode::UPGRADE_REQUIRED, &json!({}));
            }
            tokio::spawn(converse(upgrade));
            return switched(&derive_accept_key(key.as_bytes()));
        }
        if call.is_prompt() && self.refuses() {
            let error = json!({"type": "authentication_error", "message": "the token has expired"});
            return text(StatusCode::UNAUTHORIZED, &json!({"type": "error", "error": error}));
        }
        match call.path.as_str() {
            "/backend-api/codex/responses" => events(&responses()),
            "/v1/messages" => {
                let asked: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
                events(&messages(&asked["model"]))
            }
            "/backend-api/wham/accounts/check" => text(StatusCode::OK, &self.accounts()),
            path if path.ends_with("/oauth/token") => {
                text(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}))
            }
            _ => text(StatusCode::NOT_FOUND, &json!({"error": {"type": "not_found_error", "message": "no"}})),
        }
    }

    fn refuses(&self) -> bool {
        let mut left = self.refusals.lock().expect("lock");
        let refuses = *left > 0;
        *left = left.saturating_sub(1);
        refuses
    }

    fn accounts(&self) -> Value {
        let account = json!({
            "id": self.account, "name": "stand-in", "structure": "personal", "plan_type": "pro",
            "is_deactivated": false, "workspace_backend_origin": "https://chatgpt.com",
            "account_routing_override": "NO_CONSTRAINT",
        });
        json!({"accounts": [account], "account_ordering": [self.account], "default_account_id": self.account})
    }
}

/// The events for every message.
async fn converse(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        for event in responses().iter().filter(|_| message.is_text()) {
            if socket.send(Message::text(event.to_string())).await.is_err() {
                return;
            }
        }
    }
}

fn switched(accept: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept)
        .body(Full::default())
        .expect("response")
}

fn text(status: StatusCode, content: &Value) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(content.to_string().into())).expect("response")
}

fn events(events: &[Value]) -> Response<Full<Bytes>> {
    let mut content = String::new();
    for event in events {
        let kind = event["type"].as_str().expect("a type");
        let _ = write!(content, "event: {kind}\ndata: {event}\n\n");
    }
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Full::new(content.into())).expect("response")
}

fn responses() -> Vec<Value> {
    let item = json!({
        "type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
        "content": [{"type": "output_text", "text": HELLO, "annotations": []}],
    });
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
    });
    vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {
            "id": "resp_1", "status": "completed", "output": [item], "usage": usage,
        }}),
    ]
}

fn messages(model: &Value) -> Vec<Value> {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": HELLO}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
               "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ]
}
