//! The ports apart from traffic: health, readiness, metrics; and management with its key.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use centaur_base::Secret;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use crate::app::{App, Phase, ReloadError, Reloader, Trigger};
use crate::managed::Managed;

type Answer = Response<Full<Bytes>>;

/// How long a client of these ports may take to send a head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// `/healthz`, `/readyz`, `/metrics`.
pub async fn serve_metrics(app: Arc<App>, listener: TcpListener) -> Result<(), String> {
    let answering = app.clone();
    serve(app, listener, move |request| metrics(&answering, request)).await
}

/// `/v1/reload` and the two paths of managed mode.
pub async fn serve_management(
    app: Arc<App>,
    listener: TcpListener,
    key: String,
    reloader: Arc<Reloader>,
) -> Result<(), String> {
    let key = Arc::new(Secret::new(key));
    let managed = app.managed.clone();
    serve(app, listener, move |request| management(&key, &reloader, managed.as_deref(), request)).await
}

async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    answer: impl Fn(&Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
) -> Result<(), String> {
    // These ports answer until the very end, so that a supervisor sees the drain.
    let mut drain = app.drain.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = drain.wait_for(|phase| *phase == Phase::Stopping) => return Ok(()),
        };
        let Ok((tcp, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer.clone();
                // A reload reads files and builds here; traffic is on other threads.
                async move { Ok::<_, Infallible>(answer(&request)) }
            });
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(tcp), service)
                .await;
        });
    }
}

fn metrics(app: &App, request: &Request<Incoming>) -> Answer {
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "OK"),
        "/readyz" => match *app.drain.borrow() {
            Phase::Running if app.managed.as_ref().is_some_and(|managed| !managed.status.is_ready()) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "awaiting control-plane config")
            }
            Phase::Running => text(StatusCode::OK, "ready"),
            Phase::Draining | Phase::Stopping => text(StatusCode::SERVICE_UNAVAILABLE, "shutting down"),
        },
        "/metrics" => {
            let mut answer = text(StatusCode::OK, &app.metrics.render());
            let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        "//healthz" => {
            let mut answer = text(StatusCode::TEMPORARY_REDIRECT, "");
            answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/healthz"));
            answer
        }
        _ => text(StatusCode::NOT_FOUND, "404 page not found\n"),
    }
}

fn management(
    key: &Secret<String>,
    reloader: &Reloader,
    managed: Option<&Managed>,
    request: &Request<Incoming>,
) -> Answer {
    let wanted = match request.uri().path() {
        "/v1/reload" | "/v1/sync" => Method::POST,
        "/v1/status" => Method::GET,
        _ => return text(StatusCode::NOT_FOUND, "404 page not found\n"),
    };
    let given =
        request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if !given.is_some_and(|given| bool::from(given.ct_eq(key.expose().as_bytes()))) {
        return error(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    if *request.method() != wanted {
        let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        if let Ok(allow) = HeaderValue::try_from(wanted.as_str()) {
            answer.headers_mut().insert(ALLOW, allow);
        }
        return answer;
    }
    match (request.uri().path(), managed) {
        ("/v1/status", None) => error(StatusCode::NOT_FOUND, "status is unavailable in standalone mode"),
        ("/v1/sync", None) => error(StatusCode::NOT_FOUND, "sync is unavailable in standalone mode"),
        ("/v1/status", Some(managed)) => json(StatusCode::OK, format!("{}\n", managed.status.to_json())),
        ("/v1/sync", Some(managed)) => {
            managed.poke();
            json(StatusCode::ACCEPTED, "{\"status\":\"sync requested\"}\n".to_owned())
        }
        (_, Some(_)) => error(StatusCode::NOT_FOUND, "reload is unavailable in managed mode"),
        (_, None) => match reloader.reload(Trigger::Management) {
            Ok(()) => json(StatusCode::OK, "{\"status\":\"ok\"}\n".to_owned()),
            Err(ReloadError::NoFile) => error(StatusCode::NOT_FOUND, &ReloadError::NoFile.to_string()),
            Err(ReloadError::Invalid(problem)) => error(StatusCode::UNPROCESSABLE_ENTITY, &problem),
        },
    }
}

fn text(status: StatusCode, body: &str) -> Answer {
    answer(status, "text/plain; charset=utf-8", body.to_owned())
}

fn error(status: StatusCode, message: &str) -> Answer {
    let mut body = String::from("{");
    crate::json::member(&mut body, "error", message);
    body.push_str("}\n");
    json(status, body)
}

fn json(status: StatusCode, body: String) -> Answer {
    answer(status, "application/json", body)
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
