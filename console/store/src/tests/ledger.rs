//! What all writes have in common: turns, audit chain, change feed, migration, keys.

use centaur_base::oid::{Oid, ProxyId, UserId};
use serde_json::json;

use super::on_both;
use super::world::{World, document, inline, name, read, ring, write};
use crate::*;

on_both!(
    migrating_again_changes_nothing,
    replicas_that_start_at_once_migrate_once,
    an_edited_or_newer_schema_stops_the_start,
    events_form_a_chain,
    an_altered_event_breaks_the_chain,
    a_chain_is_verified_in_steps_and_from_any_event_on,
    a_removed_event_breaks_the_chain,
    a_failed_write_leaves_no_trace,
    changes_are_numbered_without_gaps,
    a_change_names_whom_it_concerns,
    the_wrong_keys_stop_the_start,
    rotation_seals_anew_while_serving,
    a_reader_sees_one_state,
    times_come_from_the_clock,
    nul_is_refused,
);

async fn migrating_again_changes_nothing(world: World) {
    write!(world, tx => tx.create_role("lab", None, &RolePatch::default()).await).expect("a role");
    let again = world.again(&["a"]).await.expect("a store");
    again.ready().await.expect("ready");
    let mut tx = again.read().await.expect("a transaction");
    assert_eq!(tx.roles(&Filter::default(), Page::default()).await.expect("roles").total, 1);
}

async fn replicas_that_start_at_once_migrate_once(world: World) {
    for sql in DROPS {
        world.raw(sql).await.expect("dropped");
    }
    let (one, two, three) = tokio::join!(world.again(&["a"]), world.again(&["a"]), world.again(&["a"]));
    for store in [one, two, three] {
        store.expect("a store").ready().await.expect("ready");
    }
    let mut conn = world.store.pools().read().await.expect("a transaction");
    let count = conn.number("SELECT COUNT(*) FROM schema_migrations", vec![]).await;
    assert_eq!(count.expect("a number"), SCHEMA_VERSION);
}

/// In the order in which nothing refers to what is dropped.
const DROPS: &[&str] = &[
    "DROP TABLE login_attempts",
    "DROP TABLE sessions",
    "DROP TABLE user_identities",
    "DROP TABLE proxy_tokens",
    "DROP TABLE proxies",
    "DROP TABLE grants",
    "DROP TABLE secret_sources",
    "DROP TABLE secrets",
    "DROP TABLE declined_suggestions",
    "DROP TABLE broker_notices",
    "DROP TABLE broker_attempts",
    "DROP TABLE broker_credentials",
    "DROP TABLE oauth_apps",
    "DROP TABLE labels",
    "DROP TABLE role_assignments",
    "DROP TABLE roles",
    "DROP TABLE slack_permissions",
    "DROP TABLE config_views",
    "DROP TABLE principals",
    "DROP TABLE api_keys",
    "DROP TABLE users",
    "DROP TABLE settings",
    "DROP TABLE audit_principals",
    "DROP TABLE audit_events",
    "DROP TABLE changes",
    "DROP TABLE id_counters",
    "DROP TABLE ledger",
    "DROP TABLE schema_migrations",
    "DROP TABLE schema_lock",
];

async fn an_edited_or_newer_schema_stops_the_start(world: World) {
    world.again(&["a"]).await.expect("the schema fits");
    world
        .raw("INSERT INTO schema_migrations SELECT version + 1, name, digest, at FROM schema_migrations ORDER BY version DESC LIMIT 1")
        .await
        .expect("a row");
    assert!(matches!(world.again(&["a"]).await, Err(StoreError::Schema(_))));
    assert!(matches!(world.store.ready().await, Err(StoreError::Schema(_))));
}

async fn events_form_a_chain(world: World) {
    let user = UserId::new(7).expect("an id");
    let actor = Actor {
        as_operator: true,
        request_id: Some("req-1".to_owned()),
        address: Some("192.0.2.1".to_owned()),
        ..Actor::from(Who::Proxy(Oid::new(3).expect("an id")))
    };
    let patch = &RolePatch { name: Some(Some("Tools".to_owned())), ..RolePatch::default() };
    let role = world
        .store
        .write(&actor, |tx| Box::pin(async move { tx.create_role("lab", Some("tools"), patch).await }))
        .await
        .expect("a role");
    write!(world, tx => tx.audit("sign_in", "user", user.row(), &json!({ "provider": "fake" })).await)
        .expect("noted");
    write!(world, tx => tx.delete_role(role.id).await).expect("deleted");

    let chain = read!(world, tx => tx.verify_audit().await);
    let Chain::Whole { seq: 3, hash } = chain else { panic!("{chain:?}") };
    let all = read!(world, tx => tx.audit_events(&AuditFilter::default(), 10).await);
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(all[0].hash, hash);
    let made = &all[2];
    assert_eq!((made.action.as_str(), made.object_kind.as_str()), ("create", "role"));
    assert_eq!((made.actor_kind.as_str(), made.actor_id, made.as_operator), ("proxy", Some(3), true));
    assert_eq!((made.request_id.as_deref(), made.address.as_deref()), (Some("req-1"), Some("192.0.2.1")));
    assert_eq!(made.before, None);
    assert!(made.after.as_deref().is_some_and(|after| after.contains("\"name\":\"Tools\"")));
    assert_eq!(all[0].before, made.after, "what was deleted is what was made");

    let of_role = AuditFilter { object: Some(("role".to_owned(), role.id.row())), ..AuditFilter::default() };
    assert_eq!(read!(world, tx => tx.audit_events(&of_role, 10).await).len(), 2);
    let below = AuditFilter { below: Some(3), ..of_role };
    assert_eq!(read!(world, tx => tx.audit_events(&below, 10).await).len(), 1);
    let by_proxy = AuditFilter {
        actor: Some(AuditActor::Proxy(ProxyId::new(3).expect("an id"))),
        ..AuditFilter::default()
    };
    assert_eq!(read!(world, tx => tx.audit_events(&by_proxy, 10).await).len(), 1);
}

async fn three_roles(world: &World) {
    for foreign_id in ["one", "two", "three"] {
        write!(world, tx => tx.create_role("lab", Some(foreign_id), &RolePatch::default()).await)
            .expect("a role");
    }
    assert!(matches!(read!(world, tx => tx.verify_audit().await), Chain::Whole { seq: 3, .. }));
}

async fn an_altered_event_breaks_the_chain(world: World) {
    three_roles(&world).await;
    world.raw("UPDATE audit_events SET actor_kind = 'user' WHERE seq = 2").await.expect("altered");
    assert_eq!(read!(world, tx => tx.verify_audit().await), Chain::BrokenAt(2));
}

async fn a_removed_event_breaks_the_chain(world: World) {
    three_roles(&world).await;
    world.raw("DELETE FROM audit_events WHERE seq = 3").await.expect("removed");
    assert_eq!(read!(world, tx => tx.verify_audit().await), Chain::BrokenAt(3), "also at the end");
    world.raw("DELETE FROM audit_events WHERE seq = 1").await.expect("removed");
    assert_eq!(read!(world, tx => tx.verify_audit().await), Chain::BrokenAt(1));
}

async fn a_chain_is_verified_in_steps_and_from_any_event_on(world: World) {
    three_roles(&world).await;
    let step = async |at: &Link, limit: u32| read!(world, tx => tx.verify_audit_after(at, limit).await);
    let mut at = Link::default();
    for seq in 1..=3 {
        let Verified::Up(to) = step(&at, 1).await else { panic!("an end after {at:?}") };
        assert_eq!(to.seq, seq);
        at = to;
    }
    let whole = Chain::Whole { seq: 3, hash: at.hash.clone() };
    assert_eq!(step(&at, 1).await, Verified::End(whole.clone()));
    // Written between two steps.
    write!(world, tx => tx.create_role("lab", Some("four"), &RolePatch::default()).await).expect("a role");
    let Verified::End(Chain::Whole { seq: 4, .. }) = step(&at, 500).await else { panic!("no end") };
    let forged = Link { seq: 3, hash: vec![7; 32] };
    assert_eq!(step(&forged, 500).await, Verified::End(Chain::BrokenAt(4)));
    let beyond = Link { seq: 9, hash: at.hash };
    assert_eq!(step(&beyond, 500).await, Verified::End(Chain::BrokenAt(10)));
    world.raw("UPDATE audit_events SET action = 'x' WHERE seq = 2").await.expect("altered");
    assert_eq!(step(&Link::default(), 500).await, Verified::End(Chain::BrokenAt(2)));
}

async fn a_failed_write_leaves_no_trace(world: World) {
    let refused: Result<(), StoreError> = write!(world, tx => {
        tx.create_role("lab", Some("gone"), &RolePatch::default()).await?;
        Err(StoreError::Stale)
    });
    assert!(matches!(refused, Err(StoreError::Stale)));
    assert_eq!(read!(world, tx => tx.role_named(&name("gone")).await), None);
    assert!(matches!(read!(world, tx => tx.verify_audit().await), Chain::Whole { seq: 0, .. }));
    write!(world, tx => tx.create_role("lab", Some("stays"), &RolePatch::default()).await).expect("a role");
    assert!(matches!(read!(world, tx => tx.verify_audit().await), Chain::Whole { seq: 1, .. }));
}

async fn changes_are_numbered_without_gaps(world: World) {
    let seen = world.store.changed();
    let mut tasks = Vec::new();
    for number in 0..10 {
        let store = world.store.clone();
        tasks.push(tokio::spawn(async move {
            let foreign_id = format!("p{number}");
            let (foreign_id, patch) = (Some(foreign_id.as_str()), &PrincipalPatch::default());
            let actor = Actor::system();
            let made = store.write(&actor, |tx| {
                Box::pin(async move { tx.create_principal("lab", foreign_id, patch).await })
            });
            made.await
        }));
    }
    for task in tasks {
        task.await.expect("a task").expect("a principal");
    }
    let changes = read!(world, tx => tx.changes_since(0, 100).await);
    assert_eq!(changes.iter().map(|change| change.seq).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(changes.iter().all(|change| change.kind == "principal" && change.principal.is_some()));
    assert_eq!(read!(world, tx => tx.changes_since(4, 2).await).len(), 2);
    assert_eq!(read!(world, tx => tx.last_change().await), 10);
    assert_eq!(*seen.borrow(), 10);

    world.pass(60);
    let now = world.clock.now();
    assert_eq!(write!(world, tx => tx.prune_changes(now).await).expect("pruned"), 10);
    assert_eq!(read!(world, tx => tx.last_change().await), 10, "numbers are not used again");
}

async fn a_change_names_whom_it_concerns(world: World) {
    let patch = &PrincipalPatch::default();
    let ada = write!(world, tx => tx.create_principal("lab", None, patch).await).expect("a principal");
    let bob = write!(world, tx => tx.create_principal("lab", None, patch).await).expect("a principal");
    let since = read!(world, tx => tx.last_change().await);
    let still = world.store.moved_since(since).await.expect("an answer");
    assert_eq!(still, Moved { seq: since, ..Moved::default() });

    let token = &TokenHash::of("iprx_fake");
    let named = &ProxyPatch { name: Some("edge".to_owned()), ..ProxyPatch::default() };
    let proxy = write!(world, tx => tx.create_proxy(named, token).await).expect("a proxy");
    let role = write!(world, tx => tx.create_role("lab", None, &RolePatch::default()).await).expect("a role");
    write!(world, tx => tx.assign_role(ada.id, role.id).await).expect("assigned");
    let moved = world.store.moved_since(since).await.expect("an answer");
    assert_eq!(moved.proxies, [proxy.id]);
    assert_eq!(moved.principals, [(ada.id, moved.seq)]);

    // Of a role: those who hold it, by their versions.
    let since = moved.seq;
    write!(world, tx => tx.delete_role(role.id).await).expect("deleted");
    let moved = world.store.moved_since(since).await.expect("an answer");
    assert_eq!((moved.principals, moved.everything), (vec![(ada.id, since + 1)], false));
    write!(world, tx => tx.delete_principal(bob.id).await).expect("deleted");
    let moved = world.store.moved_since(since + 1).await.expect("an answer");
    assert_eq!(moved.principals, [(bob.id, since + 2)], "it is named though it is gone");

    world.pass(60);
    let now = world.clock.now();
    write!(world, tx => tx.prune_changes(now).await).expect("pruned");
    assert!(world.store.moved_since(since).await.expect("an answer").everything);
    assert!(world.store.moved_since(since + 9).await.expect("an answer").everything, "put back");
    assert!(!world.store.moved_since(since + 2).await.expect("an answer").everything);
}

#[tokio::test]
async fn replicas_hear_of_each_other_by_notices() {
    let world = World::postgres().await;
    let other = world.again(&["a"]).await.expect("a store");
    let (ours, theirs) = (world.store.notices(), other.notices());
    // The first one says that it listens now.
    theirs.heard().await;
    ours.heard().await;
    write!(world, tx => tx.create_principal("lab", None, &PrincipalPatch::default()).await).expect("made");
    theirs.heard().await;
    drop((ours, theirs));
    other.close().await;
    world.store.close().await;
}

async fn the_wrong_keys_stop_the_start(world: World) {
    write!(world, tx => tx.check_canary().await).expect("made");
    write!(world, tx => tx.check_canary().await).expect("opened");
    let other = world.again(&["z"]).await.expect("a store");
    let refused = other.write(&Actor::system(), |tx| Box::pin(tx.check_canary())).await;
    assert!(matches!(refused, Err(StoreError::Seal(SealError::UnknownKey(_)))), "{refused:?}");
}

async fn rotation_seals_anew_while_serving(world: World) {
    for number in 0..5 {
        let source = &[inline("source", &format!("fake-value-{number}"))];
        let made = write!(world, tx => {
            tx.create_secret(SecretKind::Static, "lab", None, &document("Weather"), source).await
        });
        made.expect("a secret");
    }
    let rotated = world.again(&["b", "a"]).await.expect("a store");
    assert_eq!(rotated.seal_status().await.expect("counted"), Resealed { current: 0, outdated: 5 });
    assert_eq!(rotated.reseal_all(2).await.expect("sealed anew"), Resealed { current: 5, outdated: 5 });
    assert_eq!(rotated.reseal_all(2).await.expect("nothing to do"), Resealed { current: 5, outdated: 0 });

    let only_new = world.again(&["b"]).await.expect("a store");
    let mut tx = only_new.read().await.expect("a transaction");
    let secrets = tx.secrets(None, &Filter::default(), Page::default()).await.expect("secrets");
    for (number, secret) in secrets.rows.iter().enumerate() {
        let values = tx.source_values(secret).await.expect("the old key is not needed");
        assert_eq!(values["source"].expose(), &format!("fake-value-{number}"));
    }
    drop(tx);
    let mut old = world.store.read().await.expect("a transaction");
    let refused = old.source_values(&secrets.rows[0]).await.err();
    assert!(matches!(refused, Some(StoreError::Seal(SealError::UnknownKey(_)))));
    assert_eq!(ring(&["b"]).primary(), "b");
}

async fn a_reader_sees_one_state(world: World) {
    let mut tx = world.store.read().await.expect("a transaction");
    assert_eq!(tx.roles(&Filter::default(), Page::default()).await.expect("roles").total, 0);
    write!(world, tx => tx.create_role("lab", None, &RolePatch::default()).await)
        .expect("readers hold nobody up");
    assert_eq!(tx.roles(&Filter::default(), Page::default()).await.expect("roles").total, 0);
    drop(tx);
    assert_eq!(read!(world, tx => tx.roles(&Filter::default(), Page::default()).await).total, 1);
}

async fn times_come_from_the_clock(world: World) {
    let made =
        write!(world, tx => tx.create_role("lab", Some("r"), &RolePatch::default()).await).expect("a role");
    assert_eq!(made.created_at, world.clock.now());
    world.pass(5);
    let patch = &RolePatch { name: Some(Some("R".to_owned())), ..RolePatch::default() };
    let written = write!(world, tx => tx.update_role(made.id, patch, None).await).expect("written");
    assert_eq!((written.created_at, written.updated_at), (made.created_at, world.clock.now()));
    let database = world.store.database_time().await.expect("a time");
    assert!((Clock::System.now().0 - database.0).abs() < 60_000_000, "{database}");
}

async fn nul_is_refused(world: World) {
    let made = |foreign_id| {
        let world = &world;
        async move { write!(world, tx => tx.create_role("lab", Some(foreign_id), &RolePatch::default()).await) }
    };
    assert!(matches!(made("a\0b").await, Err(StoreError::Invalid { rule }) if rule == "text_without_nul"));
    assert!(made("ab").await.is_ok());
}
