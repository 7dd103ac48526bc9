//! A WebSocket that echoes.

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::body::{Body, full};

pub(super) fn answer(mut request: Request<Incoming>) -> Response<Body> {
    let refuse = request.headers().contains_key("x-refuse");
    let key = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let (false, Some(accept)) = (refuse, key) else {
        return Response::builder()
            .status(StatusCode::FORBIDDEN)
            .body(full("no upgrade\n"))
            .expect("response");
    };
    // A wrong key on request, for the test that a relay opens only after a verified handshake.
    let accept = if request.headers().contains_key("x-bad-accept") { "AAAA".to_owned() } else { accept };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept)
        .body(full(""))
        .expect("response")
}
