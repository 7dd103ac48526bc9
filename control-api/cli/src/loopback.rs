//! A TLS origin on loopback and a client that goes through a proxy, for `centaur demo` and `centaur doctor`. Both
//! speak one request per connection, which is all that is shown.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Nothing here leaves the machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any head that is sent here.
const MAX_HEAD: usize = 64 * 1024;

/// One request as the origin received it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The server name of the handshake.
    pub server_name: String,
    /// Request line and fields, without the empty line.
    pub head: String,
}

impl Received {
    /// The target of the request line.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// What an origin answers: status line without the version, and body.
pub type Answer = (&'static str, String);

/// A TLS server on loopback under a CA of its own; gone with the process.
pub struct Origin {
    address: SocketAddr,
    ca_pem: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Origin {
    /// Starts serving for `names`. A connection that begins with `CONNECT` is granted first, so that the origin can
    /// stand behind a proxy that believes it goes through another one.
    ///
    /// # Errors
    /// When no certificate can be made or no port opened.
    pub fn start(
        names: &[&str],
        answer: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (config, ca_pem) = server_config(names).map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (received.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, log, answer) = (config.clone(), log.clone(), answer.clone());
                // A client that fails is one that did not trust us or went away; what counts is what was received.
                std::thread::spawn(move || serve(stream, config, &log, &*answer));
            }
        });
        Ok(Self { address, ca_pem, received })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Certificate of its CA.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn server_config(
    names: &[&str],
) -> Result<(Arc<ServerConfig>, String), Box<dyn std::error::Error + Send + Sync>> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(DnType::CommonName, "centaur throw-away origin CA");
    let ca_cert = ca.self_signed(&ca_key)?;
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    let cert = params.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok((Arc::new(config), ca_cert.pem()))
}

fn serve(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    log: &Mutex<Vec<Received>>,
    answer: &dyn Fn(&Received) -> Answer,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut first = [0; 1];
    if stream.peek(&mut first)? == 1 && first[0] == b'C' {
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")?;
    }
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let head = read_head(&mut stream)?;
    let server_name = stream.conn.server_name().unwrap_or_default().to_owned();
    let received = Received { server_name, head };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(received.clone());
    let (status, body) = answer(&received);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// A proxy, as a client is told of it.
pub struct Proxy<'a> {
    /// Where its tunnel listener is.
    pub address: SocketAddr,
    /// `user:password`, if it asks for one.
    pub credentials: Option<&'a str>,
    /// Its CA, and others that are trusted.
    pub ca_pem: &'a str,
}

impl Proxy<'_> {
    /// One GET through a tunnel; the raw answer, head and body. A tunnel that is refused gives the refusal.
    ///
    /// # Errors
    /// When the proxy cannot be reached, or its certificate is not its CA's.
    pub fn get(&self, authority: &str, path: &str, fields: &[(&str, &str)]) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n")?;
        if let Some(credentials) = self.credentials {
            write!(stream, "Proxy-Authorization: Basic {}\r\n", basic(credentials))?;
        }
        stream.write_all(b"\r\n")?;
        let head = read_head(&mut stream)?;
        if status(&head) != Some(200) {
            let mut body = String::new();
            let _ = stream.read_to_string(&mut body);
            return Ok(format!("{head}\r\n\r\n{body}"));
        }
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection =
            ClientConnection::new(client_config(self.ca_pem)?, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\n")?;
        for (name, value) in fields {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"Connection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => Err(error),
            // An end without a close alert is still an end.
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }
}

fn client_config(ca_pem: &str) -> io::Result<Arc<ClientConfig>> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(ca.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn basic(credentials: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(credentials)
}

/// The status code of an answer.
pub fn status(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.get(..3)?.parse().ok()
}

/// A header field of a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let mut fields = fields.filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The body of an answer, without what chunked coding adds.
pub fn body(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    if !header(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return body.to_owned();
    }
    let mut out = String::new();
    let mut rest = body;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        out.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    out
}

fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD || stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    head.truncate(head.len() - 4);
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_same_in_both_framings() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), "abc");
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
            "abc"
        );
    }

    #[test]
    fn the_client_gets_what_the_origin_answers_and_trusts_nobody_else() {
        let origin = Origin::start(&["a.test"], |r| ("200 OK", format!("saw {}", r.path()))).unwrap();
        // The origin grants the CONNECT itself, so it is its own proxy here.
        let proxy = Proxy { address: origin.address(), credentials: None, ca_pem: origin.ca_pem() };
        let answer = proxy.get("a.test:443", "/x", &[("X-A", "b")]).unwrap();
        assert_eq!((status(&answer), body(&answer).as_str()), (Some(200), "saw /x"));
        assert_eq!(origin.received()[0].header("x-a"), Some("b"));
        let other = Origin::start(&["a.test"], |_| ("200 OK", String::new())).unwrap();
        let wrong = Proxy { address: origin.address(), credentials: None, ca_pem: other.ca_pem() };
        assert!(wrong.get("a.test:443", "/x", &[]).is_err());
    }
}
