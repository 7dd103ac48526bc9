//! What came over a connection.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` and the like.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Behind the question mark.
    pub query: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Request {
    pub(crate) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
            seen.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&seen);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let request = Self::parse(head, body)?;
            let length = request.headers.get("content-length").and_then(|length| length.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return Some(request);
            }
        }
    }

    fn parse(head: &str, body: &str) -> Option<Self> {
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Some(Self { method, path: path.to_owned(), query: query.to_owned(), headers, body: body.to_owned() })
    }

    /// The fields of its form.
    pub fn form(&self) -> BTreeMap<String, String> {
        pairs(&self.body)
    }

    /// The fields of its query.
    pub fn fields(&self) -> BTreeMap<String, String> {
        pairs(&self.query)
    }
}

/// The fields of a form or a query.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (decode(name), decode(value))).collect()
}
