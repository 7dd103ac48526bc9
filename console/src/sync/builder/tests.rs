//! Who is built for together.

use centaur_base::Secret;
use centaur_base::oid::PrincipalId;
use centaur_store::{
    Actor, Document, Grantee, KeyRing, NewSource, Options, PrincipalPatch, SecretKind, SourceType,
    SourceValue, Store,
};
use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::metrics::SyncMetrics;

struct World {
    builder: Arc<Builder>,
    principals: Vec<Key>,
    _dir: tempfile::TempDir,
}

async fn store(address: &str, key: &str) -> Store {
    let keys = KeyRing::single(key, &Secret::new([7; 32])).expect("keys");
    Store::open(address, Options::new(keys)).await.expect("a store")
}

/// Makes a principal with a secret of its own.
async fn holder(store: &Store, name: &str) -> PrincipalId {
    let document = Document {
        definition:
            json!({"kind":"static","inject":{"header":"x-key"},"source":{"source_type":"control_plane","config":{}}})
                .as_object()
                .expect("an object")
                .clone(),
        rules: vec![json!({"host":"a.test"})],
        ..Document::default()
    };
    let source = NewSource {
        slot: "source".to_owned(),
        source_type: SourceType::ControlPlane,
        config: serde_json::Map::new(),
        value: SourceValue::Given(Secret::new(format!("fake-{name}"))),
        broker_credential: None,
    };
    let made: Result<_, StoreError> = store
        .write(&Actor::system(), |tx| {
            let (document, source) = (&document, &source);
            Box::pin(async move {
                let principal =
                    tx.create_principal("default", Some(name), &PrincipalPatch::default()).await?;
                let sources = std::slice::from_ref(source);
                let secret =
                    tx.create_secret(SecretKind::Static, "default", Some(name), document, sources).await?;
                tx.create_grant(Grantee::Principal(principal.id), secret.id, None, None).await?;
                Ok(principal.id)
            })
        })
        .await;
    made.expect("a principal")
}

/// Three principals; what the second holds was sealed with a key that the builder does not have.
async fn world() -> World {
    let dir = tempfile::tempdir().expect("a directory");
    let address = format!("sqlite:{}", dir.path().join("console.db").display());
    let (store, other) = (store(&address, "one").await, store(&address, "two").await);
    let ids = [holder(&store, "a").await, holder(&other, "b").await, holder(&store, "c").await];
    let key = |id| Key { principal: Some(id), fallback: None, mode: None };
    let env = [
        ("DATABASE_URL", address.as_str()),
        ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", "one:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
    ];
    let of = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let config = Arc::new(Config::from_env(of, false).expect("settings"));
    let shared = Arc::new(Shared::new(store, 1_000_000, SyncMetrics::default()));
    shared.fresh().await.expect("read");
    World { builder: Builder::new(shared, config), principals: ids.map(key).to_vec(), _dir: dir }
}

fn asked(keys: &[Key]) -> (Batch, Vec<oneshot::Receiver<Answer>>) {
    keys.iter()
        .map(|key| {
            let (asker, answer) = oneshot::channel();
            ((*key, vec![asker]), answer)
        })
        .unzip()
}

fn has(answer: &Answer, value: &str) -> bool {
    let made = answer.as_ref().expect("made");
    made.built.lists.as_ref().expect("lists").contains(value)
}

#[tokio::test]
async fn one_that_cannot_be_built_is_not_in_the_way_of_the_others() {
    let w = world().await;
    let (batch, answers) = asked(&w.principals);
    w.builder.answer(batch).await;
    let answers: Vec<Answer> = join_all(answers).await.into_iter().map(|one| one.expect("told")).collect();
    assert!(has(&answers[0], "fake-a") && has(&answers[2], "fake-c"));
    assert!(!has(&answers[0], "fake-c"), "each its own");
    let Err(Unbuilt::Store(error)) = &answers[1] else { panic!("built with a value that does not open") };
    assert!(matches!(**error, StoreError::Seal(_)), "{error}");
}

#[tokio::test]
async fn what_was_built_since_it_was_asked_for_is_not_built_again() {
    let w = world().await;
    let (first, third) = (w.principals[0], w.principals[2]);
    let (one, two) = tokio::join!(w.builder.build(first, AT_ONCE), w.builder.build(first, AT_ONCE));
    assert!(has(&one, "fake-a") && has(&two, "fake-a"));
    let (batch, answers) = asked(&[first, third]);
    w.builder.answer(batch).await;
    for (answer, value) in join_all(answers).await.iter().zip(["fake-a", "fake-c"]) {
        assert!(has(answer.as_ref().expect("told"), value));
    }
    let counts = w.builder.shared.counters.counts();
    assert_eq!((counts.builds, counts.build_batches), (2, 2));
    assert_eq!(w.builder.queue().running, 0);
}

#[tokio::test]
async fn who_left_is_not_built_for() {
    let w = world().await;
    let (batch, answers) = asked(&w.principals[..1]);
    drop(answers);
    {
        let mut queue = w.builder.queue();
        queue.running = 1;
        for (key, askers) in batch {
            queue.order.push_back(key);
            queue.asked.insert(key, askers);
        }
    }
    assert!(w.builder.next().is_none());
    assert_eq!(w.builder.queue().running, 0);
}
