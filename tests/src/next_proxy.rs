//! A second HTTP proxy further up, for the tests of chaining: it takes `CONNECT` and requests in absolute form, is
//! strict about both, and remembers the heads it was given.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A running proxy. It stops with the runtime.
///
/// Every name and address leads to the same port of this machine, or to one port, as if the world's origins were far away.
pub struct NextProxy {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl NextProxy {
    /// Starts one that lets everything through.
    pub async fn start() -> Self {
        Self::start_with(None, None).await
    }

    /// The same, but everything leads to this port, whichever was asked for.
    pub async fn leading_to(port: u16) -> Self {
        Self::start_with(None, Some(port)).await
    }

    /// Starts one that gives this answer to everything.
    pub async fn refusing(answer: &'static str) -> Self {
        Self::start_with(Some(answer), None).await
    }

    async fn start_with(answer: Option<&'static str>, to: Option<u16>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let all = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heads = all.clone();
                tokio::spawn(async move {
                    // A peer that goes away in the middle is what some tests are about.
                    let _ = serve(stream, answer, to, &heads).await;
                });
            }
        });
        Self { addr, heads }
    }

    /// Its address as a setting takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The same with a name and a password.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}", self.addr)
    }

    /// Every head so far, byte for byte.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("lock").clone()
    }
}

async fn serve(
    mut client: TcpStream,
    answer: Option<&'static str>,
    to: Option<u16>,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut buf = Vec::new();
    let end = loop {
        if let Some(at) = memchr::memmem::find(&buf, b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut buf).await? == 0 {
            return Ok(());
        }
    };
    let behind = buf.split_off(end);
    let head = String::from_utf8_lossy(&buf).into_owned();
    heads.lock().expect("lock").push(head.clone());
    let plan = if let Some(answer) = answer { Err(answer) } else { plan(&head, !behind.is_empty()) };
    let (port, first) = match plan {
        Ok(plan) => plan,
        Err(answer) => {
            client.write_all(answer.as_bytes()).await?;
            return client.shutdown().await;
        }
    };
    let mut origin = TcpStream::connect((Ipv4Addr::LOCALHOST, to.unwrap_or(port))).await?;
    match first {
        Some(head) => origin.write_all(&[head.as_bytes(), &behind].concat()).await?,
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
    }
    tokio::io::copy_bidirectional(&mut client, &mut origin).await?;
    Ok(())
}

const BAD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// The port to connect to, and the head to send there (nothing for a tunnel).
fn plan(head: &str, early: bool) -> Result<(u16, Option<String>), &'static str> {
    let (line, fields) = head.split_once("\r\n").ok_or(BAD)?;
    let [method, target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(BAD) };
    let port = |authority: &str| {
        authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).ok_or(BAD)
    };
    let hosts: Vec<_> = fields
        .split("\r\n")
        .filter_map(|field| field.split_once(": "))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .collect();
    let named_once = |authority: &str| matches!(hosts[..], [(_, host)] if host == authority);
    if method == "CONNECT" {
        let refused = early || !named_once(target);
        return if refused { Err(BAD) } else { Ok((port(target)?, None)) };
    }
    let rest = target.strip_prefix("http://").ok_or(BAD)?;
    let (authority, path) = rest.split_at(rest.find('/').ok_or(BAD)?);
    if !named_once(authority) {
        return Err(BAD);
    }
    // One request a connection: nothing behind it is looked at.
    Ok((port(authority)?, Some(format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{fields}"))))
}
