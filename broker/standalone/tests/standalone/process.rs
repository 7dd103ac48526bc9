//! The program: how it starts, ends, and is killed.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http::{Answer, send};
use crate::world::{BEARER, World, eventually};

/// A broker that runs as a process. Killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl World {
    fn config(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("broker.yaml");
        fs::write(&path, text).expect("a write");
        path
    }
}

fn command(config: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iron-token-broker"));
    command.arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("FAKE_BEARER", BEARER).env("CARGO_PKG_NAME", "fake-client");
    command
}

impl Process {
    async fn start(world: &World, ids: &[&str]) -> Self {
        let mut child = command(&world.config(&world.file(ids))).spawn().expect("a process");
        let mut lines = BufReader::new(child.stderr.take().expect("a log")).lines();
        let mut said = String::new();
        loop {
            let line = lines.next_line().await.expect("a log").expect("it ended");
            said.push_str(&line);
            said.push('\n');
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if line["msg"] == "listening" {
                let address = line["address"].as_str().expect("an address").parse().expect("an address");
                return Self { child, address, lines, said };
            }
        }
    }

    async fn ask(&self, id: &str) -> Option<Answer> {
        let headers = format!("Authorization: Bearer {BEARER}\r\n");
        send(self.address, "GET", &format!("/credentials/{id}/access_token"), &headers).await
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let done = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(done.success());
    }

    /// Waits for its end, and gives all that it said.
    async fn ended(mut self) -> (Option<i32>, String) {
        let status =
            timeout(Duration::from_mins(1), self.child.wait()).await.expect("in time").expect("a status");
        while let Ok(Some(line)) = self.lines.next_line().await {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        (status.code(), self.said)
    }
}

async fn outcome(command: &mut Command) -> (Option<i32>, String) {
    let output =
        timeout(Duration::from_secs(30), command.output()).await.expect("in time").expect("a process");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[tokio::test]
async fn it_does_not_start_without_authentication_or_with_a_file_that_is_wrong() {
    let world = World::new().await;
    let file = world.file(&["a"]);
    let open = file.replace("bearer_auth_env: FAKE_BEARER\n", "");
    let path = world.config(&open);
    let (code, said) = outcome(&mut command(&path)).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("bearer_auth_env is required; --insecure-no-auth hands tokens to everybody"),
        "{said}"
    );
    assert_eq!(outcome(command(&path).arg("--check")).await, (Some(0), String::new()));

    let path = world.config(&file);
    let (code, said) = outcome(command(&path).env("FAKE_BEARER", "")).await;
    assert_eq!(
        (code, said.contains("FAKE_BEARER, named by bearer_auth_env, is not set or empty")),
        (Some(1), true)
    );

    let path = world.config(&format!("{file}listn: ':1'\n"));
    let (code, said) = outcome(&mut command(&path)).await;
    assert_eq!((code, said.contains("broker.yaml: line")), (Some(1), true), "{said}");
    assert!(said.contains("did you mean \"listen\"?"), "{said}");
    assert_eq!(outcome(command(&world.directory.path().join("none")).arg("--check")).await.0, Some(1));
    assert_eq!(outcome(command(&path).arg("--cofnig")).await.0, Some(2));
}

#[tokio::test]
async fn without_authentication_by_name_everybody_is_served_and_the_log_says_so() {
    let world = World::new().await;
    world.bootstrap("a");
    let path = world.config(&world.file(&["a"]).replace("bearer_auth_env: FAKE_BEARER\n", ""));
    let mut child = command(&path).arg("--insecure-no-auth").spawn().expect("a process");
    let mut lines = BufReader::new(child.stderr.take().expect("a log")).lines();
    let warned = lines.next_line().await.expect("a log").expect("a line");
    assert!(warned.contains("authentication is off"), "{warned}");
    let listening: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).expect("JSON");
    let address = listening["address"].as_str().expect("an address").parse().expect("an address");
    loop {
        let answer = send(address, "GET", "/credentials/a/access_token", "").await.expect("an answer");
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_rereads_on_hangup_stores_what_is_under_way_on_term_and_says_no_secret() {
    let world = World::new().await;
    let process = Process::start(&world, &["a"]).await;
    while process.ask("a").await.expect("an answer").status != 422 {
        sleep(Duration::from_millis(5)).await;
    }
    world.provider.hold(true);
    world.bootstrap("a");
    process.signal("-HUP");
    world.provider.until_presented(1).await;
    process.signal("-TERM");
    // It still serves, and says that nothing new comes.
    let (answer, ()) = tokio::join!(process.ask("a"), async {
        sleep(Duration::from_millis(50)).await;
        world.provider.hold(false);
    });
    let token = answer.expect("an answer").token();
    let (code, said) = process.ended().await;
    assert_eq!(code, Some(0));
    assert_eq!(world.document("a")["access_token"], token.as_str());
    assert!(said.contains("reading all documents again") && said.contains("\"stopping\""), "{said}");
    assert!(!said.contains("at-fake") && !said.contains("rt-fake") && !said.contains(BEARER), "{said}");
}

/// Kills it at moments spread over a rotation that never stops. Every refresh token that is presented twice must have
/// been announced as possibly used up before; a login that is lost is one of those.
#[tokio::test]
async fn killed_at_any_moment_it_sends_no_token_twice_but_after_a_marked_interruption() {
    const KILLS: u32 = 100;
    const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let world = World::new().await;
    world.provider.set_takes(Duration::from_millis(4));
    for id in IDS {
        world.bootstrap(id);
    }
    let mut said = String::new();
    let mut lost = 0;
    // How long it all takes here: the moments are spread over that.
    let mut whole = Duration::ZERO;
    for kill in 0..KILLS {
        let mut process = Process::start(&world, &IDS).await;
        if kill == 0 {
            let began = Instant::now();
            let is_stored = |id| world.document(id)["access_token"].is_string();
            eventually("six rotations", || IDS.into_iter().all(is_stored)).await;
            whole = began.elapsed();
        }
        sleep(whole * (kill % 25) / 20).await;
        process.child.start_kill().expect("killed");
        said.push_str(&process.ended().await.1);
        for id in IDS {
            let mut document = world.document(id);
            if let Some(reason) = document["broker"]["dead"].as_str() {
                assert_eq!(reason, "interrupted_invalid_grant", "a loss that was not announced");
                lost += 1;
                world.bootstrap(id);
                continue;
            }
            // As if the access token had ended: the next process refreshes at once.
            let members = document.as_object_mut().expect("an object");
            members.remove("access_token");
            fs::write(world.path(id), document.to_string()).expect("a write");
        }
    }
    let presented = world.provider.presented();
    let mut seen = HashSet::new();
    let twice = presented.iter().filter(|token| !seen.insert(*token)).count();
    let announced = said.matches("an earlier attempt was interrupted").count();
    let calls = presented.len();
    println!("kills {KILLS}, calls {calls}, tokens twice {twice}, announced {announced}, logins lost {lost}");
    assert!(twice <= announced && lost <= announced, "{twice} twice, {announced} announced, {lost} lost");
    assert!(calls > KILLS as usize, "it rotated: {calls}");
    assert!(!said.contains("at-fake") && !said.contains("rt-fake") && !said.contains(BEARER));
}
