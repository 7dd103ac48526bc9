//! A real browser: Chromium, driven by Playwright in a process of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::tools::node;
use crate::wait::within;

/// A browser with a profile of its own on disk.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    profile: TempDir,
    _scripts: TempDir,
    /// Everything that any page held, for the search.
    seen: Vec<String>,
}

/// What a tab shows.
#[derive(Debug)]
pub struct Shown {
    /// Where it is.
    pub url: String,
    /// What can be read.
    pub text: String,
    /// The status of the last document; `None` before there was one.
    pub status: Option<u64>,
}

impl Shown {
    /// Fails the test unless this can be read on the page.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not on the page {}: {}", self.url, self.text);
        self
    }
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        let (scripts, mut node) = node("idp/browser.mjs", "browser");
        let profile = tempfile::tempdir().expect("a directory");
        let mut child = node.arg("/usr/bin/chromium").arg(profile.path()).spawn().expect("node runs");
        let commands = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, commands, answers, profile, _scripts: scripts, seen: Vec::new() }
    }

    /// Opens an address in a tab, which is made when it is new.
    pub async fn open(&mut self, tab: &str, url: &str) -> Shown {
        self.act(json!({"do":"open","tab":tab,"url":url})).await
    }

    /// Types into a field of a form.
    pub async fn fill(&mut self, tab: &str, field: &str, value: &str) {
        self.act(json!({"do":"fill","tab":tab,"field":field,"value":value})).await;
    }

    /// Clicks a button or a link with this name, and waits for the page that comes.
    pub async fn click(&mut self, tab: &str, label: &str) -> Shown {
        self.act(json!({"do":"click","tab":tab,"label":label})).await
    }

    /// Opens what a page has folded away.
    pub async fn reveal(&mut self, tab: &str) {
        self.act(json!({"do":"reveal","tab":tab})).await;
    }

    /// What the tab shows now.
    pub async fn look(&mut self, tab: &str) -> Shown {
        self.act(json!({"do":"look","tab":tab})).await
    }

    /// All cookies: name, value, and whether scripts may not read them.
    pub async fn cookies(&mut self) -> Vec<Value> {
        let answer = self.ask(json!({"do":"cookies","tab":"cookies"})).await;
        answer["cookies"].as_array().expect("cookies").clone()
    }

    /// What scripts stored for the site of a tab.
    pub async fn storage(&mut self, tab: &str) -> String {
        self.ask(json!({"do":"storage","tab":tab})).await["storage"].as_str().expect("text").to_owned()
    }

    /// Ends it; every page it saw, and the files of its profile.
    pub async fn end(mut self) -> (Vec<String>, Vec<(PathBuf, Vec<u8>)>) {
        drop(self.commands);
        within("the browser to end", self.child.wait()).await.expect("wait");
        let mut files = Vec::new();
        collect(self.profile.path(), &mut files);
        (self.seen, files)
    }

    async fn act(&mut self, command: Value) -> Shown {
        let mut answer = self.ask(command).await;
        let text = |answer: &Value, key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        self.seen.push(text(&answer, "html"));
        self.seen.push(text(&answer, "url"));
        let (url, status) = (text(&answer, "url"), answer["status"].take().as_u64());
        Shown { url, text: text(&answer, "text"), status }
    }

    async fn ask(&mut self, command: Value) -> Value {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).await.expect("the browser listens");
        // The first one waits for it to start.
        let answer = timeout(Duration::from_mins(1), self.answers.next_line()).await;
        let answer = answer.unwrap_or_else(|_| panic!("a minute for the browser to {command}"));
        let answer = answer.expect("readable").expect("the browser goes on");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert!(answer["error"].is_null(), "{command}: {}", answer["error"]);
        answer
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, files),
            Ok(kind) if kind.is_file() => {
                let bytes = std::fs::read(&path).expect("readable");
                files.push((path, bytes));
            }
            _ => {}
        }
    }
}
