//! WebSockets: the bare stream is handed over only after a verified switch, and what the server sends is still
//! scrubbed when a value went into the upgrade.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use centaur_transform::{ScrubSet, headers::retain};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::app::App;
use crate::audit::Record;
use crate::body::{RequestBody, ResponseBody, Upload};
use crate::hop;
use crate::managed::live::Ticket;
use crate::pipeline::Permit;
use crate::refusal::Refusal;
use crate::relay::{self, Ending, Filter};
use crate::upstream::{Switched, Upstream, UpstreamBody, UpstreamStream};

/// A request for a WebSocket.
pub struct Wanted {
    /// Over HTTP/2 (RFC 8441) the client's stream comes from here.
    client: Option<OnUpgrade>,
}

/// What the origin said.
pub enum Opened {
    /// It switched.
    Switched(Box<Open>),
    /// It gave an ordinary answer.
    Refused(Box<Response<UpstreamBody>>),
}

/// An open WebSocket.
pub struct Open {
    /// The answer for the client.
    pub response: Response<ResponseBody>,
    /// The origin's bare stream.
    pub stream: Switched,
    /// The client's stream over HTTP/2; over HTTP/1 the connection itself becomes it.
    pub client: Option<OnUpgrade>,
}

/// Whether a request asks for a WebSocket, by either protocol. Looks before the hop's fields are stripped.
pub fn is_wanted(parts: &Parts) -> Option<Wanted> {
    if parts.version == Version::HTTP_2 {
        let protocol = parts.extensions.get::<hyper::ext::Protocol>()?;
        let client = parts.extensions.get::<OnUpgrade>().cloned();
        return (protocol.as_str() == "websocket").then_some(Wanted { client });
    }
    let first = parts.headers.get(UPGRADE)?;
    let asked = first.as_bytes().eq_ignore_ascii_case(b"websocket")
        && parts.headers.get_all(CONNECTION).iter().any(|value| hop::has_token(value, "upgrade"));
    asked.then_some(Wanted { client: None })
}

impl Wanted {
    /// Asks the origin to switch.
    pub async fn open(
        self,
        upstream: &Upstream,
        mut parts: Parts,
        permit: &Permit,
        upload: &Arc<Upload>,
    ) -> Result<Opened, Refusal> {
        let over_h2 = parts.version == Version::HTTP_2;
        if over_h2 {
            let key = BASE64_STANDARD.encode(random_key());
            parts.method = Method::GET;
            parts.extensions.remove::<hyper::ext::Protocol>();
            parts.headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).map_err(Refusal::internal)?);
            parts.headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
        }
        parts.extensions.remove::<OnUpgrade>();
        parts.version = Version::HTTP_11;
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if permit.scrub().is_some() {
            // Compressed frames could not be searched.
            retain(&mut parts.headers, |name| name != SEC_WEBSOCKET_EXTENSIONS);
        }
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).cloned();
        let request = Request::from_parts(parts, RequestBody::empty());
        let (response, switched) =
            upstream.switch(permit, request, upload).await.map_err(|e| e.refusal(permit.credential()))?;
        let Some(stream) = switched else {
            // To an HTTP/2 client any 2xx would say that the stream is open (RFC 8441 section 5).
            if over_h2 && response.status().is_success() {
                let status = response.status().as_u16();
                let problem = format_args!("the origin answered {status} instead of switching");
                return Err(Refusal::upstream("websocket-handshake", problem));
            }
            return Ok(Opened::Refused(Box::new(response)));
        };
        verify(&response, key.as_ref())?;
        Ok(Opened::Switched(Box::new(Open {
            response: answer(response, permit.scrub(), over_h2),
            stream,
            client: self.client,
        })))
    }
}

/// RFC 6455 section 4.1, "the client MUST validate".
fn verify(response: &Response<UpstreamBody>, key: Option<&HeaderValue>) -> Result<(), Refusal> {
    let fail = |what: &str| {
        Err(Refusal::upstream("websocket-handshake", format_args!("the origin's 101 is not valid: {what}")))
    };
    let headers = response.headers();
    if !headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return fail("Upgrade is not websocket");
    }
    if !headers.get_all(CONNECTION).iter().any(|value| hop::has_token(value, "upgrade")) {
        return fail("Connection does not say upgrade");
    }
    let Some(key) = key else { return fail("the client sent no Sec-WebSocket-Key") };
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let expected = BASE64_STANDARD.encode(hash.finalize());
    if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|value| value.as_bytes() != expected.as_bytes()) {
        return fail("Sec-WebSocket-Accept does not match");
    }
    Ok(())
}

fn answer(
    response: Response<UpstreamBody>,
    scrub: Option<&ScrubSet>,
    over_h2: bool,
) -> Response<ResponseBody> {
    let (mut parts, _) = response.into_parts();
    hop::strip_response(&mut parts.headers);
    if let Some(scrub) = scrub {
        scrub.headers(&mut parts.headers);
    }
    if over_h2 {
        parts.status = StatusCode::OK;
        retain(&mut parts.headers, |name: &HeaderName| name != SEC_WEBSOCKET_ACCEPT);
    } else {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    Response::from_parts(parts, ResponseBody::full(Bytes::new()))
}

fn random_key() -> [u8; 16] {
    let mut key = [0; 16];
    // Without randomness the key is still valid: it guards against caches, not against attackers.
    let _ = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut key);
    key
}

/// A WebSocket between the moment it was opened and its end.
pub struct Relay {
    /// The origin.
    pub upstream: Switched,
    /// What must not come back.
    pub scrub: Option<ScrubSet>,
    /// Written at the end.
    pub record: Record,
    /// Longest silence.
    pub idle: Duration,
    /// Counts it.
    pub app: Arc<App>,
    /// In managed mode.
    pub ticket: Option<Ticket>,
}

impl Relay {
    /// Copies both ways until both have ended.
    pub async fn run(mut self, client: impl AsyncRead + AsyncWrite + Unpin) {
        let _counted = self.app.metrics.tunnel();
        let Switched { stream, ahead } = self.upstream;
        let scrubber = self.scrub.as_ref().map(ScrubSet::websocket);
        let filter = scrubber.map_or(Filter::None, |s| Filter::WebSocket(Box::new(s)));
        let upstream: crate::stream::Rewind<UpstreamStream> = crate::stream::Rewind::new(ahead, stream);
        let ending = Ending { idle: self.idle, drain: self.app.drain.clone(), ticket: self.ticket };
        let outcome = relay::run(client, upstream, filter, ending).await;
        match outcome {
            Ok(done) => {
                self.record.bytes_in = done.up;
                self.record.bytes_out = done.down;
                self.record.scrubbed += done.scrubbed;
                self.record.reason = done.ended_by;
            }
            Err(error) => {
                self.record.reason = Some("websocket-broke-off");
                self.record.error = Some(error);
            }
        }
        self.app.metrics.scrubbed(self.record.scrubbed);
        self.app.metrics.body_bytes(self.record.bytes_in, self.record.bytes_out);
        tracing::debug!(host = %self.record.host, "websocket connection closed");
    }
}
