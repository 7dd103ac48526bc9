//! One line for every request that was read, whatever became of it.
//!
//! A [`Record`] is opened as soon as a request head (or something that claims to be one) was read. It is a guard:
//! dropping it writes the line, so a cancelled task still leaves its trace. It rides in the response body and is
//! closed by the end of the stream. Fields are those of the reference, ours are `reason`, `client`, `scrubbed`,
//! `bytes_in`, `bytes_out`, `protocol`, and `answered_by` beside the action `answer`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::json;
use crate::metrics::Metrics;
use crate::pipeline::LateSwap;
use crate::refusal::Refusal;
use crate::sink::Sink;

/// Where audit lines go. Not subject to the log level.
#[derive(Clone)]
pub struct Audit {
    sink: Sink,
    metrics: Arc<Metrics>,
}

impl Audit {
    /// Lines go to `sink`, counts to `metrics`.
    pub fn new(sink: Sink, metrics: Arc<Metrics>) -> Self {
        Self { sink, metrics }
    }

    /// Opens the record of one request.
    pub fn open(&self, client: SocketAddr, mode: Mode) -> Record {
        Record {
            audit: self.clone(),
            started: Instant::now(),
            client,
            mode,
            host: String::new(),
            method: String::new(),
            path: String::new(),
            sni: String::new(),
            protocol: "",
            action: Action::Allow,
            status: 0,
            reason: None,
            error: None,
            tunnel: None,
            request_traces: Vec::new(),
            response_traces: Vec::new(),
            body_capture: None,
            scrubbed: 0,
            bytes_in: 0,
            bytes_out: 0,
            late_swaps: Vec::new(),
            written: false,
        }
    }
}

/// `audit.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The request itself was seen.
    Mitm,
    /// Only the server name was seen.
    SniOnly,
}

/// `audit.action` and the `action` of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Forwarded.
    Allow,
    /// Refused by policy or protocol.
    Reject,
    /// Answered by a transform in place of the upstream.
    Stub,
    /// Ours: answered by the proxy, which never forwards such a request ([`crate::harness`]).
    Answer,
    /// Failed.
    Error,
    /// The client went away first.
    ClientCancel,
}

impl Action {
    /// The text in the line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Reject => "reject",
            Self::Stub => "stub",
            Self::Answer => "answer",
            Self::Error => "error",
            Self::ClientCancel => "client_cancel",
        }
    }
}

/// What one transform did in one phase.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Registry name.
    pub name: Arc<str>,
    /// Outcome.
    pub action: Action,
    /// Time spent.
    pub duration: Duration,
    /// Error text; never holds a secret.
    pub error: Option<String>,
    /// Members of the `annotations` object, as JSON text without the braces; empty if none.
    pub annotations: String,
}

/// What the inner requests of a tunnel inherit: its target and what the CONNECT evaluation did.
#[derive(Debug, Clone)]
pub struct TunnelInfo {
    /// `host:port` as asked for.
    pub target: String,
    /// Traces of the CONNECT or SOCKS5 evaluation.
    pub traces: Arc<[Trace]>,
}

/// A captured request body.
#[derive(Debug, Clone)]
pub struct BodyCapture {
    /// The text, lossy where the bytes were no UTF-8.
    pub text: String,
    /// Whether the body went on.
    pub truncated: bool,
}

/// The record of one request; writes its line when dropped.
pub struct Record {
    audit: Audit,
    started: Instant,
    client: SocketAddr,
    mode: Mode,
    /// Host as the client sent it, with port.
    pub host: String,
    /// Method as sent.
    pub method: String,
    /// Decoded path before transforms.
    pub path: String,
    /// SNI, or the target host of a CONNECT.
    pub sni: String,
    /// `http/1.1`, `h2`, `connect`, `socks5`, `tls`.
    pub protocol: &'static str,
    /// Outcome so far.
    pub action: Action,
    /// Status the client got.
    pub status: u16,
    /// Stable code of a refusal or failure.
    pub reason: Option<&'static str>,
    /// Error text; never holds a secret or a URL.
    pub error: Option<String>,
    /// Set for requests inside a tunnel.
    pub tunnel: Option<Arc<TunnelInfo>>,
    /// Request phase.
    pub request_traces: Vec<Trace>,
    /// Response phase.
    pub response_traces: Vec<Trace>,
    /// Captured body.
    pub body_capture: Option<BodyCapture>,
    /// How many occurrences of a secret were taken out of the response.
    pub scrubbed: u64,
    /// Request body bytes read.
    pub bytes_in: u64,
    /// Response body bytes written.
    pub bytes_out: u64,
    /// Finds in a body that was still being sent when its trace was made.
    pub late_swaps: Vec<LateSwap>,
    written: bool,
}

impl Record {
    /// Says how much of the traffic is seen.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Notes a refusal: status, code and action.
    pub fn refuse(&mut self, refusal: &Refusal) {
        self.action = if refusal.is_error() { Action::Error } else { Action::Reject };
        self.status = refusal.status().as_u16();
        self.reason = Some(refusal.code());
        if let Some(text) = refusal.audit_error() {
            self.error = Some(text);
        }
    }

    /// Notes an answer of our own with `sent` bytes of content, to a request with `read` bytes.
    pub fn answer(&mut self, reason: &'static str, read: u64, sent: u64) {
        self.action = Action::Answer;
        self.status = 200;
        self.reason = Some(reason);
        (self.bytes_in, self.bytes_out) = (read, sent);
    }

    /// Notes that the client went away: status 200, no error, as the reference.
    pub fn client_cancel(&mut self) {
        self.action = Action::ClientCancel;
        self.status = 200;
        self.error = None;
    }

    /// Writes the line now instead of at drop.
    pub fn close(mut self) {
        self.write();
    }

    fn write(&mut self) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        for late in std::mem::take(&mut self.late_swaps) {
            if let Some(trace) = self.request_traces.get_mut(late.trace) {
                trace.annotations = late.annotations();
            }
        }
        if self.status == 0 {
            // The task ended before anything was decided: its client went away.
            self.client_cancel();
        }
        let action = if self.error.is_some() && self.action != Action::ClientCancel {
            Action::Error
        } else {
            self.action
        };
        self.audit.metrics.request(action, self.reason, self.started.elapsed());
        let mut line = String::with_capacity(512);
        self.format(action, &mut line);
        self.audit.sink.write(line.as_bytes());
    }

    fn format(&self, action: Action, out: &mut String) {
        let level = match action {
            Action::Error => "ERROR",
            Action::Reject => "WARN",
            Action::Allow | Action::Stub | Action::Answer | Action::ClientCancel => "INFO",
        };
        out.push_str("{\"time\":\"");
        json::now(out);
        let _ = write!(out, "\",\"level\":\"{level}\",\"msg\":\"request\",\"audit\":{{");
        json::member(out, "host", &self.host);
        json::member(out, "method", &self.method);
        json::member(out, "path", &self.path);
        json::key(out, "remote_addr");
        let _ = write!(out, "\"{}\"", self.client);
        json::member(out, "sni", &self.sni);
        json::member(out, "mode", if self.mode == Mode::Mitm { "mitm" } else { "sni-only" });
        json::member(out, "action", action.as_str());
        json::key(out, "status_code");
        let _ = write!(out, "{}", self.status);
        json::key(out, "duration_ms");
        json::millis(out, self.started.elapsed());
        if !self.protocol.is_empty() {
            json::member(out, "protocol", self.protocol);
        }
        if let Some(reason) = self.reason {
            json::member(out, "reason", reason);
        }
        if self.bytes_in > 0 {
            json::key(out, "bytes_in");
            let _ = write!(out, "{}", self.bytes_in);
        }
        if self.bytes_out > 0 {
            json::key(out, "bytes_out");
            let _ = write!(out, "{}", self.bytes_out);
        }
        if self.scrubbed > 0 {
            json::key(out, "scrubbed");
            let _ = write!(out, "{}", self.scrubbed);
        }
        out.push('}');
        if let Some(tunnel) = &self.tunnel {
            json::key(out, "tunnel");
            out.push('{');
            json::member(out, "target", &tunnel.target);
            traces(out, "request_transforms", &tunnel.traces);
            out.push('}');
        }
        let by = |wanted| self.request_traces.iter().find(|t| t.action == wanted).map(|t| &*t.name);
        let by_any = |wanted| {
            by(wanted).or_else(|| self.response_traces.iter().find(|t| t.action == wanted).map(|t| &*t.name))
        };
        match action {
            Action::Reject => {
                if let Some(name) = by_any(Action::Reject) {
                    json::member(out, "rejected_by", name);
                }
            }
            Action::Stub => by_any(Action::Stub).into_iter().for_each(|n| json::member(out, "stubbed_by", n)),
            Action::Answer => {
                if let Some(name) = by(Action::Answer) {
                    json::member(out, "answered_by", name);
                }
            }
            _ => {}
        }
        if let Some(error) = self.error.as_deref().filter(|_| action != Action::ClientCancel) {
            json::member(out, "error", error);
        }
        traces(out, "request_transforms", &self.request_traces);
        traces(out, "response_transforms", &self.response_traces);
        if let Some(capture) = self.body_capture.as_ref().filter(|c| !c.text.is_empty()) {
            json::key(out, "body_capture");
            out.push('{');
            json::member(out, "request_body", &capture.text);
            json::key(out, "request_body_truncated");
            let _ = write!(out, "{}}}", capture.truncated);
        }
        out.push_str("}\n");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write();
    }
}

fn traces(out: &mut String, name: &str, list: &[Trace]) {
    if list.is_empty() {
        return;
    }
    json::key(out, name);
    out.push('[');
    for trace in list {
        if !out.ends_with('[') {
            out.push(',');
        }
        out.push('{');
        json::member(out, "name", &trace.name);
        json::member(out, "action", trace.action.as_str());
        json::key(out, "duration_ms");
        json::millis(out, trace.duration);
        if let Some(error) = &trace.error {
            json::member(out, "error", error);
        }
        if !trace.annotations.is_empty() {
            json::key(out, "annotations");
            let _ = write!(out, "{{{}}}", trace.annotations);
        }
        out.push('}');
    }
    out.push(']');
}
