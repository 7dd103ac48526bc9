//! Where a browser is: for the log, for sessions, and for how often it may fail.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The address behind the proxies that are trusted: the last one in `X-Forwarded-For` that is not one of them. Without
/// them it is that of the connection, whatever the header says.
pub(crate) fn client(peer: IpAddr, trusted: &[IpNet], headers: &HeaderMap) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut at = peer.to_canonical();
    let lines: Vec<_> = headers.get_all("x-forwarded-for").into_iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        if !is_trusted(&at) {
            break;
        }
        // What is no address was not written by a proxy that is worth its trust: what it stands for stays unknown.
        let Some(hop) = address(hop.trim()) else { break };
        at = hop.to_canonical();
    }
    at
}

/// An address as proxies write it: some add the port, and put IPv6 into brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

/// What failures are counted for: an address, or the 64 bits of an IPv6 network, which one host has to itself.
pub(crate) fn counted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            IpNet::new(ip.into(), 64).map_or_else(|_| ip.to_string(), |net| net.trunc().to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_header_counts_as_far_as_proxies_are_trusted() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        let seen = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().expect("a header"));
            }
            client(ip(peer), &trusted, &headers).to_string()
        };
        assert_eq!(seen("192.0.2.1", &["198.51.100.1"]), "192.0.2.1", "from nobody who is trusted");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1",
            "the last one"
        );
        assert_eq!(seen("10.0.0.1", &["203.0.113.9", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        for hop in ["198.51.100.1:4711", "[2001:db8::1]:4711", "[2001:db8::1]", "2001:db8::1"] {
            let bare = if hop.contains("db8") { "2001:db8::1" } else { "198.51.100.1" };
            assert_eq!(seen("10.0.0.1", &[hop]), bare);
        }
        assert_eq!(seen("10.0.0.1", &["[198.51.100.1"]), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_network_is_one_place() {
        assert_eq!(counted(ip("192.0.2.1")), "192.0.2.1");
        assert_eq!(counted(ip("2001:db8:1:2:3::4")), counted(ip("2001:db8:1:2::9")));
        assert_ne!(counted(ip("2001:db8:1:2::1")), counted(ip("2001:db8:1:3::1")));
    }
}
