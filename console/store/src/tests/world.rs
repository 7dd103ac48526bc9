//! A fresh store with a clock that stands still, and short words for what every test needs.

use std::time::Duration;

use base64::Engine as _;
use centaur_base::Secret;
use serde_json::{Map, Value, json};

use crate::*;

/// A store of its own per test.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) address: String,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let address = format!("sqlite:{}", directory.path().join("store.db").display());
        Self::open(address, directory).await
    }

    pub(crate) async fn postgres() -> Self {
        let address = centaur_test_postgres::new_database().await;
        Self::open(address, tempfile::tempdir().expect("a directory")).await
    }

    async fn open(address: String, directory: tempfile::TempDir) -> Self {
        let clock = Clock::manual(Micros(1_900_000_000_000_000));
        let store = open(&address, &clock, &["a"]).await.expect("a store");
        Self { store, clock, address, _directory: directory }
    }

    /// Another store over the same database, as another replica or after a restart.
    pub(crate) async fn again(&self, keys: &[&str]) -> Result<Store, StoreError> {
        open(&self.address, &self.clock, keys).await
    }

    /// The address of another database, of the same engine and empty.
    pub(crate) async fn fresh(&self) -> (String, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = format!("sqlite:{}", directory.path().join("store.db").display());
        let is_file = self.address.starts_with("sqlite:");
        (if is_file { file } else { centaur_test_postgres::new_database().await }, directory)
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Runs one statement, past the repositories.
    pub(crate) async fn raw(&self, sql: &'static str) -> Result<u64, StoreError> {
        let mut conn = self.store.pools().write().await?;
        let count = conn.execute(sql, vec![]).await?;
        conn.commit().await?;
        Ok(count)
    }
}

async fn open(address: &str, clock: &Clock, keys: &[&str]) -> Result<Store, StoreError> {
    let options = Options { clock: clock.clone(), ..Options::new(ring(keys)) };
    Store::open(address, options).await
}

/// Keys of these ids, made from them.
pub(crate) fn ring(ids: &[&str]) -> KeyRing {
    let encode = |id: &str| base64::engine::general_purpose::STANDARD.encode([id.as_bytes()[0]; 32]);
    let list: Vec<_> = ids.iter().map(|id| format!("{id}:{}", encode(id))).collect();
    KeyRing::parse(&Secret::new(list.join(","))).expect("keys")
}

/// One write by the system.
macro_rules! write {
    ($world:expr, $tx:ident => $body:expr) => {
        $world.store.write(&$crate::Actor::system(), |$tx| Box::pin(async move { $body })).await
    };
}
pub(crate) use write;

/// One read.
macro_rules! read {
    ($world:expr, $tx:ident => $body:expr) => {{
        let mut $tx = $world.store.read().await.expect("a transaction");
        $body.expect("an answer")
    }};
}
pub(crate) use read;

pub(crate) fn name(foreign_id: &str) -> Name {
    Name::new("lab", foreign_id)
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("no object: {other}"),
    }
}

/// A static secret that injects a header.
pub(crate) fn document(title: &str) -> Document {
    Document {
        name: Some(title.to_owned()),
        definition: object(json!({ "inject_config": { "header": "x-key" } })),
        rules: vec![json!({ "host": "api.weather.example" })],
        ..Document::default()
    }
}

/// An inline value.
pub(crate) fn inline(slot: &str, value: &str) -> NewSource {
    NewSource {
        slot: slot.to_owned(),
        source_type: SourceType::ControlPlane,
        config: Map::new(),
        value: SourceValue::Given(Secret::new(value.to_owned())),
        broker_credential: None,
    }
}

/// A value from the environment.
pub(crate) fn env(slot: &str) -> NewSource {
    NewSource {
        slot: slot.to_owned(),
        source_type: SourceType::Env,
        config: object(json!({ "var": "WEATHER" })),
        value: SourceValue::Elsewhere,
        broker_credential: None,
    }
}
