//! One exchange, written down.

use crate::client::{Conn, Reply};

/// An HTTP/1.1 request in origin form (or with the target given), built field by field.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// `method target` with the field `Host: host`.
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: host.to_owned(),
            fields: Vec::new(),
            body: None,
        }
    }

    /// A GET.
    pub fn get(host: &str, target: &str) -> Self {
        Self::new("GET", host, target)
    }

    /// A POST with content of known length.
    pub fn post(host: &str, target: &str, body: impl AsRef<[u8]>) -> Self {
        Self { body: Some(body.as_ref().to_vec()), ..Self::new("POST", host, target) }
    }

    /// Adds a field, as spelled.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer token`.
    pub fn bearer(self, token: &str) -> Self {
        self.field("Authorization", &format!("Bearer {token}"))
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            out.push_str(&[name, ": ", value, "\r\n"].concat());
        }
        if let Some(body) = &self.body {
            out.push_str(&["Content-Length: ", &body.len().to_string(), "\r\n"].concat());
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        out.extend_from_slice(self.body.as_deref().unwrap_or_default());
        out
    }

    /// Sends it on `conn` and reads the reply.
    pub async fn on(&self, conn: &mut Conn) -> Reply {
        conn.send(self.bytes()).await;
        conn.reply_to(&self.method).await
    }

    /// The same, when the connection may close without a reply.
    pub async fn try_on(&self, conn: &mut Conn) -> Option<Reply> {
        conn.try_send(self.bytes()).await.ok()?;
        conn.try_reply().await
    }
}
