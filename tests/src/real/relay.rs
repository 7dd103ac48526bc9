//! The way to PostgreSQL, which can be cut: a replica that its database cannot be reached from.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// A listener on loopback that passes everything on to the server's socket while it is open.
pub struct Relay {
    address: String,
    open: watch::Sender<bool>,
}

impl Relay {
    /// In front of the server of this address, `postgres://USER@localhost/NAME?host=DIRECTORY`.
    pub async fn start(database: &str) -> Self {
        let (before, directory) = database.split_once("?host=").expect("the address of a socket");
        let socket = PathBuf::from(directory).join(".s.PGSQL.5432");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let here: SocketAddr = listener.local_addr().expect("address");
        let (open, _) = watch::channel(true);
        let state = open.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Dropped at once while it is cut.
                if *state.borrow() {
                    tokio::spawn(pass(stream, socket.clone(), state.subscribe()));
                }
            }
        });
        Self { address: before.replace("localhost", &here.to_string()), open }
    }

    /// What goes into `DATABASE_URL`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends every connection, and each new one at once.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Passes connections on again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(mut client: TcpStream, socket: PathBuf, mut open: watch::Receiver<bool>) {
    let Ok(mut server) = UnixStream::connect(socket).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}
