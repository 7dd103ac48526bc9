//! One spelling per host, so that letter case, a trailing dot, Unicode or an odd address notation cannot make two
//! parts of the proxy disagree about where a request goes. Everything that compares hosts takes a
//! [`CanonicalHost`]; text that has no single meaning is refused instead of being passed on.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// A host in its one spelling: a lower-case name without trailing dot in A-label form (RFC 5890), or an address.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanonicalHost {
    text: Arc<str>,
    ip: Option<IpAddr>,
}

impl CanonicalHost {
    /// Reads the text of a host as it stands in an authority, an SNI or a SOCKS request, without its port.
    /// IPv6 may be bracketed; an IPv4-mapped IPv6 address is the IPv4 address.
    ///
    /// # Errors
    /// See [`HostError`]; no variant carries the text.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if let Some(bad) = text.chars().find(|c| is_forbidden(*c)) {
            return Err(match bad {
                '%' if looks_zoned(text) => HostError::Zone,
                _ => HostError::Forbidden(bad),
            });
        }
        if text.contains(['[', ']']) {
            return Self::bracketed(text);
        }
        if text.contains(':') {
            return text.parse::<Ipv6Addr>().map(Self::from).map_err(|_| HostError::Ipv6);
        }
        Self::name_or_ipv4(text)
    }

    fn bracketed(text: &str) -> Result<Self, HostError> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let inner = inner.filter(|inner| !inner.contains(['[', ']'])).ok_or(HostError::Brackets)?;
        inner.parse::<Ipv6Addr>().map(Self::from).map_err(|_| HostError::Ipv6)
    }

    fn name_or_ipv4(text: &str) -> Result<Self, HostError> {
        let folded = fold(text)?;
        let name = folded.strip_suffix('.').unwrap_or(&folded);
        check_labels(name)?;
        if ends_in_number(name) {
            // The text as sent, not as folded: full-width digits or a trailing dot are an odd spelling too.
            return text.parse::<Ipv4Addr>().map(Self::from).map_err(|_| HostError::AmbiguousIpv4);
        }
        Ok(Self { text: Arc::from(name), ip: None })
    }

    /// The host without brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name, if it is one.
    pub fn as_name(&self) -> Option<&str> {
        self.ip.is_none().then_some(&*self.text)
    }

    /// The address, if it is one. Never an IPv4-mapped IPv6 address.
    pub fn as_ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The host as it stands in an authority: IPv6 in brackets.
    pub fn to_authority(&self) -> Cow<'_, str> {
        match self.ip {
            Some(IpAddr::V6(_)) => Cow::Owned(format!("[{}]", self.text)),
            _ => Cow::Borrowed(&self.text),
        }
    }
}

impl From<IpAddr> for CanonicalHost {
    fn from(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self { text: Arc::from(ip.to_string()), ip: Some(ip) }
    }
}

impl From<Ipv4Addr> for CanonicalHost {
    fn from(ip: Ipv4Addr) -> Self {
        IpAddr::V4(ip).into()
    }
}

impl From<Ipv6Addr> for CanonicalHost {
    fn from(ip: Ipv6Addr) -> Self {
        IpAddr::V6(ip).into()
    }
}

impl std::str::FromStr for CanonicalHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        Self::parse(text)
    }
}

impl fmt::Display for CanonicalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CanonicalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// `host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: CanonicalHost,
    /// The port, when one was written; never 0.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address, which then has no port. `host:` is
    /// a host without port, as RFC 3986 3.2.3 has it. No user information.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        Ok(Self { host: CanonicalHost::parse(host)?, port: port.map(parse_port).transpose()? })
    }

    /// The port, or the one given.
    pub fn port_or(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }
}

impl std::str::FromStr for Authority {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        Self::parse(text)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host.to_authority())?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Why a text is not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there, or only the root.
    #[error("host is empty")]
    Empty,
    /// A character that no host has: control, space, or one that would end or escape the host.
    #[error("host contains {0:?}")]
    Forbidden(char),
    /// Brackets that do not enclose the whole host once.
    #[error("host has misplaced brackets")]
    Brackets,
    /// Not an IPv6 address although it has a colon or brackets.
    #[error("host is not an IPv6 address")]
    Ipv6,
    /// An IPv6 zone (`fe80::1%eth0`), which means something on one machine only.
    #[error("host has an IPv6 zone")]
    Zone,
    /// Ends in a number without being four plain decimal numbers, so that programs read it differently.
    #[error("host is an IPv4 address in an ambiguous notation")]
    AmbiguousIpv4,
    /// Two dots in a row, or one in front.
    #[error("host has an empty label")]
    EmptyLabel,
    /// A label over 63 octets, or a name over 253 (RFC 1035 2.3.4).
    #[error("host is too long")]
    TooLong,
    /// Not a valid internationalised name (UTS 46), broken punycode included.
    #[error("host is not a valid internationalised name")]
    Idna,
    /// A port that is not a decimal number from 1 to 65,535.
    #[error("port is not a number from 1 to 65535")]
    Port,
}

/// Controls, space and the delimiters of a URL. Not the colon and the brackets, which addresses have.
fn is_forbidden(c: char) -> bool {
    c.is_control() || c == ' ' || "/?#@\\%\"<>^`{|}!$&'()*+,;=~".contains(c)
}

fn looks_zoned(text: &str) -> bool {
    let address = text.trim_start_matches('[').split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}

/// Lower case and A-labels; borrows when the text already is that, which is the common case.
fn fold(text: &str) -> Result<Cow<'_, str>, HostError> {
    let plain = text.is_ascii() && !has_ace_label(text);
    if !plain {
        return Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
            .map_err(|_| HostError::Idna);
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Ok(Cow::Owned(text.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(text))
}

fn has_ace_label(text: &str) -> bool {
    text.split('.').any(|label| label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--")))
}

/// Folding may have made a forbidden character out of an allowed one (`％` becomes `%`), so the set is checked
/// again, this time as the one that is allowed. Underscores are: real names have them.
fn check_labels(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > 253 {
        return Err(HostError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(HostError::EmptyLabel);
        }
        if label.len() > 63 {
            return Err(HostError::TooLong);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if let Some(bad) = label.chars().find(|c| !allowed(*c)) {
            return Err(HostError::Forbidden(bad));
        }
    }
    Ok(())
}

/// The rule of the URL standard for what resolvers may take for an IPv4 address.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || last.bytes().all(|b| b.is_ascii_digit())
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), HostError> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(HostError::Brackets)? + 1;
        let (host, rest) = text.split_at(end);
        return match rest.strip_prefix(':') {
            _ if rest.is_empty() || rest == ":" => Ok((host, None)),
            Some(port) => Ok((host, Some(port))),
            None => Err(HostError::Brackets),
        };
    }
    Ok(match text.split_once(':') {
        Some((host, "")) => (host, None),
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    })
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse::<u16>().ok().filter(|port| digits && *port != 0);
    port.ok_or(HostError::Port)
}

#[cfg(test)]
mod tests;
