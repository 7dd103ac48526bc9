//! The proxy under attack: started here from a profile, or running already with one.

use std::collections::HashMap;
use std::fs::File;
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
    output: Option<Arc<Output>>,
    /// Whether it started only without the lines that not every proxy knows.
    pub reduced: bool,
}

struct Process(Child);

/// What the proxy has written, line by line.
#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Target {
    /// A proxy that runs already, by the addresses of its listeners. Its `log` is followed when it is known.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub fn running(
        listeners: HashMap<Listener, SocketAddr>,
        log: Option<&Path>,
    ) -> Result<Self, AttackError> {
        let output = match log {
            None => None,
            Some(path) => {
                let file = File::open(path).map_err(io("reading the proxy's log"))?;
                let output = Arc::new(Output::default());
                let follower = output.clone();
                std::thread::spawn(move || follow(file, &follower));
                Some(output)
            }
        };
        Ok(Self { listeners, process: None, output, reduced: false })
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
        let mut process = Process(child);
        let listeners = process.listeners(&output, &profile.name)?;
        Ok(Self { listeners, process: Some(process), output: Some(output), reduced: false })
    }

    /// The address of a listener, if it is known.
    pub fn listener(&self, listener: Listener) -> Option<SocketAddr> {
        self.listeners.get(&listener).copied()
    }

    /// Whether what the proxy writes can be seen.
    pub fn is_watched(&self) -> bool {
        self.output.is_some()
    }

    /// Audit lines so far.
    pub fn audited(&self) -> usize {
        self.lines().iter().filter(|line| is_audit(line)).count()
    }

    /// Waits until there are `count` audit lines, or patience ends; says how many there are.
    pub fn await_audit(&self, count: usize, patience: Duration) -> usize {
        let Some(output) = &self.output else { return 0 };
        output.until(patience, |lines| lines.iter().filter(|line| is_audit(line)).count() >= count);
        self.audited()
    }

    /// Waits for the audit line of a request with this path, or until patience ends.
    pub fn await_path(&self, path: &str, patience: Duration) {
        let quoted = format!("\"{path}\"");
        if let Some(output) = &self.output {
            output.until(patience, |lines| {
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
        self.process.as_mut().is_none_or(|process| matches!(process.0.try_wait(), Ok(None)))
    }

    fn lines(&self) -> Vec<String> {
        self.output.as_ref().map(|output| output.lines()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn listeners(
        &mut self,
        output: &Output,
        profile: &str,
    ) -> Result<HashMap<Listener, SocketAddr>, AttackError> {
        let wanted = [Listener::Http, Listener::Https, Listener::Tunnel];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = output.lines();
            let found: HashMap<_, _> =
                wanted.into_iter().filter_map(|name| Some((name, start_line(&lines, name)?))).collect();
            if found.len() == wanted.len() {
                return Ok(found);
            }
            let ended = !matches!(self.0.try_wait(), Ok(None));
            if ended || Instant::now() > deadline {
                let said = lines.last().cloned().unwrap_or_else(|| "nothing".to_owned());
                return Err(AttackError::Start { profile: profile.to_owned(), said });
            }
            output.wait_for_more(Duration::from_millis(20));
        }
    }
}

impl Output {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    fn push(&self, line: &[u8]) {
        if let Ok(mut lines) = self.lines.lock() {
            lines.push(String::from_utf8_lossy(line).into_owned());
        }
        self.more.notify_all();
    }

    fn until(&self, patience: Duration, ready: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.lines.lock().is_ok_and(|lines| ready(&lines)) {
                return;
            }
            self.wait_for_more(Duration::from_millis(50));
        }
    }

    fn wait_for_more(&self, at_most: Duration) {
        if let Ok(lines) = self.lines.lock() {
            drop(self.more.wait_timeout(lines, at_most));
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
        output.push(&line);
    }
}

/// Reads a file that still grows, for as long as the program runs. A line counts once it has its end.
fn follow(file: File, output: &Output) {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok() {
        if line.last() == Some(&b'\n') {
            line.pop();
            output.push(&line);
            line.clear();
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
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
