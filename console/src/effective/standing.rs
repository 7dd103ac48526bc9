//! What is granted: each secret once, with its strongest grant.

use std::collections::BTreeMap;

use super::explain::{Explained, Outcome, Skip, Supplier};
use super::input::{Grant, Input, SecretKey, StoredSecret, Subject, Via};

/// Where a credential stands against others when a fallback principal adds some; later is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Only through default roles.
    Baseline,
    /// From the fallback principal.
    Requester,
    /// Through a role that somebody assigned.
    Role,
    /// A grant of the principal itself.
    Direct,
}

/// A secret that a subject may use.
pub(super) struct Standing<'a> {
    pub(super) key: SecretKey,
    pub(super) secret: &'a StoredSecret,
    pub(super) paths: Vec<&'a Grant>,
    /// The highest of all paths.
    pub(super) priority: i64,
    pub(super) class: Class,
    pub(super) supplier: Supplier,
}

impl Standing<'_> {
    /// Whether somebody decided to grant it, beyond what every principal is seeded with.
    pub(super) fn is_decided(&self) -> bool {
        self.class != Class::Baseline
    }

    pub(super) fn explained(&self, outcome: Outcome) -> Explained {
        explained(self.key, self.secret, &self.paths, self.supplier, outcome)
    }
}

/// All secrets of a subject by key, and those of which every grant has expired.
pub(super) fn standings<'a>(
    subject: &'a Subject,
    supplier: Supplier,
    input: &Input<'a>,
) -> (Vec<Standing<'a>>, Vec<Explained>) {
    let mut by_secret: BTreeMap<SecretKey, Vec<&Grant>> = BTreeMap::new();
    let counts = |grant: &&Grant| !grant.via.is_role_among(input.exclude_roles);
    for grant in subject.grants.iter().filter(counts) {
        by_secret.entry(grant.secret).or_default().push(grant);
    }
    let (mut standings, mut expired) = (Vec::new(), Vec::new());
    for (key, mut paths) in by_secret {
        let Some(secret) = input.secrets.get(&key) else { continue };
        paths.sort_by(|one, two| two.priority.cmp(&one.priority).then_with(|| one.oid.cmp(&two.oid)));
        let is_live = |grant: &&Grant| grant.expires_at.is_none_or(|at| at > input.now);
        let live: Vec<_> = paths.iter().copied().filter(is_live).collect();
        let Some(priority) = live.iter().map(|grant| grant.priority).max() else {
            let outcome = Outcome::Skipped(Skip::GrantExpired);
            expired.push(explained(key, secret, &paths, supplier, outcome));
            continue;
        };
        let class = class_of(&live, input.default_roles);
        standings.push(Standing { key, secret, paths: live, priority, class, supplier });
    }
    (standings, expired)
}

fn class_of(live: &[&Grant], default_roles: &[String]) -> Class {
    if live.iter().any(|grant| grant.via == Via::Direct) {
        return Class::Direct;
    }
    let is_default = |grant: &&Grant| grant.via.is_role_among(default_roles);
    if live.iter().all(is_default) { Class::Baseline } else { Class::Role }
}

fn explained(
    key: SecretKey,
    secret: &StoredSecret,
    paths: &[&Grant],
    supplier: Supplier,
    outcome: Outcome,
) -> Explained {
    Explained {
        key,
        oid: secret.oid.clone(),
        name: secret.common.name.clone(),
        paths: paths.iter().map(|grant| (*grant).clone()).collect(),
        priority: paths.iter().map(|grant| grant.priority).max().unwrap_or_default(),
        supplier,
        outcome,
    }
}
