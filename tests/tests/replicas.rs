//! Two consoles on one PostgreSQL, two hundred proxies, and a kill in the middle: no proxy ever gets something older
//! than it had, or something that was withdrawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use centaur_e2e::real::{Answer, Api, Broken, Console, Database, id};
use centaur_e2e::wait::within;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;

const PRINCIPALS: usize = 20;
const PROXIES_EACH: usize = 10;
/// Of each principal: a new value, a grant or revocation, a new value, and so on.
const STEPS: u64 = 16;
/// Between the syncs of a proxy that does not wait for changes.
const POLL: Duration = Duration::from_millis(250);

/// The consoles, and which of them are still there.
#[derive(Clone)]
struct Consoles(Arc<[Api; 2]>);

impl Consoles {
    /// Asks one of them, and the other when that one does not answer or cannot.
    async fn ask<F: Future<Output = Result<Answer, Broken>>>(
        &self,
        first: usize,
        ask: impl Fn(Api) -> F,
    ) -> Answer {
        let mut at = first;
        let asked = async {
            loop {
                match ask(self.0[at % 2].clone()).await {
                    Ok(answer) if answer.status != 503 => return answer,
                    _ => at += 1,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("an answer of either console", asked).await
    }

    /// One write, repeated until it has an answer: all of them may be repeated.
    async fn write(&self, first: usize, method: &str, path: &str, data: Value) -> Answer {
        let answer = self.ask(first, async |api| api.try_call(method, path, &data, None).await).await;
        let is_gone = method == "DELETE" && answer.status == 404;
        assert!(is_gone || (200..300).contains(&answer.status), "{method} {path}: {}", answer.text);
        answer
    }
}

/// One principal with what it may use. Each of its states has a number, which every write makes larger by one and
/// which can be read from the configuration alone: `2 * clock`, and one more once the grant has followed the clock.
/// With an odd clock that is a grant, with an even one a revocation.
struct Subject {
    number: usize,
    principal: String,
    clock: String,
    once: String,
    /// The largest number whose write was acknowledged.
    acknowledged: AtomicU64,
}

impl Subject {
    async fn make(consoles: &Consoles, number: usize) -> Self {
        let write = |path: &'static str, data| consoles.write(number, "POST", path, data);
        let principal = id(&write("principals", json!({"foreign_id": format!("p{number}")})).await.data());
        let clock = id(&write("static_secrets", document(number, "clock", 0)).await.data());
        let once = id(&write("static_secrets", document(number, "once", 0)).await.data());
        write("grants", json!({"principal_id": principal, "static_secret_id": clock})).await.expect(201);
        Self { number, principal, clock, once, acknowledged: AtomicU64::new(1) }
    }

    /// Writes one state after the other, through both consoles in turn.
    async fn run(&self, consoles: &Consoles, done: &watch::Sender<u64>) {
        let mut grant = String::new();
        for clock in 1..=STEPS {
            let via = self.number + usize::try_from(clock).expect("few");
            if clock % 2 == 1 {
                // Granted to nobody now, so that this changes no state.
                let path = format!("static_secrets/{}", self.once);
                consoles.write(via, "PUT", &path, document(self.number, "once", clock)).await;
            }
            let path = format!("static_secrets/{}", self.clock);
            consoles.write(via, "PUT", &path, document(self.number, "clock", clock)).await;
            self.acknowledged.store(2 * clock, Ordering::SeqCst);
            if clock % 2 == 1 {
                let data = json!({"principal_id": self.principal, "static_secret_id": self.once});
                grant = id(&consoles.write(via + 1, "POST", "grants", data).await.data());
            } else {
                consoles.write(via + 1, "DELETE", &format!("grants/{grant}"), Value::Null).await;
            }
            self.acknowledged.store(2 * clock + 1, Ordering::SeqCst);
            done.send_modify(|done| *done += 1);
        }
    }

    /// The number of a configuration.
    fn state_of(&self, payload: &Value) -> u64 {
        assert_eq!(payload["principal_id"], self.principal.as_str());
        let value = |name: &str| {
            let prefix = format!("fake-{}-{name}-", self.number);
            let entries = payload["secrets"].as_array().expect("secrets").iter();
            let mut values = entries.filter_map(|entry| entry["source"]["value"].as_str());
            values.find_map(|value| value.strip_prefix(&prefix)?.parse::<u64>().ok())
        };
        let (clock, once) = (value("clock").expect("the clock"), value("once"));
        if let Some(once) = once {
            assert_eq!(once, clock - (clock + 1) % 2, "a value of another time: {payload}");
        }
        2 * clock + u64::from(once.is_some() == (clock % 2 == 1))
    }
}

/// A proxy as the console sees one.
struct Proxy {
    number: usize,
    subject: Arc<Subject>,
    token: String,
}

impl Proxy {
    /// Syncs until it has the last state, and fails if it ever gets less than it had or than was acknowledged.
    async fn run(self, consoles: Consoles) -> u64 {
        // Half wait for changes, and half ask now and then, as proxies of old do.
        let waits = self.number.is_multiple_of(2);
        let headers: &[(&str, &str)] = if waits { &[("prefer", "wait=5")] } else { &[] };
        let (mut hash, mut had, mut syncs) = (None, 0, 0);
        while had < 2 * STEPS + 1 {
            let floor = self.subject.acknowledged.load(Ordering::SeqCst);
            // Another console every time, so that what one knows has to be known to both.
            let first = self.number / 2 + syncs;
            let asked = async |api: Api| api.sync(&self.token, hash.as_deref(), headers).await;
            let answer = consoles.ask(first, asked).await;
            syncs += 1;
            let payload = answer.expect(200).json();
            if payload.get("secrets").is_some() {
                let has = self.subject.state_of(&payload);
                assert!(has >= had, "proxy {} had {had} and gets {has}", self.number);
                had = has;
                hash = payload["config_hash"].as_str().map(str::to_owned);
            } else {
                assert_eq!(payload["config_hash"].as_str(), hash.as_deref(), "a hash that it never had");
            }
            assert!(
                had >= floor,
                "proxy {} is told that {had} is right; {floor} was acknowledged",
                self.number
            );
            if !waits {
                tokio::time::sleep(POLL).await;
            }
        }
        had
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_takes_no_proxy_back_and_returns_nothing_that_was_withdrawn() {
    let database = Database::postgres().await;
    let (doomed, other) = (Console::start(&database).await, Console::start(&database).await);
    let consoles = Consoles(Arc::new([doomed.api(), other.api()]));
    let mut subjects = Vec::new();
    let mut proxies = Vec::new();
    for number in 0..PRINCIPALS {
        let subject = Arc::new(Subject::make(&consoles, number).await);
        for each in 0..PROXIES_EACH {
            let number = number * PROXIES_EACH + each;
            let data = json!({"name": format!("edge{number}"), "principal_id": subject.principal});
            let made = consoles.write(number, "POST", "proxies", data).await.data();
            let token = made["token"].as_str().expect("a token").to_owned();
            proxies.push(Proxy { number, subject: subject.clone(), token });
        }
        subjects.push(subject);
    }
    let running: Vec<_> =
        proxies.into_iter().map(|proxy| tokio::spawn(proxy.run(consoles.clone()))).collect();

    let (done, mut progress) = watch::channel(0);
    let writers = join_all(subjects.iter().map(|subject| subject.run(&consoles, &done)));
    let all = u64::try_from(PRINCIPALS).expect("few") * STEPS;
    let kill = async {
        progress.wait_for(|done| *done >= all / 2).await.expect("writers");
        doomed.kill().await;
    };
    tokio::join!(writers, kill);
    assert_eq!(*done.borrow(), all);
    for proxy in within("every proxy to have the last state", join_all(running)).await {
        assert_eq!(proxy.expect("a proxy that saw nothing wrong"), 2 * STEPS + 1);
    }
    let (status, log) = other.stop().await;
    assert!(status.success(), "{log}");
}

fn document(subject: usize, name: &str, number: u64) -> Value {
    json!({
        "foreign_id": format!("{name}{subject}"),
        "inject_config": {"header": format!("x-{name}")},
        "source": {
            "source_type": "control_plane", "config": {}, "secret": format!("fake-{subject}-{name}-{number}"),
        },
        "rules": [{"host": "a.test"}],
    })
}
