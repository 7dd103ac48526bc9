//! What each path answers.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};

use super::body::{Body, compress, full};
use super::{Seen, State, files, ws};
use crate::leak::percent;

pub(super) async fn answer(
    request: Request<Incoming>,
    tls: bool,
    sni: Option<String>,
    state: Arc<State>,
) -> Response<Body> {
    if request.uri().path() == "/ws" {
        record(&request, tls, sni, Vec::new(), &HeaderMap::new(), &state);
        return ws::answer(request);
    }
    let (parts, body) = request.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            (collected.to_bytes(), trailers)
        }
        // A sender that broke off: nothing was asked.
        Err(_) => return status(StatusCode::BAD_REQUEST, "broken content"),
    };
    let request = Request::from_parts(parts, ());
    record(&request, tls, sni, body.to_vec(), &trailers, &state);

    let path = request.uri().path().to_owned();
    let authorization =
        request.headers().get("authorization").map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["headers"] => text(listing(request.headers())),
        ["body"] => echo(&request, body),
        ["target"] => text(request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()),
        ["echo", form, coding] => coded(form, coding, &authorization),
        ["reflect"] => reflect(&authorization),
        ["status", code] => status(code.parse().unwrap_or(StatusCode::BAD_REQUEST), "as asked\n"),
        ["sse"] => events("text/event-stream", "data: ", "\n\n", state),
        ["ndjson"] => events("application/x-ndjson", "", "\n", state),
        ["trailers"] => with_trailers("text/plain", Bytes::from_static(b"content"), &[("x-after", "yes")]),
        ["grpc"] | ["test.Echo", "Say"] => {
            with_trailers("application/grpc", body, &[("grpc-status", "0"), ("grpc-message", "")])
        }
        ["wait"] => {
            state.gate.acquire().await.expect("never closed").forget();
            text("ok")
        }
        ["files", ..] => {
            let root = state.shared.lock().expect("lock").clone();
            files::answer(root.as_deref(), &path["/files/".len()..], &authorization)
        }
        ["hop"] => hop(request.version()),
        _ => text("ok"),
    }
}

fn record<B>(
    request: &Request<B>,
    tls: bool,
    sni: Option<String>,
    body: Vec<u8>,
    trailers: &HeaderMap,
    state: &State,
) {
    let authority = request
        .headers()
        .get("host")
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .or_else(|| request.uri().authority().map(ToString::to_string))
        .unwrap_or_default();
    state.seen.lock().expect("lock").push(Seen {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        authority,
        version: format!("{:?}", request.version()),
        tls,
        sni,
        headers: pairs(request.headers()),
        body,
        trailers: pairs(trailers),
    });
}

fn pairs(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

fn listing(map: &HeaderMap) -> String {
    pairs(map).into_iter().map(|(name, value)| [&name, ": ", &value, "\n"].concat()).collect()
}

fn text(content: impl Into<Bytes>) -> Response<Body> {
    Response::builder().header("content-type", "text/plain").body(full(content)).expect("response")
}

fn status(code: StatusCode, content: &'static str) -> Response<Body> {
    let content = if matches!(code.as_u16(), 204 | 304) { "" } else { content };
    Response::builder().status(code).body(full(content)).expect("response")
}

fn echo(request: &Request<()>, body: Bytes) -> Response<Body> {
    let mut reply = Response::builder();
    for name in ["content-type", "content-encoding"] {
        if let Some(value) = request.headers().get(name) {
            reply = reply.header(name, value);
        }
    }
    reply.body(full(body)).expect("response")
}

fn coded(form: &str, coding: &str, value: &[u8]) -> Response<Body> {
    let value = String::from_utf8_lossy(value).into_owned();
    let spelled = match form {
        "base64" => base64::engine::general_purpose::STANDARD.encode(bare(&value)),
        "percent" => percent(bare(&value), false),
        "json" => serde_json::to_string(&value).expect("a string serialises"),
        _ => value,
    };
    let content = format!("before {spelled} after\n");
    let mut reply = Response::builder().header("content-type", "text/plain");
    if coding != "identity" {
        reply = reply.header("content-encoding", coding);
    }
    reply.body(full(compress(coding, content.as_bytes()))).expect("response")
}

/// The credential without its scheme, so that its base64 form starts at the value.
fn bare(value: &str) -> &str {
    value.strip_prefix("Bearer ").unwrap_or(value)
}

fn reflect(value: &[u8]) -> Response<Body> {
    let value = String::from_utf8_lossy(value).into_owned();
    let mut reply = with_trailers("text/plain", Bytes::from(value.clone()), &[("x-echo-trailer", &value)]);
    if let Ok(field) = value.parse() {
        reply.headers_mut().insert("x-echo", field);
    }
    reply
}

fn with_trailers(kind: &'static str, content: Bytes, trailers: &[(&'static str, &str)]) -> Response<Body> {
    let names = trailers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let map: HeaderMap = trailers
        .iter()
        .map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value")))
        .collect();
    let frames = vec![Ok(Frame::data(content)), Ok(Frame::trailers(map))];
    Response::builder()
        .header("content-type", kind)
        .header("trailer", names)
        .body(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames))))
        .expect("response")
}

fn events(
    kind: &'static str,
    before: &'static str,
    after: &'static str,
    state: Arc<State>,
) -> Response<Body> {
    let stream = futures_util::stream::iter(1..=3).then(move |number| {
        let state = state.clone();
        async move {
            if number > 1 {
                state.gate.acquire().await.expect("never closed").forget();
            }
            Ok(Frame::data(Bytes::from(format!("{before}event {number}{after}"))))
        }
    });
    let stream: futures_util::stream::BoxStream<'static, _> = Box::pin(stream);
    Response::builder()
        .header("content-type", kind)
        .body(BodyExt::boxed(StreamBody::new(SyncStream(std::sync::Mutex::new(stream)))))
        .expect("response")
}

/// A boxed body must be `Sync`; the stream is polled by one task only, so the lock is never waited for.
struct SyncStream<T>(std::sync::Mutex<futures_util::stream::BoxStream<'static, T>>);

impl<T> futures_util::Stream for SyncStream<T> {
    type Item = T;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        self.0.lock().expect("lock").as_mut().poll_next(cx)
    }
}

fn hop(version: Version) -> Response<Body> {
    let mut reply = Response::builder().header("alt-svc", "h3=\":443\"").header("x-kept", "yes");
    if version < Version::HTTP_2 {
        reply = reply
            .header("connection", "x-private")
            .header("x-private", "between two hops")
            .header("keep-alive", "timeout=5")
            .header("proxy-authenticate", "Basic realm=\"origin\"");
    }
    reply.body(full("ok")).expect("response")
}
