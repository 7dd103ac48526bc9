//! The parts of a rule: patterns over hosts, addresses, methods and paths. Each is parsed once, in the spelling that
//! [`CanonicalHost`] and [`decode_path`](crate::path::decode_path) produce, and refuses what could never match.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::glob::{Glob, GlobError};
use crate::host::{CanonicalHost, HostError};

/// `host`: `*`, `*.suffix` (which matches the bare suffix too), an exact host, or a glob over the whole host.
#[derive(Debug, Clone)]
pub struct HostPattern {
    text: Box<str>,
    kind: HostKind,
}

/// What kind of pattern it is, for the index of rules.
#[derive(Debug, Clone)]
pub(crate) enum HostKind {
    Any,
    /// The part behind `*.`.
    Suffix(CanonicalHost),
    Exact(CanonicalHost),
    Glob(Glob),
}

impl HostPattern {
    /// Reads a pattern. Letter case, a trailing dot and Unicode do not matter; brackets around IPv6 neither.
    ///
    /// # Errors
    /// [`PatternError`] for what could never match a host: the reference accepts it in silence.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let kind = Self::kind_of(text)?;
        Ok(Self { text: text.into(), kind })
    }

    fn kind_of(text: &str) -> Result<HostKind, PatternError> {
        if text == "*" {
            return Ok(HostKind::Any);
        }
        if let Some(rest) = text.strip_prefix("*.") {
            if rest.contains(['*', '?', '[', '\\']) {
                return Err(PatternError::GlobInSuffix);
            }
            return Ok(HostKind::Suffix(CanonicalHost::parse(rest)?));
        }
        // `[::1]` would be a class, and no class that is meant holds a colon.
        if text.starts_with('[') && text.contains(':') {
            return Ok(HostKind::Exact(CanonicalHost::parse(text)?));
        }
        let lower = text.to_lowercase();
        let body = lower.strip_suffix('.').filter(|body| !body.ends_with('\\')).unwrap_or(&lower);
        let glob = Glob::parse(body)?;
        if glob.is_literal() {
            return Ok(HostKind::Exact(CanonicalHost::parse(text)?));
        }
        let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.:".contains(*c);
        if let Some(bad) = glob.literals().find(|c| !allowed(c)) {
            return Err(PatternError::Host(HostError::Forbidden(bad)));
        }
        // Only an IPv6 address has a colon, and it has nothing but hexadecimal digits besides.
        if body.contains(':') && glob.literals().any(|c| !c.is_ascii_hexdigit() && c != ':') {
            return Err(PatternError::Port);
        }
        Ok(HostKind::Glob(glob))
    }

    /// Whether the host matches.
    pub fn matches(&self, host: &CanonicalHost) -> bool {
        match &self.kind {
            HostKind::Any => true,
            HostKind::Suffix(suffix) => suffix == host || is_below(host, suffix),
            HostKind::Exact(exact) => exact == host,
            HostKind::Glob(glob) => glob.matches(host.as_str()),
        }
    }

    /// Whether the pattern reaches further than its author may think: `*`, or a glob that begins with a star
    /// without a dot behind it, so that `*example.com` is also `evilexample.com`, or one whose last label is a
    /// pattern, so that `api.*` is also a domain of anyone.
    pub fn is_broad(&self) -> bool {
        match &self.kind {
            HostKind::Any => true,
            // A top-level domain.
            HostKind::Suffix(suffix) => suffix.as_name().is_some_and(|name| !name.contains('.')),
            HostKind::Exact(_) => false,
            HostKind::Glob(glob) => {
                let last = glob.as_str().rsplit('.').next().unwrap_or_default();
                glob.as_str().starts_with('*') || last.contains(['*', '?', '['])
            }
        }
    }

    /// The host, when the pattern stands for one only.
    pub fn exact(&self) -> Option<&CanonicalHost> {
        if let HostKind::Exact(host) = &self.kind { Some(host) } else { None }
    }

    /// Whether one host can match both. Certain unless both are globs or one is a glob and the other a suffix;
    /// then the answer is that one can.
    pub fn may_overlap(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (HostKind::Exact(host), _) => other.matches(host),
            (_, HostKind::Exact(host)) => self.matches(host),
            (HostKind::Suffix(one), HostKind::Suffix(two)) => {
                one == two || is_below(one, two) || is_below(two, one)
            }
            _ => true,
        }
    }

    pub(crate) fn kind(&self) -> &HostKind {
        &self.kind
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_below(host: &CanonicalHost, suffix: &CanonicalHost) -> bool {
    let (Some(host), Some(suffix)) = (host.as_name(), suffix.as_name()) else { return false };
    host.strip_suffix(suffix).is_some_and(|front| front.ends_with('.'))
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Reads `address/prefix`; host bits are masked off, and a range of IPv4-mapped IPv6 addresses is the IPv4
    /// range. White space around it is ignored.
    ///
    /// # Errors
    /// [`CidrError`], with the texts of the reference.
    pub fn parse(text: &str) -> Result<Self, CidrError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(CidrError::Empty);
        }
        let invalid = |why| CidrError::Invalid { text: text.to_owned(), why };
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| invalid("must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128"))?;
        let address: IpAddr = address.parse().map_err(|_| invalid("the address cannot be read"))?;
        let plain = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let bits = prefix.parse::<u8>().ok().filter(|_| plain);
        let bits = bits.ok_or_else(|| invalid("the prefix length is not a number"))?;
        let net = IpNet::new(address, bits).map_err(|_| invalid("the prefix length is out of range"))?;
        Ok(net.into())
    }

    /// Whether the address is in the range; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The range.
    pub fn net(&self) -> IpNet {
        self.0
    }
}

impl From<IpNet> for Cidr {
    fn from(net: IpNet) -> Self {
        let net = net.trunc();
        let mapped = match net {
            IpNet::V6(v6) if v6.prefix_len() >= 96 => {
                v6.addr().to_ipv4_mapped().and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok())
            }
            _ => None,
        };
        Self(mapped.map_or(net, IpNet::V4))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `methods`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MethodSet {
    /// Missing, empty, or exactly `["*"]`.
    #[default]
    Any,
    /// These, in upper case. `["*", "GET"]` is the two literal names.
    Only(Box<[Box<str>]>),
}

impl MethodSet {
    /// Takes the names as configured; their letter case does not matter.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: Box<[Box<str>]> =
            names.into_iter().map(|name| name.as_ref().to_ascii_uppercase().into()).collect();
        match &*names {
            [] => Self::Any,
            [only] if &**only == "*" => Self::Any,
            _ => Self::Only(names),
        }
    }

    /// Whether the method is one of them, byte for byte: a client's `post` is not `POST` (RFC 9110 9.1).
    pub fn matches(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|name| **name == *method),
        }
    }
}

/// One of `paths`: `/prefix/*` is the literal prefix, alone or with anything below it; the rest are globs in which
/// `*` and `?` stop at `/`.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: Box<str>,
    /// `None`: a prefix, the text without its `/*`.
    glob: Option<Glob>,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError::Path`] unless it begins with `/`, [`PatternError::Glob`] for a malformed glob.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::Path);
        }
        let glob = if text.ends_with("/*") { None } else { Some(Glob::parse(text)?) };
        Ok(Self { text: text.into(), glob })
    }

    /// Whether the path, decoded once, matches. Letter case, `//` and `;` count.
    pub fn matches(&self, path: &str) -> bool {
        let Some(glob) = &self.glob else {
            let prefix = self.text.strip_suffix("/*").unwrap_or(&self.text);
            return path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        };
        glob.matches(path)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The name in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl std::str::FromStr for Scheme {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(PatternError::Scheme),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Neither a glob nor a host.
    #[error("can never match: {0}")]
    Host(#[from] HostError),
    /// A glob character behind `*.`, where all is literal.
    #[error(
        "can never match: what follows \"*.\" is literal; use one \"*.\" (any depth) or a glob such as \"a-*.x\""
    )]
    GlobInSuffix,
    /// A port in a host pattern.
    #[error("can never match: a host pattern has no port; use ports")]
    Port,
    /// A malformed glob.
    #[error("malformed glob: {0}")]
    Glob(#[from] GlobError),
    /// A path that does not begin with a slash.
    #[error("must begin with \"/\"")]
    Path,
    /// Not a scheme that the proxy speaks.
    #[error("must be \"http\" or \"https\"")]
    Scheme,
}

/// What is wrong with a CIDR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Nothing there.
    #[error("empty CIDR entry")]
    Empty,
    /// Not `address/prefix`.
    #[error("invalid CIDR {text:?}: {why}")]
    Invalid {
        /// The entry.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[cfg(test)]
mod tests;
