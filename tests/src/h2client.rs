//! A client that speaks HTTP/2 to the proxy.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::client::{Conn, Io};
use crate::wait::{eventually, within};

/// A connection that ALPN gave to HTTP/2.
pub struct H2 {
    sender: SendRequest<http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>>,
}

/// A whole HTTP/2 reply.
#[derive(Debug)]
pub struct H2Reply {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// Content.
    pub body: Bytes,
    /// Trailer fields, empty when there were none.
    pub trailers: HeaderMap,
}

impl H2Reply {
    /// A field as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl H2 {
    /// Takes over a TLS connection on which `h2` was negotiated.
    pub async fn new(conn: Conn) -> Self {
        assert_eq!(conn.alpn.as_deref(), Some("h2"), "the proxy did not choose h2");
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(conn.into_io()))
                .await
                .expect("an h2 connection");
        // Only the proxy's settings say whether a WebSocket may be asked for. Hyper reads them on a task of its own.
        eventually("the proxy's settings", async || connection.is_extended_connect_protocol_enabled()).await;
        tokio::spawn(connection);
        Self { sender }
    }

    /// Asks for a WebSocket (RFC 8441). The stream is there when the reply is 200.
    ///
    /// # Errors
    /// A stream or connection that was reset.
    pub async fn websocket(
        &mut self,
        request: http::request::Builder,
    ) -> hyper::Result<Result<Box<dyn Io>, H2Reply>> {
        let protocol = hyper::ext::Protocol::from_static("websocket");
        let request = request.method("CONNECT").extension(protocol);
        let response = self.open(request, Empty::new().boxed()).await?;
        if response.status() != StatusCode::OK {
            return collect(response).await.map(Err);
        }
        let upgraded = within("the stream", hyper::upgrade::on(response)).await?;
        Ok(Ok(Box::new(TokioIo::new(upgraded))))
    }

    /// Sends a request with `body`.
    ///
    /// # Errors
    /// A stream or connection that was reset.
    pub async fn send(&mut self, request: http::request::Builder, body: &str) -> hyper::Result<H2Reply> {
        let response = self.open(request, Full::new(Bytes::from(body.to_owned())).boxed()).await?;
        collect(response).await
    }

    /// Sends a request with any body and returns once the head of the reply is there.
    ///
    /// # Errors
    /// A stream or connection that was reset.
    pub async fn open(
        &mut self,
        request: http::request::Builder,
        body: http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>,
    ) -> hyper::Result<http::Response<Incoming>> {
        let request: Request<_> = request.body(body).expect("request");
        within("an h2 reply", async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        })
        .await
    }
}

/// Reads a reply to its end.
///
/// # Errors
/// A stream or connection that was reset.
pub async fn collect(response: http::Response<Incoming>) -> hyper::Result<H2Reply> {
    let (parts, body) = response.into_parts();
    let body = within("the end of an h2 reply", body.collect()).await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(H2Reply { status: parts.status, headers: parts.headers, body: body.to_bytes(), trailers })
}
