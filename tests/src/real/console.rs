//! The console as a process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Api, Database};
use crate::proxy::console;
use crate::wait::within;

/// The first user's API key.
pub const KEY: &str = "iak_fa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4e";
/// The key that seals, as in `CENTAUR_CONSOLE_ENCRYPTION_KEYS`.
pub const SEALING_KEY: &str = "one:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// A running console, or one that is starting. Killed when dropped.
pub struct Console {
    child: Child,
    log: Arc<Log>,
    readers: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Log {
    text: Mutex<String>,
    address: watch::Sender<Option<SocketAddr>>,
}

impl Console {
    /// Starts one on a free port, and waits until it listens.
    pub async fn start(database: &Database) -> Self {
        Self::start_at(&database.address(), &[]).await
    }

    /// The same with the database's address, and with further settings.
    pub async fn start_at(database: &str, settings: &[(&str, &str)]) -> Self {
        let mut console = Self::spawn(database, settings);
        let mut address = console.log.address.subscribe();
        let ended = async {
            tokio::select! {
                _ = address.wait_for(Option::is_some) => None,
                status = console.child.wait() => Some(status),
            }
        };
        if let Some(status) = within("the console to listen", ended).await {
            panic!("the console ended with {status:?} instead of listening:\n{}", console.log());
        }
        console
    }

    /// Starts one and waits for nothing.
    pub fn spawn(database: &str, settings: &[(&str, &str)]) -> Self {
        let fixed = [
            ("CENTAUR_CONSOLE_LISTEN", "127.0.0.1"),
            ("PORT", "0"),
            ("DATABASE_URL", database),
            ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", SEALING_KEY),
            ("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test"),
            ("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1"),
            ("CENTAUR_CONSOLE_INITIAL_API_KEY", KEY),
        ];
        let env: HashMap<_, _> = fixed.iter().chain(settings).copied().collect();
        let mut child = Command::new(console())
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the console starts");
        let log = Arc::new(Log::default());
        let readers = [
            tokio::spawn(keep(child.stderr.take().expect("piped"), log.clone())),
            tokio::spawn(keep(child.stdout.take().expect("piped"), log.clone())),
        ];
        Self { child, log, readers }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.log.address.borrow().expect("it listens")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// `http://ADDRESS`
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Talks to it.
    pub fn api(&self) -> Api {
        Api::new(self.address())
    }

    /// Standard error so far, and standard output.
    pub fn log(&self) -> String {
        self.log.text.lock().expect("lock").clone()
    }

    /// SIGKILL, whatever it is doing; waits until it is gone.
    pub async fn kill(mut self) -> String {
        within("the console to be gone", self.child.kill()).await.expect("kill");
        let _ = within("the console's output to close", join_all(self.readers)).await;
        self.log.text.lock().expect("lock").clone()
    }

    /// SIGTERM; waits for the end.
    pub async fn stop(mut self) -> (ExitStatus, String) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it runs"), Signal::TERM).expect("a signal");
        let status = within("the console to end", self.child.wait()).await.expect("wait");
        let _ = within("the console's output to close", join_all(self.readers)).await;
        let text = self.log.text.lock().expect("lock").clone();
        (status, text)
    }
}

async fn keep(stream: impl AsyncRead + Unpin, log: Arc<Log>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.add(&line);
    }
}

impl Log {
    fn add(&self, line: &str) {
        let mut text = self.text.lock().expect("lock");
        text.push_str(line);
        text.push('\n');
        drop(text);
        let Ok(line) = serde_json::from_str::<Value>(line) else { return };
        if line["msg"] == "listening"
            && let Some(address) = line["address"].as_str().and_then(|text| text.parse().ok())
        {
            self.address.send_replace(Some(address));
        }
    }
}
