//! A list of rules.

use smallvec::SmallVec;

use super::index::HostIndex;
use super::{Rule, Target};
use crate::host::CanonicalHost;
use crate::pattern::Scheme;

/// Positions of the rules whose host matches one host, ascending. A caller that sees the same host again keeps it
/// and asks [`RuleSet::matches_among`].
pub type Candidates = SmallVec<[u32; 8]>;

/// A list of rules; matches when any of them does. What an empty list means is up to its owner: on its own it
/// matches nothing. Finding the rules of a host does not get slower with the number of exact hosts and suffixes.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    index: HostIndex,
}

impl RuleSet {
    /// Indexes the rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        let index = HostIndex::build(&rules);
        Self { rules, index }
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// The rules, as configured.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Position of the first rule that matches.
    pub fn matches(&self, target: &Target<'_>) -> Option<usize> {
        self.matches_among(&self.for_host(target.host), target)
    }

    /// The same when the rules of the host are known; `candidates` comes from [`Self::for_host`] of this set and
    /// of the host of this target.
    pub fn matches_among(&self, candidates: &[u32], target: &Target<'_>) -> Option<usize> {
        let fits = |at: &usize| self.rules.get(*at).is_some_and(|rule| rule.matches_beside_host(target));
        candidates.iter().map(|at| *at as usize).find(fits)
    }

    /// Whether any request to this host and port could match: tunnels are decided on that alone, since methods
    /// and paths come later. `None` as scheme: not known yet.
    pub fn matches_host(&self, host: &CanonicalHost, port: u16, scheme: Option<Scheme>) -> bool {
        let fits =
            |at: &u32| self.rules.get(*at as usize).is_some_and(|rule| rule.matches_port(port, scheme));
        self.for_host(host).iter().any(fits)
    }

    /// The rules whose host matches.
    pub fn for_host(&self, host: &CanonicalHost) -> Candidates {
        self.index.find(&self.rules, host)
    }
}

impl FromIterator<Rule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self::new(rules.into_iter().collect())
    }
}
