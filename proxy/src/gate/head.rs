//! Whether a request head is complete, sound and framed in one way only.

use std::fmt::Write as _;

use http::StatusCode;
use httparse::{EMPTY_HEADER, Header, Status};

use super::HeadLimits;

/// What a look at the bytes says.
pub(super) enum Examined {
    /// More bytes are needed.
    Partial,
    /// A head of `length` bytes; `rewritten` replaces it when it had to be made plain.
    Sound { length: usize, framing: Framing, rewritten: Option<Vec<u8>> },
    /// Not to be served.
    Fault(Box<Fault>),
}

/// How the message goes on after its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: BodyLength,
    /// `CONNECT`, or an `Upgrade` is asked for.
    pub(super) may_switch: bool,
    /// No further request may follow on this connection.
    pub(super) last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    None,
    Fixed(u64),
    Chunked,
}

/// A request that is answered without being parsed further. The connection closes after it.
#[derive(Debug)]
pub struct Fault {
    /// Status code.
    pub status: StatusCode,
    /// What follows the version in the status line, as the reference writes it.
    pub status_line: &'static str,
    /// The body.
    pub body: &'static str,
    /// Stable code.
    pub code: &'static str,
    /// As far as it could be read.
    pub method: String,
    /// As far as it could be read.
    pub host: String,
    /// As far as it could be read, without the query.
    pub path: String,
}

/// Headers parsed without allocation; more are parsed too, at a price.
const USUAL_HEADERS: usize = 64;
/// Headers above which the head counts as too large.
const MAX_HEADERS: usize = 1024;

/// Looks at the bytes that should be a head.
pub(super) fn examine(data: &[u8], limits: HeadLimits) -> Examined {
    let limit = if starts_like(data, b"CONNECT ") { limits.connect } else { limits.request };
    let mut headers = [EMPTY_HEADER; USUAL_HEADERS];
    if let Some(examined) = parse(data, &mut headers, limit) {
        return examined;
    }
    let mut headers = vec![EMPTY_HEADER; MAX_HEADERS];
    parse(data, &mut headers, limit).unwrap_or_else(|| fault(data, Kind::TooLarge))
}

/// The fault of a request whose body is not framed as its head says.
pub(super) fn malformed(data: &[u8]) -> Fault {
    describe(data, Kind::Garbage)
}

/// Entry for fuzzing: must never panic, and must never admit a head and disagree with itself on a second look.
pub fn examine_for_fuzzing(data: &[u8]) -> Option<usize> {
    let limits = HeadLimits { request: 1 << 20, connect: 64 << 10 };
    let first = match examine(data, limits) {
        Examined::Sound { length, rewritten: None, .. } => length,
        Examined::Sound { rewritten: Some(head), .. } => {
            assert!(
                matches!(examine(&head, limits), Examined::Sound { length, rewritten: None, .. } if length == head.len()),
                "a rewritten head must be plain"
            );
            return None;
        }
        Examined::Partial | Examined::Fault(_) => return None,
    };
    assert!(matches!(examine(&data[..first], limits), Examined::Sound { length, .. } if length == first));
    Some(first)
}

/// `None` when there are more headers than room.
fn parse<'d>(data: &'d [u8], headers: &mut [Header<'d>], limit: usize) -> Option<Examined> {
    let mut request = httparse::Request::new(headers);
    match request.parse(data) {
        Ok(Status::Complete(length)) if length <= limit => Some(sound(data, length, &request)),
        Ok(Status::Complete(_)) => Some(fault(data, Kind::TooLarge)),
        Ok(Status::Partial) if data.len() > limit => Some(fault(data, Kind::TooLarge)),
        Ok(Status::Partial) => Some(Examined::Partial),
        Err(httparse::Error::TooManyHeaders) => None,
        Err(error) => Some(salvage(data, limit, error)),
    }
}

/// A second look at what httparse refuses: obsolete line folding is joined, as the reference does.
fn salvage(data: &[u8], limit: usize, error: httparse::Error) -> Examined {
    let kind = match error {
        httparse::Error::Version => Kind::Version,
        httparse::Error::HeaderName => Kind::HeaderName,
        _ => Kind::Garbage,
    };
    let first_line = memchr::memchr(b'\n', data).map_or(data.len(), |at| at + 1);
    let Some(end) = head_end(data) else {
        // A fault inside a head that is still arriving is a fault, but folding shows only in whole heads.
        let folded = has_fold(&data[first_line..]);
        if folded && data.len() <= limit {
            return Examined::Partial;
        }
        return fault(data, kind);
    };
    if end > limit {
        return fault(data, Kind::TooLarge);
    }
    let head = &data[..end];
    if !has_fold(&head[first_line..]) || matches!(head.get(first_line), Some(b' ' | b'\t')) {
        return fault(data, kind);
    }
    let unfolded = unfold(head);
    let mut headers = vec![EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(&unfolded) {
        Ok(Status::Complete(length)) if length == unfolded.len() => {
            match sound(&unfolded, length, &request) {
                Examined::Sound { framing, rewritten, .. } => {
                    Examined::Sound { length: end, framing, rewritten: Some(rewritten.unwrap_or(unfolded)) }
                }
                other => other,
            }
        }
        _ => fault(data, kind),
    }
}

fn sound(data: &[u8], length: usize, request: &httparse::Request<'_, '_>) -> Examined {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return fault(data, Kind::Garbage);
    };
    let framing = match framing(method, minor, request.headers) {
        Ok(framing) => framing,
        Err(kind) => return fault(data, kind),
    };
    if let Err(kind) = check_host(method, target, minor, request.headers) {
        return fault(data, kind);
    }
    if !target.starts_with('/') && target != "*" && method != "CONNECT" && !target.contains("://") {
        return fault(data, Kind::Garbage);
    }
    if target == "*" && method != "OPTIONS" {
        return fault(data, Kind::Garbage);
    }
    let rewritten = plain_target(method, target).map(|plain| {
        let start = target.as_ptr() as usize - data.as_ptr() as usize;
        let mut head = Vec::with_capacity(length + plain.len());
        head.extend_from_slice(&data[..start]);
        head.extend_from_slice(plain.as_bytes());
        head.extend_from_slice(&data[start + target.len()..length]);
        head
    });
    let checked = rewritten.as_deref().map_or(Ok(target), |head| {
        let start = target.as_ptr() as usize - data.as_ptr() as usize;
        let grown = head.len() - length;
        std::str::from_utf8(&head[start..start + target.len() + grown])
    });
    // hyper parses the target with this very type; what it refuses must be refused here, with our answer.
    match checked.map(|t| {
        if method == "CONNECT" {
            t.parse::<http::uri::Authority>().map(drop).map_err(drop)
        } else {
            t.parse::<http::Uri>().map(drop).map_err(drop)
        }
    }) {
        Ok(Ok(())) => {}
        _ => return fault(data, Kind::Garbage),
    }
    // The answer to an old client's CONNECT says 1.1 (as the reference), and so must what hyper reads.
    if method == "CONNECT" && minor == 0 {
        let version = target.as_ptr() as usize - data.as_ptr() as usize + target.len() + " HTTP/1.".len();
        let mut head = data[..length].to_vec();
        head[version] = b'1';
        return Examined::Sound { length, framing, rewritten: Some(head) };
    }
    Examined::Sound { length, framing, rewritten }
}

fn framing(method: &str, minor: u8, headers: &[Header<'_>]) -> Result<Framing, Kind> {
    let mut length: Option<u64> = None;
    let mut chunked = false;
    let mut has_coding = false;
    let mut upgrade = false;
    let mut connection_upgrade = false;
    for header in headers {
        let name = header.name;
        if name.eq_ignore_ascii_case("content-length") {
            let value = digits(header.value).ok_or(Kind::Garbage)?;
            if length.is_some_and(|before| before != value) {
                return Err(Kind::Garbage);
            }
            length = Some(value);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if has_coding || !trim(header.value).eq_ignore_ascii_case(b"chunked") {
                return Err(Kind::Coding);
            }
            has_coding = true;
            chunked = true;
        } else if name.eq_ignore_ascii_case("upgrade") {
            upgrade = true;
        } else if name.eq_ignore_ascii_case("connection") {
            connection_upgrade |=
                header.value.split(|b| *b == b',').any(|t| trim(t).eq_ignore_ascii_case(b"upgrade"));
        }
    }
    if chunked && minor == 0 {
        return Err(Kind::Garbage);
    }
    let body = match (chunked, length) {
        (true, _) => BodyLength::Chunked,
        (false, Some(length)) if length > 0 => BodyLength::Fixed(length),
        (false, _) => BodyLength::None,
    };
    let connect = method == "CONNECT";
    Ok(Framing {
        body: if connect { BodyLength::None } else { body },
        may_switch: connect || (upgrade && connection_upgrade),
        // Both framings at once: served by the chunks (as the reference), but nothing may follow (RFC 9112 6.1).
        last: chunked && length.is_some(),
    })
}

fn check_host(method: &str, target: &str, minor: u8, headers: &[Header<'_>]) -> Result<(), Kind> {
    let mut hosts = headers.iter().filter(|h| h.name.eq_ignore_ascii_case("host"));
    let Some(host) = hosts.next() else {
        let absolute = !target.starts_with('/') && target != "*";
        return if minor >= 1 && !absolute && method != "CONNECT" { Err(Kind::NoHost) } else { Ok(()) };
    };
    if hosts.next().is_some() {
        return Err(Kind::Garbage);
    }
    let allowed = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'%'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b':'
                    | b'['
                    | b']'
            )
            || *b >= 0x80
    };
    if trim(host.value).iter().all(allowed) { Ok(()) } else { Err(Kind::BadHost) }
}

/// The target with bytes that no URI may hold percent-encoded; `None` when it is plain already.
fn plain_target(method: &str, target: &str) -> Option<String> {
    if method == "CONNECT"
        || !target.bytes().any(|b| {
            matches!(b, b'#' | b'<' | b'>' | b'`' | b'\\' | b'^' | b'"' | b'{' | b'}' | b'|' | 0x80..)
        })
    {
        return None;
    }
    let path_start =
        target.find("://").map_or(0, |at| target[at + 3..].find('/').map_or(target.len(), |s| at + 3 + s));
    let query_start = target.find('?').unwrap_or(target.len());
    let mut plain = String::with_capacity(target.len() + 8);
    let mut changed = false;
    for (at, byte) in target.bytes().enumerate() {
        let encode = at >= path_start
            && match byte {
                b'#' | b'<' | b'>' | 0x80.. => true,
                b'`' | b'\\' | b'^' | b'"' | b'{' | b'}' | b'|' => at < query_start,
                _ => false,
            };
        if encode {
            changed = true;
            let _ = write!(plain, "%{byte:02X}");
        } else {
            plain.push(byte as char);
        }
    }
    changed.then_some(plain)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Garbage,
    HeaderName,
    Version,
    TooLarge,
    NoHost,
    BadHost,
    Coding,
}

fn fault(data: &[u8], kind: Kind) -> Examined {
    Examined::Fault(Box::new(describe(data, kind)))
}

fn describe(data: &[u8], kind: Kind) -> Fault {
    let (status, status_line, body, code) = match kind {
        Kind::Garbage => (400, "400 Bad Request", "400 Bad Request", "malformed-request"),
        Kind::HeaderName => (
            400,
            "400 Bad Request: invalid header name",
            "400 Bad Request: invalid header name",
            "invalid-header-name",
        ),
        Kind::Version => (
            505,
            "505 HTTP Version Not Supported: unsupported protocol version",
            "505 HTTP Version Not Supported: unsupported protocol version",
            "unsupported-version",
        ),
        Kind::TooLarge => (
            431,
            "431 Request Header Fields Too Large",
            "431 Request Header Fields Too Large",
            "head-too-large",
        ),
        Kind::NoHost => (
            400,
            "400 Bad Request: missing required Host header",
            "400 Bad Request: missing required Host header",
            "missing-host",
        ),
        Kind::BadHost => (
            400,
            "400 Bad Request: malformed Host header",
            "400 Bad Request: malformed Host header",
            "bad-host",
        ),
        Kind::Coding => {
            (501, "501 Not Implemented", "Unsupported transfer encoding", "unsupported-transfer-coding")
        }
    };
    let (method, host, path) = glimpse(data);
    Fault {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        status_line,
        body,
        code,
        method,
        host,
        path,
    }
}

/// Method, host and path of a broken head, for the audit line: bounded, and only where they are tokens.
fn glimpse(data: &[u8]) -> (String, String, String) {
    let head = &data[..data.len().min(4096)];
    let mut lines = head.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let mut words = lines.next().unwrap_or_default().split(|b| *b == b' ');
    let method =
        words.next().filter(|m| m.len() <= 32 && m.iter().all(u8::is_ascii_graphic)).unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let host = lines
        .take_while(|l| !l.is_empty())
        .find(|l| l.get(..5).is_some_and(|n| n.eq_ignore_ascii_case(b"host:")))
        .map_or(&b""[..], |l| trim(&l[5..]));
    let text =
        |bytes: &[u8], most: usize| String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned();
    (text(method, 32), text(host, 255), text(path, 1024))
}

fn starts_like(data: &[u8], prefix: &[u8]) -> bool {
    data.get(..prefix.len()).is_some_and(|start| start == prefix)
}

fn digits(value: &[u8]) -> Option<u64> {
    let value = trim(value);
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn head_end(data: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', data)
        .find(|at| matches!(&data[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
        .map(|at| if data[at + 1] == b'\n' { at + 2 } else { at + 3 })
}

fn has_fold(lines: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', lines).any(|at| matches!(lines.get(at + 1), Some(b' ' | b'\t')))
}

/// Joins folded lines with one space each.
fn unfold(head: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len());
    let mut at = 0;
    while at < head.len() {
        let fold = match &head[at..] {
            [b'\r', b'\n', b' ' | b'\t', ..] => 3,
            [b'\n', b' ' | b'\t', ..] => 2,
            _ => 0,
        };
        if fold == 0 {
            out.push(head[at]);
            at += 1;
            continue;
        }
        at += fold;
        while matches!(head.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        while matches!(out.last(), Some(b' ' | b'\t')) {
            out.pop();
        }
        out.push(b' ');
    }
    out
}
