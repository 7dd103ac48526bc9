//! Sessions, identities, and attempts to sign in.

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::UserId;

use super::on_both;
use super::world::{World, read, write};
use crate::*;

on_both!(
    a_session_is_found_by_its_token_until_it_is_over,
    using_a_session_is_noted_once_a_minute,
    a_new_session_ends_the_one_before_and_forgets_those_that_are_over,
    a_session_is_ended_by_its_user_alone,
    disabling_ends_sessions_and_keys_and_enabling_brings_none_back,
    a_new_password_ends_sessions_and_a_better_hash_of_the_same_does_not,
    a_view_as_operator_is_of_one_session_and_ends_with_the_rights,
    an_identity_belongs_to_one_user,
    what_a_provider_says_is_kept_as_it_said_last,
    an_account_may_fail_five_times_in_a_quarter_of_an_hour,
    an_attempt_that_nobody_looked_at_is_given_back,
    a_network_may_fail_twenty_times_whatever_the_account,
    attempts_at_once_are_counted_like_attempts_in_turn,
    success_begins_the_account_anew_but_not_the_network,
    a_hash_of_an_older_kind_is_found,
);

const LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_hours(12), absolute: Duration::from_hours(168) };

async fn user(world: &World, email: &str, admin: bool) -> UserId {
    let new = &NewUser {
        email: email.to_owned(),
        name: None,
        status: UserStatus::Active,
        admin,
        password_hash: Some(Secret::new("$argon2id$fake".to_owned())),
        email_verified: true,
    };
    write!(world, tx => tx.create_user(new).await).expect("a user").id
}

async fn begin(world: &World, user: UserId, token: &str, before: Option<&str>) -> Session {
    let new = &NewSession { provider: "password".to_owned(), ..NewSession::default() };
    let (token, before) = (&TokenHash::of(token), before.map(TokenHash::of));
    let before = before.as_ref();
    write!(world, tx => tx.begin_session(user, new, token, before, LIMITS).await).expect("a session")
}

async fn found(world: &World, token: &str) -> Option<Session> {
    let token = &TokenHash::of(token);
    read!(world, tx => tx.session_by_token(token, LIMITS).await).map(|(session, _)| session)
}

async fn actions(world: &World) -> Vec<String> {
    let filter = AuditFilter { oldest_first: true, ..AuditFilter::default() };
    read!(world, tx => tx.audit_events(&filter, 200).await).into_iter().map(|event| event.action).collect()
}

async fn patch(world: &World, user: UserId, patch: UserPatch) {
    let patch = &patch;
    write!(world, tx => tx.update_user(user, patch, None).await).expect("written");
}

async fn a_session_is_found_by_its_token_until_it_is_over(world: World) {
    let ada = user(&world, "ada@example.com", true).await;
    let session = begin(&world, ada, "fake-1", None).await;
    let token = &TokenHash::of("fake-1");
    let (same, whose) = read!(world, tx => tx.session_by_token(token, LIMITS).await).expect("found");
    assert_eq!((&same, whose.id), (&session, ada));
    assert_eq!(found(&world, "fake-2").await, None);
    world.pass(12 * 3600 - 1);
    assert!(found(&world, "fake-1").await.is_some());
    let shorter = SessionLimits { idle: Duration::from_hours(1), ..LIMITS };
    assert!(read!(world, tx => tx.session_by_token(token, shorter).await).is_none(), "as the limits are now");
    world.pass(1);
    assert_eq!(found(&world, "fake-1").await, None, "unused for too long");
    assert!(read!(world, tx => tx.sessions(ada, LIMITS).await).is_empty());

    begin(&world, ada, "fake-3", None).await;
    for _ in 0..27 {
        world.pass(6 * 3600);
        let session = found(&world, "fake-3").await.expect("in use");
        world.store.touch_session(&session).await.expect("noted");
    }
    world.pass(6 * 3600 - 1);
    assert!(found(&world, "fake-3").await.is_some());
    world.pass(1);
    assert_eq!(found(&world, "fake-3").await, None, "seven days old");
}

async fn using_a_session_is_noted_once_a_minute(world: World) {
    let ada = user(&world, "ada@example.com", true).await;
    let begun = begin(&world, ada, "fake-1", None).await;
    world.pass(59);
    world.store.touch_session(&begun).await.expect("not yet");
    assert_eq!(found(&world, "fake-1").await.as_ref(), Some(&begun));
    world.pass(1);
    world.store.touch_session(&begun).await.expect("noted");
    let used = found(&world, "fake-1").await.expect("found");
    assert_eq!(used.last_used_at, world.clock.now());
}

async fn a_new_session_ends_the_one_before_and_forgets_those_that_are_over(world: World) {
    let ada = user(&world, "ada@example.com", true).await;
    begin(&world, ada, "fake-1", None).await;
    begin(&world, ada, "fake-2", Some("fake-1")).await;
    assert_eq!(found(&world, "fake-1").await, None);
    assert!(found(&world, "fake-2").await.is_some());
    assert_eq!(actions(&world).await, ["create", "sign_in", "sign_out", "sign_in"]);
    world.pass(13 * 3600);
    begin(&world, ada, "fake-3", None).await;
    let mut conn = world.store.pools().read().await.expect("a transaction");
    assert_eq!(conn.number("SELECT COUNT(*) FROM sessions", vec![]).await.expect("a count"), 1);
    drop(conn);
    let taken = &TokenHash::of("fake-3");
    let new = &NewSession { provider: "password".to_owned(), ..NewSession::default() };
    let again = write!(world, tx => tx.begin_session(ada, new, taken, None, LIMITS).await);
    assert!(matches!(again, Err(StoreError::Taken { field: "token" })), "{again:?}");
}

async fn a_session_is_ended_by_its_user_alone(world: World) {
    let (ada, bob) =
        (user(&world, "ada@example.com", true).await, user(&world, "bob@example.com", false).await);
    let session = begin(&world, ada, "fake-1", None).await;
    let other = write!(world, tx => tx.end_session(bob, session.id).await);
    assert!(matches!(other, Err(StoreError::Missing { what: "session" })), "{other:?}");
    assert!(found(&world, "fake-1").await.is_some());
    write!(world, tx => tx.end_session(ada, session.id).await).expect("ended");
    assert_eq!(found(&world, "fake-1").await, None);
    assert_eq!(actions(&world).await, ["create", "create", "sign_in", "sign_out"]);

    let one = begin(&world, ada, "fake-2", None).await;
    begin(&world, ada, "fake-3", None).await;
    begin(&world, bob, "fake-4", None).await;
    assert_eq!(write!(world, tx => tx.end_sessions(ada, Some(one.id), "asked").await).expect("ended"), 1);
    assert!(found(&world, "fake-2").await.is_some() && found(&world, "fake-4").await.is_some());
    assert_eq!(found(&world, "fake-3").await, None);
}

async fn disabling_ends_sessions_and_keys_and_enabling_brings_none_back(world: World) {
    let (ada, bob) =
        (user(&world, "ada@example.com", true).await, user(&world, "bob@example.com", true).await);
    for (who, session, key) in [(ada, "fake-1", "iak_1"), (bob, "fake-2", "iak_2")] {
        begin(&world, who, session, None).await;
        let token = &TokenHash::of(key);
        write!(world, tx => tx.create_api_key(who, &NewApiKey::unlimited("ci"), token).await).expect("a key");
    }
    let session = &TokenHash::of("fake-1");
    assert!(!read!(world, tx => tx.is_of_disabled_user(session).await));
    patch(&world, ada, UserPatch { status: Some(UserStatus::Disabled), ..UserPatch::default() }).await;
    assert_eq!(found(&world, "fake-1").await, None);
    assert!(read!(world, tx => tx.is_of_disabled_user(session).await), "and can be told so");
    patch(&world, ada, UserPatch { status: Some(UserStatus::Active), ..UserPatch::default() }).await;
    let (gone, kept) = (&TokenHash::of("iak_1"), &TokenHash::of("iak_2"));
    assert_eq!(found(&world, "fake-1").await, None);
    assert!(read!(world, tx => tx.api_key_by_token(gone).await).is_none());
    assert!(found(&world, "fake-2").await.is_some());
    assert!(read!(world, tx => tx.api_key_by_token(kept).await).is_some());
    let told = actions(&world).await;
    assert_eq!(told[told.len() - 4..], ["update", "sign_out", "delete", "update"], "they ended once");
}

async fn a_new_password_ends_sessions_and_a_better_hash_of_the_same_does_not(world: World) {
    let ada = user(&world, "ada@example.com", true).await;
    begin(&world, ada, "fake-1", None).await;
    let (before, after) =
        (&Secret::new("$argon2id$fake".to_owned()), &Secret::new("$argon2id$better".to_owned()));
    assert!(write!(world, tx => tx.upgrade_password_hash(ada, before, after).await).expect("written"));
    assert!(found(&world, "fake-1").await.is_some());
    let late = write!(world, tx => tx.upgrade_password_hash(ada, before, before).await);
    assert!(!late.expect("not written"), "another was set meanwhile");
    assert_eq!(read!(world, tx => tx.password_hash(ada).await).expect("a hash").expose(), after.expose());

    let new = UserPatch { password_hash: Some(Secret::new("$fake".to_owned())), ..UserPatch::default() };
    patch(&world, ada, new).await;
    assert_eq!(found(&world, "fake-1").await, None);
}

async fn a_view_as_operator_is_of_one_session_and_ends_with_the_rights(world: World) {
    let (ada, bob) =
        (user(&world, "ada@example.com", true).await, user(&world, "bob@example.com", true).await);
    let one = begin(&world, ada, "fake-1", None).await;
    begin(&world, ada, "fake-2", None).await;
    let other = write!(world, tx => tx.view_as_operator(bob, one.id, true).await);
    assert!(matches!(other, Err(StoreError::Missing { .. })), "{other:?}");
    for _ in 0..2 {
        write!(world, tx => tx.view_as_operator(ada, one.id, true).await).expect("paused");
    }
    let paused = async |token| found(&world, token).await.expect("a session").as_operator;
    assert!(paused("fake-1").await && !paused("fake-2").await);
    write!(world, tx => tx.view_as_operator(ada, one.id, false).await).expect("restored");
    assert!(!paused("fake-1").await);
    let told = actions(&world).await;
    assert_eq!(told[told.len() - 2..], ["view_as_operator", "restore_admin"], "each once");

    write!(world, tx => tx.view_as_operator(ada, one.id, true).await).expect("paused");
    patch(&world, ada, UserPatch { admin: Some(false), ..UserPatch::default() }).await;
    patch(&world, ada, UserPatch { admin: Some(true), ..UserPatch::default() }).await;
    assert!(!paused("fake-1").await);
}

fn seen(subject: &str) -> SeenIdentity {
    SeenIdentity {
        provider: "google".to_owned(),
        subject: subject.to_owned(),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
        ..SeenIdentity::default()
    }
}

async fn an_identity_belongs_to_one_user(world: World) {
    let (ada, bob) =
        (user(&world, "ada@example.com", true).await, user(&world, "bob@example.com", false).await);
    let one = &seen("s-1");
    let linked = write!(world, tx => tx.link_identity(ada, one).await).expect("linked");
    let again = write!(world, tx => tx.link_identity(bob, one).await);
    assert!(matches!(again, Err(StoreError::Taken { field: "subject" })), "{again:?}");
    let (same, whose) = read!(world, tx => tx.identity("google", "s-1").await).expect("found");
    assert_eq!((&same, whose.id), (&linked, ada));
    assert!(read!(world, tx => tx.identity("slack", "s-1").await).is_none());
    let slack = &SeenIdentity { provider: "slack".to_owned(), ..seen("s-1") };
    write!(world, tx => tx.link_identity(bob, slack).await).expect("another provider's");
    assert_eq!(read!(world, tx => tx.identities(ada).await), [linked]);
    let nothing = &seen("");
    let empty = write!(world, tx => tx.link_identity(bob, nothing).await);
    assert!(matches!(empty, Err(StoreError::Invalid { .. })), "{empty:?}");
}

async fn what_a_provider_says_is_kept_as_it_said_last(world: World) {
    let ada = user(&world, "ada@example.com", true).await;
    let one = &seen("s-1");
    let linked = write!(world, tx => tx.link_identity(ada, one).await).expect("linked");
    world.pass(60);
    let same = write!(world, tx => tx.refresh_identity(one).await).expect("refreshed");
    assert_eq!((same.last_sign_in_at, same.updated_at), (world.clock.now(), linked.updated_at));
    let silent = &SeenIdentity { email: None, email_verified: false, ..seen("s-1") };
    let same = write!(world, tx => tx.refresh_identity(silent).await).expect("refreshed");
    assert_eq!((same.email, same.email_verified), (linked.email, true), "nothing was said");
    let moved = &SeenIdentity {
        email: Some("lovelace@example.com".to_owned()),
        email_verified: false,
        slack_team: Some("T1".to_owned()),
        ..seen("s-1")
    };
    let moved = write!(world, tx => tx.refresh_identity(moved).await).expect("refreshed");
    assert_eq!(
        (moved.email.as_deref(), moved.email_verified, moved.slack_team.as_deref()),
        (Some("lovelace@example.com"), false, Some("T1"))
    );
    assert_eq!(actions(&world).await, ["create", "create", "update"], "what changed is audited");
    let unknown = &seen("s-2");
    let none = write!(world, tx => tx.refresh_identity(unknown).await);
    assert!(matches!(none, Err(StoreError::Missing { .. })), "{none:?}");
}

async fn turn(world: &World, email: &str, network: &str) -> LoginTurn {
    let source = &LoginSource::new(email, network);
    write!(world, tx => tx.take_login_turn(source, LoginLimits::default()).await).expect("an answer")
}

async fn an_account_may_fail_five_times_in_a_quarter_of_an_hour(world: World) {
    for at in 0..5 {
        let network = format!("192.0.2.{at}");
        assert!(matches!(turn(&world, "Ada@example.com ", &network).await, LoginTurn::Yours(_)));
        world.pass(60);
    }
    let wait = LoginTurn::Wait(Duration::from_mins(10));
    assert_eq!(turn(&world, "ada@example.com", "192.0.2.9").await, wait);
    let source = LoginSource::new("ada@example.com", "192.0.2.9");
    let told = read!(world, tx => tx.login_wait(&source, LoginLimits::default()).await);
    assert_eq!(told, Some(Duration::from_mins(10)));
    assert!(matches!(turn(&world, "bob@example.com", "192.0.2.9").await, LoginTurn::Yours(_)));
    world.pass(10 * 60);
    assert!(matches!(turn(&world, "ada@example.com", "192.0.2.9").await, LoginTurn::Yours(_)));
    assert_eq!(
        turn(&world, "ada@example.com", "192.0.2.9").await,
        LoginTurn::Wait(Duration::from_mins(1)),
        "any five within the window, not those of one window after the other"
    );
}

async fn an_attempt_that_nobody_looked_at_is_given_back(world: World) {
    for _ in 0..10 {
        let LoginTurn::Yours(taken) = turn(&world, "ada@example.com", "192.0.2.1").await else {
            panic!("refused")
        };
        write!(world, tx => tx.return_login_turn(taken).await).expect("given back");
    }
    for _ in 0..5 {
        assert!(matches!(turn(&world, "ada@example.com", "192.0.2.1").await, LoginTurn::Yours(_)));
    }
    assert!(matches!(turn(&world, "ada@example.com", "192.0.2.1").await, LoginTurn::Wait(_)));
}

async fn a_network_may_fail_twenty_times_whatever_the_account(world: World) {
    for at in 0..20 {
        let email = if at % 2 == 0 { format!("{at}@example.com") } else { format!("no-address-{at}") };
        assert!(matches!(turn(&world, &email, "192.0.2.1").await, LoginTurn::Yours(_)));
    }
    let wait = LoginTurn::Wait(Duration::from_mins(15));
    assert_eq!(turn(&world, "new@example.com", "192.0.2.1").await, wait);
    assert!(matches!(turn(&world, "new@example.com", "192.0.2.2").await, LoginTurn::Yours(_)));
    world.pass(15 * 60);
    assert!(matches!(turn(&world, "new@example.com", "192.0.2.1").await, LoginTurn::Yours(_)));
    let mut conn = world.store.pools().read().await.expect("a transaction");
    let left = conn.number("SELECT COUNT(*) FROM login_attempts", vec![]).await.expect("a count");
    assert_eq!(left, 1, "what does not count is forgotten");
}

async fn attempts_at_once_are_counted_like_attempts_in_turn(world: World) {
    let replica = world.again(&["a"]).await.expect("another replica");
    let attempts = (0..30).map(|at| {
        let store = if at % 2 == 0 { world.store.clone() } else { replica.clone() };
        tokio::spawn(async move {
            let source = LoginSource::new("ada@example.com", &format!("192.0.2.{at}"));
            let source = &source;
            let turn: Result<LoginTurn, StoreError> = store
                .write(&Actor::system(), |tx| {
                    Box::pin(async move { tx.take_login_turn(source, LoginLimits::default()).await })
                })
                .await;
            turn.expect("an answer")
        })
    });
    let mut taken = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        taken += u32::from(matches!(attempt.await.expect("done"), LoginTurn::Yours(_)));
    }
    assert_eq!(taken, 5);
}

async fn success_begins_the_account_anew_but_not_the_network(world: World) {
    for _ in 0..4 {
        turn(&world, "ada@example.com", "192.0.2.1").await;
    }
    let LoginTurn::Yours(id) = turn(&world, "ada@example.com", "192.0.2.2").await else { panic!("refused") };
    let source = &LoginSource::new("ada@example.com", "192.0.2.2");
    write!(world, tx => tx.login_succeeded(source, id).await).expect("noted");
    for _ in 0..5 {
        assert!(matches!(turn(&world, "ada@example.com", "192.0.2.3").await, LoginTurn::Yours(_)));
    }
    assert!(matches!(turn(&world, "ada@example.com", "192.0.2.3").await, LoginTurn::Wait(_)));
    for at in 0..16 {
        let email = format!("{at}@example.com");
        assert!(matches!(turn(&world, &email, "192.0.2.1").await, LoginTurn::Yours(_)));
    }
    assert!(matches!(turn(&world, "new@example.com", "192.0.2.1").await, LoginTurn::Wait(_)));
}

async fn a_hash_of_an_older_kind_is_found(world: World) {
    let ada = user(&world, "ada@example.com", true).await;
    assert!(read!(world, tx => tx.older_password_hash().await).is_none());
    let older = "$2a$12$fake";
    let new = UserPatch { password_hash: Some(Secret::new(older.to_owned())), ..UserPatch::default() };
    patch(&world, ada, new).await;
    assert_eq!(read!(world, tx => tx.older_password_hash().await).expect("a hash").expose(), older);
    assert_eq!(read!(world, tx => tx.active_administrators().await), 1);
}
