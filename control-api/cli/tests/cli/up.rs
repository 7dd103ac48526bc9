//! `centaur up`, and `centaur run --principal` with its console.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use centaur_base::oid::{GrantId, PrincipalId, SecretKind};
use centaur_cli::console::Access;
use centaur_client::api::{ApiClient, Expect, Grantee, NewGrant};
use rustix::process::{Pid, Signal};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Outcome, VALUE, World, centaur, outcome};

/// A running `centaur up` on ports of its own. Killed when dropped.
struct Up {
    child: Child,
    /// What it has said so far.
    said: String,
    rest: BufReader<std::process::ChildStdout>,
}

impl Up {
    fn start(dir: &Path) -> Self {
        let mut child = centaur()
            .args(["up", "--any-port", "--data-dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            if rest.read_line(&mut said).unwrap() == 0 {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("{said}{error}");
            }
        }
        Self { child, said, rest }
    }

    fn end(mut self, signal: Signal) -> Outcome {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        let mut out = self.said.clone();
        self.rest.read_to_string(&mut out).unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        Outcome { code: status.code(), out, err, status }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        found.push((entry.path(), metadata.permissions().mode() & 0o777));
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found
}

/// A console's API from a test, which has no runtime of its own.
struct Api {
    client: ApiClient,
    runtime: tokio::runtime::Runtime,
}

impl Api {
    fn of(dir: &Path) -> Self {
        let client = Access::find(None, Some(dir), &|_| None).unwrap().client().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client, runtime }
    }

    /// A principal that is granted `VALUE` for `api.test`, port 443, by the placeholder `T`.
    fn granted(&self, principal: &str) -> (PrincipalId, GrantId) {
        self.runtime.block_on(async {
            let id = self
                .client
                .put_principal(principal, &json!({"name": principal}), Expect::Anything)
                .await
                .unwrap()
                .row
                .id;
            let secret = json!({
                "replace_config": {"proxy_value": "T", "match_headers": ["Authorization"]},
                "source": {"source_type": "control_plane", "config": {}, "secret": VALUE},
                "rules": [{"host": "api.test", "ports": [443]}],
            });
            let secret = self.client.put_secret(SecretKind::Static, "t", &secret, Expect::Anything).await;
            let secret = secret.unwrap().row.id;
            let grant =
                NewGrant { grantee: Grantee::Principal(id), secret, priority: None, expires_at: None };
            (id, self.client.create_grant(&grant).await.unwrap().row.id)
        })
    }

    fn revoke(&self, grant: GrantId) {
        self.runtime.block_on(self.client.delete_grant(grant)).unwrap();
    }

    /// Names of the proxies of a principal.
    fn proxies(&self, principal: PrincipalId) -> Vec<String> {
        let proxies = self.runtime.block_on(self.client.proxies(Some(principal))).unwrap();
        proxies.into_iter().map(|proxy| proxy.name).collect()
    }
}

#[test]
fn a_second_start_finds_everything_and_nothing_that_is_secret_is_said_or_readable_by_others() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let first = Up::start(&dir);
    let api = Api::of(&dir);
    let (principal, _) = api.granted("agent");
    let local = api.runtime.block_on(api.client.principal_named("default", "local")).unwrap().unwrap().id;
    assert_eq!(api.proxies(local), ["centaur up"]);
    for (path, mode) in files(&dir) {
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let kept = ["secrets.env", "ca/ca.crt", "ca/ca.key", "proxy/token", "proxy/id", "proxy/client-token"];
    let read = || kept.map(|name| fs::read_to_string(dir.join(name)).unwrap());
    let before = read();
    let first = first.end(Signal::INT);
    assert_eq!((first.code, first.err.as_str()), (Some(0), ""));
    assert!(!dir.join("running.json").exists());

    let second = Up::start(&dir);
    assert_eq!(read(), before);
    let api = Api::of(&dir);
    assert_eq!(api.proxies(local), ["centaur up"], "not registered again");
    let found = api.runtime.block_on(api.client.principal_named("default", "agent")).unwrap();
    assert_eq!(found.unwrap().id, principal);
    let second = second.end(Signal::TERM);
    assert_eq!((second.code, second.err.as_str()), (Some(0), ""));

    let log =
        ["logs/proxy.jsonl", "logs/console.jsonl"].map(|name| fs::read_to_string(dir.join(name)).unwrap());
    assert!(log.iter().all(|log| !log.is_empty()));
    let secrets = before[0].lines().filter_map(|line| line.split_once('='));
    let secrets = secrets.map(|(_, value)| value).filter(|value| *value != "operator@localhost");
    let tokens = [before[3].trim(), before[5].trim()];
    let all: Vec<&str> = secrets.chain(tokens).collect();
    assert_eq!(all.len(), 6);
    for said in [&first.out, &second.out, &log[0], &log[1]] {
        assert!(all.iter().all(|secret| !said.contains(secret)), "{said}");
    }
    assert!(first.out.contains(&format!("{}/secrets.env", dir.display())), "{}", first.out);
}

#[test]
fn a_directory_has_one_process_at_a_time_and_secrets_that_others_can_read_stop_the_start() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let start = || outcome(centaur().args(["up", "--any-port", "--data-dir"]).arg(&dir));
    let running = Up::start(&dir);
    let refused = start();
    let expected = format!("error: {} is in use by process {}\n", dir.display(), running.child.id());
    assert_eq!((refused.code, refused.err), (Some(1), expected));
    // A kill leaves nothing in the way of the next start.
    let id = running.child.id();
    drop(running);
    assert!(dir.join("running.json").exists());
    let again = Up::start(&dir);
    assert_ne!(again.child.id(), id);
    again.end(Signal::TERM);

    let secrets = dir.join("secrets.env");
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = start();
    let expected = format!("error: {0} has mode 640; run: chmod 600 {0}\n", secrets.display());
    assert_eq!((refused.code, refused.err), (Some(1), expected));
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let key = fs::read_to_string(&secrets).unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = other.path().join("data");
    Up::start(&other).end(Signal::TERM);
    fs::copy(other.join("secrets.env"), &secrets).unwrap();
    let refused = start();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.starts_with("error: stored secrets cannot be opened with the keys in "),
        "{}",
        refused.err
    );
    fs::write(&secrets, key).unwrap();
    Up::start(&dir).end(Signal::TERM);
}

/// A console with one grant, and an origin that is `api.test`.
struct Granted {
    world: World,
    _parent: TempDir,
    dir: PathBuf,
    api: Api,
    principal: PrincipalId,
    grant: GrantId,
    _up: Up,
}

impl Granted {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let up = Up::start(&dir);
        let (world, api) = (World::new(), Api::of(&dir));
        let (principal, grant) = api.granted("agent");
        // All that a file may say beside the policy: the way to the origin.
        let local = format!(
            "proxy: {{upstream_deny_cidrs: [], upstream_proxy: {{https_proxy: \"http://{}\"}}}}\n",
            world.origin.address()
        );
        fs::write(world.path("local.yaml"), local).unwrap();
        Self { world, _parent: parent, dir, api, principal, grant, _up: up }
    }

    fn run(&self, flags: &[&str], script: &str) -> Outcome {
        let mut command = centaur();
        command.args(["run", "--principal", "agent", "--data-dir"]).arg(&self.dir);
        command.arg("--config").arg(self.world.path("local.yaml")).args(flags);
        command.args(["--", "sh", "-c", script]).env("SSL_CERT_FILE", self.world.path("roots.pem"));
        outcome(&mut command)
    }
}

const ASK: &str = "curl -sS -i -H \"Authorization: Bearer $T\" https://api.test/x";

#[test]
fn a_program_uses_what_its_principal_was_granted_and_nothing_else() {
    let granted = Granted::new();
    for flags in [&[][..], &["--cooperative"]] {
        let ended = granted.run(flags, &format!("printf '%s\\n' \"$T\"; {ASK}"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        // The origin said the value back, and the proxy took it out.
        assert!(ended.out.starts_with("T\n") && ended.out.contains("got Bearer T"), "{}", ended.out);
        let received = granted.world.origin.received();
        assert_eq!(received.last().unwrap().header("authorization"), Some(&*format!("Bearer {VALUE}")));
        let ended = granted.run(flags, "curl -sS -i https://other.test/");
        assert!(ended.err.contains("403"), "{}{}", ended.out, ended.err);
        assert_eq!(granted.api.proxies(granted.principal), [""; 0], "the registration ends with the run");
    }
    let during = format!("{ASK} > /dev/null; sleep 0.2; exit 7");
    assert_eq!(granted.run(&[], &during).code, Some(7), "the exit code is the program's");

    granted.api.revoke(granted.grant);
    let ended = granted.run(&[], "printf '<%s>' \"$T\"; curl -sS -i https://api.test/x");
    assert!(ended.out.starts_with("<>") && ended.err.contains("403"), "{}{}", ended.out, ended.err);
    let ended = granted.run(&["--allow", "api.test"], "curl -sS -i https://api.test/x");
    assert!(ended.out.contains("got nothing"), "{}{}", ended.out, ended.err);
}

#[test]
fn a_run_that_was_killed_is_taken_back_by_the_next_one_and_those_that_go_on_stay() {
    let granted = Granted::new();
    let start = || {
        let mut command = centaur();
        command.args(["run", "--cooperative", "--principal", "agent", "--data-dir"]).arg(&granted.dir);
        command.args(["--", "sh", "-c", "echo ready; read -r line"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        child
    };
    let (mut killed, mut other) = (start(), start());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let registered = || granted.api.proxies(granted.principal).len();
    assert_eq!(registered(), 2, "nobody has said goodbye");
    assert_eq!(granted.run(&[], "true").code, Some(0));
    assert_eq!(registered(), 1, "the other one still runs");
    drop(other.stdin.take());
    other.wait().unwrap();
    assert_eq!(registered(), 0);
    assert_eq!(fs::read_dir(granted.dir.join("runs")).unwrap().count(), 0);
}

#[test]
fn inside_there_is_neither_a_key_of_the_console_nor_what_the_caller_has_under_the_same_name() {
    let granted = Granted::new();
    let dir = granted.dir.to_str().unwrap();
    let secrets = fs::read_to_string(granted.dir.join("secrets.env")).unwrap();
    let key = secrets.lines().find_map(|line| line.strip_prefix("CENTAUR_CONSOLE_INITIAL_API_KEY=")).unwrap();
    let mut command = centaur();
    command.args(["run", "--principal", "agent", "--data-dir", dir, "--", "sh", "-c"]);
    command.arg(format!("env; ls -A {dir}; cat {dir}/secrets.env; true"));
    command
        .env("T", "fake-real-value-1")
        .env("OTHER", "x-fake-real-value-1")
        .env("IRON_CONTROL_API_KEY", key);
    let ended = outcome(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines.contains(&"T=T"), "{}", ended.out);
    for word in ["fake-real-value-1", key, "centaur.db", "ENCRYPTION_KEYS", "iprx_", VALUE] {
        assert!(!ended.out.contains(word), "{word}: {}", ended.out);
    }
    // Outside it is all there.
    assert!(granted.dir.join("centaur.db").exists());
}

#[test]
fn what_the_proxy_takes_its_values_from_is_not_inside_whether_it_has_a_placeholder_or_not() {
    let granted = Granted::new();
    let env = |key: Option<&str>| {
        let mut source = json!({"source_type": "env", "config": {"var": "DOCUMENT"}});
        if let Some(key) = key {
            source["config"]["json_key"] = key.into();
        }
        source
    };
    let injected = json!({"inject_config": {"header": "X-Key"}, "rules": [{"host": "api.test", "ports": [443]}],
        "source": {"source_type": "env", "config": {"var": "INJECTED"}}});
    let oauth = json!({"grant": "refresh_token", "token_endpoint": "https://id.test/token",
        "rules": [{"host": "mail.test"}], "credentials": {"client_id": env(Some("id")),
        "client_secret": env(None), "refresh_token": env(Some("refresh"))}});
    for (kind, name, data) in [(SecretKind::Static, "i", injected), (SecretKind::OauthToken, "o", oauth)] {
        granted.api.runtime.block_on(async {
            let secret = granted.api.client.put_secret(kind, name, &data, Expect::Anything).await.unwrap();
            let grantee = Grantee::Principal(granted.principal);
            let grant = NewGrant { grantee, secret: secret.row.id, priority: None, expires_at: None };
            granted.api.client.create_grant(&grant).await.unwrap();
        });
    }
    let document = json!({"id": "fake-id-1", "refresh": "fake-refresh-1"}).to_string();
    let mut command = centaur();
    command.args(["run", "--principal", "agent", "--data-dir"]).arg(&granted.dir);
    command.arg("--config").arg(granted.world.path("local.yaml"));
    command.args(["--", "sh", "-c", "env; curl -sS https://api.test/x"]);
    command.env("SSL_CERT_FILE", granted.world.path("roots.pem")).env("INJECTED", "fake-injected-1");
    command.env("DOCUMENT", &document).env("COPY", "Bearer fake-refresh-1").env("OTHER", "stays");
    let ended = outcome(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.lines().any(|line| line == "OTHER=stays"), "{}", ended.out);
    for word in ["fake-injected-1", "fake-id-1", "fake-refresh-1"] {
        assert!(!ended.out.contains(word), "{word}: {}", ended.out);
    }
    let received = granted.world.origin.received();
    assert_eq!(received.last().unwrap().header("x-key"), Some("fake-injected-1"));
}

#[test]
fn a_principal_or_a_console_that_is_not_there_stops_the_run_and_says_what_to_do() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let run = |flags: &[&str]| {
        let mut command = centaur();
        command.arg("run").args(flags).args(["--data-dir"]).arg(&dir).args(["--", "true"]);
        let ended = outcome(&mut command);
        assert_eq!(ended.code, Some(125), "{}", ended.err);
        ended.err
    };
    let error = run(&["--principal", "agent"]);
    assert!(error.contains("no `centaur up` runs in") && error.contains("--console"), "{error}");
    let _up = Up::start(&dir);
    let error = run(&["--principal", "agent"]);
    assert!(
        error.contains("there is no principal \"agent\" (namespace \"default\") at http://127.0.0.1:"),
        "{error}"
    );
    let error = run(&["--principal", "local", "--placeholder", "X=sk-fake-1"]);
    assert!(error.contains("--placeholder X: the principal has no such placeholder"), "{error}");
    let error = run(&["--principal", "local", "--secret", "T@a.test"]);
    assert!(error.contains("--principal and --secret cannot be combined"), "{error}");
    // No proxy is left behind by any of these.
    let api = Api::of(&dir);
    let all = api.runtime.block_on(api.client.proxies(None)).unwrap();
    assert_eq!(all.len(), 1);
    let mut command = centaur();
    command.args(["run", "--principal", "local", "--data-dir"]).arg(&dir).args(["--", "true"]);
    assert_eq!(outcome(&mut command).code, Some(0));
}

#[test]
fn the_console_alone_reads_the_settings_of_centaur_console() {
    let ended = outcome(centaur().arg("console").env("PORT", "x"));
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.starts_with("centaur console: the settings are not usable"), "{}", ended.err);
    assert!(
        ended.err.contains("PORT: ") && ended.err.contains("CENTAUR_CONSOLE_ENCRYPTION_KEYS: "),
        "{}",
        ended.err
    );
    assert_eq!(outcome(centaur().args(["console", "--nope"])).code, Some(2));
    assert_eq!(outcome(centaur().args(["console", "--help"])).code, Some(0));
}

#[test]
fn what_it_says_to_type_next_works_as_it_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let up = Up::start(&dir);
    let exports: Vec<&str> =
        up.said.lines().map(str::trim).filter(|line| line.starts_with("export ")).collect();
    assert_eq!(exports.len(), 2, "{}", up.said);
    let program = env!("CARGO_BIN_EXE_centaur");
    let script = format!("{}; '{program}' perms principals list", exports.join("; "));
    let mut command = std::process::Command::new("sh");
    let path = std::env::var("PATH").unwrap();
    let listed = outcome(command.env_clear().env("PATH", path).args(["-c", &script]));
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    assert!(listed.out.contains("local"), "{}", listed.out);
    assert_eq!(outcome(centaur().args(["perms", "--help"])).code, Some(0));
    assert_eq!(outcome(centaur().args(["perms", "nope"])).code, Some(2));
}
