//! A real authorization server in its own process: `oidc-provider`, which rotates refresh tokens and revokes the whole
//! grant when one is used again. It poses as Google, as Slack, and as an issuer that is discovered.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::watch;

use crate::real::Api;
use crate::tools::node;
use crate::wait::within;

/// The client of the console at all of them.
pub const CLIENT: &str = "client-1";
/// Its secret.
pub const SECRET: &str = "fake-client-secret-0123456789";

/// A running authorization server. It ends when dropped.
pub struct Idp {
    _child: Child,
    _scripts: TempDir,
    origin: String,
    witness: Arc<Mutex<Vec<Call>>>,
}

/// A call of the token endpoint.
#[derive(Debug, Clone)]
pub struct Call {
    /// `authorization_code` or `refresh_token`.
    pub grant: Option<String>,
    /// A digest of the refresh token that was sent.
    pub sent: Option<String>,
    /// A digest of the refresh token that was given.
    pub gave: Option<String>,
    /// What was answered.
    pub status: u64,
    /// What was wrong.
    pub error: Option<String>,
}

impl Call {
    /// A refresh token that had been used.
    pub fn is_reuse(&self) -> bool {
        self.error.as_deref() == Some("refresh token already used")
    }
}

impl Idp {
    /// Starts one that has no clients yet.
    pub async fn start() -> Self {
        // It ends with this process: its standard input does.
        let (scripts, mut node) = node("idp/provider.mjs", "browser");
        let mut child = node.spawn().expect("node runs");
        let (origin, witness) = (watch::channel(None).0, Arc::<Mutex<Vec<Call>>>::default());
        let mut ready = origin.subscribe();
        tokio::spawn(keep(child.stdout.take().expect("piped"), origin, witness.clone()));
        let origin = within("the authorization server", ready.wait_for(Option::is_some)).await;
        let origin = origin.expect("it goes on").clone().expect("an origin");
        Self { _child: child, _scripts: scripts, origin, witness }
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Has it know the console at this address by all its redirect URIs, and these scopes of an API.
    pub async fn know(&self, console: &str, slugs: &[&str], scopes: &[&str]) {
        let consents = slugs.iter().map(|slug| format!("{console}/oauth/{slug}/callback"));
        let logins =
            ["google", "slack", "okta", "oidc"].iter().map(|name| format!("{console}/auth/{name}/callback"));
        let redirect_uris: Vec<_> = consents.chain(logins).collect();
        let client =
            json!({"id":CLIENT,"secret":SECRET,"auth":"client_secret_post","redirect_uris":redirect_uris});
        self.tell("clients", json!({"clients":[client],"scopes":scopes})).await;
    }

    /// Changes how it behaves: `lifetime` in seconds; `before` and `after` in milliseconds; `out`; `silent`.
    pub async fn behave(&self, change: Value) {
        self.tell("state", change).await;
    }

    /// Every token that it ever gave out.
    pub async fn issued(&self) -> Vec<String> {
        let answer = self.api().send("GET", "/_test/issued", &[], "").await.expect("an answer");
        answer
            .json()
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one.as_str().expect("text").to_owned())
            .collect()
    }

    /// What was asked of the token endpoint so far.
    pub fn calls(&self) -> Vec<Call> {
        self.witness.lock().expect("lock").clone()
    }

    /// Fails the test when a refresh token was sent that had been used, or when one was sent twice.
    #[track_caller]
    pub fn refuse_reuse(&self) {
        let calls = self.calls();
        let mut sent: Vec<_> = calls.iter().filter_map(|call| call.sent.as_ref()).collect();
        let count = sent.len();
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), count, "a refresh token was sent twice: {calls:?}");
        assert!(!calls.iter().any(Call::is_reuse), "{calls:?}");
    }

    /// Somebody who has a copy of the first refresh token sends it, though it was used: the grant is revoked.
    pub async fn spend_a_used_token(&self) {
        let answer = self.api().send("POST", "/_test/reuse", &[], "").await.expect("an answer");
        assert_eq!(answer.json()["status"], 400, "it was not used");
    }

    async fn tell(&self, what: &str, body: Value) {
        let answer = self.api().send("POST", &format!("/_test/{what}"), &[], body.to_string()).await;
        answer.expect("an answer").expect(200);
    }

    fn api(&self) -> Api {
        let address = self.origin.strip_prefix("http://").and_then(|address| address.parse().ok());
        Api::new(address.expect("an address"))
    }
}

async fn keep(
    stream: impl AsyncRead + Unpin,
    origin: watch::Sender<Option<String>>,
    witness: Arc<Mutex<Vec<Call>>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(at) = line.strip_prefix("ready ") {
            origin.send_replace(Some(at.to_owned()));
        } else if let Ok(call) = serde_json::from_str::<Value>(&line) {
            let text = |key: &str| call[key].as_str().map(str::to_owned);
            witness.lock().expect("lock").push(Call {
                grant: text("grant"),
                sent: text("sent"),
                gave: text("gave"),
                status: call["status"].as_u64().unwrap_or_default(),
                error: text("error"),
            });
        }
    }
}
