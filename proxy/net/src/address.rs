//! What an address stands for, whatever its spelling: one machine can be named by several IPv6 forms of its IPv4
//! address, and a deny list that compares spellings is no deny list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address the kernel connects to when asked for `ip`: an IPv4-mapped address is the IPv4 one, and on Linux the
/// unspecified address reaches loopback.
pub fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// Whether a connection to `ip` stays on this machine. Forms that a gateway would translate do not count: where
/// they end is for the gateway to say.
pub fn is_loopback(ip: IpAddr) -> bool {
    reached(ip).is_loopback()
}

/// The IPv4 address inside an IPv6 one, for the forms that a translator or a tunnel turns back into IPv4:
/// IPv4-compatible (RFC 4291 2.5.5.1), IPv4-translated (RFC 2765 2.1), NAT64 (RFC 6052 2.1, RFC 8215), 6to4
/// (RFC 3056 2) and Teredo (RFC 4380 4).
pub fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let words = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match words {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        // The client's address stands inverted.
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_loopback_reaches_loopback() {
        for text in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"] {
            assert!(is_loopback(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "128.0.0.1", "::2", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1"] {
            assert!(!is_loopback(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ipv4_inside_ipv6_is_found() {
        for text in [
            "::169.254.169.254",
            "::ffff:0:a9fe:a9fe",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "2001::5601:5601",
        ] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(embedded_v4(ip), Some(Ipv4Addr::new(169, 254, 169, 254)), "{text}");
        }
        for text in ["::", "::1", "2001:db8::1", "64:ff9b:2::1", "10.0.0.1"] {
            assert_eq!(embedded_v4(text.parse().unwrap()), None, "{text}");
        }
    }
}
