//! Why a request was not forwarded: one value with a stable code, a status, the text for the client and the text
//! for the audit line. None of these texts may hold a secret or a URL.

use std::borrow::Cow;

use http::StatusCode;

/// A request that is not forwarded, or an exchange that failed.
#[derive(Debug, Clone)]
pub struct Refusal {
    code: &'static str,
    status: StatusCode,
    body: Cow<'static, str>,
    kind: Kind,
    audit_error: Option<String>,
    close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text of the reference, `text/plain; charset=utf-8`.
    Core,
    /// Default rejection of the reference, `text/plain`; the body is ours.
    Reject,
}

impl Refusal {
    /// `x-iron-reason` and `audit.reason`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the client gets.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, with its newline.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Value of `Content-Type`.
    pub fn content_type(&self) -> &'static str {
        match self.kind {
            Kind::Core => "text/plain; charset=utf-8",
            Kind::Reject => "text/plain",
        }
    }

    /// Whether the connection ends with this answer.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// Whether the audit action is `error` rather than `reject`.
    pub fn is_error(&self) -> bool {
        self.audit_error.is_some()
    }

    /// The `error` of the audit line.
    pub fn audit_error(&self) -> Option<String> {
        self.audit_error.clone()
    }

    /// Ends the connection after the answer.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Replaces the status, for the listeners that answer differently.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    fn core(code: &'static str, status: StatusCode, text: &'static str) -> Self {
        Self { code, status, body: text.into(), kind: Kind::Core, audit_error: None, close: false }
    }

    fn reject(code: &'static str, status: StatusCode, sentence: impl std::fmt::Display) -> Self {
        Self {
            code,
            status,
            body: format!("{code}: {sentence}\n").into(),
            kind: Kind::Reject,
            audit_error: None,
            close: false,
        }
    }

    fn gateway(code: &'static str, error: impl std::fmt::Display) -> Self {
        Self {
            code,
            status: StatusCode::BAD_GATEWAY,
            body: "bad gateway\n".into(),
            kind: Kind::Core,
            audit_error: Some(error.to_string()),
            close: false,
        }
    }

    // What the client sent.

    /// No host at all.
    pub fn missing_host() -> Self {
        Self::core("missing-host", StatusCode::BAD_REQUEST, "missing Host header\n")
    }

    /// A host that has no canonical spelling.
    pub fn bad_host() -> Self {
        Self::core("bad-host", StatusCode::BAD_REQUEST, "malformed Host header\n")
    }

    /// `.` or `..` as a decoded path segment.
    pub fn dot_segments() -> Self {
        Self::core("dot-segments", StatusCode::BAD_REQUEST, "path contains dot segments\n")
    }

    /// A path two servers could read differently.
    pub fn ambiguous_path(why: impl std::fmt::Display) -> Self {
        Self::reject("ambiguous-path", StatusCode::BAD_REQUEST, why)
    }

    /// TLS server name and `Host` differ.
    pub fn sni_mismatch() -> Self {
        Self::core("sni-host-mismatch", StatusCode::BAD_REQUEST, "SNI and Host header mismatch\n")
    }

    /// The tunnel's target and the request inside it differ.
    pub fn tunnel_mismatch() -> Self {
        Self::reject(
            "tunnel-host-mismatch",
            StatusCode::BAD_REQUEST,
            "a request inside a tunnel must be for the host and port the tunnel was opened to",
        )
    }

    /// `Host` and the authority of the request target differ.
    pub fn authority_mismatch() -> Self {
        Self::reject(
            "authority-mismatch",
            StatusCode::BAD_REQUEST,
            "the request target and the Host header must name the same host and port",
        )
    }

    /// `https://` in a request target on a cleartext listener, or the reverse.
    pub fn scheme_mismatch() -> Self {
        Self::reject(
            "scheme-mismatch",
            StatusCode::BAD_REQUEST,
            "the scheme of the request target is not that of the connection; open a tunnel with CONNECT",
        )
    }

    /// `CONNECT` where no tunnel can be opened.
    pub fn no_tunnel_here() -> Self {
        Self::reject(
            "connect-not-offered",
            StatusCode::METHOD_NOT_ALLOWED,
            "CONNECT is served by the tunnel listener only",
        )
        .closing()
    }

    /// Origin-form request on the tunnel listener.
    pub fn only_tunnels_here() -> Self {
        Self::reject(
            "not-a-proxy-request",
            StatusCode::METHOD_NOT_ALLOWED,
            "this listener takes CONNECT, SOCKS5 and requests with an absolute target",
        )
        .closing()
    }

    /// `Expect` with something else than `100-continue`.
    pub fn unknown_expect() -> Self {
        let mut refusal = Self::core("unknown-expect", StatusCode::EXPECTATION_FAILED, "");
        refusal.close = true;
        refusal
    }

    /// No or a wrong client token.
    pub fn client_auth() -> Self {
        Self::reject(
            "client-auth-required",
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            "this proxy serves clients that identify themselves with Proxy-Authorization or a client certificate",
        )
    }

    /// Too many requests of one client under way.
    pub fn too_many_in_flight(limit: usize) -> Self {
        Self::reject(
            "too-many-requests",
            StatusCode::TOO_MANY_REQUESTS,
            format_args!(
                "more than {limit} requests of this client are under way (proxy.limits.max_requests_in_flight_per_client)"
            ),
        )
    }

    /// A chunked body that is none.
    pub fn malformed_body() -> Self {
        Self::reject(
            "malformed-body",
            StatusCode::BAD_REQUEST,
            "the request body is not framed as its head says",
        )
        .closing()
    }

    /// An upgrade that carries content, which nobody could tell from the new protocol.
    pub fn upgrade_with_body() -> Self {
        Self::reject("upgrade-with-body", StatusCode::BAD_REQUEST, "a request for a WebSocket has no body")
            .closing()
    }

    /// A request body that made no progress.
    pub fn stalled_body() -> Self {
        Self::reject(
            "request-body-stalled",
            StatusCode::REQUEST_TIMEOUT,
            "the request body made no progress within proxy.timeouts.stalled_body",
        )
        .closing()
    }

    // What the control plane says, or has not said yet.

    /// Managed mode, before the first configuration.
    pub fn not_ready() -> Self {
        Self::core(
            "not-ready",
            StatusCode::SERVICE_UNAVAILABLE,
            "proxy is not ready: awaiting control-plane config\n",
        )
    }

    /// The control plane has revoked the proxy's token.
    pub fn proxy_revoked() -> Self {
        Self::reject(
            "proxy-revoked",
            StatusCode::SERVICE_UNAVAILABLE,
            "the control plane has revoked this proxy; it serves nothing more and ends",
        )
        .closing()
    }

    /// What a request under way uses is no longer granted.
    pub fn revoked() -> Self {
        Self::reject(
            "revoked",
            StatusCode::FORBIDDEN,
            "the control plane withdrew what this request uses while it was under way",
        )
        .closing()
    }

    /// A transform that belongs here cannot be run.
    pub fn transform_unavailable(stage: &str, what: &str) -> Self {
        Self::reject(
            "transform-unavailable",
            StatusCode::FORBIDDEN,
            format_args!(
                "the configuration wants {stage} to be applied here, and this build has no {what}; \
                 take it out of the configuration, or use a build that has it"
            ),
        )
    }

    // What policy says.

    /// No allowlist rule matches; `hint` is the one line that would allow it.
    pub fn no_rule(hint: &str) -> Self {
        Self::reject(
            "no-rule",
            StatusCode::FORBIDDEN,
            format_args!("no allowlist rule matches this request; this one would: {hint}"),
        )
    }

    /// A transform rejected without saying more.
    pub fn placeholder_missing(secret: &str) -> Self {
        Self::reject(
            "placeholder-missing",
            StatusCode::FORBIDDEN,
            format_args!(
                "{secret} is required here, and its placeholder does not stand where the credential belongs"
            ),
        )
    }

    /// The placeholder stands in a message that holds the lengths of its parts, and the value has another length.
    pub fn placeholder_length(secret: &str) -> Self {
        Self::reject(
            "placeholder-length",
            StatusCode::FORBIDDEN,
            format_args!(
                "the placeholder of {secret} stands in a gRPC or protobuf message, where only a value of the same \
                 length can take its place; send it in a header, or give it the length of the value"
            ),
        )
    }

    /// Another credential stands where the placeholder belongs.
    pub fn competing_credential(secret: &str, header: &str) -> Self {
        Self::reject(
            "competing-credential",
            StatusCode::FORBIDDEN,
            format_args!("{secret} is required here, but {header} carries another credential"),
        )
    }

    /// A required value could not be fetched.
    pub fn secret_unavailable(secret: &str) -> Self {
        Self::reject(
            "secret-unavailable",
            StatusCode::FORBIDDEN,
            format_args!("the value of {secret} cannot be read right now; the proxy's log says why"),
        )
    }

    /// A credential would travel in cleartext.
    pub fn plaintext(secret: &str) -> Self {
        Self::reject(
            "plaintext-credential",
            StatusCode::FORBIDDEN,
            format_args!(
                "{secret} travels over TLS only; use https, or set allow_plaintext: true on its entry"
            ),
        )
    }

    /// `TRACE` would echo the value.
    pub fn trace_method() -> Self {
        Self::reject(
            "trace-with-credential",
            StatusCode::FORBIDDEN,
            "TRACE is refused on a request that carries a credential",
        )
    }

    /// The body's coding hides whether the placeholder is in it.
    pub fn body_unverifiable(why: impl std::fmt::Display) -> Self {
        Self::reject(
            "body-unverifiable",
            StatusCode::FORBIDDEN,
            format_args!("the request body cannot be searched for a required placeholder: {why}"),
        )
    }

    // Token calls of a harness login, which are never forwarded.

    /// Another method than `POST` at its token endpoint.
    pub fn token_call_method(login: &str) -> Self {
        Self::reject(
            "token-call-method",
            StatusCode::METHOD_NOT_ALLOWED,
            format_args!("the proxy answers the token calls of {login} itself, and these are POST"),
        )
    }

    /// Another grant than a refresh: a log-in, for example.
    pub fn token_call_grant(login: &str) -> Self {
        Self::reject(
            "token-call-grant",
            StatusCode::FORBIDDEN,
            format_args!(
                "the proxy answers the token calls of {login} itself, and does so for grant_type refresh_token \
                 alone; log in where the credential is kept, not in here"
            ),
        )
    }

    /// Content that is neither a form nor JSON with a `grant_type`, or too long, or that did not arrive.
    pub fn token_call_unreadable(login: &str) -> Self {
        Self::reject(
            "token-call-unreadable",
            StatusCode::BAD_REQUEST,
            format_args!(
                "the proxy answers the token calls of {login} itself, and finds no grant_type in the form or JSON \
                 that belongs there"
            ),
        )
    }

    // What went wrong.

    /// A transform failed.
    pub fn transform(name: &str, phase: &str, error: impl std::fmt::Display) -> Self {
        Self::gateway("transform-error", format_args!("transform {name} {phase}: {error}"))
    }

    /// A value that no header can carry.
    pub fn unsendable(secret: &str) -> Self {
        Self::gateway(
            "secret-unsendable",
            format_args!("the value of {secret} has bytes that may not stand where it is placed"),
        )
    }

    /// The upstream could not be reached, or failed; `code` says how.
    pub fn upstream(code: &'static str, error: impl std::fmt::Display) -> Self {
        Self::gateway(code, error)
    }

    /// A defect of ours.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        Self::gateway("internal", what)
    }
}
