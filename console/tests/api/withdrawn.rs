//! No answer holds what was withdrawn before it was asked for, whoever wrote and whoever answers.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::json;

use crate::console::{Console, secret};
use crate::on_both;

const PROXIES: usize = 4;
const WRITERS: usize = 8;
const READERS: usize = 8;
/// Values that each writer gives and takes away again.
const ROUNDS: usize = 6;

/// The same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).expect("small")
    }
}

struct Member {
    principal: String,
    token: String,
    /// Values that this principal was given and has lost for ever.
    withdrawn: Mutex<HashSet<String>>,
}

struct World {
    consoles: [Console; 2],
    members: Vec<Member>,
    writing: AtomicUsize,
}

async fn world() -> World {
    let console = Console::start().await;
    let other = console.beside(&[]).await;
    let mut members = Vec::new();
    for at in 0..PROXIES {
        let principal = console.make("/api/v1/principals", json!({"foreign_id":format!("p{at}")})).await;
        let made =
            console.post("/api/v1/proxies", json!({"name":"edge","principal_id":principal})).await.data(201);
        let token = made["token"].as_str().expect("a token").to_owned();
        members.push(Member { principal, token, withdrawn: Mutex::default() });
    }
    World { consoles: [console, other], members, writing: AtomicUsize::new(WRITERS) }
}

impl World {
    /// Gives a value to a principal in one of the ways there are, lets readers see it, and takes it away again.
    async fn give_and_take(&self, name: &str, numbers: &mut Numbers) {
        let console = &self.consoles[numbers.below(2)];
        let member = &self.members[numbers.below(PROXIES)];
        let value = format!("fake-{name}-value");
        let secret_id = console.make("/api/v1/static_secrets", secret(name, "a.test", &value)).await;
        let way = numbers.below(5);
        let path = if way < 3 {
            let data = json!({"principal_id":member.principal,"static_secret_id":secret_id});
            let grant = console.make("/api/v1/grants", data).await;
            if way == 0 {
                format!("/api/v1/grants/{grant}")
            } else {
                format!("/api/v1/static_secrets/{secret_id}")
            }
        } else {
            let role = console.make("/api/v1/roles", json!({"foreign_id":name})).await;
            console.make("/api/v1/grants", json!({"role_id":role,"static_secret_id":secret_id})).await;
            let path = format!("/api/v1/principals/{}/roles", member.principal);
            console.post(&path, json!({"role_id":role})).await.expect(201);
            if way == 3 { format!("/api/v1/roles/{role}") } else { format!("{path}/{role}") }
        };
        for _ in 0..numbers.below(3) {
            tokio::task::yield_now().await;
        }
        // By either replica.
        let console = &self.consoles[numbers.below(2)];
        if way == 2 {
            let other = secret(name, "a.test", &format!("fake-{name}-other"));
            console.put(&path, other).await.expect(200);
        } else {
            assert_eq!(console.delete(&path).await.status, 204, "{path}");
        }
        member.withdrawn.lock().expect("lock").insert(value);
    }

    async fn write(&self, writer: usize) {
        let mut numbers = Numbers(7 + writer as u64);
        for round in 0..ROUNDS {
            self.give_and_take(&format!("w{writer}r{round}x"), &mut numbers).await;
        }
        self.writing.fetch_sub(1, Ordering::SeqCst);
    }

    /// Reads until all is written, and once more. How many answers were looked at.
    async fn read(&self, reader: usize) -> usize {
        let mut numbers = Numbers(7_000 + reader as u64);
        let mut last: Vec<(Option<String>, String)> = vec![(None, String::new()); PROXIES];
        for count in 1.. {
            let is_last = self.writing.load(Ordering::SeqCst) == 0;
            let at = numbers.below(PROXIES);
            let member = &self.members[at];
            let withdrawn = member.withdrawn.lock().expect("lock").clone();
            let (hash, text) = &mut last[at];
            let reply = self.consoles[numbers.below(2)].sync(&member.token, hash.as_deref(), &[]).await;
            let body = reply.expect(200);
            if body.get("secrets").is_some() {
                text.clone_from(&reply.text);
            }
            *hash = body["config_hash"].as_str().map(str::to_owned);
            // An answer with the hash alone says that what the proxy has is current.
            let found = withdrawn.iter().find(|value| text.contains(value.as_str()));
            assert_eq!(found, None, "after its withdrawal");
            if is_last {
                return count;
            }
        }
        0
    }
}

async fn no_answer_holds_what_was_withdrawn_before_it_was_asked_for() {
    let w = world().await;
    let writers = join_all((0..WRITERS).map(|writer| w.write(writer)));
    let readers = join_all((0..READERS).map(|reader| w.read(reader)));
    let (_, counts) = tokio::join!(writers, readers);
    let withdrawn: usize = w.members.iter().map(|member| member.withdrawn.lock().expect("lock").len()).sum();
    assert_eq!(withdrawn, WRITERS * ROUNDS);
    assert!(counts.iter().sum::<usize>() > READERS, "{counts:?}");
    // What is kept is used: otherwise this has shown nothing.
    for console in &w.consoles {
        let sync = async || console.sync(&w.members[0].token, None, &[]).await.expect(200);
        sync().await;
        let builds = console.app.sync_counts().builds;
        sync().await;
        assert_eq!(console.app.sync_counts().builds, builds);
    }
    let [one, other] = w.consoles;
    other.stop().await;
    one.stop().await;
}

on_both!(no_answer_holds_what_was_withdrawn_before_it_was_asked_for);
