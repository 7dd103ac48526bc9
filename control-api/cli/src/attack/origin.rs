//! Origins that write down every byte they receive and answer as a careless server would.
//!
//! Each name has a loopback address of its own (127.0.0.0/8), all on the same two ports, so that what was reached
//! is known without believing the request.
//!
//! | Path | Answer |
//! |---|---|
//! | `/reflect` | the request head, in a field and in the content |
//! | `/base64`, `/percent`, `/json` | the credential in that spelling |
//! | `/split` | the credential, one byte a chunk |
//! | `/trailer` | the credential in a trailer |
//! | `/redirect` | the credential in `Location` and `Set-Cookie` |
//! | `/ws`, `/ws-bad`, `/ws-refuse`, `/ws-ok` | 101, 101 with a wrong accept key, 403, 200 |
//! | `/unasked` | 101 to whatever was asked |
//! | `/desync` | a response followed by a second one nobody asked for |
//! | `/twofold` | length and chunks that disagree |
//! | `/hop` | hop-by-hop fields and `Alt-Svc` |
//! | `/huge-head` | 64 KiB of fields for ever |
//! | `/silent` | nothing |

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha1::{Digest as _, Sha1};

use super::{AttackError, io};

/// How long an origin waits for more of a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something an origin received; the first of a connection has no bytes.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which origin.
    pub name: &'static str,
    /// Over TLS.
    pub tls: bool,
    /// What.
    pub bytes: Vec<u8>,
}

/// All origins.
#[derive(Clone)]
pub struct Origins {
    /// Port of cleartext on every address.
    pub plain: u16,
    /// Port of TLS on every address.
    pub tls: u16,
    log: Arc<Mutex<Vec<Received>>>,
}

impl Origins {
    /// Starts one origin per name at 127.0.0.1, 127.0.0.2, …, at ports that are free on all of them.
    ///
    /// # Errors
    /// No such ports.
    pub fn start(names: &[&'static str], tls: &Arc<ServerConfig>) -> Result<Self, AttackError> {
        let (plain, secure) = (free(names)?, free(names)?);
        let port = |set: &[(&str, TcpListener)]| {
            set[0].1.local_addr().map(|addr| addr.port()).map_err(io("binding the origins"))
        };
        let origins = Self { plain: port(&plain)?, tls: port(&secure)?, log: Arc::default() };
        for (name, listener) in plain {
            origins.serve(name, listener, None);
        }
        for (name, listener) in secure {
            origins.serve(name, listener, Some(tls.clone()));
        }
        Ok(origins)
    }

    /// What was received since `from`.
    pub fn since(&self, from: usize) -> Vec<Received> {
        self.log.lock().map(|log| log[from.min(log.len())..].to_vec()).unwrap_or_default()
    }

    /// How much was received so far, for [`Self::since`].
    pub fn mark(&self) -> usize {
        self.log.lock().map_or(0, |log| log.len())
    }

    fn serve(&self, name: &'static str, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let log = self.log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, tls) = (log.clone(), tls.clone());
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = stream.set_nodelay(true);
                    let tap = Tap { name, tls: tls.is_some(), log };
                    tap.write(&[]);
                    // The peer may do what it wants: every end of a connection is fine.
                    let _ = match tls.map(ServerConnection::new) {
                        None => converse(stream, &tap),
                        Some(Ok(session)) => converse(StreamOwned::new(session, stream), &tap),
                        Some(Err(_)) => Ok(()),
                    };
                });
            }
        });
    }
}

/// The address of the origin with this index.
pub fn address(index: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, u8::try_from(index + 1).unwrap_or(u8::MAX)))
}

type Listeners = Vec<(&'static str, TcpListener)>;

fn bind(names: &[&'static str], port: u16) -> std::io::Result<Listeners> {
    let mut set: Listeners = Vec::new();
    let mut port = port;
    for (index, name) in names.iter().enumerate() {
        let listener = TcpListener::bind(SocketAddr::new(address(index), port))?;
        port = listener.local_addr()?.port();
        set.push((name, listener));
    }
    Ok(set)
}

/// A port that is free on every address; the first try may take one that is not.
fn free(names: &[&'static str]) -> Result<Listeners, AttackError> {
    let mut last = None;
    for _ in 0..20 {
        match bind(names, 0) {
            Ok(set) => return Ok(set),
            Err(error) => last = Some(error),
        }
    }
    Err(io("binding the origins")(last.unwrap_or_else(|| std::io::Error::other("no names"))))
}

struct Tap {
    name: &'static str,
    tls: bool,
    log: Arc<Mutex<Vec<Received>>>,
}

impl Tap {
    fn write(&self, bytes: &[u8]) {
        if let Ok(mut log) = self.log.lock() {
            log.push(Received { name: self.name, tls: self.tls, bytes: bytes.to_vec() });
        }
    }
}

fn converse(mut stream: impl Read + Write, tap: &Tap) -> std::io::Result<()> {
    let mut buf = Vec::new();
    loop {
        let Some(head) = until(&mut stream, &mut buf, b"\r\n\r\n", tap)? else { return Ok(()) };
        let head = String::from_utf8_lossy(&head).into_owned();
        body(&head, &mut stream, &mut buf, tap)?;
        stream.write_all(&reply(&head))?;
        stream.flush()?;
    }
}

/// Reads up to and with `needle`; nothing at the end of the stream.
fn until(
    stream: &mut impl Read,
    buf: &mut Vec<u8>,
    needle: &[u8],
    tap: &Tap,
) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(at) = buf.windows(needle.len()).position(|window| window == needle) {
            let rest = buf.split_off(at + needle.len());
            return Ok(Some(std::mem::replace(buf, rest)));
        }
        if fill(stream, buf, tap)? == 0 {
            return Ok(None);
        }
    }
}

fn fill(stream: &mut impl Read, buf: &mut Vec<u8>, tap: &Tap) -> std::io::Result<usize> {
    let mut chunk = [0; 16 * 1024];
    let count = stream.read(&mut chunk)?;
    tap.write(&chunk[..count]);
    buf.extend_from_slice(&chunk[..count]);
    Ok(count)
}

fn body(head: &str, stream: &mut impl Read, buf: &mut Vec<u8>, tap: &Tap) -> std::io::Result<()> {
    if field(head, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let line = line(stream, buf, tap)?;
            let size = line.split(';').next().map(str::trim).unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            take(stream, buf, size + 2, tap)?;
        }
        while line(stream, buf, tap)?.len() > 2 {}
        return Ok(());
    }
    let length = field(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    take(stream, buf, length, tap)
}

/// A line of a message; its absence is an error, so that half a message is not answered.
fn line(stream: &mut impl Read, buf: &mut Vec<u8>, tap: &Tap) -> std::io::Result<String> {
    match until(stream, buf, b"\r\n", tap)? {
        Some(line) => Ok(String::from_utf8_lossy(&line).into_owned()),
        None => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

fn take(stream: &mut impl Read, buf: &mut Vec<u8>, count: usize, tap: &Tap) -> std::io::Result<()> {
    while buf.len() < count {
        if fill(stream, buf, tap)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    buf.drain(..count);
    Ok(())
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn reply(head: &str) -> Vec<u8> {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let credential = field(head, "authorization").or_else(|| field(head, "x-api-key")).unwrap_or_default();
    let bare = credential.strip_prefix("Bearer ").unwrap_or(credential);
    match path {
        "/reflect" => plain(&format!("X-Echo: {credential}\r\n"), head),
        "/base64" => plain("", &STANDARD.encode(bare)),
        "/percent" => plain("", &percent(bare)),
        "/json" => {
            plain("Content-Type: application/json\r\n", &serde_json::json!({ "key": bare }).to_string())
        }
        "/split" => chunks(bare, ""),
        "/trailer" => chunks("ok", &format!("X-Echo: {credential}\r\n")),
        "/redirect" => plain(
            &format!("Location: https://other.test/?k={}\r\nSet-Cookie: k={bare}; Path=/\r\n", percent(bare)),
            "",
        ),
        "/ws" => switching(&accept(field(head, "sec-websocket-key").unwrap_or_default())),
        "/ws-bad" => switching("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "/ws-refuse" => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        "/unasked" => {
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n".to_vec()
        }
        "/desync" => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
                .to_vec()
        }
        "/twofold" => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
                .to_vec()
        }
        "/hop" => plain(
            "Connection: X-Private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\n\
             Proxy-Authenticate: Basic realm=x\r\nAlt-Svc: h3=\":443\"\r\n",
            "ok",
        ),
        "/huge-head" => {
            let line = format!("X-Pad: {}\r\n", "p".repeat(8000));
            format!("HTTP/1.1 200 OK\r\n{}\r\n", line.repeat(2000)).into_bytes()
        }
        "/silent" => Vec::new(),
        _ => plain("", "ok"),
    }
}

fn plain(fields: &str, content: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{content}", content.len()).into_bytes()
}

fn chunks(content: &str, trailers: &str) -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Echo\r\n\r\n".to_vec();
    for byte in content.bytes() {
        out.extend_from_slice(b"1\r\n");
        out.push(byte);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    out
}

fn switching(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// RFC 6455, 4.2.2.
fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()))
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::{accept, address, reply};

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_careless_origin_reflects_what_it_got() {
        let reply = String::from_utf8(reply("GET /reflect?x HTTP/1.1\r\nAuthorization: Bearer fake\r\n\r\n"));
        assert!(reply.expect("text").contains("X-Echo: Bearer fake\r\n"));
        assert_eq!(address(2).to_string(), "127.0.0.3");
    }
}
