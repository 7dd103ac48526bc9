//! The program as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::http::{Answer, send};
use crate::world::{BEARER, World};

/// A broker that runs as a process. Killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    address: SocketAddr,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl World {
    pub(crate) fn config(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("broker.yaml");
        fs::write(&path, text).expect("a write");
        path
    }
}

pub(crate) fn command(config: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iron-token-broker"));
    command.arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("FAKE_BEARER", BEARER).env("CARGO_PKG_NAME", "fake-client");
    command
}

impl Process {
    pub(crate) async fn start(world: &World, ids: &[&str]) -> Self {
        Self::spawn(&mut command(&world.config(&world.file(ids)))).await
    }

    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("a process");
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

    pub(crate) async fn ask(&self, id: &str) -> Option<Answer> {
        let headers = format!("Authorization: Bearer {BEARER}\r\n");
        send(self.address, "GET", &format!("/credentials/{id}/access_token"), &headers).await
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let done = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(done.success());
    }

    /// Waits for its end, and gives all that it said.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status =
            timeout(Duration::from_mins(1), self.child.wait()).await.expect("in time").expect("a status");
        while let Ok(Some(line)) = self.lines.next_line().await {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        (status.code(), self.said)
    }
}

pub(crate) async fn outcome(command: &mut Command) -> (Option<i32>, String) {
    let output =
        timeout(Duration::from_secs(30), command.output()).await.expect("in time").expect("a process");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}
