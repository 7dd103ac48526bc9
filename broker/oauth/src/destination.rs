//! Where a token endpoint may be. The console calls it with client secrets and refresh tokens, and an operator chooses
//! it: without a rule, whoever may write a credential could make the console call anything it reaches (broker.md,
//! section 2; decision 15).
//!
//! An address that stands in the URL is judged when the credential is written and before each call
//! ([`EndpointRules::check`]); where a name leads to, when it is connected to ([`EndpointRules::reachable`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use centaur_policies::host::{Authority, CanonicalHost};
use centaur_policies::pattern::{Cidr, HostPattern};
use http::Uri;

/// What is allowed besides `https` to hosts that are not known to be private.
#[derive(Debug, Clone, Default)]
pub struct EndpointRules {
    names: Vec<HostPattern>,
    ranges: Vec<Cidr>,
    insecure: bool,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL with a host.
    #[error("must be an https URL with a host")]
    NoUrl,
    /// A name or password stands in it.
    #[error("must not hold a user name or a password")]
    UserInfo,
    /// In clear.
    #[error("must be an https URL")]
    InClear,
    /// The address is this machine or a private network.
    #[error(
        "must not point to a loopback, private or link-local address that \
         CENTAUR_CONSOLE_TOKEN_ENDPOINT_ALLOW does not list"
    )]
    Private,
}

impl EndpointRules {
    /// `allow` are hosts, host patterns, addresses and CIDRs with commas between them. `insecure` allows this machine,
    /// and `http`.
    ///
    /// # Errors
    /// The first entry that is neither, by its place from 1.
    pub fn parse(allow: &str, insecure: bool) -> Result<Self, usize> {
        let mut rules = Self { insecure, ..Self::default() };
        let entries = allow.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
        for (at, entry) in entries {
            if let Ok(range) = Cidr::parse(entry) {
                rules.ranges.push(range);
            } else {
                rules.names.push(HostPattern::parse(entry).map_err(|_| at + 1)?);
            }
        }
        Ok(rules)
    }

    /// Judges a URL as it is written.
    ///
    /// # Errors
    /// [`EndpointError`]
    pub fn check(&self, url: &str) -> Result<(), EndpointError> {
        let uri: Uri = url.parse().map_err(|_| EndpointError::NoUrl)?;
        let authority = uri.authority().ok_or(EndpointError::NoUrl)?.as_str();
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        // The parser of URIs drops a fragment, and takes ports that are none.
        let authority = Authority::parse(authority).map_err(|_| EndpointError::NoUrl)?;
        if url.contains('#') {
            return Err(EndpointError::NoUrl);
        }
        let host = &authority.host;
        let is_local = is_loopback(host);
        let is_listed = self.lists(host);
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.insecure || (is_local && is_listed) => {}
            Some("http") => return Err(EndpointError::InClear),
            _ => return Err(EndpointError::NoUrl),
        }
        let is_private = is_local || host.as_ip().is_some_and(is_private);
        let is_allowed = is_listed || (is_local && self.insecure);
        if is_private && !is_allowed { Err(EndpointError::Private) } else { Ok(()) }
    }

    /// Whether a connection may be made to `address` for the sake of `name`, which was resolved to it.
    pub fn reachable(&self, name: &str, address: IpAddr) -> bool {
        let is_listed = CanonicalHost::parse(name).is_ok_and(|host| self.lists(&host));
        let address = address.to_canonical();
        is_listed
            || !is_private(address)
            || self.ranges.iter().any(|range| range.contains(address))
            || (self.insecure && address.is_loopback())
    }

    fn lists(&self, host: &CanonicalHost) -> bool {
        let in_range = |ip| self.ranges.iter().any(|range| range.contains(ip));
        self.names.iter().any(|name| name.matches(host)) || host.as_ip().is_some_and(in_range)
    }
}

/// This machine, by address or by the name that RFC 6761 6.3 keeps for it.
fn is_loopback(host: &CanonicalHost) -> bool {
    match (host.as_ip(), host.as_name()) {
        (Some(IpAddr::V4(ip)), _) => ip.is_loopback() || ip.is_unspecified(),
        (Some(IpAddr::V6(ip)), _) => ip.is_loopback() || ip.is_unspecified(),
        (None, Some(name)) => name == "localhost" || name.ends_with(".localhost"),
        (None, None) => false,
    }
}

/// Everything that is no address of the internet. An IPv6 address that stands for an IPv4 one (6to4, Teredo, NAT64)
/// counts as private: nobody writes a token endpoint like that.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    matches!(
        ip.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
    )
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3; 2001::/23 is for protocols (RFC 2928), 2002::/16 is 6to4.
    !matches!(ip.segments(), [0x2000 | 0x2003..=0x3fff, ..] | [0x2001, 0x200..=0xffff, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &str, insecure: bool) -> EndpointRules {
        EndpointRules::parse(allow, insecure).expect("rules")
    }

    #[test]
    fn addresses_that_are_not_of_the_internet_are_refused_in_every_spelling() {
        let rules = EndpointRules::default();
        for url in [
            "https://127.0.0.1/token",
            "https://127.9.9.9:8443/token",
            "https://localhost/token",
            "https://LOCALHOST./token",
            "https://a.localhost/token",
            "https://[::1]/token",
            "https://[::ffff:10.0.0.1]/token",
            "https://[::]/token",
            "https://0.0.0.0/token",
            "https://10.1.2.3/token",
            "https://172.31.0.1/token",
            "https://192.168.0.1/token",
            "https://100.64.0.1/token",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/token",
            "https://[fd00:ec2::254]/token",
            "https://[64:ff9b::7f00:1]/token",
            "https://[2002:7f00:1::]/token",
            "https://224.0.0.1/token",
        ] {
            assert_eq!(rules.check(url), Err(EndpointError::Private), "{url}");
        }
        for url in [
            "https://idp.example/token",
            "https://idp.example:8443/token?tenant=1",
            "https://192.0.2.7/token",
            "https://172.32.0.1/token",
            "https://[2001:db8::1]/token",
            "https://[2606:4700::1]/token",
        ] {
            assert_eq!(rules.check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_plain_https_url_is_refused() {
        let rules = EndpointRules::default();
        for (url, want) in [
            ("", EndpointError::NoUrl),
            ("idp.example/token", EndpointError::NoUrl),
            ("/token", EndpointError::NoUrl),
            ("ftp://idp.example/", EndpointError::NoUrl),
            ("https://", EndpointError::NoUrl),
            ("https://idp.example:99999/", EndpointError::NoUrl),
            ("https://0x7f.1/token", EndpointError::NoUrl),
            ("https://2130706433/token", EndpointError::NoUrl),
            ("https://idp.example/#x", EndpointError::NoUrl),
            ("https://user:fake-pw@idp.example/", EndpointError::UserInfo),
            ("http://idp.example/", EndpointError::InClear),
            ("http://127.0.0.1/", EndpointError::InClear),
        ] {
            assert_eq!(rules.check(url), Err(want), "{url}");
        }
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_beside_it() {
        let rules = rules("idp.internal, 10.1.0.0/16, 127.0.0.1, ", false);
        for url in ["https://10.1.2.3/t", "https://idp.internal/t", "http://127.0.0.1:9/t"] {
            assert_eq!(rules.check(url), Ok(()), "{url}");
        }
        for url in ["https://10.2.0.1/t", "https://localhost/t", "https://127.0.0.2/t"] {
            assert_eq!(rules.check(url), Err(EndpointError::Private), "{url}");
        }
        // Listing a host says where it may be, not that it may be in clear.
        assert_eq!(rules.check("http://10.1.2.3/t"), Err(EndpointError::InClear));
        assert_eq!(EndpointRules::parse("ok.test, not a host", false).err(), Some(2));
    }

    #[test]
    fn where_a_name_leads_is_judged_by_the_same_rules() {
        let address = |text: &str| text.parse().expect("an address");
        let closed = rules("", false);
        for private in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"] {
            assert!(!closed.reachable("idp.example", address(private)), "{private}");
        }
        assert!(closed.reachable("idp.example", address("192.0.2.7")));
        let open = rules("idp.internal, 10.1.0.0/16", false);
        assert!(open.reachable("idp.internal", address("192.168.7.7")), "by its name");
        assert!(open.reachable("other.example", address("10.1.9.9")), "by the range");
        assert!(!open.reachable("other.example", address("10.2.9.9")));
        assert!(!open.reachable("other.example", address("127.0.0.1")));
        let insecure = rules("", true);
        assert!(insecure.reachable("localhost", address("127.0.0.1")));
        assert!(!insecure.reachable("idp.example", address("10.0.0.1")));
    }

    #[test]
    fn the_insecure_switch_opens_this_machine_and_clear_text_and_no_private_network() {
        let rules = rules("", true);
        for url in ["http://localhost:9/t", "http://127.0.0.1/t", "https://[::1]/t", "http://idp.example/t"] {
            assert_eq!(rules.check(url), Ok(()), "{url}");
        }
        assert_eq!(rules.check("https://10.0.0.1/t"), Err(EndpointError::Private));
    }
}
