//! Reading a TLS ClientHello without consuming it.

use rustls::server::Acceptor;
use tokio::io::AsyncRead;

use crate::stream::Rewind;

/// Longest ClientHello looked at, in bytes.
pub const MAX_HELLO: usize = 16 * 1024;

/// What a ClientHello says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Server name, if there is a valid one.
    pub sni: Option<String>,
}

/// Peeks until a whole ClientHello is there. `None` when the bytes are none, the stream ends, or it is too long.
pub async fn client_hello<T: AsyncRead + Unpin>(stream: &mut Rewind<T>) -> std::io::Result<Option<Hello>> {
    let mut want = 1;
    loop {
        let seen = stream.peek(want).await?;
        if seen.len() < want {
            return Ok(None);
        }
        match parse_hello(seen) {
            Parsed::Hello(hello) => return Ok(Some(hello)),
            Parsed::Bad => return Ok(None),
            Parsed::More if seen.len() >= MAX_HELLO => return Ok(None),
            Parsed::More => want = seen.len() + 1,
        }
    }
}

/// What the bytes so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A whole ClientHello.
    Hello(Hello),
    /// The beginning of one.
    More,
    /// Something else.
    Bad,
}

/// Parses the beginning of a TLS stream.
pub fn parse_hello(mut bytes: &[u8]) -> Parsed {
    let mut acceptor = Acceptor::default();
    loop {
        match acceptor.read_tls(&mut bytes) {
            Ok(0) => return Parsed::More,
            Ok(_) => {}
            Err(_) => return Parsed::Bad,
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let sni = accepted.client_hello().server_name().map(str::to_owned);
                return Parsed::Hello(Hello { sni });
            }
            Ok(None) => {}
            Err(_) => return Parsed::Bad,
        }
    }
}
