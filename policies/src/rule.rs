//! When something applies: host or CIDR, port, scheme, method, path.

use std::fmt;

use crate::host::CanonicalHost;
use crate::pattern::{Cidr, CidrError, HostPattern, MethodSet, PathPattern, PatternError, Scheme};

mod explain;
mod index;
mod set;

pub use set::{Candidates, RuleSet};

/// A request as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// How it goes upstream.
    pub scheme: Scheme,
    /// Where it goes.
    pub host: &'a CanonicalHost,
    /// The port upstream, defaults filled in.
    pub port: u16,
    /// The method, byte for byte.
    pub method: &'a str,
    /// The path from [`decode_path`](crate::path::decode_path), without the query.
    pub path: &'a str,
}

/// One rule; it matches when all that it names does. `Display` shows it as a line of YAML.
#[derive(Debug, Clone)]
pub struct Rule {
    where_to: Destination,
    methods: MethodSet,
    paths: Vec<PathPattern>,
    ports: Vec<u16>,
    schemes: Vec<Scheme>,
}

/// `host` or `cidr`.
#[derive(Debug, Clone)]
pub enum Destination {
    /// A pattern over the host.
    Host(HostPattern),
    /// A range that a literal address is in. Names are never resolved for it.
    Cidr(Cidr),
}

impl Rule {
    /// A rule for everything at the hosts of a pattern.
    ///
    /// # Errors
    /// See [`HostPattern::parse`].
    pub fn host(pattern: &str) -> Result<Self, PatternError> {
        HostPattern::parse(pattern).map(Destination::Host).map(Self::from)
    }

    /// A rule for everything at the literal addresses of a range.
    ///
    /// # Errors
    /// See [`Cidr::parse`].
    pub fn cidr(range: &str) -> Result<Self, CidrError> {
        Cidr::parse(range).map(Destination::Cidr).map(Self::from)
    }

    /// Only these methods; see [`MethodSet::new`].
    pub fn with_methods<S: AsRef<str>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods = MethodSet::new(methods);
        self
    }

    /// Only these paths; none means all.
    pub fn with_paths(mut self, paths: Vec<PathPattern>) -> Self {
        self.paths = paths;
        self
    }

    /// Only these ports; none means all.
    pub fn with_ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Only these schemes; none means both.
    pub fn with_schemes(mut self, schemes: Vec<Scheme>) -> Self {
        self.schemes = schemes;
        self
    }

    /// Whether the rule matches.
    pub fn matches(&self, target: &Target<'_>) -> bool {
        self.matches_destination(target.host) && self.matches_beside_host(target)
    }

    /// Whether host, port and, if known, scheme match, whatever the request then asks for.
    pub fn matches_host(&self, host: &CanonicalHost, port: u16, scheme: Option<Scheme>) -> bool {
        self.matches_destination(host) && self.matches_port(port, scheme)
    }

    pub(crate) fn matches_destination(&self, host: &CanonicalHost) -> bool {
        match &self.where_to {
            Destination::Host(pattern) => pattern.matches(host),
            Destination::Cidr(cidr) => host.as_ip().is_some_and(|ip| cidr.contains(ip)),
        }
    }

    pub(crate) fn matches_beside_host(&self, target: &Target<'_>) -> bool {
        self.matches_port(target.port, Some(target.scheme))
            && self.methods.matches(target.method)
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(target.path)))
    }

    pub(crate) fn matches_port(&self, port: u16, scheme: Option<Scheme>) -> bool {
        let port_fits = self.ports.is_empty() || self.ports.contains(&port);
        let scheme_fits = |scheme| self.schemes.is_empty() || self.schemes.contains(&scheme);
        port_fits && scheme.is_none_or(scheme_fits)
    }

    /// `host` or `cidr`.
    pub fn destination(&self) -> &Destination {
        &self.where_to
    }

    /// `methods`
    pub fn methods(&self) -> &MethodSet {
        &self.methods
    }

    /// `paths`; empty means all.
    pub fn paths(&self) -> &[PathPattern] {
        &self.paths
    }

    /// `ports`; empty means all.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// `schemes`; empty means both.
    pub fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// The line that would allow a refused request: its host, method, path and port and nothing else.
    pub fn that_would_allow(target: &Target<'_>) -> String {
        explain::line_for(target)
    }
}

impl From<Destination> for Rule {
    fn from(where_to: Destination) -> Self {
        Self { where_to, methods: MethodSet::Any, paths: Vec::new(), ports: Vec::new(), schemes: Vec::new() }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explain::write_rule(self, f)
    }
}

#[cfg(test)]
mod tests;
