//! Payloads that were built, by what they were built from. In memory only; wiped when they go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use centaur_base::oid::PrincipalId;
use centaur_store::{FallbackMode, Micros};

use crate::effective::{Effective, Payload};

/// Whose grants, and how two principals' grants go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) principal: Option<PrincipalId>,
    pub(super) fallback: Option<PrincipalId>,
    pub(super) mode: Option<FallbackMode>,
}

/// The versions of both principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions(pub(super) [Option<i64>; 2]);

/// A payload and until when it stands. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    versions: Versions,
    effective: Arc<Effective>,
}

impl Cached {
    pub(super) fn new(versions: Versions, effective: Effective) -> Self {
        Self { versions, effective: Arc::new(effective) }
    }

    /// What is sent.
    pub(crate) fn payload(&self) -> &Payload {
        &self.effective.payload
    }

    /// When time alone changes it.
    pub(crate) fn changes_at(&self) -> Option<Micros> {
        self.effective.changes_at.map(Micros)
    }

    /// Whether it is what would be built now.
    pub(super) fn stands(&self, versions: Versions, now: Micros) -> bool {
        self.versions == versions && self.changes_at().is_none_or(|at| now < at)
    }
}

/// Configurations kept; past that, all are dropped, which costs each one build.
const MOST: usize = 8_192;

type Slot = Arc<tokio::sync::Mutex<Option<Cached>>>;

#[derive(Debug, Default)]
pub(super) struct Cache {
    built: Mutex<HashMap<Key, Cached>>,
    /// One builder per key; what a slot holds is for those who waited for it.
    building: Mutex<HashMap<Key, Slot>>,
}

impl Cache {
    pub(super) fn fresh(&self, key: &Key, versions: Versions, now: Micros) -> Option<Cached> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.get(key).filter(|built| built.stands(versions, now)).cloned()
    }

    pub(super) fn keep(&self, key: Key, made: Cached) {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if built.len() >= MOST {
            built.clear();
        }
        built.insert(key, made);
    }

    /// The turn to build for a key. Slots that nobody holds are forgotten here.
    pub(super) fn slot(&self, key: Key) -> Slot {
        let mut building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        building.retain(|_, slot| Arc::strong_count(slot) > 1);
        building.entry(key).or_default().clone()
    }
}
