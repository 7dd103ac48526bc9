//! `no_proxy`: what goes direct.

use std::net::IpAddr;

use centaur_policies::host::CanonicalHost;
use ipnet::IpNet;

/// The list. Entries: `*`, an address, a CIDR, `host` (it and what is below it), `.host` and `*.host` (only what is
/// below), an address or name with `:port`.
#[derive(Debug, Default)]
pub(super) struct NoProxy {
    all: bool,
    ranges: Vec<IpNet>,
    hosts: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    host: CanonicalHost,
    /// The name itself, not only what is below it.
    itself: bool,
    port: Option<u16>,
}

impl NoProxy {
    pub(super) fn parse(text: &str) -> Self {
        let mut list = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if list.add(entry).is_none() {
                tracing::warn!(entry, "no_proxy entry is not a host, address or CIDR and is ignored");
            }
        }
        list
    }

    fn add(&mut self, entry: &str) -> Option<()> {
        if entry == "*" {
            self.all = true;
            return Some(());
        }
        if entry.contains('/') {
            self.ranges.push(entry.parse::<IpNet>().ok()?);
            return Some(());
        }
        if let Ok(ip) = entry.parse::<IpAddr>() {
            self.hosts.push(Entry { host: ip.into(), itself: true, port: None });
            return Some(());
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let below = name.strip_prefix('*').unwrap_or(name).strip_prefix('.');
        let host = CanonicalHost::parse(below.unwrap_or(name)).ok()?;
        self.hosts.push(Entry { host, itself: below.is_none(), port });
        Some(())
    }

    pub(super) fn matches(&self, host: &CanonicalHost, port: u16) -> bool {
        self.all
            || host.as_ip().is_some_and(|ip| self.ranges.iter().any(|range| range.contains(&ip)))
            || self.hosts.iter().any(|entry| entry.matches(host, port))
    }
}

impl Entry {
    fn matches(&self, host: &CanonicalHost, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        if self.host == *host {
            return self.itself;
        }
        let (Some(name), Some(suffix)) = (host.as_name(), self.host.as_name()) else { return false };
        name.strip_suffix(suffix).is_some_and(|front| front.ends_with('.'))
    }
}
