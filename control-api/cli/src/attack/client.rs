//! A connection that plays the steps of an entry.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::h2::{self, Event};
use super::hello::client_hello;
use super::pki::careless_client;

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Ended, by a failed handshake or a write nobody took.
    Ended,
}

/// A response as far as the runner looks at it.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Head and content without its transfer coding, and trailers.
    pub text: Vec<u8>,
}

/// What reading came to.
pub enum Read1 {
    /// A response.
    Response(Response),
    /// The end of the connection before a whole head.
    End,
}

/// One connection to the proxy.
pub struct Client {
    wire: Wire,
    patience: Duration,
    /// When the step under way gives up; a peer that trickles does not put it off.
    deadline: Instant,
    buf: Vec<u8>,
    /// Everything received.
    pub received: Vec<u8>,
    stream: Option<u32>,
}

impl Client {
    /// Connects; `patience` is how long the proxy may take to answer or to close.
    ///
    /// # Errors
    /// A text for the report.
    pub fn connect(to: SocketAddr, patience: Duration) -> Result<Self, String> {
        let stream =
            TcpStream::connect_timeout(&to, patience).map_err(|error| format!("cannot connect: {error}"))?;
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(patience));
        let _ = stream.set_write_timeout(Some(patience));
        Ok(Self {
            wire: Wire::Plain(stream),
            patience,
            deadline: Instant::now(),
            buf: Vec::new(),
            received: Vec::new(),
            stream: None,
        })
    }

    /// A handshake; one that fails leaves the connection ended, which later steps judge.
    ///
    /// # Errors
    /// A name that TLS cannot carry.
    pub fn tls(&mut self, name: Option<&str>, offer_h2: bool) -> Result<(), String> {
        let Wire::Plain(stream) = std::mem::replace(&mut self.wire, Wire::Ended) else { return Ok(()) };
        let alpn: &[&str] = if offer_h2 { &["h2"] } else { &[] };
        let config = careless_client(alpn, name.is_some()).map_err(|error| error.to_string())?;
        let server = ServerName::try_from(name.unwrap_or("no-name.invalid").to_owned())
            .map_err(|_| "a name that TLS cannot carry; use `hello`".to_owned())?;
        let mut session = ClientConnection::new(config, server).map_err(|error| error.to_string())?;
        let mut stream = stream;
        while session.is_handshaking() {
            if session.complete_io(&mut stream).is_err() {
                return Ok(());
            }
        }
        self.wire = Wire::Tls(Box::new(StreamOwned::new(session, stream)));
        Ok(())
    }

    /// Sends a hand-made client hello.
    pub fn hello(&mut self, name: &[u8]) {
        self.send(&client_hello(name));
    }

    /// Sends. Whether it was taken shows in what comes back.
    pub fn send(&mut self, bytes: &[u8]) {
        let result = match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(bytes),
            Wire::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Wire::Ended => return,
        };
        // A peer that closes with unread bytes resets; what it said before may still be read.
        drop(result);
    }

    /// Sends again and again, until it is not taken any more.
    pub fn flood(&mut self, count: usize, bytes: &[u8]) {
        // A TLS stream swallows some writes that the socket refuses, so the clock ends this, not an error alone.
        let end = Instant::now() + self.patience;
        for _ in 0..count {
            if Instant::now() > end {
                return;
            }
            let taken = match &mut self.wire {
                Wire::Plain(stream) => stream.write_all(bytes),
                Wire::Tls(stream) => stream.write_all(bytes),
                Wire::Ended => return,
            };
            if taken.is_err() {
                return;
            }
        }
    }

    /// Closes the sending half.
    pub fn fin(&mut self) {
        match &mut self.wire {
            Wire::Plain(stream) => drop(stream.shutdown(Shutdown::Write)),
            Wire::Tls(stream) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.sock.shutdown(Shutdown::Write);
            }
            Wire::Ended => {}
        }
    }

    /// One response, or the end.
    ///
    /// # Errors
    /// That neither came in time, or bytes that are no response.
    pub fn read(&mut self) -> Result<Read1, String> {
        self.start_clock();
        loop {
            let Some(head) = self.until(b"\r\n\r\n")? else {
                // Leftovers without a head, such as a TLS alert on a connection without TLS, are an end as well.
                self.buf.clear();
                return Ok(Read1::End);
            };
            let text = String::from_utf8_lossy(&head).into_owned();
            let status = text
                .strip_prefix("HTTP/")
                .and_then(|line| line.split(' ').nth(1))
                .and_then(|status| status.parse().ok())
                .ok_or_else(|| format!("no status line: {:?}", text.chars().take(60).collect::<String>()))?;
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let mut response = Response { status, text: head };
            if !matches!(status, 101 | 204 | 304) && !opens_tunnel(status, &text) {
                self.content(&text, &mut response)?;
            }
            return Ok(Read1::Response(response));
        }
    }

    /// Exactly as many bytes as `wanted` has.
    ///
    /// # Errors
    /// Other bytes, or none in time.
    pub fn exactly(&mut self, wanted: &[u8]) -> Result<(), String> {
        self.start_clock();
        while self.buf.len() < wanted.len() && self.fill()? > 0 {}
        let got: Vec<u8> = self.buf.drain(..wanted.len().min(self.buf.len())).collect();
        if got == wanted { Ok(()) } else { Err(format!("got {} instead", hex(&got))) }
    }

    /// Whether the connection has ended and everything was read.
    ///
    /// # Errors
    /// That nothing came in time.
    pub fn at_end(&mut self) -> Result<bool, String> {
        self.start_clock();
        Ok(self.buf.is_empty() && self.fill()? == 0)
    }

    /// The end of the connection and nothing before it.
    ///
    /// # Errors
    /// Bytes, or no end in time.
    pub fn closed(&mut self) -> Result<(), String> {
        self.start_clock();
        while self.fill()? > 0 {}
        if self.buf.is_empty() { Ok(()) } else { Err(format!("got {} before the end", hex(&self.buf))) }
    }

    /// An HTTP/2 request on a new stream; the first one sends the preface.
    pub fn h2(&mut self, fields: &[(Vec<u8>, Vec<u8>)]) {
        let stream = self.h2_stream();
        self.send(&h2::request(stream, fields));
    }

    /// Bytes after the preface.
    pub fn h2_raw(&mut self, bytes: &[u8]) {
        self.h2_stream();
        self.send(bytes);
    }

    /// The status on the newest stream; nothing when it or the connection was reset.
    ///
    /// # Errors
    /// That neither came in time.
    pub fn h2_status(&mut self) -> Result<Option<u16>, String> {
        self.start_clock();
        let stream = self.stream.unwrap_or(1);
        loop {
            match h2::event(&mut self.buf, stream) {
                Some(Event::Status(status)) if (100..200).contains(&status) => {}
                Some(Event::Status(status)) => return Ok(Some(status)),
                Some(Event::Reset) => return Ok(None),
                Some(Event::Answer(bytes)) => self.send(&bytes),
                Some(Event::Other) => {}
                None => {
                    if self.fill()? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn h2_stream(&mut self) -> u32 {
        let next = match self.stream {
            None => {
                self.send(&h2::preface());
                1
            }
            Some(stream) => stream + 2,
        };
        self.stream = Some(next);
        next
    }

    fn content(&mut self, head: &str, response: &mut Response) -> Result<(), String> {
        let field = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_ascii_lowercase())
        };
        if field("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            while let Some(line) = self.until(b"\r\n")? {
                let line = String::from_utf8_lossy(&line).into_owned();
                let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                    .map_err(|_| "a bad chunk size".to_owned())?;
                if size == 0 {
                    break;
                }
                let chunk = self.take(size)?;
                response.text.extend(chunk);
                self.take(2)?;
            }
            while let Some(line) = self.until(b"\r\n")? {
                if line.len() == 2 {
                    break;
                }
                response.text.extend(line);
            }
            return Ok(());
        }
        let content = if let Some(length) = field("content-length").and_then(|length| length.parse().ok()) {
            self.take(length)?
        } else {
            while self.fill()? > 0 {}
            std::mem::take(&mut self.buf)
        };
        response.text.extend(content);
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.buf.len() < count && self.fill()? > 0 {}
        Ok(self.buf.drain(..count.min(self.buf.len())).collect())
    }

    fn until(&mut self, needle: &[u8]) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(at) = self.buf.windows(needle.len()).position(|window| window == needle) {
                return Ok(Some(self.buf.drain(..at + needle.len()).collect()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn start_clock(&mut self) {
        self.deadline = Instant::now() + self.patience;
    }

    /// Zero at the end, however the end came.
    fn fill(&mut self) -> Result<usize, String> {
        let mut chunk = [0; 16 * 1024];
        let late = || format!("no answer and no end in {} s", self.patience.as_secs_f32());
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        let result = match &mut self.wire {
            Wire::Plain(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut chunk)),
            Wire::Tls(stream) => {
                stream.sock.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut chunk))
            }
            Wire::Ended => return Ok(0),
        };
        let count = match result {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(late());
            }
            Err(_) => 0,
        };
        self.buf.extend_from_slice(&chunk[..count]);
        self.received.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// The answer to CONNECT has no content; it alone says so in its reason phrase or has no framing at all.
fn opens_tunnel(status: u16, head: &str) -> bool {
    status == 200 && head.starts_with("HTTP/1.1 200 Connection")
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}{}", shown.join(" "), if bytes.len() > 16 { " …" } else { "" })
}
