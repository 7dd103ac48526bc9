//! What a namespace has to hold, told in foreign ids.

use std::collections::{BTreeMap, BTreeSet};

use super::operation::Operation;

/// Everything of a namespace. Numbers tell one document of an object from the next: they are in its name and, for a
/// secret, in its rules and values too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Principals, with the number of the last document.
    pub(super) principals: BTreeMap<String, u64>,
    /// Roles, with the number of the last document.
    pub(super) roles: BTreeMap<String, u64>,
    /// Secrets, with the number of the last document.
    pub(super) secrets: BTreeMap<String, u64>,
    /// Grants: from whom, of which secret.
    pub(super) grants: BTreeSet<(Grantee, String)>,
    /// Assignments: principal, role.
    pub(super) assignments: BTreeSet<(String, String)>,
    /// Proxies, with the principals that they serve.
    pub(super) proxies: BTreeMap<String, Option<String>>,
}

/// Who is granted a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grantee {
    /// A principal.
    Principal(String),
    /// A role.
    Role(String),
}

impl State {
    /// What there is after `operation`, with all that follows from it (console-api.md, section 17).
    pub(super) fn after(&self, operation: &Operation) -> Self {
        let mut state = self.clone();
        match operation.clone() {
            Operation::PutPrincipal(name, number) => drop(state.principals.insert(name, number)),
            Operation::PutRole(name, number) => drop(state.roles.insert(name, number)),
            Operation::PutSecret(name, number) => drop(state.secrets.insert(name, number)),
            Operation::DeletePrincipal(name) => {
                state.principals.remove(&name);
                state.grants.retain(|(grantee, _)| *grantee != Grantee::Principal(name.clone()));
                state.assignments.retain(|(principal, _)| *principal != name);
                for serves in state.proxies.values_mut() {
                    *serves = serves.take().filter(|principal| *principal != name);
                }
            }
            Operation::DeleteRole(name) => {
                state.roles.remove(&name);
                state.grants.retain(|(grantee, _)| *grantee != Grantee::Role(name.clone()));
                state.assignments.retain(|(_, role)| *role != name);
            }
            Operation::DeleteSecret(name) => {
                state.secrets.remove(&name);
                state.grants.retain(|(_, secret)| *secret != name);
            }
            Operation::Grant(grantee, secret) => drop(state.grants.insert((grantee, secret))),
            Operation::Ungrant(grantee, secret) => drop(state.grants.remove(&(grantee, secret))),
            Operation::Assign(principal, role) => drop(state.assignments.insert((principal, role))),
            Operation::Unassign(principal, role) => drop(state.assignments.remove(&(principal, role))),
            Operation::Point(proxy, principal) => drop(state.proxies.insert(proxy, principal)),
        }
        state
    }

    /// The secrets that a principal may use, with the numbers of their documents.
    pub(super) fn effective(&self, principal: &str) -> BTreeMap<String, u64> {
        let reaches = |grantee: &Grantee| match grantee {
            Grantee::Principal(name) => name == principal,
            Grantee::Role(role) => self.assignments.contains(&(principal.to_owned(), role.clone())),
        };
        let secrets = self.grants.iter().filter(|(grantee, _)| reaches(grantee)).map(|(_, secret)| secret);
        secrets.map(|secret| (secret.clone(), self.secrets[secret])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn what_is_deleted_takes_along_what_hung_on_it() {
        let mut state = State::default();
        for operation in [
            Operation::PutPrincipal(s("p"), 1),
            Operation::PutRole(s("r"), 2),
            Operation::PutSecret(s("s"), 3),
            Operation::PutSecret(s("t"), 4),
            Operation::Grant(Grantee::Principal(s("p")), s("s")),
            Operation::Grant(Grantee::Role(s("r")), s("t")),
            Operation::Assign(s("p"), s("r")),
            Operation::Point(s("edge"), Some(s("p"))),
        ] {
            state = state.after(&operation);
        }
        assert_eq!(state.effective("p"), BTreeMap::from([(s("s"), 3), (s("t"), 4)]));
        let without = state.after(&Operation::Unassign(s("p"), s("r")));
        assert_eq!(without.effective("p"), BTreeMap::from([(s("s"), 3)]));
        let without = state.after(&Operation::DeleteSecret(s("s")));
        assert_eq!((without.grants.len(), without.effective("p").len()), (1, 1));
        let without = state.after(&Operation::DeletePrincipal(s("p")));
        assert_eq!((without.grants.len(), without.assignments.len()), (1, 0));
        assert_eq!(without.proxies, BTreeMap::from([(s("edge"), None)]));
        let without = state.after(&Operation::DeleteRole(s("r")));
        assert_eq!((without.grants.len(), without.assignments.len()), (1, 0));
    }
}
