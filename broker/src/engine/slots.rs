//! How many attempts there are, and where.

use std::collections::HashMap;

use centaur_oauth::host_of;

use crate::store::Ready;

/// The places for attempts: so many in all, so many per host.
#[derive(Debug)]
pub(super) struct Slots {
    at_once: usize,
    per_host: usize,
    /// By credential: the endpoint.
    taken: HashMap<String, String>,
}

impl Slots {
    pub(super) fn new(at_once: usize, per_host: usize) -> Self {
        Self { at_once, per_host, taken: HashMap::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.taken.len() >= self.at_once
    }

    /// Endpoints of hosts that have all their places taken.
    pub(super) fn busy(&self) -> Vec<String> {
        let is_busy = |endpoint: &&String| self.at_host(host_of(endpoint)) >= self.per_host;
        let mut busy: Vec<_> = self.taken.values().filter(is_busy).cloned().collect();
        busy.sort_unstable();
        busy.dedup();
        busy
    }

    /// Takes a place, if there is one and the credential has none yet.
    pub(super) fn take(&mut self, ready: &Ready) -> bool {
        let is_free = !self.is_full()
            && !self.taken.contains_key(&ready.key)
            && self.at_host(host_of(&ready.endpoint)) < self.per_host;
        if is_free {
            self.taken.insert(ready.key.clone(), ready.endpoint.clone());
        }
        is_free
    }

    pub(super) fn free(&mut self, key: &str) {
        self.taken.remove(key);
    }

    fn at_host(&self, host: &str) -> usize {
        self.taken.values().filter(|endpoint| host_of(endpoint) == host).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(key: &str, endpoint: &str) -> Ready {
        Ready { key: key.to_owned(), endpoint: endpoint.to_owned() }
    }

    #[test]
    fn a_host_has_its_own_limit_and_all_have_one() {
        let mut slots = Slots::new(3, 2);
        assert!(slots.take(&ready("1", "https://a.example/token")));
        assert!(!slots.take(&ready("1", "https://a.example/token")), "once");
        assert!(slots.take(&ready("2", "https://a.example/other")), "paths are of one host");
        assert!(!slots.take(&ready("3", "https://a.example/token")));
        assert_eq!(slots.busy(), ["https://a.example/other", "https://a.example/token"]);
        assert!(slots.take(&ready("4", "https://b.example/token")) && slots.is_full());
        assert!(!slots.take(&ready("5", "https://c.example/token")));
        slots.free("1");
        assert!(slots.busy().is_empty() && slots.take(&ready("3", "https://a.example/token")));
    }
}
