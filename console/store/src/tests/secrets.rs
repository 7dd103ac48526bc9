//! Secrets, grants, and what they add up to.

use std::time::Duration;

use centaur_base::oid::{Oid, PrincipalId};
use serde_json::json;

use super::on_both;
use super::world::{World, document, env, inline, name, object, read, write};
use crate::*;

on_both!(
    a_write_replaces_the_document,
    a_kept_value_stays_and_must_be_there,
    values_are_sealed_for_their_row,
    kinds_do_not_share_names,
    a_failed_write_leaves_the_document_as_it_was,
    grants_are_made_once,
    a_role_is_granted_secrets_of_its_namespace,
    grants_are_listed_by_what_they_join,
    every_way_to_a_secret_is_told_in_order,
    many_are_read_together,
    expired_grants_are_not_effective,
    versions_rise_for_those_who_are_reached,
    what_is_deleted_is_gone_from_the_effective_set,
);

async fn principal(world: &World, foreign_id: &str) -> Principal {
    let patch = &PrincipalPatch::default();
    write!(world, tx => tx.create_principal("lab", Some(foreign_id), patch).await).expect("a principal")
}

async fn role(world: &World, foreign_id: &str) -> Role {
    write!(world, tx => tx.create_role("lab", Some(foreign_id), &RolePatch::default()).await).expect("a role")
}

async fn secret(world: &World, foreign_id: &str) -> StoredSecret {
    let sources = &[inline("source", &format!("fake-{foreign_id}"))];
    let (document, name) = (&document(foreign_id), &name(foreign_id));
    let made = write!(world, tx => tx.upsert_secret(SecretKind::Static, name, document, sources, None).await);
    made.expect("a secret").row
}

async fn grant(world: &World, grantee: Grantee, secret: SecretId, priority: Option<i64>) -> Grant {
    write!(world, tx => tx.create_grant(grantee, secret, priority, None).await).expect("a grant").row
}

async fn version(world: &World, principal: &Principal) -> i64 {
    read!(world, tx => tx.config_version(principal.id).await).expect("a version")
}

async fn a_write_replaces_the_document(world: World) {
    let full = &Document {
        description: Some("of the sky".to_owned()),
        labels: object(json!({ "kind": "weather" })),
        ..document("Weather")
    };
    let kind = SecretKind::OauthToken;
    let sources = &[env("credentials.client_id"), inline("credentials.client_secret", "fake-value")];
    let made =
        write!(world, tx => tx.create_secret(kind, "lab", Some("w"), full, sources).await).expect("made");
    assert_eq!(made.document, *full);
    let slots: Vec<_> = made.sources.iter().map(|source| source.slot.as_str()).collect();
    assert_eq!(slots, ["credentials.client_id", "credentials.client_secret"], "in the order sent");
    assert_eq!(read!(world, tx => tx.secret(made.id).await).as_ref(), Some(&made));

    let less = &Document { name: None, rules: Vec::new(), ..document("") };
    let written = write!(world, tx => tx.update_secret(made.id, less, &[], None).await).expect("written");
    assert_eq!(written.document, *less);
    assert!(written.sources.is_empty());
    assert_eq!((written.revision, written.foreign_id.as_deref()), (2, Some("w")));
    assert!(read!(world, tx => tx.source_values(&written).await).is_empty());

    let again = write!(world, tx => tx.update_secret(made.id, less, &[], None).await).expect("the same");
    assert_eq!(again, written, "nothing changed, nothing written");
    let stale = write!(world, tx => tx.update_secret(made.id, full, &[], Some(1)).await);
    assert!(matches!(stale, Err(StoreError::Stale)));
}

async fn a_kept_value_stays_and_must_be_there(world: World) {
    let made = secret(&world, "w").await;
    let kept = || NewSource { value: SourceValue::Kept, ..inline("source", "") };
    let renamed = &document("Renamed");
    let written =
        write!(world, tx => tx.update_secret(made.id, renamed, &[kept()], None).await).expect("written");
    assert_eq!(read!(world, tx => tx.source_values(&written).await)["source"].expose(), "fake-w");

    write!(world, tx => tx.update_secret(made.id, renamed, &[env("source")], None).await).expect("written");
    let refused = write!(world, tx => tx.update_secret(made.id, renamed, &[kept()], None).await);
    assert!(matches!(refused, Err(StoreError::Invalid { rule }) if rule == KEEP_SECRET));
    let refused =
        write!(world, tx => tx.create_secret(SecretKind::Static, "lab", None, renamed, &[kept()]).await);
    assert!(matches!(refused, Err(StoreError::Invalid { rule }) if rule == KEEP_SECRET));
}

async fn values_are_sealed_for_their_row(world: World) {
    let (one, two) = (secret(&world, "one").await, secret(&world, "two").await);
    assert_eq!(read!(world, tx => tx.source_values(&two).await)["source"].expose(), "fake-two");
    let mut conn = world.store.pools().read().await.expect("a transaction");
    let mut row =
        conn.row("SELECT value FROM secret_sources", vec![]).await.expect("a query").expect("a row");
    let sealed: Vec<u8> = row.next().expect("bytes");
    assert!(!sealed.windows(4).any(|part| part == b"fake"));
    drop((row, conn));

    world
        .raw("UPDATE secret_sources SET value = (SELECT value FROM secret_sources s WHERE s.secret_id = 1) WHERE secret_id = 2")
        .await
        .expect("moved");
    let mut tx = world.store.read().await.expect("a transaction");
    assert!(matches!(
        tx.source_values(&two).await,
        Err(StoreError::Seal(SealError::Broken("secret_sources")))
    ));
    assert!(tx.source_values(&one).await.is_ok());
    assert!(!format!("{two:?}").contains("fake-two"));
    let events = tx.audit_events(&AuditFilter::default(), 10).await.expect("events");
    assert!(!format!("{events:?}").contains("fake-"));
}

async fn kinds_do_not_share_names(world: World) {
    let document = &document("Weather");
    let made = |kind| {
        let world = &world;
        async move { write!(world, tx => tx.create_secret(kind, "lab", Some("w"), document, &[]).await) }
    };
    let first = made(SecretKind::Static).await.expect("made");
    let second = made(SecretKind::Hmac).await.expect("another kind");
    let taken = made(SecretKind::Static).await;
    assert!(matches!(taken, Err(StoreError::Taken { field: "foreign_id" })), "{taken:?}");
    assert_eq!(read!(world, tx => tx.secret_named(SecretKind::Hmac, &name("w")).await), Some(second.clone()));

    let mistaken = SecretId { kind: SecretKind::Static, row: second.id.row };
    assert_eq!(read!(world, tx => tx.secret(mistaken).await), None, "a row under another kind is not there");
    let listed =
        read!(world, tx => tx.secrets(Some(SecretKind::Static), &Filter::default(), Page::default()).await);
    assert_eq!((listed.total, listed.rows[0].id), (1, first.id));
    assert_eq!(read!(world, tx => tx.secrets(None, &Filter::default(), Page::default()).await).total, 2);
}

async fn a_failed_write_leaves_the_document_as_it_was(world: World) {
    let made = secret(&world, "w").await;
    let twice = &[inline("source", "fake-new"), env("source")];
    let refused = write!(world, tx => tx.update_secret(made.id, &document("Lost"), twice, None).await);
    assert!(matches!(refused, Err(StoreError::Taken { field: "sources" })), "{refused:?}");
    let wrong = &[NewSource { value: SourceValue::Elsewhere, ..inline("source", "") }];
    let refused = write!(world, tx => tx.update_secret(made.id, &document("Lost"), wrong, None).await);
    assert!(matches!(refused, Err(StoreError::Invalid { rule }) if rule == "secret_sources_value"));
    let dangling = &[NewSource {
        source_type: SourceType::TokenBroker,
        value: SourceValue::Elsewhere,
        broker_credential: Oid::new(7),
        ..inline("source", "")
    }];
    let refused = write!(world, tx => tx.update_secret(made.id, &document("Lost"), dangling, None).await);
    assert!(matches!(refused, Err(StoreError::Missing { what: "broker credential" })));

    assert_eq!(read!(world, tx => tx.secret(made.id).await).as_ref(), Some(&made));
    assert_eq!(read!(world, tx => tx.source_values(&made).await)["source"].expose(), "fake-w");
}

async fn grants_are_made_once(world: World) {
    let (ada, weather) = (principal(&world, "ada").await, secret(&world, "w").await);
    let grantee = Grantee::Principal(ada.id);
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let store = world.store.clone();
        tasks.push(tokio::spawn(async move {
            let actor = Actor::system();
            store
                .write(&actor, |tx| {
                    Box::pin(async move { tx.create_grant(grantee, weather.id, None, None).await })
                })
                .await
        }));
    }
    let mut created = 0;
    for task in tasks {
        let made: Result<Upserted<Grant>, StoreError> = task.await.expect("a task");
        created += i32::from(made.expect("no caller sees the race").created);
    }
    assert_eq!(created, 1);
    let again =
        write!(world, tx => tx.create_grant(grantee, weather.id, Some(5), None).await).expect("there");
    assert_eq!((again.created, again.row.priority), (false, 100), "the priority of the first stays");

    let raised =
        write!(world, tx => tx.update_grant(again.row.id, Some(7), None, None).await).expect("raised");
    assert_eq!((raised.priority, raised.revision), (7, 2));
    assert_eq!(read!(world, tx => tx.grant(raised.id).await), Some(raised.clone()));
    write!(world, tx => tx.delete_grant(raised.id).await).expect("deleted");
    assert!(matches!(write!(world, tx => tx.delete_grant(raised.id).await), Err(StoreError::Missing { .. })));
    let shown = serde_json::to_value(&raised).expect("json");
    assert_eq!(shown["principal_id"], json!(ada.id));
    assert_eq!(shown.get("role_id"), None);
}

async fn a_role_is_granted_secrets_of_its_namespace(world: World) {
    let (ada, tools) = (principal(&world, "ada").await, role(&world, "tools").await);
    let document = &document("Shared");
    let shared =
        write!(world, tx => tx.create_secret(SecretKind::Static, "shared", None, document, &[]).await);
    let shared = shared.expect("a secret").id;
    let refused = write!(world, tx => tx.create_grant(Grantee::Role(tools.id), shared, None, None).await);
    assert!(matches!(refused, Err(StoreError::Invalid { rule }) if rule == SAME_NAMESPACE));
    grant(&world, Grantee::Principal(ada.id), shared, None).await;
    let own = secret(&world, "own").await;
    assert_eq!(grant(&world, Grantee::Role(tools.id), own.id, None).await.priority, 0);

    let nobody = Grantee::Principal(Oid::new(99).expect("an id"));
    let missing = write!(world, tx => tx.create_grant(nobody, own.id, None, None).await);
    assert!(matches!(missing, Err(StoreError::Missing { what: "principal" })));
    let nothing = SecretId { kind: SecretKind::Hmac, row: own.id.row };
    let missing = write!(world, tx => tx.create_grant(Grantee::Role(tools.id), nothing, None, None).await);
    assert!(matches!(missing, Err(StoreError::Missing { what: "hmac_secret" })));
}

async fn grants_are_listed_by_what_they_join(world: World) {
    let (ada, tools) = (principal(&world, "ada").await, role(&world, "tools").await);
    let (one, two) = (secret(&world, "one").await, secret(&world, "two").await);
    let direct = grant(&world, Grantee::Principal(ada.id), one.id, None).await;
    let by_role = grant(&world, Grantee::Role(tools.id), one.id, None).await;
    let other = grant(&world, Grantee::Role(tools.id), two.id, None).await;
    let list = |filter: GrantFilter| {
        let world = &world;
        async move {
            let listed = read!(world, tx => tx.grants(&filter, Page::default()).await);
            listed.rows.into_iter().map(|grant| grant.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(GrantFilter::default()).await, [direct.id, by_role.id, other.id]);
    let of = |grantee| GrantFilter { grantee: Some(grantee), ..GrantFilter::default() };
    assert_eq!(list(of(Grantee::Principal(ada.id))).await, [direct.id]);
    assert_eq!(list(of(Grantee::Role(tools.id))).await, [by_role.id, other.id]);
    let of_secret = GrantFilter { secret: Some(one.id), ..GrantFilter::default() };
    assert_eq!(list(of_secret).await, [direct.id, by_role.id]);
    let within =
        |namespace: &str| GrantFilter { namespace: Some(namespace.to_owned()), ..GrantFilter::default() };
    assert_eq!(list(within("lab")).await.len(), 3);
    assert_eq!(list(within("other")).await.len(), 0);
}

async fn every_way_to_a_secret_is_told_in_order(world: World) {
    let (ada, tools, infra) =
        (principal(&world, "ada").await, role(&world, "tools").await, role(&world, "infra").await);
    let bob = principal(&world, "bob").await;
    write!(world, tx => tx.assign_role(ada.id, tools.id).await).expect("given");
    write!(world, tx => tx.assign_role(ada.id, infra.id).await).expect("given");
    let (one, two, three) =
        (secret(&world, "one").await, secret(&world, "two").await, secret(&world, "three").await);
    secret(&world, "not-granted").await;
    let direct = grant(&world, Grantee::Principal(ada.id), one.id, None).await;
    let by_tools = grant(&world, Grantee::Role(tools.id), one.id, None).await;
    let by_infra = grant(&world, Grantee::Role(infra.id), one.id, Some(50)).await;
    let third = grant(&world, Grantee::Role(tools.id), three.id, None).await;
    let second = grant(&world, Grantee::Role(infra.id), two.id, Some(200)).await;

    let nobody = Oid::new(99).expect("an id");
    let mut holdings = read!(world, tx => tx.holdings(&[ada.id, nobody, bob.id]).await);
    assert_eq!(holdings.change, read!(world, tx => tx.last_change().await));
    assert!(holdings.holders.remove(&bob.id).expect("a principal").held.is_empty());
    let held = holdings.holders.remove(&ada.id).expect("a principal");
    assert!(holdings.holders.is_empty());
    assert_eq!(held.principal, ada_as_it_is(&world, &ada).await);
    let path = |secret: &StoredSecret, grant: &Grant, role: Option<&Role>| Held {
        secret: secret.version(),
        path: GrantPath {
            grant: grant.id,
            priority: grant.priority,
            expires_at: None,
            role: role.map(|role| (role.id, role.foreign_id.clone())),
        },
    };
    let expected = [
        path(&one, &direct, None),
        path(&one, &by_tools, Some(&tools)),
        path(&three, &third, Some(&tools)),
        path(&one, &by_infra, Some(&infra)),
        path(&two, &second, Some(&infra)),
    ];
    assert_eq!(held.held, expected);

    let opened = read!(world, tx => tx.opened_secrets(&[one.id.row, 99, two.id.row]).await);
    let [first, second] = opened.as_slice() else { panic!("two of three are there") };
    assert_eq!((&first.secret, &second.secret), (&one, &two), "sources included");
    assert_eq!(first.values["source"].expose(), "fake-one");
}

async fn ada_as_it_is(world: &World, ada: &Principal) -> Principal {
    read!(world, tx => tx.principal(ada.id).await).expect("a principal")
}

/// The ways of a principal to secrets.
async fn held(world: &World, id: PrincipalId) -> Vec<Held> {
    read!(world, tx => tx.holdings(&[id]).await).holders.remove(&id).expect("a principal").held
}

async fn many_are_read_together(world: World) {
    let weather = secret(&world, "w").await;
    let mut all = Vec::new();
    for number in 0..300 {
        let one = principal(&world, &format!("p{number}")).await;
        if number % 3 == 0 {
            grant(&world, Grantee::Principal(one.id), weather.id, Some(number)).await;
        }
        all.push(one.id);
    }
    for count in [1, 15, 16, 17, 300] {
        let holdings = read!(world, tx => tx.holdings(&all[..count]).await);
        assert_eq!(holdings.holders.len(), count);
        for (number, id) in (0..).zip(&all[..count]) {
            let priorities: Vec<_> =
                holdings.holders[id].held.iter().map(|held| held.path.priority).collect();
            assert_eq!(priorities, if number % 3 == 0 { vec![number] } else { vec![] });
        }
    }
}

async fn expired_grants_are_not_effective(world: World) {
    let (ada, weather) = (principal(&world, "ada").await, secret(&world, "w").await);
    let start = world.clock.now();
    let end = start.after(Duration::from_mins(1));
    let made = write!(world, tx => {
        tx.create_grant(Grantee::Principal(ada.id), weather.id, None, Some(end)).await
    });
    let made = made.expect("a grant").row;
    let before = version(&world, &ada).await;
    assert_eq!(held(&world, ada.id).await[0].path.expires_at, Some(end));

    world.pass(60);
    assert_eq!(held(&world, ada.id).await, []);
    let ever = read!(world, tx => tx.holdings_ever(&[ada.id]).await);
    assert_eq!(ever.holders[&ada.id].held[0].path.expires_at, Some(end));

    assert_eq!(version(&world, &ada).await, before, "time writes nothing");
    let renewed =
        write!(world, tx => tx.update_grant(made.id, None, Some(None), None).await).expect("renewed");
    assert_eq!(renewed.expires_at, None);
    assert_eq!(held(&world, ada.id).await.len(), 1);
}

async fn versions_rise_for_those_who_are_reached(world: World) {
    let (ada, bob) = (principal(&world, "ada").await, principal(&world, "bob").await);
    let tools = role(&world, "tools").await;
    write!(world, tx => tx.assign_role(ada.id, tools.id).await).expect("given");
    let weather = secret(&world, "w").await;
    let (mut last, untouched) = (version(&world, &ada).await, version(&world, &bob).await);

    grant(&world, Grantee::Role(tools.id), weather.id, None).await;
    assert!(version(&world, &ada).await > last, "by a grant of its role");
    last = version(&world, &ada).await;
    assert_eq!(read!(world, tx => tx.role(tools.id).await).expect("a role").config_version, last);

    let since = read!(world, tx => tx.last_change().await);
    write!(world, tx => tx.update_secret(weather.id, &document("Sky"), &[env("source")], None).await)
        .expect("written");
    assert!(version(&world, &ada).await > last, "by a change of the secret");
    let changed = read!(world, tx => tx.principals_changed_since(since).await);
    assert_eq!(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ada.id]);
    last = version(&world, &ada).await;

    write!(world, tx => tx.delete_secret(weather.id).await).expect("deleted");
    assert!(version(&world, &ada).await > last, "by its deletion");
    assert_eq!(version(&world, &bob).await, untouched, "nobody else");
}

async fn what_is_deleted_is_gone_from_the_effective_set(world: World) {
    let (ada, tools) = (principal(&world, "ada").await, role(&world, "tools").await);
    write!(world, tx => tx.assign_role(ada.id, tools.id).await).expect("given");
    let (one, two) = (secret(&world, "one").await, secret(&world, "two").await);
    let direct = grant(&world, Grantee::Principal(ada.id), one.id, None).await;
    grant(&world, Grantee::Role(tools.id), two.id, None).await;
    let count = || {
        let (world, id) = (&world, ada.id);
        async move {
            let found = read!(world, tx => tx.holdings(&[id]).await);
            found.holders.get(&id).map(|holder| holder.held.len())
        }
    };
    assert_eq!(count().await, Some(2));
    write!(world, tx => tx.delete_grant(direct.id).await).expect("deleted");
    assert_eq!(count().await, Some(1));
    write!(world, tx => tx.delete_role(tools.id).await).expect("deleted");
    assert_eq!(count().await, Some(0));
    assert!(read!(world, tx => tx.secret(two.id).await).is_some(), "the secret stays");

    grant(&world, Grantee::Principal(ada.id), two.id, None).await;
    write!(world, tx => tx.delete_secret(two.id).await).expect("deleted");
    assert_eq!(count().await, Some(0));
    assert_eq!(read!(world, tx => tx.grants(&GrantFilter::default(), Page::default()).await).total, 0);
    assert!(matches!(write!(world, tx => tx.delete_secret(two.id).await), Err(StoreError::Missing { .. })));
}
