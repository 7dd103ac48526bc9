//! The store under the refresh engine: it does what the engine's own rows do, in whatever order things happen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::on_both;
use super::world::{World, read, write};
use crate::*;
use centaur_base::Secret;
use centaur_base::oid::BrokerCredentialId;
use centaur_broker::{self as engine, Chance, Claimable, Minted, Moment, Outcome, Row, Store as _};
use tokio::sync::Notify;

on_both!(
    the_rows_do_what_the_model_does,
    a_refused_client_is_tried_once_in_a_while,
    calls_are_made_from_the_row_and_its_app,
    changes_of_state_are_events,
    busy_endpoints_are_left_out_and_the_next_one_is_known,
    the_end_of_a_lease_is_waited_for,
    a_death_is_told_once_and_not_after_fresh_material,
    saving_tokens_waits_for_no_other_writer,
    tokens_that_were_saved_are_announced_by_the_next_attempt,
);

fn text(value: &str) -> Secret<String> {
    Secret::new(value.to_owned())
}

fn seeded(token: &str) -> CredentialPatch {
    CredentialPatch {
        token_endpoint: Some("https://idp.example/token".to_owned()),
        client_id: Some(Some("client".to_owned())),
        refresh_token: Some(text(token)),
        ..CredentialPatch::default()
    }
}

async fn create(world: &World, foreign_id: &str, patch: CredentialPatch) -> BrokerCredentialId {
    let patch = &patch;
    write!(world, tx => tx.create_credential("lab", Some(foreign_id), patch).await).expect("made").id
}

fn broker(world: &World) -> Broker {
    Broker::new(world.store.clone(), MovedProviders::new())
}

fn now(world: &World) -> Moment {
    Moment(world.clock.now().0)
}

fn minted(number: u32, at: Moment, rotates: bool, forgets: bool) -> Outcome {
    Outcome::Minted(Minted {
        access_token: text(&format!("fake-at-{number}")),
        refresh_token: rotates.then(|| text(&format!("fake-rt-{number}"))),
        forget_refresh_token: forgets,
        expires_at: at.after(Duration::from_hours(1)),
        last_refresh: at,
        next_attempt_at: at.after(Duration::from_secs(40)),
    })
}

fn failed(at: Moment, uncertain: bool) -> Outcome {
    let next_attempt_at = at.after(Duration::from_secs(5));
    Outcome::Failed { next_attempt_at, not_before: None, code: "http".to_owned(), uncertain }
}

fn dead(reason: &str, client_rejected: bool) -> Outcome {
    Outcome::Dead { reason: reason.to_owned(), client_rejected }
}

/// What both sides must agree on.
async fn stored(world: &World, id: BrokerCredentialId) -> String {
    let row = read!(world, tx => tx.credential(id).await).expect("a credential");
    let material = read!(world, tx => tx.credential_material(id).await).expect("material");
    let access = read!(world, tx => tx.access_token(id).await).expect("a token");
    let shown = |token: Option<Secret<String>>| token.map(|token| token.expose().clone());
    format!(
        "{:?}",
        (
            shown(material.refresh_token),
            shown(material.previous_refresh_token),
            shown(access.token),
            row.expires_at.map(|at| at.0),
            row.last_refresh.map(|at| at.0),
            row.next_attempt_at.map(|at| at.0),
            (row.failure_count, row.dead_reason, row.interrupted_at.is_some(), row.seed_version),
        )
    )
}

fn modelled(row: &Row) -> String {
    let shown = |token: &Option<Secret<String>>| token.as_ref().map(|token| token.expose().clone());
    format!(
        "{:?}",
        (
            shown(&row.refresh_token),
            shown(&row.previous),
            shown(&row.access_token),
            row.expires_at.map(|at| at.0),
            row.last_refresh.map(|at| at.0),
            row.next_attempt_at.map(|at| at.0),
            (i64::from(row.failure_count), &row.dead, row.interrupted, row.seed_version),
        )
    )
}

/// Random histories of seeds, claims, outcomes of living and lost attempts, and time.
async fn the_rows_do_what_the_model_does(world: World) {
    let (broker, chance) = (broker(&world), Chance::seeded(11));
    let pick = |count: usize| (chance.unit() * count as f64) as usize;
    for history in 0..6 {
        let id = create(&world, &format!("c{history}"), seeded("fake-rt")).await;
        let key = id.to_string();
        let mut row = Row::default();
        row.seed(Some(text("fake-rt")), now(&world));
        let mut claims = Vec::new();
        for number in 0..40 {
            let at = now(&world);
            match pick(8) {
                0..=2 => {
                    let attempt = format!("{history}-{number}");
                    let lease = Duration::from_secs(90);
                    let ours = row.claim(&key, &attempt, at, lease);
                    let theirs = broker.claim(&key, &attempt).await.expect("an answer");
                    assert_eq!(
                        theirs.as_ref().map(|claimed| claimed.claim.clone()),
                        ours,
                        "{history} {number}"
                    );
                    if let Some(theirs) = theirs {
                        assert_eq!(theirs.lease, lease);
                        let sent = theirs.credential.material.refresh_token.as_ref();
                        let kept = row.refresh_token.as_ref().map(Secret::expose);
                        assert_eq!(sent.map(Secret::expose), kept);
                        claims.push(theirs);
                    }
                }
                3..=5 if !claims.is_empty() => {
                    let claimed: engine::Claimed = claims.swap_remove(pick(claims.len()));
                    let claim = &claimed.claim;
                    let (kind, flag, other) = (pick(6), pick(2) == 0, pick(4) == 0);
                    let outcome = || match kind {
                        0..=2 => minted(number, at, flag, other && !flag),
                        3 | 4 => failed(at, flag),
                        _ => dead("invalid_grant", false),
                    };
                    // New tokens are saved first, mostly; and then the process may be gone.
                    if let Outcome::Minted(minted) = outcome()
                        && pick(4) > 0
                    {
                        let theirs = broker.save_tokens(&claimed, &minted).await.expect("an answer");
                        assert_eq!(row.save_tokens(claim, minted), theirs, "{history} {number}");
                        assert_eq!(stored(&world, id).await, modelled(&row), "{history} {number}");
                        if pick(4) == 0 {
                            continue;
                        }
                    }
                    let theirs = broker.conclude(claim, &outcome()).await.expect("an answer");
                    assert_eq!(row.conclude(claim, outcome()), theirs, "{history} {number}");
                }
                6 if pick(3) == 0 => {
                    let token = format!("fake-seed-{number}");
                    let patch = &seeded(&token);
                    write!(world, tx => tx.update_credential(id, patch, None).await).expect("seeded");
                    row.seed(Some(text(&token)), at);
                }
                _ => world.pass([1, 5, 40, 91, 3_600][pick(5)]),
            }
            assert_eq!(stored(&world, id).await, modelled(&row), "{history} {number}");
            let due = broker.due(10, &[]).await.expect("an answer");
            let is_due = due.ready.iter().any(|ready| ready.key == key);
            // The rows without a refresh token are claimed by the model, and die; the store leaves them alone.
            let refreshable = row.refresh_token.is_some() || row.last_refresh.is_none();
            assert_eq!(is_due, refreshable && row.claimable(now(&world)) == Claimable::Now);
            if !refreshable {
                break;
            }
        }
        write!(world, tx => tx.delete_credential(id).await).expect("deleted");
    }
}

async fn saving_tokens_waits_for_no_other_writer(world: World) {
    let broker = broker(&world);
    let key = create(&world, "one", seeded("fake-rt")).await.to_string();
    let claimed = broker.claim(&key, "a").await.expect("an answer").expect("claimed");
    let Outcome::Minted(minted) = minted(1, now(&world), true, false) else { panic!("a token") };
    // SQLite has one writer, whoever it is.
    let has_turns = !world.address.starts_with("sqlite:");
    let (inside, go) = (&Notify::new(), &Notify::new());
    let writer = async {
        write!(world, tx => {
            inside.notify_one();
            if has_turns {
                go.notified().await;
            }
            tx.create_role("lab", Some("other"), &RolePatch::default()).await
        })
    };
    let saver = async {
        inside.notified().await;
        let saved = broker.save_tokens(&claimed, &minted).await;
        go.notify_one();
        saved
    };
    let (written, saved) = tokio::join!(writer, saver);
    written.expect("a role");
    assert!(saved.expect("an answer"));
}

async fn tokens_that_were_saved_are_announced_by_the_next_attempt(world: World) {
    let broker = broker(&world);
    let id = create(&world, "one", seeded("fake-rt")).await;
    let claimed = broker.claim(&id.to_string(), "a").await.expect("an answer").expect("claimed");
    let Outcome::Minted(minted) = minted(1, now(&world), true, false) else { panic!("a token") };
    assert!(broker.save_tokens(&claimed, &minted).await.expect("an answer"));
    // The process is gone. Nobody is at it, and nobody has to wait for a lease.
    assert_eq!(broker.due(10, &[]).await.expect("an answer").next, Some(Duration::from_secs(40)));
    world.pass(41);
    let before = read!(world, tx => tx.last_change().await);
    let claimed = broker.claim(&id.to_string(), "b").await.expect("an answer").expect("claimed");
    assert!(!claimed.claim.after_interruption);
    let sent = claimed.credential.material.refresh_token.expect("a token");
    assert_eq!(sent.expose(), "fake-rt-1");
    assert!(read!(world, tx => tx.last_change().await) > before, "proxies hear of the token");
    let log = read!(world, tx => tx.attempts(id).await);
    assert_eq!((log[0].id.as_str(), log[0].result.as_str(), log[0].rotated), ("a", "success", true));
}

async fn app(world: &World, provider: &str) -> OauthApp {
    let patch = &AppPatch {
        provider: Some(provider.to_owned()),
        client_id: Some("app-client".to_owned()),
        client_secret: Some(text("fake-cs")),
        ..AppPatch::default()
    };
    write!(world, tx => tx.upsert_app(provider, patch, None).await).expect("an app").row
}

fn linked(app: &OauthApp, subject: &str) -> CredentialPatch {
    CredentialPatch {
        oauth_app: Some(Some(app.id)),
        provider_subject: Some(Some(subject.to_owned())),
        scopes: Some(vec!["read".to_owned()]),
        ..seeded("fake-rt")
    }
}

async fn a_refused_client_is_tried_once_in_a_while(world: World) {
    let broker = broker(&world);
    let app = app(&world, "google").await;
    let mut keys = Vec::new();
    for number in 0..3 {
        let name = format!("c{number}");
        keys.push(create(&world, &name, linked(&app, &name)).await.to_string());
    }
    let own = create(&world, "own", seeded("fake-rt")).await.to_string();
    let claimed = broker.claim(&keys[0], "0").await.expect("an answer").expect("claimed");
    assert!(broker.conclude(&claimed.claim, &dead("invalid_client", true)).await.expect("an answer"));
    let ready = |due: engine::Due| due.ready.into_iter().map(|ready| ready.key).collect::<Vec<_>>();
    assert_eq!(ready(broker.due(10, &[]).await.expect("an answer")), [own.as_str()], "others go on");
    assert!(broker.claim(&keys[1], "1").await.expect("an answer").is_none());

    world.pass(601);
    let claimed = broker.claim(&keys[1], "2").await.expect("an answer").expect("one is tried");
    assert!(broker.claim(&keys[2], "3").await.expect("an answer").is_none(), "and no other");
    let good = minted(1, now(&world), true, false);
    assert!(broker.conclude(&claimed.claim, &good).await.expect("an answer"));
    assert_eq!(read!(world, tx => tx.app(app.id).await).expect("an app").client_rejected_at, None);
    assert!(broker.claim(&keys[2], "4").await.expect("an answer").is_some(), "all may again");
}

async fn calls_are_made_from_the_row_and_its_app(world: World) {
    let moved = BTreeMap::from([("google".to_owned(), "http://127.0.0.1:9/".to_owned())]);
    let broker = Broker::new(world.store.clone(), moved);
    let (google, slack) = (app(&world, "google").await, app(&world, "slack").await);
    let with_headers = CredentialPatch {
        client_secret: Some(Some(text("fake-own"))),
        token_endpoint_headers: Some(Some((vec!["x-a".to_owned()], text("{\"x-a\":\"fake\"}")))),
        scopes: Some(vec!["read".to_owned()]),
        ..seeded("fake-rt")
    };
    let credential = async |foreign_id: &str, patch: CredentialPatch| {
        let key = create(&world, foreign_id, patch).await.to_string();
        broker.claim(&key, foreign_id).await.expect("an answer").expect("claimed").credential
    };
    let secret = |secret: &Option<Secret<String>>| secret.as_ref().map(|secret| secret.expose().clone());

    let own = credential("own", with_headers).await;
    assert_eq!(
        (own.endpoint.as_str(), own.client_id.as_deref()),
        ("https://idp.example/token", Some("client"))
    );
    assert_eq!(secret(&own.client_secret).as_deref(), Some("fake-own"));
    assert_eq!((own.headers.len(), own.headers[0].0.as_str()), (1, "x-a"));
    assert_eq!(own.scopes, ["read"]);

    let minted = credential("minted", linked(&google, "one")).await;
    assert_eq!(minted.endpoint, "http://127.0.0.1:9/token", "moved, with its path");
    assert_eq!(minted.client_id.as_deref(), Some("app-client"));
    assert_eq!(secret(&minted.client_secret).as_deref(), Some("fake-cs"));
    assert_eq!((minted.scopes.len(), minted.subject.as_deref()), (1, Some("one")));
    let slack = credential("slack", linked(&slack, "two")).await;
    assert!(slack.scopes.is_empty(), "Slack wants none");
    assert_eq!(slack.endpoint, "https://idp.example/token");
}

async fn changes_of_state_are_events(world: World) {
    let broker = broker(&world);
    let id = create(&world, "c", seeded("fake-rt")).await;
    let key = id.to_string();
    let go = async |outcome: Outcome| {
        let claimed = broker.claim(&key, &format!("{}", now(&world).0)).await.expect("an answer");
        let claimed = claimed.expect("claimed");
        assert!(broker.conclude(&claimed.claim, &outcome).await.expect("an answer"));
        world.pass(41);
    };
    go(minted(1, now(&world), true, false)).await;
    go(minted(2, now(&world), true, false)).await;
    go(failed(now(&world), false)).await;
    go(failed(now(&world), true)).await;
    go(minted(3, now(&world), true, false)).await;
    broker.claim(&key, "lost").await.expect("an answer").expect("claimed");
    world.pass(91);
    go(dead("interrupted_invalid_grant", false)).await;
    let events = read!(world, tx => tx.audit_events(&AuditFilter::default(), 20).await);
    let actions: Vec<_> = events.iter().rev().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["create", "minted", "failing", "recovered", "interrupted", "died"]);
    assert!(events.iter().all(|event| event.namespace.as_deref() == Some("lab")));
    assert!(!format!("{events:?}").contains("fake-"));
    let log = read!(world, tx => tx.attempts(id).await);
    assert!(log.iter().any(|attempt| attempt.result == "interrupted" && attempt.id == "lost"));
}

async fn busy_endpoints_are_left_out_and_the_next_one_is_known(world: World) {
    let broker = broker(&world);
    let one = create(&world, "one", seeded("fake-rt")).await.to_string();
    let other = "https://other.example/token".to_owned();
    let patch = CredentialPatch { token_endpoint: Some(other.clone()), ..seeded("fake-rt") };
    let two = create(&world, "two", patch).await.to_string();
    let due = broker.due(10, std::slice::from_ref(&other)).await.expect("an answer");
    assert_eq!(due.ready.iter().map(|ready| ready.key.as_str()).collect::<Vec<_>>(), [one.as_str()]);
    assert_eq!((broker.due(1, &[]).await.expect("an answer").ready.len(), due.next), (1, None));
    let claimed = broker.claim(&two, "a").await.expect("an answer").expect("claimed");
    broker.conclude(&claimed.claim, &minted(1, now(&world), true, false)).await.expect("an answer");
    let due = broker.due(10, &[]).await.expect("an answer");
    assert_eq!(due.next, Some(Duration::from_secs(40)));
    // A name that is none of ours is an error, not a row.
    assert!(broker.claim("nonsense", "a").await.is_err());
}

async fn the_end_of_a_lease_is_waited_for(world: World) {
    let broker = broker(&world);
    let key = create(&world, "one", seeded("fake-rt")).await.to_string();
    let claimed = broker.claim(&key, "a").await.expect("an answer").expect("claimed");
    let due = broker.due(10, &[]).await.expect("an answer");
    assert_eq!((due.ready.len(), due.next), (0, Some(claimed.lease + Duration::from_micros(1))));
    world.pass(91);
    assert_eq!(broker.due(10, &[]).await.expect("an answer").ready.len(), 1);
}

async fn a_death_is_told_once_and_not_after_fresh_material(world: World) {
    let broker = broker(&world);
    let id = create(&world, "c", seeded("fake-rt")).await;
    let due = async || {
        let now = world.clock.now();
        read!(world, tx => tx.due_notice(now).await)
    };
    let claim = async |notice: &DeathNotice| {
        let (now, again) = (world.clock.now(), world.clock.now().after(Duration::from_secs(30)));
        write!(world, tx => tx.claim_notice(notice, now, again).await).expect("an answer")
    };
    let die = async |attempt: &str| {
        let claimed = broker.claim(&id.to_string(), attempt).await.expect("an answer").expect("claimed");
        broker.conclude(&claimed.claim, &dead("invalid_grant", false)).await.expect("an answer");
    };
    assert_eq!(due().await, None);
    die("first").await;
    let notice = &due().await.expect("a notice");
    assert_eq!((notice.credential, notice.attempt_id.as_str(), notice.tries), (id, "first", 0));
    assert!(claim(notice).await && !claim(notice).await, "one of two replicas");
    assert_eq!(due().await, None);
    // Nobody said that it was told.
    world.pass(31);
    assert_eq!(due().await.expect("again").tries, 1);
    let seed = &CredentialPatch { refresh_token: Some(text("fake-rt-2")), ..CredentialPatch::default() };
    write!(world, tx => tx.update_credential(id, seed, None).await).expect("seeded");
    assert_eq!(due().await, None);
    assert!(!claim(notice).await);
    die("second").await;
    let second = &due().await.expect("another death");
    assert_eq!(second.attempt_id, "second");
    write!(world, tx => tx.end_notice(notice).await).expect("an answer");
    assert!(due().await.is_some(), "the end of another death");
    write!(world, tx => tx.end_notice(second).await).expect("an answer");
    assert_eq!(due().await, None);
}
