//! What can go wrong on the way to the origin, with a stable code each. Texts name addresses, never URLs.

use centaur_net::chain::connect::TunnelError as ConnectError;
use centaur_net::chain::socks::SocksError;
use centaur_net::dial::DialError;
use std::error::Error as _;

use crate::refusal::Refusal;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The HTTP proxy further up refused.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The SOCKS proxy further up refused.
    #[error(transparent)]
    Socks(#[from] SocksError),
    /// A credential in clear would leave this machine through a proxy.
    #[error("a secret travels over TLS only, and an upstream proxy stands between")]
    PlaintextThroughProxy,
    /// The TLS handshake failed.
    #[error("tls: {0}")]
    Tls(std::io::Error),
    /// The TLS handshake took too long.
    #[error("tls: handshake timeout")]
    TlsTimeout,
    /// The origin speaks HTTP/2 only.
    #[error("tls: the origin requires HTTP/2")]
    NeedsH2,
    /// The host cannot be a TLS server name.
    #[error("tls: not a server name")]
    ServerName,
    /// No head in time.
    #[error("timeout awaiting response headers")]
    HeaderTimeout,
    /// A body stood still.
    #[error("the response body made no progress")]
    Stalled,
    /// The connection ended early.
    #[error("EOF")]
    Closed,
    /// The origin does not speak HTTP, or broke off.
    #[error("{0}")]
    Http(String),
    /// The client's side of an upload failed.
    #[error("the request body ended early")]
    RequestBody,
}

impl UpstreamError {
    /// From hyper while sending or awaiting the head.
    pub(crate) fn http(error: &hyper::Error) -> Self {
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::Closed;
        }
        if error.is_user() {
            return Self::RequestBody;
        }
        if error.is_parse() {
            return Self::Http(format!("malformed HTTP response: {error}"));
        }
        Self::Http(error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")))
    }

    /// From hyper while reading the body.
    pub(crate) fn body(error: hyper::Error) -> Self {
        if error.is_incomplete_message() {
            Self::Http("unexpected EOF".to_owned())
        } else {
            Self::http(&error)
        }
    }

    /// The connection ended without a byte of an answer.
    pub(crate) fn is_stale_connection(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Http(text) => text.contains("Connection reset") || text.contains("Broken pipe"),
            _ => false,
        }
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dial(error) => dial_code(error),
            Self::PlaintextThroughProxy => "plaintext-credential",
            Self::TlsTimeout | Self::HeaderTimeout | Self::Stalled => "upstream-timeout",
            Self::Connect(_) | Self::Socks(_) => "upstream-proxy",
            Self::Tls(_) | Self::NeedsH2 | Self::ServerName => "upstream-tls",
            Self::Closed => "upstream-closed",
            Self::Http(_) => "upstream-protocol",
            Self::RequestBody => "request-body",
        }
    }

    /// The answer to the client. `secret` names the credential that would have travelled in clear.
    pub fn refusal(&self, secret: Option<&str>) -> Refusal {
        if self.code() == "plaintext-credential" {
            return Refusal::plaintext(secret.unwrap_or("a secret"));
        }
        Refusal::upstream(self.code(), self)
    }
}

/// The code of a connection that could not be made, to the origin or to the next proxy.
fn dial_code(error: &DialError) -> &'static str {
    match error {
        DialError::Denied { .. } => "upstream-denied",
        DialError::NotLoopback { .. } => "plaintext-credential",
        DialError::Resolve(_) | DialError::NoAddress { .. } => "upstream-unresolved",
        DialError::Timeout { .. } => "upstream-timeout",
        DialError::Proxy(error) => dial_code(error),
        _ => "upstream-unreachable",
    }
}
