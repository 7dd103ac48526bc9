//! The isolation of `centaur run` on Linux: a network namespace that holds nothing but loopback and the proxy's
//! listeners.
//!
//! Three processes stand between the caller and the program, because each kernel step wants its own moment:
//!
//! 1. the **parent** ([`Isolation`]) holds the proxy and the secrets and stays in the host's namespaces;
//! 2. **stage 1** (`stage1`) leaves for new user, network, mount, IPC and PID namespaces while it has a single
//!    thread, opens the listeners there and sends them to the parent;
//! 3. **stage 2** (`stage2`) is PID 1 of the new PID namespace: it arranges the file system, drops every privilege,
//!    starts the program and reaps what the program leaves.
//!
//! Both stages are this executable again, so that no code runs between fork and exec. They share one socket with the
//! parent, as their standard input; the program's own standard input travels over it. The environment and the
//! arguments of the program are simply inherited through the stages.

mod channel;
mod filter;
mod identity;
mod masks;
mod netlink;
mod privileges;
mod procfs;
mod stage1;
mod stage2;

use std::ffi::{OsStr, OsString};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use channel::Channel;
pub use masks::Masks;

/// Name of the hidden command that enters the namespaces.
pub const STAGE1: &str = "__stage1";
/// Name of the hidden command that is PID 1 inside.
pub const STAGE2: &str = "__stage2";
/// Port of the tunnel listener inside.
pub const TUNNEL_PORT: u16 = 3128;

/// What runs inside, and what it must not see.
pub struct Plan<'a> {
    /// The program.
    pub program: &'a OsStr,
    /// Its arguments.
    pub args: &'a [OsString],
    /// Its whole environment.
    pub env: &'a [(OsString, OsString)],
    /// An empty directory of ours, on whatever file system; used as a mount point for a moment.
    pub scratch: &'a Path,
    /// Files and sockets that are covered.
    pub masks: &'a Masks,
}

/// Namespaces that are ready, with the program not started yet. Dropping it ends everything inside.
pub struct Isolation {
    stage1: Child,
    channel: Channel,
    listeners: Option<Listeners>,
}

/// The sockets opened inside. Every list has at least one entry.
#[derive(Default)]
pub struct Listeners {
    /// Port 80.
    pub http: Vec<TcpListener>,
    /// Port 443.
    pub https: Vec<TcpListener>,
    /// Port [`TUNNEL_PORT`].
    pub tunnel: Vec<TcpListener>,
    /// Port 53.
    pub dns_udp: Vec<UdpSocket>,
    /// Port 53.
    pub dns_tcp: Vec<TcpListener>,
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// A step that the kernel, or the machine, did not allow.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("cannot {step}: {why}")]
pub struct IsolationError {
    /// What was being done, as a verb phrase.
    pub step: String,
    /// What the kernel said.
    pub why: String,
    /// What may help.
    pub hint: Option<String>,
    /// Exit code: 125, or 126 and 127 for a program that cannot be run or found.
    pub exit: u8,
}

impl IsolationError {
    fn new(step: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self { step: step.into(), why: why.to_string(), hint: None, exit: 125 }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What the processes tell each other; each message may carry descriptors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// Stage 1, when it may have all of the parent's ids: write my id maps.
    MapIds,
    /// The parent's answer to it: whether the maps are written.
    Mapped(bool),
    /// Stage 1, with one descriptor per kind.
    Listening(Vec<Kind>),
    /// The parent, with the program's standard input.
    Go,
    /// Stage 2, with a pidfd of the program.
    Started,
    /// Stage 2: the program is gone.
    Ended(Ended),
    /// A stage cannot go on.
    Failed(IsolationError),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Http,
    Https,
    Tunnel,
    DnsUdp,
    DnsTcp,
}

impl Isolation {
    /// Creates the namespaces and opens the listeners in them.
    ///
    /// # Errors
    /// Names the step that the kernel refused.
    pub fn prepare(plan: &Plan<'_>) -> Result<Self, IsolationError> {
        let (ours, theirs) = Channel::pair().map_err(|e| IsolationError::new("open a socket pair", e))?;
        let stage1 = Command::new("/proc/self/exe")
            .arg0("centaur")
            .arg(STAGE1)
            .args(plan.masks.to_args(plan.scratch))
            .arg("--")
            .arg(plan.program)
            .args(plan.args)
            .env_clear()
            .envs(plan.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(theirs))
            .spawn()
            .map_err(|e| IsolationError::new("start the first stage", e))?;
        let mut isolation = Self { stage1, channel: ours, listeners: None };
        loop {
            let (message, fds) = isolation.receive()?;
            match message {
                Message::MapIds => {
                    let mapped = identity::write_for(isolation.stage1.id()).is_ok();
                    isolation.send(&Message::Mapped(mapped), &[])?;
                }
                Message::Listening(kinds) => {
                    isolation.listeners = Some(sort(&kinds, fds));
                    return Ok(isolation);
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// The listeners, once.
    pub fn take_listeners(&mut self) -> Listeners {
        self.listeners.take().unwrap_or_default()
    }

    /// Starts the program on the parent's standard input, and returns a pidfd of it.
    ///
    /// # Errors
    /// Names the step that failed; 126 and 127 as exit code when the program itself cannot be started.
    pub fn start(&self) -> Result<OwnedFd, IsolationError> {
        let stdin = std::io::stdin();
        self.send(&Message::Go, &[stdin.as_fd()])?;
        match self.receive()? {
            (Message::Started, mut fds) if fds.len() == 1 => Ok(fds.remove(0)),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Waits for the program, and for everything it left behind to be gone.
    ///
    /// # Errors
    /// When the stages died without saying how the program ended.
    pub fn wait(mut self) -> Result<Ended, IsolationError> {
        let ended = match self.receive()? {
            (Message::Ended(ended), _) => ended,
            (other, _) => return Err(unexpected(&other)),
        };
        let _ = self.stage1.wait();
        Ok(ended)
    }

    fn send(&self, message: &Message, fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), IsolationError> {
        match self.channel.send(message, fds) {
            Ok(()) => Ok(()),
            // A stage that failed has said why before it went.
            Err(error) => Err(match self.channel.receive() {
                Ok(Some((Message::Failed(reason), _))) => reason,
                _ => IsolationError::new("talk to the isolated side", error),
            }),
        }
    }

    fn receive(&self) -> Result<(Message, Vec<OwnedFd>), IsolationError> {
        match self.channel.receive() {
            Ok(Some((Message::Failed(error), _))) => Err(error),
            Ok(Some(received)) => Ok(received),
            Ok(None) => Err(IsolationError::new("keep the isolated side alive", "it ended without a word")),
            Err(error) => Err(IsolationError::new("talk to the isolated side", error)),
        }
    }
}

impl Drop for Isolation {
    fn drop(&mut self) {
        let _ = self.stage1.kill();
        let _ = self.stage1.wait();
    }
}

/// Runs a hidden stage, if `args` ask for one. Must be called while the process has one thread.
pub fn stage(args: &mut dyn Iterator<Item = OsString>) -> Option<u8> {
    let stage = args.next()?;
    let run: fn(&Stage) -> Result<u8, IsolationError> = match stage.to_str()? {
        STAGE1 => stage1::run,
        STAGE2 => stage2::run,
        _ => return None,
    };
    let stage = Stage::parse(args)?;
    Some(run(&stage).unwrap_or_else(|error| {
        let exit = error.exit;
        let _ = stage.channel.send(&Message::Failed(error), &[]);
        exit
    }))
}

/// What a stage is told on its command line.
struct Stage {
    channel: Channel,
    masks: Masks,
    scratch: PathBuf,
    program: OsString,
    args: Vec<OsString>,
}

impl Stage {
    fn parse(args: &mut dyn Iterator<Item = OsString>) -> Option<Self> {
        let (masks, scratch) = Masks::from_args(&mut *args)?;
        let program = args.next()?;
        Some(Self { channel: Channel::stdin(), masks, scratch, program, args: args.collect() })
    }
}

fn sort(kinds: &[Kind], fds: Vec<OwnedFd>) -> Listeners {
    let mut listeners = Listeners::default();
    for (kind, fd) in kinds.iter().zip(fds) {
        match kind {
            Kind::Http => listeners.http.push(fd.into()),
            Kind::Https => listeners.https.push(fd.into()),
            Kind::Tunnel => listeners.tunnel.push(fd.into()),
            Kind::DnsUdp => listeners.dns_udp.push(fd.into()),
            Kind::DnsTcp => listeners.dns_tcp.push(fd.into()),
        }
    }
    listeners
}

fn unexpected(message: &Message) -> IsolationError {
    IsolationError::new("follow the isolated side", format!("it said {message:?} at the wrong moment"))
}
