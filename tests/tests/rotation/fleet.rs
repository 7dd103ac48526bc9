//! Credentials whose tokens are refreshed all the time, and what the provider says of them at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use centaur_e2e::real::{Api, id};
use centaur_e2e::strict::{Provider, first_token, parse};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// As many credentials are also given to a proxy, which is watched.
const WATCHED: usize = 16;
/// The longest lease, the wait of the engine after it, and room.
const SETTLES_WITHIN: Duration = Duration::from_mins(3);

/// All credentials, and every login that any of them had.
pub(crate) struct Fleet {
    /// By id: the family that it was seeded with last.
    current: BTreeMap<String, String>,
    /// Families that were lost: the reason that the console gave.
    lost: BTreeMap<String, String>,
    token: String,
    families: usize,
    /// By family: the credential that had it.
    owners: BTreeMap<String, String>,
}

/// What was found at the end.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) rotations: usize,
    pub(crate) lost: usize,
    pub(crate) interruptions: usize,
    pub(crate) seen: usize,
}

/// An access token that a proxy was sent, and when.
type Sent = (String, u32, Instant);

impl Fleet {
    /// So many credentials whose refreshes may take `limit` seconds: a call that is given up is one that may have cost its
    /// login.
    pub(crate) async fn make(api: &Api, provider: &Provider, count: usize, limit: u32) -> Self {
        let principal = id(&api.make("principals", json!({"foreign_id": "edge"})).await);
        let mut fleet = Self {
            current: BTreeMap::new(),
            lost: BTreeMap::new(),
            token: String::new(),
            families: 0,
            owners: BTreeMap::new(),
        };
        for number in 0..count {
            let family = fleet.family();
            let data = json!({
                "foreign_id": format!("c{number}"), "token_endpoint": provider.url(), "client_id": "client-1",
                "refresh_token": first_token(&family), "refresh_timeout_seconds": limit,
            });
            let credential = id(&api.make("broker_credentials", data).await);
            if number < WATCHED {
                let secret = json!({
                    "inject_config": {"header": format!("x-{number}")},
                    "source": {"source_type": "token_broker", "config": {"credential_id": credential}},
                    "rules": [{"host": "a.test"}],
                });
                let secret = id(&api.make("static_secrets", secret).await);
                let grant = json!({"principal_id": principal, "static_secret_id": secret});
                api.make("grants", grant).await;
            }
            fleet.owners.insert(family.clone(), credential.clone());
            fleet.current.insert(credential, family);
        }
        let proxy = api.make("proxies", json!({"name": "edge", "principal_id": principal})).await;
        proxy["token"].as_str().expect("a token").clone_into(&mut fleet.token);
        fleet
    }

    fn family(&mut self) -> String {
        self.families += 1;
        format!("f{}", self.families)
    }

    async fn records(&self, api: &Api) -> Vec<Value> {
        let mut records = Vec::new();
        for page in 1.. {
            let path = format!("broker_credentials?namespace=default&limit=200&page={page}");
            let rows = api.get(&path).await;
            let rows = rows.as_array().expect("rows").clone();
            if rows.is_empty() {
                break;
            }
            records.extend(rows);
        }
        assert_eq!(records.len(), self.current.len());
        records
    }

    /// Notes the logins that were lost; the operator connects these accounts anew.
    pub(crate) async fn reconnect(&mut self, api: &Api) {
        for record in self.records(api).await {
            if record["dead"] != true {
                continue;
            }
            let (credential, fresh) = (id(&record), self.family());
            self.owners.insert(fresh.clone(), credential.clone());
            let family = self.current.insert(credential.clone(), fresh.clone()).expect("one of ours");
            self.lost.insert(family, record["dead_reason"].as_str().expect("a reason").to_owned());
            let data = json!({"refresh_token": first_token(&fresh)});
            api.call("PATCH", &format!("broker_credentials/{credential}"), data).await.expect(200);
        }
    }

    /// Waits until every credential has a token that lives for minutes, or is dead.
    pub(crate) async fn settle(&self, api: &Api) {
        let least = OffsetDateTime::now_utc() + Duration::from_mins(10);
        let least = least.format(&Rfc3339).expect("a time");
        let is_open = |record: &Value| {
            record["dead"] != true && record["expires_at"].as_str().is_none_or(|at| at < least.as_str())
        };
        let settled = async {
            while self.records(api).await.iter().any(is_open) {
                sleep(Duration::from_millis(500)).await;
            }
        };
        if timeout(SETTLES_WITHIN, settled).await.is_err() {
            let records = self.records(api).await;
            let open: Vec<_> = records.iter().filter(|record| is_open(record)).collect();
            panic!("neither fresh nor dead: {open:?}");
        }
    }

    /// Watches what a proxy is sent, by whichever console is there.
    pub(crate) fn watch(&self, consoles: watch::Receiver<Api>) -> JoinHandle<Vec<Sent>> {
        tokio::spawn(watching(self.token.clone(), consoles))
    }

    /// Holds the provider's log against what the console says.
    pub(crate) async fn verify(mut self, api: &Api, provider: &Provider, sent: &[Sent]) -> Report {
        for record in self.records(api).await.iter().filter(|record| record["dead"] == true) {
            let reason = record["dead_reason"].as_str().expect("a reason").to_owned();
            self.lost.insert(self.current[&id(record)].clone(), reason);
        }
        let mut log: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for presented in provider.log() {
            log.entry(presented.family.clone()).or_default().push(presented);
        }
        let mut rotations = 0;
        for (family, calls) in &log {
            // Only calls at the end may have been refused, and only where the console says what happened.
            let (used, refused) = calls.split_at(calls.partition_point(|call| !call.refused));
            for (number, call) in used.iter().enumerate() {
                assert_eq!(call.number as usize, number, "{family}: {calls:?}");
            }
            rotations += used.len();
            let reason = self.lost.get(family).map(String::as_str);
            let want = (!refused.is_empty()).then_some("interrupted_invalid_grant");
            assert_eq!(reason, want, "{family}: {calls:?}");
            for call in refused {
                assert!(call.refused && call.number as usize + 1 == used.len(), "{family}: {calls:?}");
            }
            // A kill may cost the refusal as well: then there is one more marked attempt.
            if refused.len() > 1 {
                let filter = format!("interrupted&object={}", self.owners[family]);
                let marked = self.events(api, &filter).await;
                assert!(refused.len() <= marked, "{marked} interruptions, {family}: {calls:?}");
            }
        }
        assert!(self.lost.keys().all(|family| log.contains_key(family)));
        for (family, number, at) in sent {
            let mut after = log[family].iter().filter(|call| call.at > *at);
            assert!(
                after.all(|call| call.number >= *number),
                "{family}.{number} was sent before its refresh token was safe"
            );
        }
        assert_eq!(api.get("audit_events/verify").await["whole"], true);
        let interruptions = self.events(api, "interrupted").await;
        assert_eq!(self.events(api, "died").await, self.lost.len());
        Report { rotations, lost: self.lost.len(), interruptions, seen: sent.len() }
    }

    async fn events(&self, api: &Api, action: &str) -> usize {
        let (mut count, mut before) = (0, i64::MAX);
        loop {
            let path = format!("audit_events?action={action}&limit=200&before={before}");
            let events = api.get(&path).await;
            let events = events.as_array().expect("events");
            let Some(oldest) = events.last() else { break };
            before = oldest["seq"].as_i64().expect("a number");
            count += events.len();
        }
        count
    }
}

async fn watching(token: String, mut consoles: watch::Receiver<Api>) -> Vec<Sent> {
    let (mut sent, mut newest) = (Vec::new(), BTreeMap::<String, u32>::new());
    let mut hash = None;
    while consoles.has_changed().is_ok() {
        let api = consoles.borrow_and_update().clone();
        let Ok(answer) = api.sync(&token, hash.as_deref(), &[("prefer", "wait=1")]).await else {
            sleep(Duration::from_millis(2)).await;
            continue;
        };
        let at = Instant::now();
        if answer.status != 200 {
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let payload = answer.json();
        hash = payload["config_hash"].as_str().map(str::to_owned);
        let secrets = payload["secrets"].as_array().map(Vec::as_slice).unwrap_or_default();
        for value in secrets.iter().filter_map(|secret| secret["source"]["value"].as_str()) {
            let (family, number) = parse(value).expect("a token of the provider");
            if newest.insert(family.to_owned(), number) != Some(number) {
                sent.push((family.to_owned(), number, at));
            }
        }
    }
    sent
}
