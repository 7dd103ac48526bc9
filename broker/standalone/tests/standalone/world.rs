//! A broker in this process, its directory, and a provider.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use iron_token_broker::api::Bearer;
use iron_token_broker::app::Broker;
use iron_token_broker::config::Config;
use iron_token_broker::shelf::Shelf;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::http::{Answer, send};
use crate::provider::Provider;

pub(crate) const BEARER: &str = "fake-broker-bearer";

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) directory: TempDir,
}

/// A broker that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) shelf: Shelf,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut probe: impl FnMut() -> bool) {
    let waiting = async {
        while !probe() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_mins(1), waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

impl World {
    pub(crate) async fn new() -> Self {
        Self { provider: Provider::start().await, directory: tempfile::tempdir().expect("a directory") }
    }

    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.directory.path().join(format!("{id}.json"))
    }

    /// Logs in at the provider and writes the document, as an operator does.
    pub(crate) fn bootstrap(&self, id: &str) -> String {
        let token = self.provider.log_in(id);
        self.put(id, &format!(r#"{{"refresh_token":"{token}","note":"by hand"}}"#));
        token
    }

    /// Puts a document in place at once: a broker that reads meanwhile finds the old one or the new one, never half of
    /// it and never nothing.
    pub(crate) fn put(&self, id: &str, text: &str) {
        let beside = self.directory.path().join("beside");
        fs::write(&beside, text).expect("a write");
        fs::rename(beside, self.path(id)).expect("in place");
    }

    pub(crate) fn document(&self, id: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(id)).expect("a document")).expect("JSON")
    }

    /// The configuration file for credentials in files.
    pub(crate) fn file(&self, ids: &[&str]) -> String {
        let head = "listen: 127.0.0.1:0\nmetrics_listen: 127.0.0.1:0\nbearer_auth_env: FAKE_BEARER\n\
             token_endpoint_allow: [127.0.0.1]\ncredentials:\n";
        let credential = |id: &&str| {
            let path = self.path(id);
            format!(
                "- id: '{id}'\n  token_endpoint: http://{}/token\n  client_id: {{type: env, var: CARGO_PKG_NAME}}\n  \
                 store: {{type: file, path: '{}'}}\n",
                self.provider.address,
                path.display()
            )
        };
        ids.iter().fold(head.to_owned(), |text, id| text + &credential(id))
    }

    /// A broker for credentials in files.
    pub(crate) async fn broker(&self, ids: &[&str]) -> Running {
        Running::start(&self.file(ids)).await
    }
}

impl Running {
    pub(crate) async fn start(file: &str) -> Self {
        let config = Config::parse(file).expect("a configuration");
        let bearer = Bearer::read("FAKE_BEARER", |name| (name == "FAKE_BEARER").then(|| BEARER.to_owned()));
        let broker = Broker::start(config, Some(bearer.expect("a token"))).await.expect("a start");
        let (address, shelf) = (broker.address(), broker.shelf());
        let metrics = broker.metrics_address().expect("a port");
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(broker.run(async {
            let _ = stopped.await;
        }));
        Self { address, metrics, shelf, stop, task }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str) -> Answer {
        send(self.address, method, path, headers).await.expect("an answer")
    }

    /// Asks for a token with the right bearer.
    pub(crate) async fn ask(&self, id: &str) -> Answer {
        let headers = format!("Authorization: Bearer {BEARER}\r\n");
        self.send("GET", &format!("/credentials/{id}/access_token"), &headers).await
    }

    /// Asks until the document was read.
    pub(crate) async fn settled(&self, id: &str) -> Answer {
        loop {
            let answer = self.ask(id).await;
            if !answer.body.contains("bootstrapping") {
                return answer;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn page(&self, path: &str) -> Answer {
        send(self.metrics, "GET", path, "").await.expect("an answer")
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn tell(self) -> JoinHandle<()> {
        let _ = self.stop.send(());
        self.task
    }

    pub(crate) async fn stop(self) {
        timeout(Duration::from_secs(50), self.tell()).await.expect("an end").expect("no panic");
    }
}
