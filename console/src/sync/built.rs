//! Configurations that were built, by what they were built from. In memory only; texts with values are wiped when they
//! go.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use centaur_base::oid::PrincipalId;
use centaur_store::{FallbackMode, Micros, Proxy};
use zeroize::Zeroizing;

use super::world::Load;
use crate::config::Config;
use crate::effective::{Digest, Effective};

/// Whose grants, and how two principals' grants go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) principal: Option<PrincipalId>,
    pub(super) fallback: Option<PrincipalId>,
    pub(super) mode: Option<FallbackMode>,
}

impl Key {
    pub(super) fn of(proxy: &Proxy) -> Self {
        Self {
            principal: proxy.principal_id,
            fallback: proxy.fallback_principal_id,
            mode: proxy.fallback_mode,
        }
    }

    /// What has to be read for it.
    pub(super) fn load(&self) -> Load {
        Load { principal: self.principal, fallback: self.fallback, mode: self.mode }
    }
}

/// The versions of both principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions(pub(super) [Option<i64>; 2]);

/// The three lists of an answer as text, values included.
pub(crate) type Lists = Arc<Zeroizing<String>>;

/// A configuration, what it was built from, and until when it stands.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(super) versions: Versions,
    pub(super) digest: Digest,
    pub(super) changes_at: Option<Micros>,
    /// `None` once it had to make room: digest and times are small and stay longer.
    pub(super) lists: Option<Lists>,
}

impl Built {
    pub(super) fn new(versions: Versions, effective: &Effective, config: &Config) -> Self {
        Self {
            versions,
            digest: effective.payload.digest(&config.hash_key),
            changes_at: effective.changes_at.map(Micros),
            lists: Some(Arc::new(effective.payload.lists())),
        }
    }

    #[cfg(test)]
    pub(super) fn test(versions: Versions, digest: Digest, lists: Option<Lists>) -> Self {
        Self { versions, digest, changes_at: None, lists }
    }

    /// Whether it is what would be built now.
    fn stands(&self, versions: Versions, now: Micros) -> bool {
        self.versions == versions && self.changes_at.is_none_or(|at| now < at)
    }

    fn bytes(&self) -> usize {
        self.lists.as_ref().map_or(0, |lists| lists.len() + OVERHEAD)
    }
}

/// Of a text beside its length, about.
const OVERHEAD: usize = 128;
/// Configurations whose digest is kept; past that, all are dropped, which costs each one build.
const MOST: usize = 131_072;

type OfPrincipal = HashMap<Key, (Built, u64)>;

/// What was built.
#[derive(Debug)]
pub(super) struct Shelf {
    by: HashMap<Option<PrincipalId>, OfPrincipal>,
    count: usize,
    /// Keys of texts in the order of their building, with the number of the building.
    order: VecDeque<(Key, u64)>,
    builds: u64,
    bytes: usize,
    most_bytes: usize,
}

impl Shelf {
    /// Empty, for texts of so many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { by: HashMap::new(), count: 0, order: VecDeque::new(), builds: 0, bytes: 0, most_bytes }
    }

    pub(super) fn get(&self, key: &Key, versions: Versions, now: Micros) -> Option<Built> {
        let (built, _) = self.by.get(&key.principal)?.get(key)?;
        built.stands(versions, now).then(|| built.clone())
    }

    pub(super) fn put(&mut self, key: Key, built: Built) {
        if self.count >= MOST {
            self.clear();
        }
        self.builds += 1;
        self.bytes += built.bytes();
        self.order.push_back((key, self.builds));
        let of_principal = self.by.entry(key.principal).or_default();
        match of_principal.insert(key, (built, self.builds)) {
            Some((before, _)) => self.bytes -= before.bytes(),
            None => self.count += 1,
        }
        while self.bytes > self.most_bytes {
            let Some((key, number)) = self.order.pop_front() else { break };
            self.forget_lists(key, number);
        }
        // Most entries are of buildings that were followed by others.
        if self.order.len() > 2 * self.count + 64 {
            let by = &self.by;
            self.order.retain(|(key, number)| {
                by.get(&key.principal).and_then(|of| of.get(key)).is_some_and(|(_, last)| last == number)
            });
        }
    }

    fn forget_lists(&mut self, key: Key, number: u64) {
        let found = self.by.get_mut(&key.principal).and_then(|of| of.get_mut(&key));
        if let Some((built, _)) = found.filter(|(_, last)| *last == number) {
            self.bytes -= built.bytes();
            built.lists = None;
        }
    }

    /// Drops what was built from this principal's grants.
    pub(super) fn drop_of(&mut self, principal: PrincipalId) {
        let gone = self.by.remove(&Some(principal)).unwrap_or_default();
        self.count -= gone.len();
        self.bytes -= gone.values().map(|(built, _)| built.bytes()).sum::<usize>();
    }

    pub(super) fn clear(&mut self) {
        *self = Self { builds: self.builds, ..Self::new(self.most_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use centaur_base::oid::Oid as _;

    use super::*;

    fn key(principal: i64) -> Key {
        Key { principal: PrincipalId::new(principal), fallback: None, mode: None }
    }

    fn built(version: i64, bytes: usize) -> Built {
        let lists = Some(Arc::new(Zeroizing::new("x".repeat(bytes))));
        Built {
            versions: Versions([Some(version), None]),
            digest: Digest::default(),
            changes_at: None,
            lists,
        }
    }

    fn has_lists(shelf: &Shelf, principal: i64, version: i64) -> Option<bool> {
        let found = shelf.get(&key(principal), Versions([Some(version), None]), Micros(0));
        found.map(|built| built.lists.is_some())
    }

    #[test]
    fn what_was_built_is_given_for_its_versions_and_its_time_alone() {
        let mut shelf = Shelf::new(1_000_000);
        shelf.put(key(1), Built { changes_at: Some(Micros(5)), ..built(7, 10) });
        let at = |version, now| shelf.get(&key(1), Versions([Some(version), None]), Micros(now)).is_some();
        assert!(at(7, 4));
        assert!(!at(7, 5) && !at(8, 4) && !at(6, 4));
        shelf.drop_of(PrincipalId::new(1).expect("an id"));
        assert_eq!((has_lists(&shelf, 1, 7), shelf.bytes, shelf.count), (None, 0, 0));
    }

    #[test]
    fn the_oldest_texts_make_room_and_their_digests_stay() {
        let mut shelf = Shelf::new(3 * (1_000 + OVERHEAD));
        for principal in 1..=4 {
            shelf.put(key(principal), built(1, 1_000));
        }
        assert_eq!(has_lists(&shelf, 1, 1), Some(false));
        assert!((2..=4).all(|principal| has_lists(&shelf, principal, 1) == Some(true)));
        // Built anew it is the youngest; the place of its first building means nothing.
        shelf.put(key(2), built(2, 1_000));
        shelf.put(key(1), built(1, 1_000));
        assert_eq!((has_lists(&shelf, 2, 2), has_lists(&shelf, 3, 1)), (Some(true), Some(false)));
        shelf.put(key(9), built(1, 1_000_000));
        assert_eq!((has_lists(&shelf, 9, 1), shelf.bytes), (Some(false), 0), "larger than all the room");
    }

    #[test]
    fn the_order_does_not_grow_with_the_buildings() {
        let mut shelf = Shelf::new(1_000_000);
        for version in 0..10_000 {
            shelf.put(key(1), built(version, 10));
        }
        assert!(shelf.order.len() < 100, "{}", shelf.order.len());
        assert_eq!((shelf.bytes, shelf.count), (10 + OVERHEAD, 1));
    }
}
