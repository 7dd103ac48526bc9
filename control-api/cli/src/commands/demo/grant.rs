//! The second part: a console says who may use the key, and the program that uses it hears of a change.
//!
//! Real parts on a directory that is thrown away: `centaur up`, the JSON API, and `centaur run --principal` around a
//! worker (this binary once more), which finds nothing but the placeholder.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use centaur_base::Secret;
use centaur_base::oid::{GrantId, PrincipalId, SecretKind};
use centaur_client::api::{ApiClient, Expect, Grantee, NewGrant};
use rustix::process::{Pid, Signal};
use serde_json::json;
use tempfile::TempDir;

use super::worker::WORKER;
use super::{KEY, RIGHT};
use crate::console::Access;
use crate::loopback::Origin;
use crate::printer;

/// Everything here takes milliseconds; what takes this long does not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who uses the key.
const PRINCIPAL: &str = "demo";
/// How long a withdrawal may take on a machine that has other things to do; how long it took is said.
const OBEYED_WITHIN: Duration = Duration::from_secs(10);

/// Plays it against `origin`, which is content with `key` alone; whether all went as told.
pub(super) fn play(origin: &Origin, key: &Secret<String>) -> io::Result<bool> {
    let directory = tempfile::Builder::new().prefix("centaur-demo-").tempdir()?;
    let home = directory.path().join("data");
    let authority = format!("{RIGHT}:{}", origin.address().port());
    printer::out(
        "\nWith a console, who may use a key is decided elsewhere, and changes while programs run:\n",
    );

    let mut up = Process::start(centaur()?.args(["up", "--any-port", "--data-dir"]).arg(&home))?;
    let ready = up.line()?.0;
    say("centaur up", &format!("console and proxy, {ready}"));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let access = Access::find(None, Some(&home), &|_| None).map_err(io::Error::other)?;
    let api = access.client().map_err(io::Error::other)?;
    let (principal, grant) = runtime.block_on(give(&api, origin, key))?;
    say("API", &format!("\"{PRINCIPAL}\" is granted {KEY} for {authority}"));

    let cooperative = !isolates(directory.path())?;
    let mut run = start_worker(&directory, &home, origin, &authority, cooperative)?;
    let how = if cooperative { "without isolation, which this kernel does not allow" } else { "isolated" };
    say("centaur run", &format!("--principal {PRINCIPAL}: a program with {KEY}={KEY}, {how}"));
    let first = run.line()?.0;
    say("program got", &first);
    let swapped =
        origin.received().last().and_then(|request| request.header("authorization").map(str::to_owned))
            == Some(format!("Bearer {}", key.expose()));

    let asked = Instant::now();
    runtime.block_on(api.delete_grant(grant)).map_err(io::Error::other)?;
    let committed = Instant::now();
    say("API", "the grant is revoked");
    let (second, refused) = run.line()?;
    say("program got", &second);
    let ended = run.end()?;
    let left = runtime.block_on(api.proxies(Some(principal))).map_err(io::Error::other)?.len();
    let took = refused.saturating_duration_since(asked);
    printer::out(format_args!(
        "\n   The next request was refused {} after the console had committed the revocation,\n   \
         {} after it was asked for.",
        shown(refused.saturating_duration_since(committed)),
        shown(took)
    ));
    up.signal(Signal::TERM)?;
    let up = up.end()?;

    let told = [
        ("the program was served with the key", first.starts_with("200 ") && swapped),
        ("the next request was refused", second.starts_with("403 x-iron-reason:")),
        ("it was obeyed in time", took < OBEYED_WITHIN),
        ("the run ended well and its proxy is gone from the console", ended.code == Some(0) && left == 0),
        ("centaur up ended well", up.code == Some(0)),
        (
            "nothing said held the key",
            ![&ended.said, &up.said].iter().any(|said| said.contains(key.expose())),
        ),
    ];
    for (what, _) in told.iter().filter(|(_, good)| !good) {
        printer::out(format_args!("   NOT as told: {what}"));
    }
    let problems = told.iter().any(|(_, good)| !good);
    if problems {
        printer::out_raw(&format!("{}{}", ended.said, up.said));
    }
    Ok(!problems)
}

/// Principal, secret and grant.
async fn give(api: &ApiClient, origin: &Origin, key: &Secret<String>) -> io::Result<(PrincipalId, GrantId)> {
    let failed = io::Error::other;
    let principal = api.put_principal(PRINCIPAL, &json!({ "name": "Demo" }), Expect::Anything).await;
    let principal = principal.map_err(failed)?.row.id;
    let secret = json!({
        "name": KEY,
        "replace_config": { "proxy_value": KEY, "match_headers": ["Authorization"] },
        "source": { "source_type": "control_plane", "config": {}, "secret": key.expose() },
        "rules": [{ "host": RIGHT, "ports": [origin.address().port()], "schemes": ["https"] }],
    });
    let secret = api.put_secret(SecretKind::Static, "demo-api-key", &secret, Expect::Anything).await;
    let secret = secret.map_err(failed)?.row.id;
    let grant = NewGrant { grantee: Grantee::Principal(principal), secret, priority: None, expires_at: None };
    Ok((principal, api.create_grant(&grant).await.map_err(failed)?.row.id))
}

/// `centaur run --principal`, told where the upstream is and to trust it.
fn start_worker(
    directory: &TempDir,
    home: &Path,
    origin: &Origin,
    authority: &str,
    cooperative: bool,
) -> io::Result<Process> {
    let at = |name: &str| directory.path().join(name);
    fs::write(at("local.yaml"), "proxy: {upstream_deny_cidrs: []}\n")?;
    fs::write(at("upstream.pem"), origin.ca_pem())?;
    let mut command = centaur()?;
    command
        .args(["run", "--principal", PRINCIPAL, "--data-dir"])
        .arg(home)
        .arg("--config")
        .arg(at("local.yaml"));
    if cooperative {
        command.arg("--cooperative");
    }
    command.env("SSL_CERT_FILE", at("upstream.pem")).arg("--").arg(std::env::current_exe()?);
    Process::start(command.args([WORKER, authority]))
}

/// Whether this machine can isolate a program at all.
fn isolates(directory: &Path) -> io::Result<bool> {
    let mut command = centaur()?;
    command.args(["run", "--"]).arg(std::env::current_exe()?).arg("version").current_dir(directory);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(status.success())
}

/// This binary, in an environment in which nothing leads elsewhere.
fn centaur() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for name in ["SSL_CERT_DIR", "CENTAUR_DATA_DIR", "IRON_CONTROL_URL", "IRON_CONTROL_NAMESPACE"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    Ok(command)
}

fn say(who: &str, what: &str) {
    printer::out(format_args!("   {who:<13} {what}"));
}

fn shown(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// A process whose lines are read as they come. Killed when dropped.
struct Process {
    child: Child,
    lines: Receiver<(String, Instant)>,
    said: Receiver<String>,
}

/// How a process ended.
struct Ended {
    code: Option<i32>,
    /// What it wrote to standard error, and what was not read of its output.
    said: String,
}

impl Process {
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("no output");
        let out = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut err = child.stderr.take().ok_or_else(missing)?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send((line, Instant::now()));
            }
        });
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        Ok(Self { child, lines, said })
    }

    /// The next line of its output, and when it came.
    fn line(&mut self) -> io::Result<(String, Instant)> {
        self.lines.recv_timeout(PATIENCE).map_err(|_| {
            let _ = self.child.kill();
            io::Error::other(self.said.recv_timeout(PATIENCE).unwrap_or_default().trim().to_owned())
        })
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Waits for its end.
    fn end(&mut self) -> io::Result<Ended> {
        let mut said =
            self.said.recv_timeout(PATIENCE).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let code = self.child.wait()?.code();
        said.extend(self.lines.try_iter().flat_map(|(line, _)| [line, "\n".to_owned()]));
        Ok(Ended { code, said })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
