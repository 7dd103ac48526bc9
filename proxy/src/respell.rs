//! Header names in the spelling that the configuration gives.
//!
//! hyper keeps the spelling of a head that it has parsed, and has no other way to be told one. So a head with the
//! wanted spellings is written to memory and parsed by hyper, and what it remembers of it goes with the request.
//! Only requests with a configured spelling that is not the usual one pay for this.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use centaur_transform::headers::canonical;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes `parts` go out on HTTP/1 with these names spelled as given; the others keep what the client wrote.
pub fn apply(parts: &mut Parts, spellings: &[(HeaderName, String)]) {
    let unusual = |(name, spelled): &&(HeaderName, String)| canonical(name.as_str()) != *spelled;
    if !spellings.iter().any(|s| unusual(&s)) {
        return;
    }
    let mut head = b"GET / HTTP/1.1\r\n".to_vec();
    let mut original = spelled(parts);
    for (name, _) in &parts.headers {
        let configured = spellings.iter().rev().find(|(n, _)| n == name).map(|(_, s)| s.clone());
        let spelling = configured.or_else(|| original(name)).unwrap_or_else(|| canonical(name.as_str()));
        head.extend_from_slice(spelling.as_bytes());
        head.extend_from_slice(b": x\r\n");
    }
    head.extend_from_slice(b"\r\n");
    if let Some(extensions) = parse(&head) {
        parts.extensions.extend(extensions);
    }
}

/// The spelling the client used for a name, as hyper would write it.
fn spelled(parts: &Parts) -> impl FnMut(&HeaderName) -> Option<String> + use<> {
    let written = write(parts);
    let mut lines: Vec<(HeaderName, String)> = Vec::new();
    for line in written.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if let (Ok(name), Ok(text)) =
            (HeaderName::from_bytes(&line[..colon]), std::str::from_utf8(&line[..colon]))
        {
            lines.push((name, text.to_owned()));
        }
    }
    move |name| {
        let at = lines.iter().position(|(n, _)| n == name)?;
        Some(lines.remove(at).1)
    }
}

/// The head as hyper writes it with the spelling it remembers.
fn write(parts: &Parts) -> Vec<u8> {
    let io = Memory::default();
    let out = io.written.clone();
    let mut cx = Context::from_waker(Waker::noop());
    let mut handshake = std::pin::pin!(
        hyper::client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .title_case_headers(true)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(io))
    );
    let Poll::Ready(Ok((mut sender, mut conn))) = handshake.as_mut().poll(&mut cx) else { return Vec::new() };
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = parts
        .headers
        .keys()
        .flat_map(|name| {
            parts
                .headers
                .get_all(name)
                .iter()
                .map(move |_| (name.clone(), http::HeaderValue::from_static("x")))
        })
        .collect::<HeaderMap>();
    *request.extensions_mut() = parts.extensions.clone();
    let _answer = sender.send_request(request);
    let _ = Pin::new(&mut conn).poll(&mut cx);
    out.take()
}

/// What hyper remembers of a head.
fn parse(head: &[u8]) -> Option<http::Extensions> {
    let found = Rc::new(RefCell::new(None));
    let keep = found.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        *keep.borrow_mut() = Some(request.extensions().clone());
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let io = Memory { unread: head.to_vec(), ..Memory::default() };
    let mut conn = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(1024)
        .serve_connection(TokioIo::new(io), service);
    let _ = Pin::new(&mut conn).poll(&mut Context::from_waker(Waker::noop()));
    found.take()
}

/// A stream in memory that is always ready.
#[derive(Default)]
struct Memory {
    unread: Vec<u8>,
    written: Rc<RefCell<Vec<u8>>>,
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Poll::Pending;
        }
        let take = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..take]);
        self.unread.drain(..take);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.written.borrow_mut().extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_spellings_go_out_and_others_stay() {
        let parsed = parse(b"GET / HTTP/1.1\r\nhOST: x\r\nx-LOWER: x\r\n\r\n").unwrap();
        let (mut parts, ()) = Request::builder()
            .header("host", "a.test")
            .header("x-lower", "1")
            .header("x-api-key", "2")
            .body(())
            .unwrap()
            .into_parts();
        parts.extensions = parsed;
        apply(&mut parts, &[(HeaderName::from_static("x-api-key"), "x-api-KEY".to_owned())]);
        let text = String::from_utf8(write(&parts)).unwrap();
        assert!(text.contains("hOST: x\r\nx-LOWER: x\r\nx-api-KEY: x\r\n"), "{text}");
    }

    #[test]
    fn usual_spellings_cost_nothing() {
        let (mut parts, ()) = Request::builder().header("x-api-key", "2").body(()).unwrap().into_parts();
        apply(&mut parts, &[(HeaderName::from_static("x-api-key"), "X-Api-Key".to_owned())]);
        assert!(parts.extensions.is_empty());
    }
}
