//! Writes at random until the console is gone, and knows what has to be there when it is back.

use serde_json::json;
use tokio::sync::watch;

use super::observe::{Proxy, delivered, observe};
use super::operation::{Ids, Operation};
use super::state::State;
use crate::chance::Chance;
use crate::real::{Api, id};

/// One client that writes, one request at a time, in a namespace that is its own.
pub struct Writer {
    namespace: String,
    chance: Chance,
    count: u64,
    state: State,
    ids: Ids,
    proxies: Vec<Proxy>,
    in_doubt: Option<(Operation, String)>,
    /// Ids of the requests that took effect: acknowledged, or found to have been done.
    pub done: Vec<String>,
    /// Ids of the requests that were found to have had no effect.
    pub undone: Vec<String>,
}

impl Writer {
    /// Makes the namespace's two proxies.
    pub async fn new(api: &Api, number: u64) -> Self {
        let namespace = format!("w{number}");
        let mut proxies = Vec::new();
        let mut state = State::default();
        for at in 0..2 {
            let name = format!("edge{at}");
            let record = api.make("proxies", json!({"name": format!("{namespace}-{name}")})).await;
            let token = record["token"].as_str().expect("a token").to_owned();
            state.proxies.insert(name.clone(), None);
            proxies.push(Proxy { name, id: id(&record), token });
        }
        let ids = Ids {
            of: proxies.iter().map(|proxy| (proxy.name.clone(), proxy.id.clone())).collect(),
            ..Ids::default()
        };
        Self {
            namespace,
            chance: Chance::new(number),
            count: 0,
            state,
            ids,
            proxies,
            in_doubt: None,
            done: Vec::new(),
            undone: Vec::new(),
        }
    }

    /// Writes until a request has no answer, or one that says that the console is not there; counts what was
    /// acknowledged.
    pub async fn run(&mut self, api: &Api, acknowledged: &watch::Sender<u64>) {
        while self.step(api).await {
            acknowledged.send_modify(|count| *count += 1);
        }
    }

    async fn step(&mut self, api: &Api) -> bool {
        self.count += 1;
        let operation = Operation::draw(&self.state, &mut self.chance, self.count);
        let ask = operation.ask(&self.namespace, &self.state, &self.ids);
        let request_id = format!("{}-{}", self.namespace, self.count);
        // Before it is sent: from here on it may have been done.
        self.in_doubt = Some((operation.clone(), request_id.clone()));
        let Ok(answer) = api.try_call(ask.method, &ask.path, &ask.data, Some(&request_id)).await else {
            return false;
        };
        if answer.status == 503 {
            return false;
        }
        assert!(
            ask.success.contains(&answer.status),
            "{operation:?} in {:?}: {} {}",
            self.state,
            answer.status,
            answer.text
        );
        self.in_doubt = None;
        self.state = self.state.after(&operation);
        operation.learn(&answer.json()["data"], &mut self.ids);
        self.done.push(request_id);
        true
    }

    /// What is there now has to be what was acknowledged, with or without the request that had no answer, and what
    /// the proxies get has to follow from it.
    pub async fn check(&mut self, api: &Api) {
        let (found, ids) = observe(api, &self.namespace, &self.proxies).await;
        self.ids = ids;
        if let Some((operation, request_id)) = self.in_doubt.take() {
            let after = self.state.after(&operation);
            if found == after {
                self.state = after;
                self.done.push(request_id);
            } else {
                assert_eq!(found, self.state, "{request_id} was under way: {operation:?}");
                self.undone.push(request_id);
            }
        }
        assert_eq!(found, self.state, "{}: something acknowledged is not there", self.namespace);
        for proxy in &self.proxies {
            let serves = self.state.proxies[&proxy.name].as_deref();
            let effective = serves.map(|principal| self.state.effective(principal)).unwrap_or_default();
            let principal = serves.map(|principal| self.ids.of[principal].clone());
            let got = delivered(api, &self.namespace, proxy).await;
            assert_eq!(got, (principal, effective), "{} {}", self.namespace, proxy.name);
        }
    }
}
