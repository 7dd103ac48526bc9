//! What a connection does, one step after the other.
//!
//! A connection in a tunnel has been many things before it is idle: a greeting, a `CONNECT`, a TLS handshake. Each is
//! a future of its own that is gone when the next one begins, so a connection holds the memory of what it is now and
//! not of all that it was.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::app::App;
use crate::conn::{self, Conn};
use crate::managed::live::{self, Connection, LAST_WORDS, Ticket};
use crate::stream::{ClientStream, Rewind};
use crate::target::TunnelTarget;
use crate::tls::{self, Around};
use crate::tunnel::{self, Opened};
use crate::websocket;

/// The next thing to do.
pub enum Step {
    /// Cleartext: HTTP/1, or HTTP/2 by its preface.
    Clear(Box<Conn>, Rewind<TcpStream>),
    /// The SOCKS5 handshake; the client has shown who it is or has not.
    Socks(Arc<App>, SocketAddr, Rewind<TcpStream>, bool),
    /// A TLS handshake.
    Terminate(Arc<App>, SocketAddr, Rewind<TcpStream>, Around),
    /// TLS that is passed on by its server name.
    Relay(Arc<App>, SocketAddr, Rewind<TcpStream>, Option<TunnelTarget>, bool),
    /// HTTP/1.
    Http1(Arc<Conn>, ClientStream),
    /// HTTP/2.
    Http2(Arc<Conn>, ClientStream),
    /// Whatever is inside a tunnel.
    Tunnel(Box<Opened>, ClientStream),
    /// Frames of a WebSocket.
    WebSocket(Box<websocket::Relay>, ClientStream),
    /// The connection has ended.
    End,
}

/// Goes on until the connection has ended.
pub async fn run(mut step: Step) {
    let mut tunnel: Option<Ticket> = None;
    loop {
        let mut end = None;
        match &mut step {
            Step::Tunnel(opened, _) => tunnel = opened.take_ticket(),
            Step::Http1(conn, _) | Step::Http2(conn, _) => end = conn.end.clone(),
            _ => {}
        }
        let Some(work) = next(step) else { return };
        step = match (&mut tunnel, end) {
            (None, None) => work.await,
            (tunnel, end) => tokio::select! {
                step = work => step,
                () = withdrawn(tunnel.as_mut()) => return,
                () = ended(end) => return,
            },
        };
    }
}

/// Each step in an allocation of its own, which is gone when the next one begins.
fn next(step: Step) -> Option<Pin<Box<dyn Future<Output = Step> + Send>>> {
    Some(match step {
        Step::Clear(conn, tcp) => Box::pin(conn::serve_clear(*conn, tcp)),
        Step::Socks(app, client, tcp, trusted) => Box::pin(tunnel::accept_socks(app, client, tcp, trusted)),
        Step::Terminate(app, client, tcp, around) => Box::pin(tls::terminate(app, client, tcp, around)),
        Step::Relay(app, client, tcp, target, trusted) => Box::pin(async move {
            tls::relay(app, client, tcp, target, trusted).await;
            Step::End
        }),
        Step::Http1(conn, stream) => Box::pin(conn::serve_h1(conn, stream)),
        Step::Http2(conn, stream) => Box::pin(async move {
            conn::serve_h2(conn, stream).await;
            Step::End
        }),
        Step::Tunnel(opened, stream) => Box::pin(tunnel::serve(*opened, stream)),
        Step::WebSocket(relay, stream) => Box::pin(async move {
            relay.run(stream).await;
            Step::End
        }),
        Step::End => return None,
    })
}

/// A tunnel is no longer granted; what is inside has had time to say why it ends.
async fn withdrawn(ticket: Option<&mut Ticket>) {
    live::revoked(ticket).await;
    tokio::time::sleep(LAST_WORDS).await;
}

async fn ended(connection: Option<Connection>) {
    match connection {
        Some(connection) => connection.notified().await,
        None => std::future::pending().await,
    }
}
