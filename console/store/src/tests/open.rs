//! Opening a store.

use std::os::unix::fs::PermissionsExt as _;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::world::{World, ring, write};
use crate::*;

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    let world = World::sqlite().await;
    let path = world.address.strip_prefix("sqlite:").expect("a path");
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{path}{suffix}")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix:?}");
    }
}

#[tokio::test]
async fn a_store_in_memory_serves_readers_and_writers_in_turn() {
    let store = Store::open("sqlite::memory:", Options::new(ring(&["a"]))).await.expect("a store");
    let patch = &RolePatch::default();
    for _ in 0..3 {
        let made: Result<Role, StoreError> =
            store.write(&Actor::system(), |tx| Box::pin(tx.create_role("lab", None, patch))).await;
        let id = made.expect("a role").id;
        let mut tx = store.read().await.expect("a transaction");
        assert!(tx.role(id).await.expect("an answer").is_some());
    }
}

#[tokio::test]
async fn other_addresses_are_refused_without_repeating_them() {
    for address in ["mysql://user:fake-pw@host/db", "sqlite:", "postgres://user:fake-pw@host:port/db", ""] {
        let error = Store::open(address, Options::new(ring(&["a"]))).await.expect_err("refused");
        assert!(matches!(error, StoreError::Address(_)), "{address}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("fake-pw"));
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let options = Options { patience: Duration::from_millis(300), ..Options::new(ring(&["a"])) };
    let refused =
        Store::open(&format!("postgres://centaur:fake-pw@127.0.0.1:{port}/db"), options).await.err();
    let error = refused.expect("refused");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("fake-pw"));
}

const DEFAULTS: PrincipalDefaults = PrincipalDefaults {
    repo_cache: RepoCache::None,
    observability_enabled: false,
    api_server_enabled: false,
};

/// Sets the defaults, and counts how often it is tried.
fn set_defaults(store: Store, tries: Arc<AtomicU32>) -> tokio::task::JoinHandle<Result<(), StoreError>> {
    tokio::spawn(async move {
        let (actor, tries) = (Actor::system(), &tries);
        let work = store.write(&actor, |tx| {
            tries.fetch_add(1, Ordering::SeqCst);
            Box::pin(tx.set_principal_defaults(DEFAULTS))
        });
        work.await
    })
}

#[tokio::test]
async fn a_write_that_the_engine_gave_up_is_tried_again() {
    let world = World::postgres().await;
    write!(world, tx => tx.set_principal_defaults(DEFAULTS).await).expect("set");
    // Takes a row first and its turn later, which no writer of the store does: each waits for the other.
    let mut other = world.store.pools().write().await.expect("a transaction");
    // The server ends the one whose own time finds the circle: the writer.
    other.execute("SET LOCAL deadlock_timeout = '1min'", vec![]).await.expect("set");
    other.execute("UPDATE settings SET updated_at = 1", vec![]).await.expect("a row");
    let tries = Arc::new(AtomicU32::new(0));
    let writer = set_defaults(world.store.clone(), tries.clone());
    while tries.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other.execute("UPDATE ledger SET turn = turn WHERE id = 1", vec![]).await.expect("the writer gave way");
    other.commit().await.expect("committed");
    writer.await.expect("a task").expect("tried again");
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_writer_waits_for_the_one_of_another_process() {
    let world = World::sqlite().await;
    let options = Options { patience: Duration::from_millis(300), ..Options::new(ring(&["a"])) };
    let hasty = Store::open(&world.address, options).await.expect("a store");
    let other = world.store.pools().write().await.expect("a transaction");
    let tries = Arc::new(AtomicU32::new(0));
    let refused = set_defaults(hasty.clone(), tries.clone()).await.expect("a task");
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    assert_eq!(tries.load(Ordering::SeqCst), 0, "its turn never came");
    drop(other);
    set_defaults(hasty, tries.clone()).await.expect("a task").expect("written");
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_that_was_opened_is_neither_read_nor_written() {
    let world = World::sqlite().await;
    let path = std::path::PathBuf::from(world.address.strip_prefix("sqlite:").expect("a path"));
    let kept = path.with_extension("kept");
    let make = async |name: &'static str| -> Result<Role, StoreError> {
        let patch = &RolePatch::default();
        world.store.write(&Actor::system(), |tx| Box::pin(tx.create_role("lab", Some(name), patch))).await
    };
    make("before").await.expect("a role");
    std::fs::rename(&path, &kept).expect("renamed");
    let is_away = |error: StoreError| assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    is_away(make("nowhere").await.expect_err("gone"));
    std::fs::copy(&kept, &path).expect("copied");
    is_away(make("elsewhere").await.expect_err("another file"));
    is_away(world.store.read().await.expect_err("another file"));
    is_away(world.store.ready().await.expect_err("another file"));
    std::fs::rename(&kept, &path).expect("renamed");
    world.store.ready().await.expect("the same file as before");
    make("after").await.expect("a role");
}
