//! Secrets that were read, parsed and opened, by their version: what many principals use is made once. In memory only;
//! values are wiped when they go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use centaur_base::oid::BrokerCredentialId;
use centaur_store::{Micros, OpenedSecret, ReadTx, SecretVersion, SourceType, StoreError};
use serde_json::Value;

use crate::api::{stored_body, stored_common};
use crate::definition::CredentialRef;
use crate::effective::StoredSecret;
use crate::wire::Identity;

/// What was not used for twice this long goes; microseconds.
const TURN: i64 = 60_000_000;

/// A secret at one version.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) stored: Arc<StoredSecret>,
    /// The broker credentials that its sources refer to, and which rows they are.
    pub(super) credentials: Vec<(CredentialRef, BrokerCredentialId)>,
    bytes: usize,
}

/// All that are kept. One version of each secret: a later one takes the place of the earlier.
#[derive(Debug)]
pub(crate) struct Parts {
    inner: Mutex<Inner>,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    young: Shelf,
    /// Those that were not used since the last turn.
    old: Shelf,
    turned_at: i64,
}

/// By row: with the kind and the rest in the version.
type Kept = HashMap<i64, (SecretVersion, Arc<Part>)>;

#[derive(Debug, Default)]
struct Shelf {
    by: Kept,
    bytes: usize,
}

impl Parts {
    /// None, with room for twice so many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { inner: Mutex::default(), most_bytes }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was not used for two turns, also while nobody asks for anything.
    pub(super) fn tidy(&self, now: Micros) {
        self.inner().turn(now, self.most_bytes);
    }

    /// The parts of these versions, which were read in the same transaction. Those that are not kept are read, in one
    /// query.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when a value does not open; [`StoreError::Inconsistent`].
    pub(super) async fn of(
        &self,
        tx: &mut ReadTx,
        versions: impl IntoIterator<Item = SecretVersion>,
    ) -> Result<HashMap<SecretVersion, Arc<Part>>, StoreError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        {
            let mut inner = self.inner();
            inner.turn(tx.now(), self.most_bytes);
            for version in versions {
                if found.contains_key(&version) {
                    continue;
                }
                match inner.get(version) {
                    Some(part) => drop(found.insert(version, part)),
                    None => missing.push(version.id.row),
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(found);
        }
        for one in tx.opened_secrets(&missing).await? {
            let (version, part) = (one.secret.version(), Arc::new(Part::of(one)?));
            found.insert(version, part.clone());
            if part.bytes <= self.most_bytes / 2 {
                self.inner().put(version, part);
            }
        }
        Ok(found)
    }
}

impl Inner {
    fn turn(&mut self, now: Micros, most_bytes: usize) {
        let since = now.0.saturating_sub(self.turned_at);
        if since >= TURN || self.young.bytes > most_bytes {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now.0;
        }
        if since >= 2 * TURN {
            self.old = Shelf::default();
        }
    }

    fn get(&mut self, version: SecretVersion) -> Option<Arc<Part>> {
        if let Some((kept, part)) = self.young.by.get(&version.id.row) {
            return (*kept == version).then(|| part.clone());
        }
        let (kept, part) = self.old.take(version.id.row)?;
        if kept != version {
            return None;
        }
        self.put(version, part.clone());
        Some(part)
    }

    fn put(&mut self, version: SecretVersion, part: Arc<Part>) {
        self.old.take(version.id.row);
        self.young.take(version.id.row);
        self.young.bytes += part.bytes;
        self.young.by.insert(version.id.row, (version, part));
    }
}

impl Shelf {
    fn take(&mut self, row: i64) -> Option<(SecretVersion, Arc<Part>)> {
        let taken = self.by.remove(&row)?;
        self.bytes -= taken.1.bytes;
        Some(taken)
    }
}

impl Part {
    fn of(one: OpenedSecret) -> Result<Self, StoreError> {
        let OpenedSecret { secret: row, values } = one;
        let credentials = row.sources.iter().filter(|source| source.source_type == SourceType::TokenBroker);
        let credentials = credentials.filter_map(|source| {
            let text = |key: &str| source.config.get(key).and_then(Value::as_str).map(str::to_owned);
            let named = CredentialRef { id: text("credential_id")?, namespace: text("credential_namespace") };
            Some((named, source.broker_credential?))
        });
        let of_values: usize = values.values().map(|value| value.expose().len()).sum();
        // Once as it is, and up to three times in what is made of it.
        let bytes = 4 * (of_values + OVERHEAD);
        Ok(Self {
            credentials: credentials.collect(),
            bytes,
            stored: Arc::new(StoredSecret::new(
                row.id.to_string(),
                Identity { namespace: row.namespace.clone(), foreign_id: row.foreign_id.clone() },
                stored_common(&row),
                stored_body(&row)?,
                values.into_iter().collect(),
            )),
        })
    }
}

/// Of a secret beside its values, about.
const OVERHEAD: usize = 1_024;

#[cfg(test)]
mod tests {
    use centaur_store::{SecretId, SecretKind};

    use super::*;
    use crate::definition::{Body, Common, Values};

    const MOST: usize = 10_000;

    fn version(row: i64, revision: i64) -> SecretVersion {
        SecretVersion {
            id: SecretId { kind: SecretKind::Static, row },
            revision,
            updated_at: Micros(revision),
        }
    }

    fn part(bytes: usize) -> Arc<Part> {
        let body: Body = serde_json::from_value(serde_json::json!({
            "kind": "static", "inject": {"header": "x-key"},
        }))
        .expect("a body");
        let identity = Identity { namespace: "default".to_owned(), foreign_id: None };
        let stored =
            StoredSecret::new("ssr_1".to_owned(), identity, Common::default(), body, Values::default());
        Arc::new(Part { stored: Arc::new(stored), credentials: Vec::new(), bytes })
    }

    #[test]
    fn a_version_is_given_for_itself_alone() {
        let mut inner = Inner::default();
        inner.put(version(1, 1), part(10));
        assert!(inner.get(version(1, 1)).is_some());
        assert!(inner.get(version(1, 2)).is_none() && inner.get(version(2, 1)).is_none());
        let put_back = SecretVersion { updated_at: Micros(7), ..version(1, 1) };
        assert!(inner.get(put_back).is_none(), "the same number, of another time");
        inner.put(version(1, 2), part(10));
        assert!(inner.get(version(1, 1)).is_none(), "the earlier one is gone");
        assert_eq!((inner.young.bytes, inner.young.by.len()), (10, 1));
    }

    #[test]
    fn what_is_not_used_goes_after_two_turns() {
        let mut inner = Inner::default();
        inner.turn(Micros(TURN), MOST);
        inner.put(version(1, 1), part(10));
        inner.put(version(2, 1), part(10));
        inner.turn(Micros(2 * TURN), MOST);
        assert!(inner.get(version(1, 1)).is_some(), "used once more");
        inner.turn(Micros(3 * TURN - 1), MOST);
        assert_eq!(inner.old.by.len(), 1, "too early");
        inner.turn(Micros(3 * TURN), MOST);
        assert!(inner.get(version(1, 1)).is_some());
        assert!(inner.get(version(2, 1)).is_none());
        assert_eq!((inner.young.bytes, inner.old.bytes), (10, 0));
        inner.turn(Micros(5 * TURN), MOST);
        assert_eq!((inner.young.by.len(), inner.old.by.len()), (0, 0), "nobody came for two turns");
    }

    #[test]
    fn what_is_much_turns_earlier() {
        let mut inner = Inner::default();
        inner.turn(Micros(TURN), MOST);
        for row in 1..=100 {
            inner.turn(Micros(TURN), MOST);
            inner.put(version(row, 1), part(1_000));
        }
        assert!(inner.young.bytes + inner.old.bytes <= 2 * MOST + 2_000, "{inner:?}");
        assert!(inner.get(version(100, 1)).is_some());
    }
}
