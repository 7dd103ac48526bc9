//! The server's sockets. Work is bounded: lookups in flight, TCP connections, how long a client may take.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{DnsServer, Plan, Transport};

/// Lookups of passed-through names in flight for UDP clients. One more is dropped, and the client asks again.
const MAX_LOOKUPS: usize = 256;

/// TCP connections at a time. One more waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;

/// How long a TCP client may take to send a question or to take an answer (RFC 7766 6.2.3 asks for seconds).
const CLIENT_LIMIT: Duration = Duration::from_secs(10);

/// Pause after an error of the socket itself, so that a lasting one does not spin.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Longest UDP packet read; questions are far smaller.
const MAX_PACKET: usize = 4096;

impl DnsServer {
    /// Serves both sockets until `shutdown` is ready. Lookups and connections in flight are dropped then.
    pub async fn serve(
        self: Arc<Self>,
        udp: UdpSocket,
        tcp: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        tokio::select! {
            () = shutdown => {}
            () = Arc::clone(&self).serve_udp(udp) => {}
            () = self.serve_tcp(tcp) => {}
        }
    }

    async fn serve_udp(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut lookups = JoinSet::new();
        let mut packet = vec![0; MAX_PACKET];
        loop {
            let received = tokio::select! {
                received = socket.recv_from(&mut packet) => received,
                Some(_) = lookups.join_next() => continue,
            };
            let (length, client) = match received {
                Ok(received) => received,
                Err(error) => {
                    tracing::warn!(%error, "dns read failed");
                    sleep(BACK_OFF).await;
                    continue;
                }
            };
            match self.plan(&packet[..length], Transport::Udp) {
                Plan::Silence => {}
                Plan::Reply(reply) => send(&socket, &reply, client).await,
                Plan::LookUp(ask, family) => {
                    if lookups.len() >= MAX_LOOKUPS {
                        continue;
                    }
                    let (server, socket) = (Arc::clone(&self), Arc::clone(&socket));
                    lookups.spawn(async move {
                        let reply = server.look_up(*ask, family, Transport::Udp).await;
                        send(&socket, &reply, client).await;
                    });
                }
            }
        }
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let accepted = loop {
                tokio::select! {
                    accepted = listener.accept() => break accepted,
                    Some(_) = connections.join_next() => {}
                }
            };
            match accepted {
                Ok((stream, _)) => {
                    let server = Arc::clone(&self);
                    connections.spawn(async move {
                        // A client that goes away or keeps still is no event worth telling.
                        let _ = server.serve_connection(stream).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "dns accept failed");
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Questions one after another, each behind its length (RFC 1035 4.2.2).
    async fn serve_connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut packet = Vec::new();
        loop {
            timeout(CLIENT_LIMIT, async {
                let length = stream.read_u16().await?;
                packet.resize(length.into(), 0);
                stream.read_exact(&mut packet).await
            })
            .await??;
            let Some(reply) = self.answer(&packet, Transport::Tcp).await else { return Ok(()) };
            let Ok(length) = u16::try_from(reply.len()) else { return Ok(()) };
            let mut framed = length.to_be_bytes().to_vec();
            framed.extend(reply);
            timeout(CLIENT_LIMIT, stream.write_all(&framed)).await??;
        }
    }
}

async fn send(socket: &UdpSocket, reply: &[u8], client: SocketAddr) {
    if let Err(error) = socket.send_to(reply, client).await {
        tracing::error!(%error, "dns write failed");
    }
}
