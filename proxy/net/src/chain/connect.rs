//! The client's side of HTTP CONNECT (RFC 9110 9.3.6).

use centaur_base::Secret;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{HttpProxy, TUNNEL_LIMIT};
use crate::dial::{Target, join};

/// Longest answer head accepted.
const MAX_HEAD: usize = 16 * 1024;

/// Fields the answer head may have.
const MAX_FIELDS: usize = 100;

/// Asks `proxy`, connected to over `stream`, for a tunnel to `target`. Afterwards the stream is the target's.
///
/// # Errors
/// Any status but 2xx, a broken answer, bytes behind the head (nobody may speak before we do: TLS and HTTP both
/// begin with the client), or no answer within [`TUNNEL_LIMIT`].
pub async fn tunnel<S>(stream: &mut S, target: &Target<'_>, proxy: &HttpProxy) -> Result<(), TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        stream.write_all(request(target, proxy.authorization.as_ref()).as_bytes()).await?;
        stream.flush().await?;
        read_answer(stream).await
    };
    timeout(TUNNEL_LIMIT, exchange).await.unwrap_or(Err(TunnelError::Timeout))
}

fn request(target: &Target<'_>, authorization: Option<&Secret<String>>) -> Zeroizing<String> {
    let authority = join(target.host, target.port);
    let secret_len = authorization.map_or(0, |value| value.expose().len());
    // One allocation: a text that grows leaves copies of the credentials behind.
    let mut head = Zeroizing::new(String::with_capacity(2 * authority.len() + secret_len + 64));
    for part in ["CONNECT ", &authority, " HTTP/1.1\r\nHost: ", &authority, "\r\n"] {
        head.push_str(part);
    }
    if let Some(value) = authorization {
        for part in ["Proxy-Authorization: ", value.expose(), "\r\n"] {
            head.push_str(part);
        }
    }
    head.push_str("\r\n");
    head
}

async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), TunnelError> {
    let mut head = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(TunnelError::Protocol("closed before an answer"));
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let end = match answer.parse(&head) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) if head.len() < MAX_HEAD => continue,
            Ok(httparse::Status::Partial) => return Err(TunnelError::Protocol("answer head too large")),
            Err(_) => return Err(TunnelError::Protocol("answer to CONNECT is not HTTP")),
        };
        let status = answer.code.unwrap_or_default();
        if !(200..300).contains(&status) {
            return Err(TunnelError::Refused {
                status,
                reason: printable(answer.reason.unwrap_or_default()),
            });
        }
        if end < head.len() {
            return Err(TunnelError::Protocol("bytes before the tunnel was used"));
        }
        return Ok(());
    }
}

fn printable(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// Why an HTTP proxy did not open the way.
#[derive(Debug, Error)]
pub enum TunnelError {
    /// It answered with another status than success.
    #[error("proxy refused CONNECT: {status} {reason}")]
    Refused {
        /// Status code.
        status: u16,
        /// Its reason phrase, printable characters only.
        reason: String,
    },
    /// Not the protocol.
    #[error("proxy broke the protocol: {0}")]
    Protocol(&'static str),
    /// No answer within [`TUNNEL_LIMIT`].
    #[error("proxy did not answer in time")]
    Timeout,
    /// The connection to the proxy failed.
    #[error("connection to the proxy failed: {0}")]
    Io(#[from] std::io::Error),
}
