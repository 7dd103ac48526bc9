//! SOCKS5 (RFC 1928) with optional username/password (RFC 1929), as a parser over the bytes seen so far.

use std::net::{Ipv4Addr, Ipv6Addr};

use centaur_policies::host::CanonicalHost;

/// `05 00`: no authentication.
pub const METHOD_NONE: &[u8] = &[5, 0];
/// `05 02`: username and password.
pub const METHOD_PASSWORD: &[u8] = &[5, 2];
/// No acceptable method, in the ten bytes of the reference, of which the first two are RFC 1928's.
pub const METHOD_REFUSED: &[u8] = &[5, 0xff, 0, 1, 0, 0, 0, 0, 0, 0];
/// RFC 1929: accepted.
pub const AUTH_OK: &[u8] = &[1, 0];
/// RFC 1929: refused.
pub const AUTH_REFUSED: &[u8] = &[1, 1];

/// The reply to a request.
pub const fn reply(code: u8) -> [u8; 10] {
    [5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// The tunnel is open.
pub const SUCCEEDED: u8 = 0;
/// Refused by policy.
pub const NOT_ALLOWED: u8 = 2;
/// BIND and UDP.
pub const BAD_COMMAND: u8 = 7;
/// Unknown address type.
pub const BAD_ADDRESS: u8 = 8;

/// A message, or what keeps it from being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The message and its length in bytes.
    Whole(T, usize),
    /// Bytes are missing.
    More,
    /// Not SOCKS5.
    Bad,
}

/// The methods a client offers.
pub fn greeting(bytes: &[u8]) -> Parsed<&[u8]> {
    match bytes {
        [] | [5] => Parsed::More,
        [5, count, rest @ ..] => match rest.get(..usize::from(*count)) {
            Some(methods) => Parsed::Whole(methods, 2 + methods.len()),
            None => Parsed::More,
        },
        _ => Parsed::Bad,
    }
}

/// Username and password.
pub fn password(bytes: &[u8]) -> Parsed<(&[u8], &[u8])> {
    let [1, rest @ ..] = bytes else { return if bytes.is_empty() { Parsed::More } else { Parsed::Bad } };
    let Some((name, rest)) = counted(rest) else { return Parsed::More };
    let Some((word, _)) = counted(rest) else { return Parsed::More };
    Parsed::Whole((name, word), 3 + name.len() + word.len())
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A tunnel to a host, as text, and a port.
    Connect {
        /// The host as it stands in audit lines.
        text: String,
        /// Canonical; `None` where it has no such spelling.
        host: Option<CanonicalHost>,
        /// Port.
        port: u16,
    },
    /// Another command.
    BadCommand,
    /// Another kind of address.
    BadAddress,
}

/// The request after the greeting.
pub fn request(bytes: &[u8]) -> Parsed<Request> {
    let (command, kind, rest) = match bytes {
        [5, command, _, kind, rest @ ..] => (*command, *kind, rest),
        [] | [5] | [5, _] | [5, _, _] => return Parsed::More,
        _ => return Parsed::Bad,
    };
    if command != 1 {
        return Parsed::Whole(Request::BadCommand, 4);
    }
    let (text, used) = match kind {
        1 => match rest.first_chunk::<4>() {
            Some(octets) => (Ipv4Addr::from(*octets).to_string(), 4),
            None => return Parsed::More,
        },
        3 => match counted(rest) {
            Some((name, _)) => (String::from_utf8_lossy(name).into_owned(), 1 + name.len()),
            None => return Parsed::More,
        },
        4 => match rest.first_chunk::<16>() {
            Some(octets) => {
                let address = Ipv6Addr::from(*octets);
                (address.to_ipv4_mapped().map_or_else(|| address.to_string(), |v4| v4.to_string()), 16)
            }
            None => return Parsed::More,
        },
        _ => return Parsed::Whole(Request::BadAddress, 4),
    };
    let Some(port) = rest[used..].first_chunk::<2>() else { return Parsed::More };
    let host = CanonicalHost::parse(&text).ok();
    Parsed::Whole(Request::Connect { text, host, port: u16::from_be_bytes(*port) }, 4 + used + 2)
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_only_whole() {
        let messages: &[&[u8]] = &[
            &[5, 1, 0, 1, 127, 0, 0, 1, 1, 187],
            &[5, 1, 0, 3, 6, b'a', b'.', b't', b'e', b's', b't', 0, 80],
            &[5, 1, 9, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1, 0, 80],
        ];
        let want = ["127.0.0.1:443", "a.test:80", "10.0.0.1:80"];
        for (message, want) in messages.iter().zip(want) {
            for cut in 1..message.len() {
                assert_eq!(request(&message[..cut]), Parsed::More);
            }
            let with_more = [message, &b"more"[..]].concat();
            let Parsed::Whole(Request::Connect { text, port, host }, used) = request(&with_more) else {
                panic!()
            };
            assert_eq!((format!("{text}:{port}"), used), (want.to_owned(), message.len()));
            assert!(host.is_some());
        }
    }

    #[test]
    fn what_is_not_offered_is_told_apart() {
        assert_eq!(request(&[5, 2, 0, 1]), Parsed::Whole(Request::BadCommand, 4));
        assert_eq!(request(&[5, 1, 0, 2]), Parsed::Whole(Request::BadAddress, 4));
        assert_eq!(request(&[4, 1, 0, 2]), Parsed::Bad);
        assert_eq!(greeting(&[5, 2, 0, 2, 9]), Parsed::Whole(&[0, 2][..], 4));
        assert_eq!(greeting(&[5, 2, 0]), Parsed::More);
        assert_eq!(password(&[1, 1, b'u', 2, b'p', b'w', 9]), Parsed::Whole((&b"u"[..], &b"pw"[..]), 6));
        assert_eq!(password(&[1, 1, b'u', 2, b'p']), Parsed::More);
    }
}
