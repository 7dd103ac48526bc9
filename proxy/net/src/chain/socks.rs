//! The client's side of SOCKS5 (RFC 1928) with user name and password (RFC 1929).

use std::net::IpAddr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Credentials, SocksProxy, TUNNEL_LIMIT};
use crate::dial::Target;
use crate::guard::parse_literal;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks `proxy`, connected to over `stream`, for a connection to `target`. A name is sent as it is, never
/// resolved here. Afterwards the stream is the target's.
///
/// # Errors
/// What the proxy refuses, a broken answer, or no answer within [`TUNNEL_LIMIT`].
pub async fn tunnel<S>(stream: &mut S, target: &Target<'_>, proxy: &SocksProxy) -> Result<(), SocksError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(target)?;
    let exchange = async {
        authenticate(stream, proxy.credentials.as_ref()).await?;
        stream.write_all(&request).await?;
        stream.flush().await?;
        read_reply(stream).await
    };
    timeout(TUNNEL_LIMIT, exchange).await.unwrap_or(Err(SocksError::Timeout))
}

async fn authenticate<S>(stream: &mut S, credentials: Option<&Credentials>) -> Result<(), SocksError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let offer: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    stream.write_all(offer).await?;
    stream.flush().await?;
    let mut choice = [0; 2];
    read_exact(stream, &mut choice).await?;
    match (choice, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => Ok(()),
        ([VERSION, USER_AND_PASSWORD], Some(credentials)) => log_in(stream, credentials).await,
        ([VERSION, _], _) => Err(SocksError::NoMethod),
        _ => Err(SocksError::Protocol("not SOCKS5")),
    }
}

async fn log_in<S>(stream: &mut S, credentials: &Credentials) -> Result<(), SocksError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (user, password) = (credentials.user.expose().as_bytes(), credentials.password.expose().as_bytes());
    let (Ok(user_len), Ok(password_len)) = (u8::try_from(user.len()), u8::try_from(password.len())) else {
        return Err(SocksError::BadCredentials);
    };
    let mut message = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.len()));
    message.extend([PASSWORD_VERSION, user_len]);
    message.extend_from_slice(user);
    message.push(password_len);
    message.extend_from_slice(password);
    stream.write_all(&message).await?;
    stream.flush().await?;
    let mut answer = [0; 2];
    read_exact(stream, &mut answer).await?;
    match answer {
        [PASSWORD_VERSION, 0] => Ok(()),
        [PASSWORD_VERSION, _] => Err(SocksError::BadCredentials),
        _ => Err(SocksError::Protocol("not SOCKS5")),
    }
}

fn request(target: &Target<'_>) -> Result<Vec<u8>, SocksError> {
    let mut message = vec![VERSION, CONNECT, 0];
    match parse_literal(target.host).map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => {
            message.push(IPV4);
            message.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            message.push(IPV6);
            message.extend(ip.octets());
        }
        None => {
            let length = u8::try_from(target.host.len()).map_err(|_| SocksError::NameTooLong)?;
            message.extend([NAME, length]);
            message.extend_from_slice(target.host.as_bytes());
        }
    }
    message.extend(target.port.to_be_bytes());
    Ok(message)
}

async fn read_reply<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), SocksError> {
    let mut head = [0; 4];
    read_exact(stream, &mut head).await?;
    let [VERSION, reply, _, kind] = head else { return Err(SocksError::Protocol("not SOCKS5")) };
    if reply != 0 {
        return Err(SocksError::Refused(reply_text(reply)));
    }
    let bound_len = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => {
            let mut length = [0];
            read_exact(stream, &mut length).await?;
            usize::from(length[0])
        }
        _ => return Err(SocksError::Protocol("unknown address type")),
    };
    // The bound address and port, of no use here; read to the byte so that what follows is the target's.
    let mut bound = [0; 255 + 2];
    read_exact(stream, &mut bound[..bound_len + 2]).await
}

/// RFC 1928 section 6.
fn reply_text(reply: u8) -> &'static str {
    match reply {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown code",
    }
}

async fn read_exact<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut [u8]) -> Result<(), SocksError> {
    match stream.read_exact(buffer).await {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(SocksError::Protocol("closed before an answer"))
        }
        Err(e) => Err(e.into()),
    }
}

/// Why a SOCKS proxy did not open the way.
#[derive(Debug, Error)]
pub enum SocksError {
    /// It answered with an error (RFC 1928 section 6).
    #[error("socks connect: {0}")]
    Refused(&'static str),
    /// It accepts none of our authentication methods.
    #[error("socks connect: no acceptable authentication methods")]
    NoMethod,
    /// It does not accept the credentials.
    #[error("socks connect: username/password authentication failed")]
    BadCredentials,
    /// The target's name does not fit into a request.
    #[error("socks connect: host name longer than 255 octets")]
    NameTooLong,
    /// Not the protocol.
    #[error("socks connect: proxy broke the protocol: {0}")]
    Protocol(&'static str),
    /// No answer within [`TUNNEL_LIMIT`].
    #[error("socks connect: proxy did not answer in time")]
    Timeout,
    /// The connection to the proxy failed.
    #[error("socks connect: connection to the proxy failed: {0}")]
    Io(#[from] std::io::Error),
}
