//! Users, API keys, proxies and their tokens.

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::Oid;

use super::on_both;
use super::world::{World, read, write};
use crate::*;

on_both!(
    addresses_are_unique_however_they_are_written,
    approval_is_noted_once,
    passwords_stay_apart_from_users,
    a_key_is_found_by_its_token_with_its_user,
    a_deleted_key_is_not_found_and_does_not_come_back,
    keys_belong_to_their_user,
    use_of_a_key_is_noted_once_a_minute,
    created_by_is_the_user_of_the_actor,
    an_assignment_is_stamped_when_it_changes,
    an_unknown_principal_registers_no_proxy,
    a_deleted_proxy_is_revoked_for_ever,
    an_old_token_is_good_for_its_grace,
    an_acknowledgement_counts_for_the_assignment_it_saw,
    many_notes_are_written_together_and_those_of_no_proxy_passed_over,
);

async fn user(world: &World, email: &str) -> User {
    let new = &NewUser {
        email: email.to_owned(),
        name: None,
        status: UserStatus::Active,
        admin: true,
        password_hash: None,
        email_verified: true,
    };
    write!(world, tx => tx.create_user(new).await).expect("a user")
}

async fn proxy(world: &World, token: &str) -> Proxy {
    let patch = &ProxyPatch { name: Some("edge".to_owned()), ..ProxyPatch::default() };
    let token = &TokenHash::of(token);
    write!(world, tx => tx.create_proxy(patch, token).await).expect("a proxy")
}

async fn addresses_are_unique_however_they_are_written(world: World) {
    assert!(!read!(world, tx => tx.has_users().await));
    let ada = user(&world, " Ada@Example.COM ").await;
    assert_eq!(ada.email, "ada@example.com");
    let again = &NewUser {
        email: "ADA@example.com".to_owned(),
        name: None,
        status: UserStatus::Pending,
        admin: false,
        password_hash: None,
        email_verified: true,
    };
    let taken = write!(world, tx => tx.create_user(again).await);
    assert!(matches!(taken, Err(StoreError::Taken { field: "email" })), "{taken:?}");
    assert_eq!(read!(world, tx => tx.user_by_email("ADA@EXAMPLE.com").await), Some(ada));
    assert!(read!(world, tx => tx.has_users().await));
}

async fn approval_is_noted_once(world: World) {
    let ada = user(&world, "ada@example.com").await;
    let new = &NewUser {
        email: "bob@example.com".to_owned(),
        name: Some("Bob".to_owned()),
        status: UserStatus::Pending,
        admin: false,
        password_hash: None,
        email_verified: true,
    };
    let bob = write!(world, tx => tx.create_user(new).await).expect("a user");
    assert_eq!((bob.approved_at, bob.approved_by), (None, None));
    let actor = Actor::from(Who::User(ada.id));
    let set = |status| {
        let (world, actor) = (&world, &actor);
        async move {
            let patch = &UserPatch { status: Some(status), ..UserPatch::default() };
            let written: Result<User, StoreError> =
                world.store.write(actor, |tx| Box::pin(tx.update_user(bob.id, patch, None))).await;
            written.expect("written")
        }
    };
    let approved = set(UserStatus::Active).await;
    assert_eq!((approved.approved_at, approved.approved_by), (Some(world.clock.now()), Some(ada.id)));
    world.pass(5);
    set(UserStatus::Disabled).await;
    let back = set(UserStatus::Active).await;
    assert_eq!(back.approved_at, approved.approved_at);
    assert_eq!(read!(world, tx => tx.users(Some(UserStatus::Active), Page::default()).await).total, 2);
    assert_eq!(read!(world, tx => tx.users(Some(UserStatus::Pending), Page::default()).await).total, 0);
}

async fn passwords_stay_apart_from_users(world: World) {
    let ada = user(&world, "ada@example.com").await;
    assert!(!ada.has_password);
    assert!(read!(world, tx => tx.password_hash(ada.id).await).is_none());
    let patch =
        &UserPatch { password_hash: Some(Secret::new("$fake$hash".to_owned())), ..UserPatch::default() };
    let with = write!(world, tx => tx.update_user(ada.id, patch, None).await).expect("written");
    assert!(with.has_password);
    let hash = read!(world, tx => tx.password_hash(ada.id).await).expect("a hash");
    assert_eq!(hash.expose(), "$fake$hash");
    let rename = &UserPatch { name: Some(Some("Ada".to_owned())), ..UserPatch::default() };
    write!(world, tx => tx.update_user(ada.id, rename, None).await).expect("written");
    assert!(read!(world, tx => tx.password_hash(ada.id).await).is_some(), "kept");
    let events = read!(world, tx => tx.audit_events(&AuditFilter::default(), 10).await);
    assert_eq!(events.len(), 3);
    assert!(!format!("{events:?}").contains("fake"));
}

async fn a_key_is_found_by_its_token_with_its_user(world: World) {
    let ada = user(&world, "ada@example.com").await;
    let token = &TokenHash::of("iak_fake");
    let key = write!(world, tx => tx.create_api_key(ada.id, &NewApiKey::unlimited("ci"), token).await)
        .expect("a key");
    let demote = &UserPatch { admin: Some(false), ..UserPatch::default() };
    let ada = write!(world, tx => tx.update_user(ada.id, demote, None).await).expect("written");
    assert_eq!(read!(world, tx => tx.api_key_by_token(token).await), Some((key, ada)), "as the user is now");
    assert_eq!(read!(world, tx => tx.api_key_by_token(&TokenHash::of("iak_other")).await), None);
    assert_eq!(format!("{token:?}"), "TokenHash(..)");
}

async fn a_deleted_key_is_not_found_and_does_not_come_back(world: World) {
    let ada = user(&world, "ada@example.com").await;
    let token = &TokenHash::of("iak_fake");
    let key = write!(world, tx => tx.create_api_key(ada.id, &NewApiKey::unlimited("ci"), token).await)
        .expect("a key");
    write!(world, tx => tx.delete_api_key(ada.id, key.id).await).expect("deleted");
    assert_eq!(read!(world, tx => tx.api_key_by_token(token).await), None);
    assert_eq!(read!(world, tx => tx.api_key(ada.id, key.id).await), None);
    assert_eq!(read!(world, tx => tx.api_keys(None, Page::default()).await).total, 0);
    let again = write!(world, tx => tx.create_api_key(ada.id, &NewApiKey::unlimited("ci"), token).await);
    assert!(matches!(again, Err(StoreError::Taken { field: "token" })), "{again:?}");
    let twice = write!(world, tx => tx.delete_api_key(ada.id, key.id).await);
    assert!(matches!(twice, Err(StoreError::Missing { what: "API key" })));
}

async fn keys_belong_to_their_user(world: World) {
    let (ada, bob) = (user(&world, "ada@example.com").await, user(&world, "bob@example.com").await);
    let token = &TokenHash::of("iak_fake");
    let key = write!(world, tx => tx.create_api_key(ada.id, &NewApiKey::unlimited("ci"), token).await)
        .expect("a key");
    assert_eq!(read!(world, tx => tx.api_key(bob.id, key.id).await), None);
    assert_eq!(read!(world, tx => tx.api_key(ada.id, key.id).await), Some(key.clone()));
    assert_eq!(read!(world, tx => tx.api_keys(Some(bob.id), Page::default()).await).total, 0);
    let own = read!(world, tx => tx.api_keys(Some(ada.id), Page::default()).await);
    assert_eq!(own.rows, std::slice::from_ref(&key));
    let refused = write!(world, tx => tx.delete_api_key(bob.id, key.id).await);
    assert!(matches!(refused, Err(StoreError::Missing { .. })));
    let nobody = Oid::new(99).expect("an id");
    let refused = write!(world, tx => tx.create_api_key(nobody, &NewApiKey::unlimited("ci"), &TokenHash::of("iak_x")).await);
    assert!(matches!(refused, Err(StoreError::Missing { what: "user" })));
}

async fn use_of_a_key_is_noted_once_a_minute(world: World) {
    let ada = user(&world, "ada@example.com").await;
    let token = &TokenHash::of("iak_fake");
    let key = write!(world, tx => tx.create_api_key(ada.id, &NewApiKey::unlimited("ci"), token).await)
        .expect("a key");
    let used = || {
        let world = &world;
        async move {
            world.store.touch_api_key(key.id).await.expect("noted");
            read!(world, tx => tx.api_key(ada.id, key.id).await).expect("a key").last_used_at
        }
    };
    let first = world.clock.now();
    assert_eq!(used().await, Some(first));
    world.pass(59);
    assert_eq!(used().await, Some(first));
    world.pass(1);
    assert_eq!(used().await, Some(world.clock.now()));
}

async fn created_by_is_the_user_of_the_actor(world: World) {
    let ada = user(&world, "ada@example.com").await;
    let token = &TokenHash::of("iak_fake");
    let key = write!(world, tx => tx.create_api_key(ada.id, &NewApiKey::unlimited("ci"), token).await)
        .expect("a key");
    for who in [Who::User(ada.id), Who::ApiKey(key.id, ada.id)] {
        let patch = &RolePatch::default();
        let made: Result<Role, StoreError> =
            world.store.write(&who.into(), |tx| Box::pin(tx.create_role("lab", None, patch))).await;
        assert_eq!(made.expect("a role").created_by, Some(ada.id));
    }
    let made = write!(world, tx => tx.create_role("lab", None, &RolePatch::default()).await).expect("a role");
    assert_eq!(made.created_by, None);
    let by_key = AuditFilter { actor: Some(AuditActor::ApiKey(key.id)), ..AuditFilter::default() };
    assert_eq!(read!(world, tx => tx.audit_events(&by_key, 10).await).len(), 1);
}

async fn an_assignment_is_stamped_when_it_changes(world: World) {
    let patch = &PrincipalPatch::default();
    let ada = write!(world, tx => tx.create_principal("lab", Some("ada"), patch).await).expect("a principal");
    let bob = write!(world, tx => tx.create_principal("lab", Some("bob"), patch).await).expect("a principal");
    let made = proxy(&world, "iprx_fake").await;
    assert_eq!((made.principal_id, made.principal_assigned_at, made.assignment), (None, None, 0));
    let set = |patch: ProxyPatch| {
        let (world, id) = (&world, made.id);
        async move {
            world.pass(1);
            let patch = &patch;
            write!(world, tx => tx.update_proxy(id, patch, None).await).expect("written")
        }
    };
    let to = |principal| ProxyPatch { principal: Some(principal), ..ProxyPatch::default() };

    let assigned = set(to(Some(ada.id))).await;
    assert_eq!((assigned.principal_assigned_at, assigned.assignment), (Some(world.clock.now()), 1));
    assert_eq!(set(to(Some(ada.id))).await, assigned, "the same again");
    let renamed = set(ProxyPatch { name: Some("edge-2".to_owned()), ..ProxyPatch::default() }).await;
    assert_eq!((renamed.principal_id, renamed.assignment), (Some(ada.id), 1), "absent leaves");
    let swapped = set(to(Some(bob.id))).await;
    assert_eq!((swapped.principal_assigned_at, swapped.assignment), (Some(world.clock.now()), 2));
    let fallback = set(ProxyPatch {
        fallback_principal: Some(Some(ada.id)),
        fallback_mode: Some(Some(FallbackMode::WhenEmpty)),
        ..ProxyPatch::default()
    })
    .await;
    assert_eq!((fallback.principal_assigned_at, fallback.assignment), (swapped.principal_assigned_at, 3));
    let cleared = set(to(None)).await;
    assert_eq!((cleared.principal_assigned_at, cleared.assignment), (None, 4));
    assert_eq!(set(to(Some(bob.id))).await.assignment, 5, "the same again after a gap is another assignment");
    assert_eq!(read!(world, tx => tx.proxies(Some(bob.id), Page::default()).await).total, 1);
    assert_eq!(read!(world, tx => tx.proxies(Some(ada.id), Page::default()).await).total, 0);
    assert!(
        FallbackMode::Never > FallbackMode::WhenEmpty && FallbackMode::WhenEmpty > FallbackMode::PerTarget
    );
}

async fn an_unknown_principal_registers_no_proxy(world: World) {
    let token = &TokenHash::of("iprx_fake");
    let unknown =
        &ProxyPatch { name: Some("edge".to_owned()), principal: Some(Oid::new(99)), ..ProxyPatch::default() };
    let refused = write!(world, tx => tx.create_proxy(unknown, token).await);
    assert!(matches!(refused, Err(StoreError::Missing { what: "principal" })));
    assert_eq!(read!(world, tx => tx.proxies(None, Page::default()).await).total, 0);
    assert_eq!(read!(world, tx => tx.proxy_by_token(token).await), ProxyAuth::Unknown);
    proxy(&world, "iprx_fake").await;
    let taken = write!(world, tx => {
        tx.create_proxy(&ProxyPatch { principal: None, ..unknown.clone() }, token).await
    });
    assert!(matches!(taken, Err(StoreError::Taken { field: "token" })), "{taken:?}");
}

async fn a_deleted_proxy_is_revoked_for_ever(world: World) {
    let made = proxy(&world, "iprx_fake").await;
    let token = &TokenHash::of("iprx_fake");
    assert_eq!(read!(world, tx => tx.proxy_by_token(token).await), live(&made));
    let since = read!(world, tx => tx.last_change().await);
    write!(world, tx => tx.delete_proxy(made.id).await).expect("deleted");
    assert_eq!(read!(world, tx => tx.proxy_by_token(token).await), ProxyAuth::Revoked);
    assert_eq!(read!(world, tx => tx.proxy_by_token(&TokenHash::of("iprx_x")).await), ProxyAuth::Unknown);
    assert_eq!(read!(world, tx => tx.proxy(made.id).await), None);
    assert_eq!(read!(world, tx => tx.changes_since(since, 10).await).len(), 1, "whoever waits hears of it");
    let patch = &ProxyPatch { name: Some("edge".to_owned()), ..ProxyPatch::default() };
    let again = write!(world, tx => tx.create_proxy(patch, token).await);
    assert!(matches!(again, Err(StoreError::Taken { field: "token" })));
    assert!(matches!(write!(world, tx => tx.delete_proxy(made.id).await), Err(StoreError::Missing { .. })));
}

async fn an_old_token_is_good_for_its_grace(world: World) {
    let made = proxy(&world, "iprx_one").await;
    let rotate = |token: &'static str, seconds| {
        let (world, id) = (&world, made.id);
        async move {
            let token = &TokenHash::of(token);
            let grace = Duration::from_secs(seconds);
            write!(world, tx => tx.rotate_proxy_token(id, token, grace).await).expect("rotated");
        }
    };
    let good = |token: &'static str| {
        let world = &world;
        async move {
            let token = &TokenHash::of(token);
            matches!(read!(world, tx => tx.proxy_by_token(token).await), ProxyAuth::Live { .. })
        }
    };
    rotate("iprx_two", 60).await;
    assert!(good("iprx_one").await && good("iprx_two").await);
    world.pass(59);
    assert!(good("iprx_one").await);
    world.pass(1);
    assert!(!good("iprx_one").await && good("iprx_two").await);
    rotate("iprx_three", 0).await;
    assert!(!good("iprx_two").await && good("iprx_three").await);
    write!(world, tx => tx.delete_proxy(made.id).await).expect("deleted");
    let old = read!(world, tx => tx.proxy_by_token(&TokenHash::of("iprx_one")).await);
    assert_eq!(old, ProxyAuth::Revoked, "old tokens are told as well");
}

fn live(proxy: &Proxy) -> ProxyAuth {
    ProxyAuth::Live { proxy: Box::new(proxy.clone()), until: None }
}

async fn an_acknowledgement_counts_for_the_assignment_it_saw(world: World) {
    let patch = &PrincipalPatch::default();
    let ada = write!(world, tx => tx.create_principal("lab", None, patch).await).expect("a principal");
    let made = proxy(&world, "iprx_fake").await;
    let assign = &ProxyPatch { principal: Some(Some(ada.id)), ..ProxyPatch::default() };
    let assigned = write!(world, tx => tx.update_proxy(made.id, assign, None).await).expect("assigned");
    assert!(assigned.generation > made.generation && made.generation > 0);
    let note = |hash: &str, acknowledges: Option<(i64, i64, Option<Micros>)>| {
        world.pass(1);
        let seen = Seen {
            proxy: made.id,
            at: world.clock.now(),
            config_hash: Some(hash.to_owned()),
            client_version: Some("iron-proxy/1".to_owned()),
            applied_generation: Some(3),
            rejected_config_hash: Some("sha256:bad".to_owned()),
            acknowledges: acknowledges.map(|(assignment, generation, until)| Acknowledged {
                assignment,
                generation,
                until,
            }),
        };
        let (world, id) = (&world, made.id);
        async move {
            world.store.note_syncs(&[seen]).await.expect("noted");
            read!(world, tx => tx.proxy(id).await).expect("a proxy")
        }
    };
    let generation = assigned.generation;
    let behind = note("sha256:old", None).await;
    assert_eq!((behind.acknowledged, behind.last_synced_at), (0, None));
    assert_eq!(behind.last_config_hash.as_deref(), Some("sha256:old"));
    assert_eq!((behind.applied_generation, behind.acknowledged_generation), (Some(3), None));
    assert_eq!(behind.rejected_config_hash.as_deref(), Some("sha256:bad"));
    assert_eq!(behind.last_seen_at, Some(world.clock.now()));
    let late = note("sha256:old", Some((0, generation, None))).await;
    assert_eq!((late.acknowledged, late.acknowledged_generation), (0, None), "of an assignment that is past");
    let synced = note("sha256:new", Some((1, generation, None))).await;
    assert_eq!((synced.acknowledged, synced.last_synced_at), (1, Some(world.clock.now())));
    assert!(synced.in_sync(world.clock.now()));
    assert_eq!(synced.revision, 2, "no write of the record");
    let lower = note("sha256:new", Some((1, generation - 1, None))).await;
    assert_eq!(lower.acknowledged_generation, Some(generation), "it never goes back");
    assert!(
        !note("sha256:other", None).await.in_sync(world.clock.now()),
        "it says that it has something else"
    );
    let ends = world.clock.now().after(Duration::from_secs(9));
    let until = note("sha256:new", Some((1, generation, Some(ends)))).await;
    assert!(until.in_sync(world.clock.now()) && !until.in_sync(ends));

    let other = &PrincipalPatch { name: Some(Some("Ada".to_owned())), ..PrincipalPatch::default() };
    let ada = write!(world, tx => tx.update_principal(ada.id, other, None).await).expect("written");
    let wanted = read!(world, tx => tx.proxy(made.id).await).expect("a proxy");
    assert_eq!((wanted.generation, wanted.in_sync(world.clock.now())), (ada.config_version, false));
    let cleared = write!(world, tx => {
        tx.update_proxy(made.id, &ProxyPatch { principal: Some(None), ..ProxyPatch::default() }, None).await
    });
    assert!(cleared.expect("written").generation > wanted.generation, "it never goes back");
}

async fn many_notes_are_written_together_and_those_of_no_proxy_passed_over(world: World) {
    let mut seen = Vec::new();
    for number in 0..18 {
        let made = proxy(&world, &format!("iprx_{number}")).await;
        let at = Micros(number);
        seen.push(Seen {
            proxy: made.id,
            at,
            config_hash: Some(format!("sha256:{number}")),
            client_version: None,
            applied_generation: None,
            rejected_config_hash: None,
            acknowledges: None,
        });
    }
    let gone = Oid::new(999).expect("an id");
    seen.push(Seen { proxy: gone, ..seen[0].clone() });
    for count in [1, 2, 19] {
        world.store.note_syncs(&seen[..count]).await.expect("noted");
    }
    for (number, seen) in seen[..18].iter().enumerate() {
        let row = read!(world, tx => tx.proxy(seen.proxy).await).expect("a proxy");
        assert_eq!(row.last_config_hash, Some(format!("sha256:{number}")));
        assert_eq!(row.last_seen_at, Some(seen.at));
    }
    world.store.note_syncs(&[]).await.expect("nothing to note");
}
