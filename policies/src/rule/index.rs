//! Which rules can match a host, found without looking at all of them: exact hosts and `*.suffix` by hash, address
//! ranges only for addresses, and the remaining globs one by one.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::set::Candidates;
use super::{Destination, Rule};
use crate::host::CanonicalHost;
use crate::pattern::HostKind;

/// Rules by host. Holds positions, not rules.
#[derive(Debug, Default, Clone)]
pub(super) struct HostIndex {
    exact: HashMap<CanonicalHost, Positions>,
    suffix: HashMap<Box<str>, Positions>,
    cidr: Vec<u32>,
    glob: Vec<u32>,
    any: Vec<u32>,
}

type Positions = SmallVec<[u32; 2]>;

impl HostIndex {
    pub(super) fn build(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (at, rule) in rules.iter().enumerate() {
            let at = at as u32;
            let pattern = match rule.destination() {
                Destination::Cidr(_) => {
                    index.cidr.push(at);
                    continue;
                }
                Destination::Host(pattern) => pattern,
            };
            match pattern.kind() {
                HostKind::Any => index.any.push(at),
                HostKind::Exact(host) => index.exact.entry(host.clone()).or_default().push(at),
                HostKind::Suffix(suffix) => index.suffix.entry(suffix.as_str().into()).or_default().push(at),
                HostKind::Glob(_) => index.glob.push(at),
            }
        }
        index
    }

    /// Positions of the rules whose host matches, ascending.
    pub(super) fn find(&self, rules: &[Rule], host: &CanonicalHost) -> Candidates {
        let mut found = Candidates::from_slice(&self.any);
        if let Some(exact) = self.exact.get(host) {
            found.extend_from_slice(exact);
        }
        if !self.suffix.is_empty() {
            for suffix in suffixes(host) {
                found.extend_from_slice(self.suffix.get(suffix).map_or(&[], |positions| positions));
            }
        }
        let scanned = if host.as_ip().is_some() { &self.cidr[..] } else { &[] };
        for at in scanned.iter().chain(&self.glob) {
            if rules.get(*at as usize).is_some_and(|rule| rule.matches_destination(host)) {
                found.push(*at);
            }
        }
        found.sort_unstable();
        found
    }
}

/// `a.b.c`, `b.c`, `c`; an address only as a whole.
fn suffixes(host: &CanonicalHost) -> impl Iterator<Item = &str> {
    let is_name = host.as_name().is_some();
    std::iter::successors(Some(host.as_str()), move |rest| {
        rest.split_once('.').map(|(_, rest)| rest).filter(|_| is_name)
    })
}
