//! One request, start to finish. Read this file first.
//!
//! Open the record, know the client, agree on the destination, ask the pipeline for a permit, send, scrub, answer.
//! Every way out goes through [`respond`] or ends in a body that closes the record.

mod closing;
mod watch;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use centaur_policies::path::{PathError, decode_path};
use centaur_policies::pattern::Scheme;
use http::header::{CONTENT_TYPE, DATE, EXPECT, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::audit::Record;
use crate::body::{ClientBody, Hold, RequestBody, ResponseBody, Upload};
use crate::conn::{Conn, StreamGuard, Switch};
use crate::gate::{Gate, Gone};
use crate::hop;
use crate::interim;
use crate::limits::InFlight;
use crate::managed::live::Ticket;
use crate::metrics::Counted;
use crate::pipeline::{Answer, Decision, Passage, Permit};
use crate::refusal::Refusal;
use crate::respell;
use crate::respond;
use crate::stream::ClientStream;
use crate::target::RequestTarget;
use crate::upstream::{Prefer, UpstreamBody, UpstreamError};
use crate::websocket;
pub use closing::Closing;
use watch::{unless_gone, unless_revoked};

/// The gate of an HTTP/1 client.
pub type ClientGate = Gate<ClientStream>;

/// How long the upstream may take to ask for a body that waits for `100 Continue` (RFC 9110 section 10.1.1).
const CONTINUE_WITHIN: Duration = Duration::from_secs(1);
/// A refused request's body is read up to this many bytes so that the connection can go on.
const DRAIN: u64 = 256 * 1024;

/// Serves one request of a connection. `gate` is there for HTTP/1.
pub async fn serve(
    conn: &Arc<Conn>,
    request: Request<Incoming>,
    gate: Option<&ClientGate>,
) -> Response<ResponseBody> {
    let (mut parts, body) = request.into_parts();
    let mut record = open_record(conn, &parts);
    let body = ClientBody::new(body);
    let method = parts.method.clone();
    let expects_continue = parts.headers.contains_key(EXPECT);
    let in_flight = match conn.app.limits.request(conn.client.ip()) {
        Ok(guard) => guard,
        Err(refusal) => {
            return Box::pin(refuse(expects_continue, gate, record, refusal, &method, body)).await;
        }
    };
    if let Some(gate) = gate {
        gate.set_takes_interim(parts.version == Version::HTTP_11);
    }
    let running = Running {
        _stream: conn.streams.enter(),
        _counted: conn.app.metrics.in_flight(),
        _in_flight: in_flight,
    };
    if parts.method == Method::OPTIONS && parts.uri.path() == "*" && parts.version != Version::HTTP_2 {
        record.status = 200;
        record.close();
        return respond::plain(StatusCode::OK, "text/plain", bytes::Bytes::new(), &method);
    }
    let target = match admit(conn, &mut parts) {
        Ok(target) => target,
        Err(refusal) => {
            return Box::pin(refuse(expects_continue, gate, record, refusal, &method, body)).await;
        }
    };
    if parts.method == Method::CONNECT && parts.extensions.get::<hyper::ext::Protocol>().is_none() {
        if conn.opens_tunnels() && parts.version != Version::HTTP_2 {
            return crate::tunnel::connect(conn, &parts, target, record, gate);
        }
        return Box::pin(refuse(expects_continue, gate, record, Refusal::no_tunnel_here(), &method, body))
            .await;
    }
    let exchange = Exchange { conn, gate, target, method, running: Some(running) };
    exchange.run(parts, body, record).await
}

/// What ends with the exchange besides its record.
pub struct Running {
    _stream: StreamGuard,
    _counted: Counted,
    _in_flight: InFlight,
}

struct Exchange<'c> {
    conn: &'c Arc<Conn>,
    gate: Option<&'c ClientGate>,
    target: RequestTarget,
    method: Method,
    running: Option<Running>,
}

impl Exchange<'_> {
    async fn run(self, mut parts: Parts, mut body: ClientBody, mut record: Record) -> Response<ResponseBody> {
        let app = &self.conn.app;
        let websocket = websocket::is_wanted(&parts);
        match self.gate {
            // Any other protocol is not passed on, so what follows is the next request.
            Some(gate) if websocket.is_none() => gate.resume(),
            _ => {}
        }
        if websocket.is_some() && !body.is_empty() && parts.version != Version::HTTP_2 {
            let refusal = Refusal::upgrade_with_body();
            return Box::pin(refuse(true, self.gate, record, refusal, &self.method, body)).await;
        }
        let te_trailers = hop::strip_request(&mut parts.headers);
        let expects_continue = parts.headers.contains_key(EXPECT);
        let pipeline = app.pipeline.load_full();
        let mut passage = Passage {
            target: &self.target,
            parts: &mut parts,
            body: &mut body,
            record: &mut record,
            websocket: websocket.is_some(),
            expects_continue,
            spellings: Vec::new(),
        };
        let decided = unless_gone(self.gate, pin!(pipeline.request(&mut passage))).await;
        let spellings = passage.spellings;
        let permit = match decided {
            Ok(Ok(Decision::Forward(permit))) => permit,
            Ok(Ok(Decision::Answer(answer))) => return self.token_call(record, answer),
            Ok(Err(refusal)) => {
                return Box::pin(refuse(expects_continue, self.gate, record, refusal, &self.method, body))
                    .await;
            }
            Err(gone) => return self.cancelled(record, gone),
        };
        let mut ticket =
            app.enter(self.conn.end.as_ref(), &pipeline, || permit.used(&self.method, pipeline.epoch()));
        if permit.credential().is_some() {
            app.metrics.swapped();
        }
        if permit.scrub().is_some() {
            centaur_transform::scrub::prepare_request(&mut parts.headers);
        }
        hop::finish_request(&mut parts, &self.target, te_trailers);
        if !spellings.is_empty() && parts.version < Version::HTTP_2 {
            respell::apply(&mut parts, &spellings);
        }
        if let Some(websocket) = websocket {
            return Box::pin(self.websocket(websocket, parts, permit, record, &pipeline, ticket)).await;
        }
        let upload = Arc::new(Upload::default());
        let prefer = preferred(&parts, &self.target);
        let mut outgoing = RequestBody::new(body, upload.clone());
        if self.gate.is_none() {
            outgoing = outgoing.impatient(app.timeouts.stalled_body);
        }
        hop::frame_request(&mut parts, &outgoing);
        let hold = (expects_continue && !outgoing.is_empty()).then(Arc::<Hold>::default);
        if let Some(hold) = &hold {
            outgoing = outgoing.held(hold.clone());
        }
        let mut request = Request::from_parts(parts, outgoing);
        self.watch_interim(&mut request, hold.as_ref(), &permit);
        let sending = unless_revoked(ticket.as_mut(), self.send(&permit, request, prefer, &upload, hold));
        let answer = unless_gone(self.gate, pin!(sending)).await;
        record.bytes_in = upload.bytes.load(Ordering::Relaxed);
        let answer = match answer {
            Err(gone) => return self.cancelled(record, gone),
            Ok(None) => {
                self.end_connection();
                return self.answer(record, &Refusal::revoked());
            }
            Ok(Some(answer)) => answer,
        };
        match answer {
            Err(_) if upload.client_failed.load(Ordering::Acquire) => {
                let gone = if upload.stalled.load(Ordering::Acquire) {
                    Gone::Stalled
                } else if self.gate.is_some_and(ClientGate::is_malformed) {
                    Gone::Malformed
                } else {
                    Gone::Reset
                };
                self.cancelled(record, gone)
            }
            Err(error) => {
                let refusal = match upload.refused.get() {
                    Some(refusal) => refusal.clone(),
                    None => error.refusal(permit.credential()),
                };
                self.end_connection();
                self.answer(record, &refusal.closing())
            }
            Ok(response) => {
                pipeline.response(&mut record);
                self.respond(response, &permit, record, upload, ticket)
            }
        }
    }

    /// Sends the request; the body is let go when the upstream asks for it, answers, or takes too long to do so.
    async fn send(
        &self,
        permit: &Permit,
        request: Request<RequestBody>,
        prefer: Prefer,
        upload: &Arc<Upload>,
        hold: Option<Arc<Hold>>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let upstream = &self.conn.app.upstream;
        let mut answer = pin!(upstream.send(permit, request, prefer, upload));
        let Some(hold) = hold else { return answer.await };
        let mut timer = pin!(tokio::time::sleep(CONTINUE_WITHIN));
        let mut waiting = true;
        poll_fn(|cx| {
            if waiting && timer.as_mut().poll(cx).is_ready() {
                waiting = false;
                hold.release();
            }
            answer.as_mut().poll(cx)
        })
        .await
    }

    fn watch_interim(&self, request: &mut Request<RequestBody>, hold: Option<&Arc<Hold>>, permit: &Permit) {
        let gate = self.gate.filter(|_| request.version() == Version::HTTP_11).cloned();
        if gate.is_none() && hold.is_none() {
            return;
        }
        let (hold, scrub) = (hold.cloned(), permit.scrub().cloned());
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                if let Some(hold) = &hold {
                    hold.release();
                }
            } else if let (Some(gate), true) = (&gate, response.status() != StatusCode::SWITCHING_PROTOCOLS) {
                gate.interim(&interim::format(response.status(), response.headers(), scrub.as_ref()));
            }
        });
    }

    fn respond(
        mut self,
        response: Response<UpstreamBody>,
        permit: &Permit,
        mut record: Record,
        upload: Arc<Upload>,
        ticket: Option<Ticket>,
    ) -> Response<ResponseBody> {
        let (mut parts, body) = response.into_parts();
        hop::strip_response(&mut parts.headers);
        record.status = parts.status.as_u16();
        let mut hits = None;
        let body = match permit.scrub() {
            None => ResponseBody::upstream(body),
            Some(scrub) => {
                respond::scrub_reason(&mut parts, scrub);
                match scrub.response(&self.method, parts.status, &mut parts.headers) {
                    Err(error) => {
                        let refusal = Refusal::upstream("upstream-coding", error);
                        self.end_connection();
                        return self.answer(record, &refusal.closing());
                    }
                    Ok(found) => {
                        record.scrubbed += found.headers.len() as u64;
                        match found.body {
                            None => ResponseBody::upstream(body),
                            Some(found) => {
                                hits = Some(found.hits());
                                ResponseBody::scrubbed(found.wrap(body))
                            }
                        }
                    }
                }
            }
        };
        if !parts.headers.contains_key(DATE) {
            parts.headers.insert(DATE, respond::date());
        }
        let closing = Closing {
            record,
            hits,
            upload: Some(upload),
            gate: self.gate.cloned(),
            app: self.conn.app.clone(),
            running: self.running.take(),
            ticket,
            ended: false,
        };
        Response::from_parts(parts, body.closing(closing))
    }

    async fn websocket(
        mut self,
        wanted: websocket::Wanted,
        parts: Parts,
        permit: Permit,
        mut record: Record,
        pipeline: &crate::pipeline::Pipeline,
        mut ticket: Option<Ticket>,
    ) -> Response<ResponseBody> {
        let upload = Arc::new(Upload { done: true.into(), ..Upload::default() });
        let opening =
            unless_revoked(ticket.as_mut(), wanted.open(&self.conn.app.upstream, parts, &permit, &upload));
        let opened = match unless_gone(self.gate, pin!(opening)).await {
            Err(gone) => return self.cancelled(record, gone),
            Ok(opened) => opened.unwrap_or_else(|| Err(Refusal::revoked())),
        };
        match opened {
            Err(refusal) => {
                if let Some(gate) = self.gate {
                    gate.resume();
                }
                self.answer(record, &refusal)
            }
            Ok(websocket::Opened::Refused(response)) => {
                // The origin did not switch: an ordinary answer, and the next request follows.
                if let Some(gate) = self.gate {
                    gate.resume();
                }
                pipeline.response(&mut record);
                self.respond(*response, &permit, record, upload, ticket)
            }
            Ok(websocket::Opened::Switched(mut switched)) => {
                record.status = 101;
                if !switched.response.headers().contains_key(DATE) {
                    switched.response.headers_mut().insert(DATE, respond::date());
                }
                let relay = websocket::Relay {
                    upstream: switched.stream,
                    scrub: permit.scrub().cloned(),
                    record,
                    idle: self.conn.app.timeouts.idle_tunnel,
                    app: self.conn.app.clone(),
                    ticket,
                };
                let running = self.running.take();
                match switched.client {
                    // HTTP/1: the driver of the connection takes the bare stream when hyper is done with it.
                    None => self.conn.switch(Switch::WebSocket(Box::new(relay))),
                    Some(upgrade) => {
                        drop(running);
                        let stream = self.conn.streams.enter();
                        tokio::spawn(async move {
                            let _stream = stream;
                            if let Ok(io) = upgrade.await {
                                relay.run(hyper_util::rt::TokioIo::new(io)).await;
                            }
                        });
                    }
                }
                switched.response
            }
        }
    }

    fn answer(&self, mut record: Record, refusal: &Refusal) -> Response<ResponseBody> {
        record.refuse(refusal);
        let response = respond::refusal(refusal, &self.method);
        record.close();
        if let Some(gate) = self.gate {
            gate.finish();
        }
        response
    }

    /// What the proxy says itself; the request was read whole.
    fn token_call(&self, mut record: Record, answer: Answer) -> Response<ResponseBody> {
        record.answer(respond::TOKEN_CALL, answer.read, answer.content.len() as u64);
        record.close();
        if let Some(gate) = self.gate {
            gate.finish();
        }
        respond::token(answer.content, &self.method)
    }

    fn end_connection(&self) {
        if let Some(gate) = self.gate {
            gate.end();
        }
    }

    /// The client went away: nothing is written, and nobody would read it.
    fn cancelled(&self, mut record: Record, gone: Gone) -> Response<ResponseBody> {
        let fault = match gone {
            Gone::Stalled => Some(Refusal::stalled_body()),
            Gone::Malformed => Some(Refusal::malformed_body()),
            Gone::HalfClosed | Gone::Reset => None,
        };
        if let Some(refusal) = fault {
            self.end_connection();
            return self.answer(record, &refusal);
        }
        record.client_cancel();
        record.close();
        if let Some(gate) = self.gate {
            gate.end();
        }
        let mut response = respond::plain(StatusCode::OK, "text/plain", bytes::Bytes::new(), &self.method);
        response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// HTTP/2 clients get HTTP/2 upstream where TLS negotiates it. In clear nothing is negotiated: there it is spoken
/// only for gRPC, which has no other way.
fn preferred(parts: &Parts, target: &RequestTarget) -> Prefer {
    if parts.version != Version::HTTP_2 {
        return Prefer::H1;
    }
    let grpc =
        || parts.headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    if target.scheme == Scheme::Https || grpc() { Prefer::H2 } else { Prefer::H1 }
}

fn open_record(conn: &Arc<Conn>, parts: &Parts) -> Record {
    let mut record = conn.record();
    let host = parts
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| parts.headers.get(HOST).and_then(|value| value.to_str().ok()));
    record.host.push_str(host.unwrap_or_default().rsplit('@').next().unwrap_or_default());
    record.method.push_str(parts.method.as_str());
    if parts.method != Method::CONNECT || parts.version == Version::HTTP_2 {
        let raw = parts.uri.path();
        match decode_path(raw) {
            Ok(path) => record.path.push_str(&path),
            Err(_) => record.path.push_str(raw),
        }
    }
    record.protocol = if parts.version == Version::HTTP_2 { "h2" } else { "http/1.1" };
    record
}

/// Everything that is decided before policy: who asks, for what, and whether the words agree.
fn admit(conn: &Arc<Conn>, parts: &mut Parts) -> Result<RequestTarget, Refusal> {
    let expect = parts.headers.get(EXPECT);
    if expect.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::unknown_expect());
    }
    conn.app.auth.load().check_request(conn, &parts.headers)?;
    let target = RequestTarget::read(&conn.path, parts)?;
    if parts.method != Method::CONNECT {
        decode_path(parts.uri.path()).map_err(|error| match error {
            PathError::DotSegment => Refusal::dot_segments(),
            other => Refusal::ambiguous_path(other),
        })?;
    }
    Ok(target)
}

async fn refuse(
    expects_continue: bool,
    gate: Option<&ClientGate>,
    mut record: Record,
    mut refusal: Refusal,
    method: &Method,
    mut body: ClientBody,
) -> Response<ResponseBody> {
    // Reading on keeps the connection usable and lets the client read the answer; a body that was announced but
    // not sent (100-continue) is not asked for.
    if !body.is_empty() {
        let small = !expects_continue && body.length().is_some_and(|length| length <= DRAIN);
        let whole =
            small && matches!(body.peek(DRAIN as usize + 1, Duration::from_millis(250)).await, Ok((_, true)));
        if !whole {
            refusal = refusal.closing();
        }
    }
    record.refuse(&refusal);
    record.close();
    if let Some(gate) = gate {
        gate.finish();
        gate.resume();
        if refusal.closes() {
            gate.end();
        }
    }
    respond::refusal(&refusal, method)
}
