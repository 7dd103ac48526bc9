//! A console, a relay in front of it, and the program.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use centaur_base::Secret;
use centaur_base::oid::SecretKind;
use centaur_client::api::{ApiClient, Expect, Options};
use centaur_client::base::BaseUrl;
use centaur_client::token::TokenSource;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::console::{Console, KEY};
use crate::relay::Relay;

pub(crate) struct World {
    pub(crate) relay: Relay,
    /// A client that does not go through the relay.
    pub(crate) api: ApiClient,
    pub(crate) dir: TempDir,
    _console: Console,
}

/// What a run of the program did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!out.contains(KEY) && !err.contains(KEY), "the key is shown: {out}{err}");
        Self { status: output.status, out, err }
    }

    /// All three at once.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.status.code(), self.out.as_str(), self.err.as_str()), (Some(code), out, err));
    }

    /// The error's first line, and how it ended.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, error: &str) {
        let first = self.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!(
            (self.status.code(), first.trim_start_matches("error: ")),
            (Some(code), error),
            "{}",
            self.err
        );
        assert_eq!(self.out, "");
    }

    /// The JSON object, when it ended like this.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.status.code(), Some(code), "{}{}", self.out, self.err);
        let value: Value = serde_json::from_str(&self.out).expect("one JSON object");
        assert_eq!(value["schema"], "centaur-perms/v1");
        value
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let console = Console::start().await;
        let relay = Relay::start(console.address).await;
        let base = BaseUrl::parse(&format!("http://{}", console.address)).expect("a URL");
        let key = TokenSource::Value(Secret::new(KEY.to_owned()));
        let api = ApiClient::new(base, key, Options::new("test")).expect("a client");
        Self { relay, api, dir: tempfile::tempdir().expect("a directory"), _console: console }
    }

    /// The program with nothing but what it needs in its environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = bare(self.dir.path());
        command.env("IRON_CONTROL_URL", format!("http://{}/", self.relay.address));
        command.env("IRON_CONTROL_API_KEY", KEY).args(words);
        command
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Outcome {
        Outcome::of(self.command(words).output().await.expect("the program"))
    }

    /// Runs it and wants success; the rest does not matter.
    pub(crate) async fn done(&self, words: &[&str]) {
        let outcome = self.run(words).await;
        assert!(outcome.status.success(), "{words:?}: {}{}", outcome.out, outcome.err);
    }

    /// Runs it and returns `data`.
    pub(crate) async fn data(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["-o", "json"]).collect();
        self.run(&words).await.json(0)["data"].take()
    }

    /// A static secret with a placeholder for a host.
    pub(crate) async fn secret(&self, foreign_id: &str, host: &str) -> String {
        self.secret_in("default", foreign_id, host).await
    }

    pub(crate) async fn secret_in(&self, namespace: &str, foreign_id: &str, host: &str) -> String {
        let data = json!({
            "namespace": namespace,
            "name": format!("Key {foreign_id}"),
            "replace_config": {"proxy_value": format!("PLACEHOLDER_{foreign_id}"), "match_headers": ["Authorization"]},
            "source": {"source_type": "env", "config": {"var": "FAKE"}},
            "rules": [{"host": host}],
        });
        let made = self.api.put_secret(SecretKind::Static, foreign_id, &data, Expect::Anything).await;
        made.expect("a secret").row.id.to_string()
    }

    /// The calls of a run, without those before it.
    pub(crate) async fn calls(&self, words: &[&str]) -> (Outcome, Vec<String>) {
        self.relay.reset();
        let outcome = self.run(words).await;
        let strip = |line: String| line.replace(" /api/v1/", " ");
        (outcome, self.relay.lines().into_iter().map(strip).collect())
    }
}

/// The program with an empty environment.
pub(crate) fn bare(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_centaur-perms"));
    command.env_clear().env("HOME", home).stdin(Stdio::null()).kill_on_drop(true);
    command
}
