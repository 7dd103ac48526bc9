//! The proxy under attack: started here from a profile, or running already with one.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::corpus::Profile;
use super::escape::Variables;
use super::script::Listener;
use super::{AttackError, io};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something to attack.
pub struct Target {
    listeners: HashMap<Listener, SocketAddr>,
    process: Option<Process>,
    /// Whether it started only without the lines that not every proxy knows.
    pub reduced: bool,
}

struct Process {
    child: Child,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Target {
    /// A proxy that runs already, by the addresses of its listeners.
    pub fn running(listeners: HashMap<Listener, SocketAddr>) -> Self {
        Self { listeners, process: None, reduced: false }
    }

    /// Starts `program` with a profile; with its extra lines if the program knows them, else without.
    ///
    /// # Errors
    /// A program that starts with neither.
    pub fn start(
        program: &Path,
        profile: &Profile,
        variables: &Variables,
        env: &[(String, String)],
        dir: &Path,
    ) -> Result<Self, AttackError> {
        match Self::start_with(program, profile, &profile.extra, variables, env, dir) {
            Err(AttackError::Start { .. }) if !profile.extra.is_empty() => {
                let mut target = Self::start_with(program, profile, "", variables, env, dir)?;
                target.reduced = true;
                Ok(target)
            }
            result => result,
        }
    }

    fn start_with(
        program: &Path,
        profile: &Profile,
        extra: &str,
        variables: &Variables,
        env: &[(String, String)],
        dir: &Path,
    ) -> Result<Self, AttackError> {
        let config = write_config(profile, extra, variables, dir)?;
        let mut child = Command::new(program)
            .arg("-config")
            .arg(&config)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io("starting the proxy"))?;
        let output = Arc::new(Output::default());
        if let Some(stderr) = child.stderr.take() {
            let output = output.clone();
            std::thread::spawn(move || read_lines(stderr, &output));
        }
        let mut process = Process { child, output };
        let listeners = process.listeners(&profile.name)?;
        Ok(Self { listeners, process: Some(process), reduced: false })
    }

    /// The address of a listener, if it is known.
    pub fn listener(&self, listener: Listener) -> Option<SocketAddr> {
        self.listeners.get(&listener).copied()
    }

    /// Whether what the proxy writes can be seen.
    pub fn is_watched(&self) -> bool {
        self.process.is_some()
    }

    /// Audit lines so far.
    pub fn audited(&self) -> usize {
        self.lines().iter().filter(|line| is_audit(line)).count()
    }

    /// Waits until there are `count` audit lines, or patience ends; says how many there are.
    pub fn await_audit(&self, count: usize, patience: Duration) -> usize {
        let Some(process) = &self.process else { return 0 };
        process.until(patience, |lines| lines.iter().filter(|line| is_audit(line)).count() >= count);
        self.audited()
    }

    /// Waits for the audit line of a request with this path, or until patience ends.
    pub fn await_path(&self, path: &str, patience: Duration) {
        let quoted = format!("\"{path}\"");
        if let Some(process) = &self.process {
            process.until(patience, |lines| {
                lines.iter().rev().any(|line| line.contains(&quoted) && is_audit(line))
            });
        }
    }

    /// What it wrote since `from` lines.
    pub fn written(&self, from: usize) -> String {
        let lines = self.lines();
        lines[from.min(lines.len())..].join("\n")
    }

    /// How many lines it wrote, for [`Self::written`].
    pub fn mark(&self) -> usize {
        self.lines().len()
    }

    /// Whether the process still runs; a proxy started elsewhere counts as running.
    pub fn alive(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| matches!(process.child.try_wait(), Ok(None)))
    }

    fn lines(&self) -> Vec<String> {
        let Some(process) = &self.process else { return Vec::new() };
        process.output.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Process {
    fn listeners(&mut self, profile: &str) -> Result<HashMap<Listener, SocketAddr>, AttackError> {
        let wanted = [Listener::Http, Listener::Https, Listener::Tunnel];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.output.lines.lock().map(|lines| lines.clone()).unwrap_or_default();
            let found: HashMap<_, _> =
                wanted.into_iter().filter_map(|name| Some((name, start_line(&lines, name)?))).collect();
            if found.len() == wanted.len() {
                return Ok(found);
            }
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if ended || Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let said = lines.last().cloned().unwrap_or_else(|| "nothing".to_owned());
                return Err(AttackError::Start { profile: profile.to_owned(), said });
            }
            self.wait_for_more(Duration::from_millis(20));
        }
    }

    fn until(&self, patience: Duration, ready: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.output.lines.lock().is_ok_and(|lines| ready(&lines)) {
                return;
            }
            self.wait_for_more(Duration::from_millis(50));
        }
    }

    fn wait_for_more(&self, at_most: Duration) {
        if let Ok(lines) = self.output.lines.lock() {
            drop(self.output.more.wait_timeout(lines, at_most));
        }
    }
}

/// Writes the configuration of a profile to `dir` and says where.
///
/// # Errors
/// A variable that does not exist, or a file that cannot be written.
pub fn write_config(
    profile: &Profile,
    extra: &str,
    variables: &Variables,
    dir: &Path,
) -> Result<PathBuf, AttackError> {
    let yaml = variables
        .fill(&profile.config.replace("@{extra}", extra))
        .map_err(|problem| AttackError::Corpus { file: profile.name.clone(), problem })?;
    let path = dir.join(format!("{}.yaml", profile.name));
    std::fs::write(&path, yaml).map_err(io("writing the configuration"))?;
    Ok(path)
}

fn read_lines(stderr: impl Read, output: &Output) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        if let Ok(mut lines) = output.lines.lock() {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        output.more.notify_all();
    }
}

fn start_line(lines: &[String], listener: Listener) -> Option<SocketAddr> {
    let message = format!("{} proxy starting", listener.name());
    lines.iter().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        if line["msg"].as_str()? != message {
            return None;
        }
        line["addr"].as_str()?.parse().ok()
    })
}

fn is_audit(line: &str) -> bool {
    // Most lines are audit lines; a look at the text spares the parsing of the others.
    line.contains("\"audit\":{")
        && serde_json::from_str::<Value>(line).is_ok_and(|line| line["msg"] == "request")
}
