//! What syncs cost, whom a change wakes, and what replicas hear of each other.

use std::time::Duration;

use centaur_console::app::SyncCounts;
use centaur_store::{Actor, Micros, StoreError};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::console::{Console, ENGINE, Engine, secret};
use crate::on_both;
use crate::relay::{Fate, Relay};

/// A principal with a grant of its own, and its proxy.
struct Member {
    principal: String,
    proxy: String,
    token: String,
}

async fn member(console: &Console, name: &str) -> Member {
    let principal = console.make("/api/v1/principals", json!({"foreign_id":name})).await;
    let made = console.post("/api/v1/proxies", json!({"name":name,"principal_id":principal})).await.data(201);
    let text = |key: &str| made[key].as_str().expect("a text").to_owned();
    let member = Member { principal, proxy: text("id"), token: text("token") };
    grant(console, &member, name).await;
    member
}

async fn grant(console: &Console, member: &Member, name: &str) -> String {
    let value = format!("fake-value-{name}");
    let secret = console.make("/api/v1/static_secrets", secret(name, "a.test", &value)).await;
    let data = json!({"principal_id":member.principal,"static_secret_id":secret});
    console.make("/api/v1/grants", data).await
}

async fn hash(console: &Console, member: &Member) -> String {
    let reply = console.sync(&member.token, None, &[]).await.expect(200);
    reply["config_hash"].as_str().expect("a hash").to_owned()
}

async fn waits(console: &Console, member: &Member, hash: &str, wait: &str) -> Value {
    console.sync(&member.token, Some(hash), &[("prefer", wait)]).await.expect(200)
}

/// Until the console has done something so often.
async fn until(console: &Console, is_so: impl Fn(SyncCounts) -> bool) {
    let waiting = async {
        while !is_so(console.app.sync_counts()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time");
}

async fn an_unchanged_configuration_is_neither_read_nor_built_again() {
    let console = Console::start().await;
    let (one, two) = (member(&console, "one").await, member(&console, "two").await);
    let hashes = [hash(&console, &one).await, hash(&console, &two).await];
    let before = console.app.sync_counts();
    let syncs = (0..40).map(|at| {
        let (member, hash) = if at % 2 == 0 { (&one, &hashes[0]) } else { (&two, &hashes[1]) };
        console.sync(&member.token, Some(hash), &[])
    });
    for (at, reply) in join_all(syncs).await.into_iter().enumerate() {
        assert_eq!(reply.expect(200), json!({"config_hash":hashes[at % 2]}));
    }
    let after = console.app.sync_counts();
    assert_eq!((after.rows, after.builds, after.resets), (before.rows, before.builds, before.resets));
    assert!((1..=40).contains(&(after.reads - before.reads)));

    // A change of one is a build of that one.
    grant(&console, &one, "more").await;
    assert_ne!(hash(&console, &one).await, hashes[0]);
    assert_eq!(hash(&console, &two).await, hashes[1]);
    assert_eq!(console.app.sync_counts().builds, after.builds + 1);
}

/// Until so many proxies wait.
async fn until_waiting(console: &Console, count: u64) {
    while console.metric("console_sync_waiting").await < count {
        tokio::task::yield_now().await;
    }
}

async fn a_change_wakes_those_it_names_and_the_build_is_shared() {
    let console = Console::start().await;
    let (one, two) = (member(&console, "one").await, member(&console, "two").await);
    let proxies = (0..3).map(async |at| {
        let data = json!({"name":format!("edge-{at}"),"principal_id":two.principal});
        let made = console.post("/api/v1/proxies", data).await.data(201);
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        Member { principal: two.principal.clone(), proxy: text("id"), token: text("token") }
    });
    let many: Vec<Member> = join_all(proxies).await;
    let quiet = hash(&console, &one).await;
    let hashes = join_all(many.iter().map(|member| hash(&console, member))).await;
    let before = console.app.sync_counts();
    let waiting =
        join_all(many.iter().zip(&hashes).map(|(member, hash)| waits(&console, member, hash, "wait=20")));
    let (answers, unchanged, ()) = tokio::join!(waiting, waits(&console, &one, &quiet, "wait=5"), async {
        until_waiting(&console, 4).await;
        grant(&console, &two, "more").await;
    });
    assert_eq!(unchanged, json!({"config_hash":quiet}), "it was not woken");
    for answer in answers {
        assert_eq!(answer["secrets"].as_array().map(Vec::len), Some(2));
    }
    let after = console.app.sync_counts();
    assert_eq!((after.wakes - before.wakes, after.builds - before.builds), (3, 1));

    // A change of one proxy wakes that one.
    let hashes = join_all(many.iter().map(|member| hash(&console, member))).await;
    let before = console.app.sync_counts();
    let path = format!("/api/v1/proxies/{}", many[0].proxy);
    let (swapped, unchanged, ()) = tokio::join!(
        waits(&console, &many[0], &hashes[0], "wait=20"),
        waits(&console, &many[1], &hashes[1], "wait=5"),
        async {
            until_waiting(&console, 2).await;
            console.patch(&path, json!({"principal_id":one.principal})).await.expect(200);
        }
    );
    assert_eq!(
        (&swapped["principal_id"], &unchanged),
        (&json!(one.principal), &json!({"config_hash":hashes[1]}))
    );
    assert_eq!(console.app.sync_counts().wakes - before.wakes, 1);
}

async fn a_token_that_goes_wakes_its_proxy() {
    let console = Console::start().await;
    let one = member(&console, "one").await;
    let had = hash(&console, &one).await;
    let path = format!("/api/v1/proxies/{}", one.proxy);
    let (reply, ()) = tokio::join!(console.sync(&one.token, Some(&had), &[("prefer", "wait=20")]), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        console.post(&format!("{path}/rotate_token"), json!({"grace_seconds":0})).await.expect(200);
    });
    assert_eq!(reply.expect(401)["error"]["code"], "invalid_token");
}

async fn changes_that_were_forgotten_drop_everything() {
    let console = Console::start().await;
    let one = member(&console, "one").await;
    let before = hash(&console, &one).await;
    let counts = console.app.sync_counts();
    let made = grant(&console, &one, "more").await;
    console.delete(&format!("/api/v1/grants/{made}")).await;
    let swept: Result<u64, StoreError> = console
        .app
        .store()
        .write(&Actor::system(), |tx| Box::pin(async move { tx.prune_changes(Micros(i64::MAX)).await }))
        .await;
    assert!(swept.expect("swept") > 0);
    assert_eq!(hash(&console, &one).await, before);
    let after = console.app.sync_counts();
    assert_eq!((after.resets, after.builds), (counts.resets + 1, counts.builds + 1));
}

async fn what_many_proxies_tell_is_written_in_few_batches() {
    let console = Console::start().await;
    let one = member(&console, "one").await;
    let mut members = Vec::new();
    for at in 0..20 {
        let data = json!({"name":format!("edge-{at}"),"principal_id":one.principal});
        let made = console.post("/api/v1/proxies", data).await.data(201);
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        members.push(Member { principal: String::new(), proxy: text("id"), token: text("token") });
    }
    let hashes = join_all(members.iter().map(|member| hash(&console, member))).await;
    until(&console, |counts| counts.notes >= 20).await;
    let before = console.app.sync_counts();
    let tell = || {
        join_all(
            members.iter().zip(&hashes).map(|(member, hash)| console.sync(&member.token, Some(hash), &[])),
        )
    };
    tell().await;
    until(&console, |counts| counts.notes >= before.notes + 20).await;
    let after = console.app.sync_counts();
    assert!(after.note_batches - before.note_batches < 20, "{after:?}");
    // The same again within half a minute is no news.
    tell().await;
    let shown = console.get(&format!("/api/v1/proxies/{}", members[0].proxy)).await.data(200);
    assert_eq!((&shown["last_config_hash"], &shown["in_sync"]), (&json!(hashes[0]), &json!(true)));
    assert_eq!(console.app.sync_counts().notes, after.notes);
}

async fn what_was_told_last_is_written_when_the_console_stops() {
    let console = Console::start().await;
    let one = member(&console, "one").await;
    console.sync(&one.token, Some("sha256:last"), &[("user-agent", "fake/1")]).await.expect(200);
    let console = Console::at(console.stop().await, &[]).await;
    let shown = console.get(&format!("/api/v1/proxies/{}", one.proxy)).await.data(200);
    assert_eq!(
        (&shown["last_config_hash"], &shown["client_version"]),
        (&json!("sha256:last"), &json!("fake/1"))
    );
}

async fn replicas_hear_of_each_others_changes(settings: &[(&str, &str)]) {
    let console = Console::with(settings).await;
    let other = console.beside(settings).await;
    let one = member(&console, "one").await;
    let had = hash(&console, &one).await;
    assert_eq!(hash(&other, &one).await, had, "the key of hashes is the same");
    let (waited, ()) = tokio::join!(waits(&console, &one, &had, "wait=20"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        grant(&other, &one, "more").await;
    });
    assert_eq!(waited["secrets"].as_array().map(Vec::len), Some(2));
    let now = hash(&other, &one).await;
    assert_eq!(waited["config_hash"], json!(now));
    other.stop().await;
    console.stop().await;
}

async fn a_change_by_another_replica_is_in_the_next_answer() {
    replicas_hear_of_each_others_changes(&[]).await;
}

async fn replicas_without_notices_hear_by_polling() {
    replicas_hear_of_each_others_changes(&[("CENTAUR_CONSOLE_NOTIFY", "0")]).await;
}

/// One console hears of nothing by notices, though it asks for them; the other one writes.
async fn changes_arrive_without(fate: Fate) {
    let direct = Console::start().await;
    let relay = Relay::start(direct.database(), fate);
    let console = Console::on(&relay.address).await;
    let one = member(&direct, "one").await;
    for more in 0..3 {
        let had = hash(&console, &one).await;
        let waiting = console.metric("console_sync_waiting").await;
        let (waited, ()) = tokio::join!(waits(&console, &one, &had, "wait=20"), async {
            while console.metric("console_sync_waiting").await == waiting {
                tokio::task::yield_now().await;
            }
            grant(&direct, &one, &format!("more{more}")).await;
        });
        assert_eq!(waited["secrets"].as_array().map(Vec::len), Some(2 + more));
    }
    // Otherwise this has shown nothing.
    let failed = async {
        while relay.failed() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), failed).await.expect("notices that failed");
    console.stop().await;
    direct.stop().await;
}

#[tokio::test]
async fn changes_arrive_by_the_poll_where_notices_are_refused() {
    ENGINE.scope(Engine::Postgres, changes_arrive_without(Fate::Refused)).await;
}

#[tokio::test]
async fn changes_arrive_by_the_poll_where_the_connection_for_notices_dies() {
    ENGINE.scope(Engine::Postgres, changes_arrive_without(Fate::Lost)).await;
}

async fn a_text_that_had_to_make_room_is_built_again() {
    let console = Console::with(&[("CENTAUR_CONSOLE_SYNC_MEMORY_MIB", "1")]).await;
    let one = member(&console, "one").await;
    let two = member(&console, "two").await;
    let large = secret("large", "b.test", &"x".repeat(900_000));
    let large = console.make("/api/v1/static_secrets", large).await;
    for member in [&one, &two] {
        let data = json!({"principal_id":member.principal,"static_secret_id":large});
        console.make("/api/v1/grants", data).await;
    }
    let first = hash(&console, &one).await;
    hash(&console, &two).await;
    let before = console.app.sync_counts();
    let short = console.sync(&one.token, Some(&first), &[]).await;
    assert_eq!(short.expect(200), json!({"config_hash":first}), "its digest stayed");
    assert_eq!(console.app.sync_counts().builds, before.builds);
    let whole = console.sync(&one.token, None, &[]).await.expect(200);
    assert_eq!(whole["secrets"].as_array().map(Vec::len), Some(2));
    assert_eq!(console.app.sync_counts().builds, before.builds + 1);
}

on_both!(
    an_unchanged_configuration_is_neither_read_nor_built_again,
    a_change_wakes_those_it_names_and_the_build_is_shared,
    a_token_that_goes_wakes_its_proxy,
    changes_that_were_forgotten_drop_everything,
    what_many_proxies_tell_is_written_in_few_batches,
    what_was_told_last_is_written_when_the_console_stops,
    a_change_by_another_replica_is_in_the_next_answer,
    replicas_without_notices_hear_by_polling,
    a_text_that_had_to_make_room_is_built_again,
);
