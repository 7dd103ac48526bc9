//! The sample tools as they are used: a client in its sandbox, the real proxy and console, the operator's command line, and
//! stand-ins that speak as the providers do.

use std::path::{Path, PathBuf};

use centaur_e2e::Canary;
use centaur_e2e::providers::{Accepted, Providers};
use centaur_e2e::proxy::centaur;
use centaur_e2e::tools::{Ran, Tool};
use centaur_e2e::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

const PRINCIPAL: &str = "slack-user-u5";
/// Where the proxy of a run finds the values, by the names that the manifests have.
const VARIABLES: [&str; 6] = [
    "GITHUB_TOKEN",
    "LINEAR_API_KEY",
    "SLACK_BOT_TOKEN",
    "SLACK_SEARCH_TOKEN",
    "PARALLEL_API_KEY",
    "GOOGLE_TOKEN_JSON",
];

/// `centaur up`, the providers, and the values that nobody may see.
struct World {
    dir: TempDir,
    providers: Providers,
    canary: Canary,
    console: String,
    _up: Child,
}

impl World {
    async fn start() -> Self {
        let canary = Canary::new();
        let [github, linear, slack_bot, slack_user, parallel, _] = VARIABLES.map(|name| canary.value(name));
        let providers = Providers::start(Accepted { github, linear, slack_bot, slack_user, parallel }).await;
        let dir = tempfile::tempdir().expect("a directory");
        let local = format!(
            "proxy: {{upstream_deny_cidrs: [], upstream_proxy: {{https_proxy: \"{}\"}}}}\n",
            providers.url()
        );
        std::fs::write(dir.path().join("local.yaml"), local).expect("a file");
        std::fs::write(dir.path().join("roots.pem"), providers.ca_pem()).expect("a file");
        let data = dir.path().join("data");
        let up = program().args(&["up", "--any-port", "--data-dir"]).arg(&data).spawn();
        let running = data.join("running.json");
        let mut found = Value::Null;
        eventually("centaur up", async || {
            tokio::task::yield_now().await;
            found = std::fs::read(&running)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok())
                .unwrap_or_default();
            found.is_object()
        })
        .await;
        let console = found["console"].as_str().expect("an address").to_owned();
        Self { dir, providers, canary, console, _up: up }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `centaur perms …` against this console, with the sample tools.
    async fn perms(&self, words: &[&str]) -> Ran {
        let secrets = std::fs::read_to_string(self.path("data/secrets.env")).expect("a file");
        let key = secrets.lines().find_map(|line| line.strip_prefix("CENTAUR_CONSOLE_INITIAL_API_KEY="));
        let perms = program().arg("perms").args(words).env("TOOL_DIRS", tools());
        let perms =
            perms.env("IRON_CONTROL_URL", &self.console).env("IRON_CONTROL_API_KEY", key.expect("a key"));
        self.searched(perms.env("CENTAUR_PERMS_AUDIT", "off").run().await)
    }

    /// A program in a sandbox of the principal. The caller has every value in its environment.
    async fn sandboxed(&self, program_and_arguments: &[&str]) -> Ran {
        let run = program().args(&["run", "--principal", PRINCIPAL, "--data-dir"]).arg(self.path("data"));
        let run = run.arg("--config").arg(self.path("local.yaml")).arg("--").args(program_and_arguments);
        let run = run.env("SSL_CERT_FILE", self.path("roots.pem"));
        let run = VARIABLES.iter().fold(run, |run, name| run.env(name, self.value(name)));
        self.searched(run.run().await)
    }

    /// A method of a client.
    async fn call(&self, tool: &str, method: &str, arguments: &Value) -> Ran {
        let client = tools().join(tool).join("client.py").display().to_string();
        self.sandboxed(&["python3", "-B", &client, method, &arguments.to_string()]).await
    }

    fn value(&self, name: &str) -> String {
        let value = self.canary.value(name);
        if name == "GOOGLE_TOKEN_JSON" {
            return json!({"refresh_token": value, "client_id": value, "client_secret": value}).to_string();
        }
        value
    }

    fn searched(&self, ran: Ran) -> Ran {
        self.canary.refuse("what a program printed", ran.text());
        ran
    }

    /// Nothing reaches a provider, and the client says so in one line.
    async fn is_refused(&self, tool: &str, method: &str, arguments: &Value) {
        let before = self.providers.asked().len();
        let ran = self.call(tool, method, arguments).await;
        assert_eq!(ran.code(), Some(1), "{tool}: {}", ran.text());
        assert!(ran.text().contains("Tunnel connection failed: 403 Forbidden"), "{tool}: {}", ran.text());
        assert_eq!(self.providers.asked().len(), before, "{tool}");
    }
}

fn program() -> Tool {
    Tool::new(&centaur().display().to_string()).env("HOME", "/nonexistent")
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools").canonicalize().expect("the tools")
}

/// What a client printed.
#[track_caller]
fn printed(ran: &Ran) -> Value {
    serde_json::from_str(&ran.ok().stdout()).expect("JSON")
}

/// A tool: where it is, what is called with what, and what comes back.
struct Sample {
    name: &'static str,
    dir: &'static str,
    calls: Vec<(&'static str, Value, Value)>,
    /// What the provider saw of the credential: its variable, and what stands before it.
    credential: (&'static str, &'static str),
}

fn samples() -> [Sample; 4] {
    let issue = json!({"id": "i1", "identifier": "ENG-1", "title": "login", "dueDate": null,
        "url": "https://linear.app/x/issue/ENG-1", "state": {"name": "Todo"}});
    [
        Sample {
            name: "github",
            dir: "infra/github",
            calls: vec![
                (
                    "me",
                    json!({}),
                    json!({"login": "octocat", "id": 1, "type": "User", "echo": "Bearer GITHUB_TOKEN"}),
                ),
                (
                    "issues",
                    json!({"owner": "o", "name": "a b", "limit": 1}),
                    json!([{"number": 1, "state": "open", "title": "o/a%20b"}]),
                ),
            ],
            credential: ("GITHUB_TOKEN", "Bearer "),
        },
        Sample {
            name: "linear",
            dir: "productivity/linear",
            calls: vec![
                ("me", json!({}), json!({"id": "u1", "name": "Ada", "email": "ada@example.test"})),
                ("search_issues", json!({"query_str": "login"}), json!([issue])),
                (
                    "add_comment",
                    json!({"issue_id": "i1", "body": "é \"x\""}),
                    json!({"success": true, "comment": {"id": "c1", "body": "é \"x\"",
                        "createdAt": "2030-01-01T00:00:00.000Z"}}),
                ),
            ],
            credential: ("LINEAR_API_KEY", ""),
        },
        Sample {
            name: "slack",
            dir: "productivity/slack",
            calls: vec![
                (
                    "list_bot_channels",
                    json!({}),
                    json!([{"id": "C1", "name": "general", "is_private": false},
                        {"id": "C2", "name": "random", "is_private": false}]),
                ),
                ("search_messages", json!({"query": "tide"}), json!([{"text": "found"}])),
                (
                    "send_message",
                    json!({"channel": "C1", "text": "a & b = ü"}),
                    json!({"channel": "C1", "ts": "3.4"}),
                ),
            ],
            credential: ("SLACK_BOT_TOKEN", "Bearer "),
        },
        Sample {
            name: "websearch",
            dir: "research/websearch",
            calls: vec![(
                "search",
                json!({"query": "tides", "num_results": 1}),
                json!([{"url": "https://example.test/1", "title": "tides", "publish_date": null, "excerpts": ["text"]}]),
            )],
            credential: ("PARALLEL_API_KEY", "Bearer "),
        },
    ]
}

#[tokio::test]
async fn each_sample_works_for_whom_it_is_granted_and_until_it_is_revoked() {
    let world = World::start().await;
    world.perms(&["principals", "create", PRINCIPAL]).await.ok();
    for sample in samples() {
        let (method, arguments, _) = &sample.calls[0];
        world.is_refused(sample.dir, method, arguments).await;
        world.perms(&["principals", "grant", PRINCIPAL, "--tool", sample.name]).await.ok();
        for (method, arguments, expected) in &sample.calls {
            let ran = world.call(sample.dir, method, arguments).await;
            assert_eq!(printed(&ran), *expected, "{} {method}", sample.name);
        }
        let (variable, scheme) = sample.credential;
        let asked = world.providers.asked().pop().expect("it was asked");
        assert_eq!(
            asked.authorization,
            format!("{scheme}{}", world.canary.value(variable)),
            "{}",
            asked.line
        );
        world.perms(&["principals", "revoke", PRINCIPAL, "--tool", sample.name]).await.ok();
        world.is_refused(sample.dir, method, arguments).await;
    }
}

#[tokio::test]
async fn in_the_sandbox_there_are_placeholders_and_no_value() {
    let world = World::start().await;
    let tools = ["github", "linear", "slack", "websearch", "gsuite"];
    let words: Vec<&str> = tools.iter().flat_map(|tool| ["--tool", tool]).collect();
    world.perms(&[&["principals", "grant", PRINCIPAL], &words[..]].concat()).await.ok();
    // `searched` looks for the values.
    let ran = world.sandboxed(&["sh", "-c", "env; cat /proc/*/environ | tr '\\0' '\\n'"]).await;
    let out = ran.stdout();
    for name in ["GITHUB_TOKEN", "SLACK_BOT_TOKEN", "SLACK_SEARCH_TOKEN"] {
        assert!(out.lines().any(|line| line == format!("{name}={name}")), "{out}");
    }
    for name in ["LINEAR_API_KEY", "PARALLEL_API_KEY", "GOOGLE_TOKEN_JSON"] {
        assert!(!out.contains(name), "{out}");
    }
}

#[tokio::test]
async fn a_credential_that_the_proxy_cannot_place_is_refused_and_a_tool_without_one_needs_nothing() {
    let world = World::start().await;
    world.perms(&["principals", "grant", PRINCIPAL, "--tool", "gsuite", "--tool", "demo"]).await.ok();
    let ran = world.call("productivity/gsuite", "gmail_labels", &json!({})).await;
    assert_eq!(ran.code(), Some(1), "{}", ran.text());
    assert!(ran.text().contains("the proxy refused it: transform-unavailable"), "{}", ran.text());
    let ran = world.call("infra/demo", "echo", &json!({"message": "hello"})).await;
    assert_eq!(printed(&ran), json!({"echo": "hello"}));
    assert_eq!(world.providers.asked().len(), 0);
}
