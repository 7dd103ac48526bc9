//! Real harnesses, Codex and Claude Code, logged in with stand-ins: each answers a prompt with a token that it does not
//! hold, and carries on when it decides to renew it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_e2e::leak;
use centaur_e2e::model::{Call, HELLO, Model};
use centaur_e2e::next_proxy::NextProxy;
use centaur_e2e::pki::Pki;
use centaur_e2e::tools::{Ran, Tool, deps_dir};
use centaur_e2e::{Audit, Builder, Origin, World};
use serde_json::{Value, json};

const HOSTS: &[&str] =
    &["chatgpt.com", "*.chatgpt.com", "api.anthropic.com", "auth.openai.com", "platform.claude.com"];
const CODEX: &str = "fake/codex+\"access=token";
const CLAUDE: &str = "fake/claude+\"access=token";
const ACCOUNT: &str = "5f0c3a52-fa4e-4fa4-8fa4-fa4efa4efa4e";
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// 2100-01-01 and 2001-09-09, in seconds.
const FAR: u64 = 4_102_444_800;
const PAST: u64 = 1_000_000_000;

/// A proxy that sets tokens and account, with the model behind it: another proxy further up leads every name there.
struct Harness {
    w: World,
    model: Model,
}

impl Harness {
    async fn start() -> Self {
        Self::start_as(|plan| plan).await
    }

    /// The same with something changed.
    async fn start_as(change: impl FnOnce(Builder) -> Builder) -> Self {
        let ca = Pki::new("providers");
        let model = Model::start(ca.server(HOSTS, &["h2", "http/1.1"]), ACCOUNT).await;
        let next = NextProxy::leading_to(model.port()).await;
        let origin = Origin::start(ca.server(HOSTS, &["http/1.1"])).await;
        let entry = |variable: &str, host: &str, header: &str| {
            format!(
                "{{source: {{type: env, var: {variable}}}, rules: [{{host: {host}}}], inject: {{{header}}}}}"
            )
        };
        let bearer = "header: Authorization, formatter: \"Bearer {{ .Value }}\"";
        let plan = World::builder()
            .allow("chatgpt.com")
            .allow("*.chatgpt.com")
            .allow("api.anthropic.com")
            .secret(&entry("CODEX", "chatgpt.com", bearer))
            .secret(&entry("ACCOUNT", "chatgpt.com", "header: chatgpt-account-id"))
            .secret(&entry("CLAUDE", "api.anthropic.com", bearer))
            .value("CODEX", CODEX)
            .value("ACCOUNT", ACCOUNT)
            .value("CLAUDE", CLAUDE)
            .env("HTTPS_PROXY", &next.url());
        Self { w: change(plan).start_before(ca, origin).await, model }
    }

    /// Runs Codex on one prompt.
    async fn codex(&self) -> Ran {
        let args = ["exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "say hello"];
        self.run(&program("@openai/codex-", "bin/codex"), &args).await
    }

    /// Runs Claude Code on one prompt.
    async fn claude(&self) -> Ran {
        self.run(&program("@anthropic-ai/claude-code-", "claude"), &["-p", "say hello"]).await
    }

    async fn run(&self, program: &str, args: &[&str]) -> Ran {
        let work = self.w.path("work");
        std::fs::create_dir_all(&work).expect("directory");
        let tool = Tool::new(program).args(args).dir(work).behind(&self.w);
        let tool = tool.env("DISABLE_AUTOUPDATER", "1").env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        tool.run().await.noted(&self.w)
    }

    /// Puts a document into the home directory.
    fn put(&self, name: &str, document: &Value) {
        let path = format!("{}/{name}", self.w.path("home"));
        std::fs::create_dir_all(Path::new(&path).parent().expect("parent")).expect("directory");
        std::fs::write(path, document.to_string()).expect("write");
    }

    fn get(&self, name: &str) -> Value {
        let text = std::fs::read(format!("{}/{name}", self.w.path("home"))).expect("the file");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Every prompt, and all else on the API's host, came with token and account; nothing did on other hosts.
    fn served(&self, host: &str, prompts: usize, token: &str, account: Option<&str>) {
        let calls = self.model.calls();
        assert_eq!(calls.iter().filter(|call| call.is_prompt()).count(), prompts, "{calls:#?}");
        for call in calls {
            let own = call.host == host;
            let bearer = format!("Bearer {token}");
            assert_eq!(
                call.all("authorization"),
                if own { vec![bearer.as_str()] } else { vec![] },
                "{call:?}"
            );
            let account: Vec<&str> = account.into_iter().filter(|_| own).collect();
            assert_eq!(call.all("chatgpt-account-id"), account, "{call:?}");
        }
    }

    /// No value anywhere: in what the programs keep or printed, in the proxy's log.
    async fn finish(self) -> Vec<Audit> {
        let home = self.w.path("home");
        let mut kept = 0;
        for path in files(Path::new(&home)) {
            let values = [CODEX, CLAUDE, ACCOUNT].map(str::to_owned);
            leak::refuse(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default(), &values);
            kept += 1;
        }
        assert!(kept > 0);
        self.w.finish_at_least(1).await
    }
}

/// Every file below, but for links.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// The program itself, in the package for this machine; what starts it elsewhere wants a newer Node than it needs.
fn program(package: &str, end: &str) -> String {
    let modules = deps_dir().join("harness/node_modules");
    let (scope, name) = package.split_once('/').expect("a scope");
    let found = files(&modules.join(scope)).into_iter().find(|path| {
        path.ends_with(end)
            && path.strip_prefix(&modules).is_ok_and(|path| path.to_string_lossy().contains(name))
    });
    found
        .unwrap_or_else(|| panic!("{package} is missing: run scripts/install-test-deps"))
        .display()
        .to_string()
}

/// `auth.json` of Codex; the token ends at `end`.
fn codex_login(end: u64) -> Value {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let account = json!({"chatgpt_account_id": NOBODY, "chatgpt_plan_type": "pro"});
    let claims = json!({
        "iss": "https://auth.openai.com", "sub": "nobody", "iat": 0, "exp": end,
        "email": "nobody@sandbox.invalid", "https://api.openai.com/auth": account,
    });
    let token = format!(
        "{}.{}.{}",
        part(&json!({"alg": "none", "typ": "JWT"})),
        part(&claims),
        part(&json!("unsigned"))
    );
    json!({
        "auth_mode": "chatgpt", "OPENAI_API_KEY": null, "last_refresh": "2099-01-01T00:00:00Z",
        "tokens": {"id_token": token, "access_token": token, "refresh_token": "dummy-refresh-token", "account_id": NOBODY},
    })
}

/// `.credentials.json` of Claude Code; the token ends at `end`.
fn claude_login(end: u64) -> Value {
    json!({"claudeAiOauth": {
        "accessToken": "dummy-access-token", "refreshToken": "dummy-refresh-token", "expiresAt": end * 1000,
        "scopes": ["user:inference", "user:profile"], "subscriptionType": "claude_max",
    }})
}

const CODEX_FILE: &str = ".codex/auth.json";
const CLAUDE_FILE: &str = ".claude/.credentials.json";

fn answers(audit: &[Audit]) -> Vec<String> {
    let answered = audit.iter().filter(|line| line.action() == "answer");
    answered.map(|line| format!("{} {}", line.host(), line.path())).collect()
}

#[tokio::test]
async fn codex_answers_a_prompt_with_a_token_and_an_account_that_it_does_not_hold() {
    let h = Harness::start().await;
    h.put(CODEX_FILE, &codex_login(FAR));
    let ran = h.codex().await;
    assert!(ran.ok().stdout().contains(HELLO), "{}", ran.text());
    h.served("chatgpt.com", 1, CODEX, Some(ACCOUNT));
    assert_eq!(h.get(CODEX_FILE)["tokens"]["refresh_token"], "dummy-refresh-token");
    assert_eq!(answers(&h.finish().await), [""; 0]);
}

#[tokio::test]
async fn codex_asks_over_a_websocket_with_a_token_that_it_does_not_hold() {
    let h = Harness::start().await;
    h.model.speaks_websocket();
    h.put(CODEX_FILE, &codex_login(FAR));
    let ran = h.codex().await;
    assert!(ran.ok().stdout().contains(HELLO), "{}", ran.text());
    h.served("chatgpt.com", 0, CODEX, Some(ACCOUNT));
    let audit = h.finish().await;
    assert!(audit.iter().any(|line| line.status() == 101), "{audit:#?}");
}

#[tokio::test]
async fn codex_renews_a_token_that_has_ended_and_carries_on() {
    let h = Harness::start().await;
    h.put(CODEX_FILE, &codex_login(PAST));
    for _ in 0..2 {
        let ran = h.codex().await;
        assert!(ran.ok().stdout().contains(HELLO), "{}", ran.text());
    }
    h.served("chatgpt.com", 2, CODEX, Some(ACCOUNT));
    let tokens = &h.get(CODEX_FILE)["tokens"];
    assert_eq!(tokens["account_id"], NOBODY);
    assert!(tokens["refresh_token"].as_str().expect("a token").starts_with("placeholder-"), "{tokens}");
    // What it got lasts: once, for both runs.
    assert_eq!(answers(&h.finish().await), ["auth.openai.com /oauth/token"]);
}

#[tokio::test]
async fn codex_renews_a_token_that_is_refused_and_carries_on() {
    let h = Harness::start().await;
    h.put(CODEX_FILE, &codex_login(FAR));
    // After the first it reads its file again, after the second it renews.
    h.model.refuse(2);
    let ran = h.codex().await;
    assert!(ran.ok().stdout().contains(HELLO), "{}", ran.text());
    h.served("chatgpt.com", 3, CODEX, Some(ACCOUNT));
    assert_eq!(answers(&h.finish().await).len(), 1);
}

#[tokio::test]
async fn claude_code_answers_a_prompt_with_a_token_that_it_does_not_hold() {
    let h = Harness::start().await;
    h.put(CLAUDE_FILE, &claude_login(FAR));
    let ran = h.claude().await;
    assert!(ran.ok().stdout().contains(HELLO), "{}", ran.text());
    h.served("api.anthropic.com", 1, CLAUDE, None);
    assert_eq!(h.get(CLAUDE_FILE), claude_login(FAR));
    assert_eq!(answers(&h.finish().await), [""; 0]);
}

#[tokio::test]
async fn claude_code_renews_a_token_that_has_ended_or_is_refused_and_carries_on() {
    for (end, refusals, prompts) in [(PAST, 0, 1), (FAR, 1, 2)] {
        let h = Harness::start().await;
        h.put(CLAUDE_FILE, &claude_login(end));
        h.model.refuse(refusals);
        let ran = h.claude().await;
        assert!(ran.ok().stdout().contains(HELLO), "{}", ran.text());
        h.served("api.anthropic.com", prompts, CLAUDE, None);
        let login = &h.get(CLAUDE_FILE)["claudeAiOauth"];
        assert!(login["refreshToken"].as_str().expect("a token").starts_with("placeholder-"), "{login}");
        assert_eq!(answers(&h.finish().await), ["platform.claude.com /v1/oauth/token"]);
    }
}

/// The twin of what is above: where nothing answers, the programs send to the provider what they hold.
#[tokio::test]
async fn without_the_rule_their_refresh_tokens_go_to_the_provider() {
    for (host, codex) in [("auth.openai.com", true), ("platform.claude.com", false)] {
        let h = Harness::start_as(|plan| plan.allow(host).env("IRON_PROXY_HARNESS_LOGINS", "never")).await;
        let ran = if codex {
            h.put(CODEX_FILE, &codex_login(PAST));
            h.codex().await
        } else {
            h.put(CLAUDE_FILE, &claude_login(PAST));
            h.claude().await
        };
        let sent = |call: &Call| call.host == host && call.path.ends_with("/oauth/token");
        assert!(h.model.calls().iter().any(sent), "{}", ran.text());
        assert_eq!(answers(&h.finish().await), [""; 0]);
    }
}
