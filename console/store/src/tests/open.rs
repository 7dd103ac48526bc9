//! Opening a store.

use std::os::unix::fs::PermissionsExt as _;

use super::world::{World, ring};
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
    let options = Options { patience: std::time::Duration::from_millis(300), ..Options::new(ring(&["a"])) };
    let refused =
        Store::open(&format!("postgres://centaur:fake-pw@127.0.0.1:{port}/db"), options).await.err();
    let error = refused.expect("refused");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("fake-pw"));
}
