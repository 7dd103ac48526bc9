//! `proxy.upstream_deny_cidrs`: addresses that are never dialled. Checked on every concrete address at connect time,
//! after resolution, so that no name can be rebound between the check and its use.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

use crate::address::{embedded_v4, reached};

/// The list. Cheap to check: a handful of ranges, compared in order.
#[derive(Debug, Clone)]
pub struct DialGuard {
    ranges: Vec<IpNet>,
}

/// Denied unless the configuration says otherwise: cloud metadata services and loopback. RFC 1918 is left out on
/// purpose, private upstreams are common.
pub const DEFAULT_DENY_CIDRS: [&str; 4] =
    ["169.254.169.254/32", "fd00:ec2::254/128", "127.0.0.0/8", "::1/128"];

impl DialGuard {
    /// Reads the configured list. White space around an entry is dropped, host bits are masked off, and a prefix of
    /// IPv4-mapped addresses means the IPv4 prefix.
    ///
    /// # Errors
    /// The first entry that is not CIDR notation.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, GuardError> {
        let ranges = entries.iter().map(|entry| parse_range(entry.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }

    /// A guard that denies nothing (`upstream_deny_cidrs: []`).
    pub fn open() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Checks one address that is about to be dialled, in every form it stands for (see [`crate::address`]).
    ///
    /// # Errors
    /// The range that holds it.
    pub fn check(&self, ip: IpAddr) -> Result<(), Denied> {
        let embedded = embedded_v4(ip).map(IpAddr::V4);
        let forms = [Some(reached(ip)), Some(ip), Some(ip.to_canonical()), embedded, embedded.map(reached)];
        for address in forms.into_iter().flatten() {
            if let Some(range) = self.ranges.iter().find(|range| range.contains(&address)) {
                return Err(Denied { address, range: *range });
            }
        }
        Ok(())
    }
}

impl Default for DialGuard {
    fn default() -> Self {
        let ranges = DEFAULT_DENY_CIDRS.iter().filter_map(|entry| parse_range(entry).ok()).collect();
        Self { ranges }
    }
}

/// An address that may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("denied by upstream_deny_cidrs: {address} in {range}")]
pub struct Denied {
    /// The address that would have been reached.
    pub address: IpAddr,
    /// The first range of the list that holds it.
    pub range: IpNet,
}

/// An entry of the list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuardError {
    /// Nothing but white space.
    #[error("empty CIDR entry")]
    Empty,
    /// An address without a prefix length, or no address at all.
    #[error("invalid CIDR {0:?}: must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128")]
    NotCidr(String),
    /// A prefix length that the address family does not have.
    #[error("invalid CIDR {entry:?}: prefix length must be a number from 0 to {max}")]
    PrefixLength {
        /// The entry as written.
        entry: String,
        /// 32 or 128.
        max: u8,
    },
}

/// The address a host text stands for, if it is a literal. `IpAddr`'s own syntax only: `127.1`, `0x7f.1` and zones
/// are not addresses here, and fail later as names.
pub(crate) fn parse_literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

fn parse_range(entry: &str) -> Result<IpNet, GuardError> {
    let entry = entry.trim();
    if entry.is_empty() {
        return Err(GuardError::Empty);
    }
    let not_cidr = || GuardError::NotCidr(entry.to_owned());
    let (address, length) = entry.split_once('/').ok_or_else(not_cidr)?;
    let address: IpAddr = address.parse().map_err(|_| not_cidr())?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let bad_length = || GuardError::PrefixLength { entry: entry.to_owned(), max };
    let plain = length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length: u8 = if plain { length.parse().map_err(|_| bad_length())? } else { return Err(bad_length()) };
    let range = IpNet::new(address, length).map_err(|_| bad_length())?;
    Ok(unmapped(range).trunc())
}

/// `::ffff:127.0.0.0/104` is `127.0.0.0/8`: addresses are compared unmapped, so the prefix must be too.
fn unmapped(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else { return range };
    let (Some(v4), Some(length)) = (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) else {
        return range;
    };
    Ipv4Net::new(v4, length).map_or(range, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denies(guard: &DialGuard, ip: &str) -> bool {
        guard.check(ip.parse().unwrap()).is_err()
    }

    #[test]
    fn the_default_list_covers_metadata_and_loopback_but_not_private_ranges() {
        let guard = DialGuard::default();
        assert_eq!(guard.ranges.len(), DEFAULT_DENY_CIDRS.len());
        for ip in ["169.254.169.254", "fd00:ec2::254", "127.0.0.1", "127.255.255.255", "::1"] {
            assert!(denies(&guard, ip), "{ip}");
        }
        for ip in [
            "169.254.169.253",
            "fd00:ec2::255",
            "10.0.0.1",
            "192.168.0.1",
            "128.0.0.1",
            "::2",
            "93.184.216.34",
        ] {
            assert!(!denies(&guard, ip), "{ip}");
        }
    }

    #[test]
    fn no_other_spelling_of_a_denied_address_gets_past() {
        let guard = DialGuard::default();
        for ip in [
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::0.0.0.0",
            "2002:7f00:1::1",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert!(denies(&guard, ip), "{ip}");
        }
        for ip in ["::ffff:93.184.216.34", "64:ff9b::93.184.216.34", "2002:5db8:d822::1"] {
            assert!(!denies(&guard, ip), "{ip}");
        }
    }

    #[test]
    fn an_address_and_its_unspecified_range_are_both_compared() {
        let guard = DialGuard::parse(&["0.0.0.0/8"]).unwrap();
        for ip in ["0.0.0.0", "::ffff:0.0.0.0", "64:ff9b::0.0.0.0", "2002::1"] {
            assert!(denies(&guard, ip), "{ip}");
        }
        assert!(!denies(&guard, "127.0.0.1"));
        let v6 = DialGuard::parse(&["2002::/16"]).unwrap();
        assert!(denies(&v6, "2002:5db8:d822::1"));
    }

    #[test]
    fn a_mapped_prefix_means_the_ipv4_prefix() {
        let guard = DialGuard::parse(&["::ffff:127.0.0.0/104"]).unwrap();
        assert_eq!(guard.ranges, ["127.0.0.0/8".parse::<IpNet>().unwrap()]);
        assert!(denies(&guard, "127.0.0.1") && denies(&guard, "::ffff:127.0.0.1"));
        assert!(!denies(&guard, "128.0.0.1"));
    }

    #[test]
    fn the_error_says_which_range_holds_the_address() {
        let denied = DialGuard::default().check("::ffff:127.0.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(denied.to_string(), "denied by upstream_deny_cidrs: 127.0.0.1 in 127.0.0.0/8");
    }

    #[test]
    fn entries_are_trimmed_and_masked() {
        let guard = DialGuard::parse(&[" 10.1.2.3/8\t"]).unwrap();
        assert_eq!(guard.ranges[0].to_string(), "10.0.0.0/8");
        assert!(DialGuard::parse::<&str>(&[]).unwrap().ranges.is_empty());
    }

    #[test]
    fn what_is_not_cidr_notation_is_refused() {
        for (entry, text) in [
            (" ", "empty CIDR entry"),
            ("1.2.3.4", r#"invalid CIDR "1.2.3.4": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128"#),
            (
                "fe80::%eth0/64",
                r#"invalid CIDR "fe80::%eth0/64": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128"#,
            ),
            (
                "010.0.0.0/8",
                r#"invalid CIDR "010.0.0.0/8": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128"#,
            ),
            ("10.0.0.0/99", r#"invalid CIDR "10.0.0.0/99": prefix length must be a number from 0 to 32"#),
            ("10.0.0.0/", r#"invalid CIDR "10.0.0.0/": prefix length must be a number from 0 to 32"#),
            ("10.0.0.0/08", r#"invalid CIDR "10.0.0.0/08": prefix length must be a number from 0 to 32"#),
            ("::1/129", r#"invalid CIDR "::1/129": prefix length must be a number from 0 to 128"#),
        ] {
            assert_eq!(DialGuard::parse(&[entry]).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn only_plain_address_syntax_is_a_literal() {
        for host in ["127.0.0.1", "[::1]", "::1", "[::ffff:127.0.0.1]"] {
            assert!(parse_literal(host).is_some(), "{host}");
        }
        for host in ["127.1", "2130706433", "0x7f.0.0.1", "::1%lo", "[::1%lo]", "localhost", ""] {
            assert!(parse_literal(host).is_none(), "{host}");
        }
    }
}
