//! Stage 2: PID 1 inside. Arranges the file system, gives up every privilege, starts the program, and reaps.
//!
//! It installs no signal handler: the kernel does not deliver to a PID 1 what it does not handle, so the terminal's
//! signals pass it by and reach the program alone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use super::{Ended, IsolationError, Message, Stage, filter, masks, privileges};

/// How a program that is missing or cannot be run is told apart (env(1), timeout(1)).
const EXIT_NOT_FOUND: u8 = 127;
const EXIT_NOT_RUNNABLE: u8 = 126;

pub(super) fn run(stage: &Stage) -> Result<u8, IsolationError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| IsolationError::new("tie the second stage to the first", e))?;
    masks::apply(&stage.masks, &stage.scratch)?;
    let stdin = wait_for_go(stage)?;
    // Our end of the channel is not the program's to take (pidfd_getfd, ptrace).
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| IsolationError::new("close the second stage to the program", e))?;
    privileges::drop_all()?;
    filter::install()?;
    let program = start(stage, stdin)?;
    let ended = reap(program);
    let _ = stage.channel.send(&Message::Ended(ended), &[]);
    Ok(0)
}

fn wait_for_go(stage: &Stage) -> Result<OwnedFd, IsolationError> {
    match stage.channel.receive() {
        Ok(Some((Message::Go, mut fds))) if fds.len() == 1 => Ok(fds.remove(0)),
        Ok(_) => Err(IsolationError::new("start the program", "the parent is gone")),
        Err(error) => Err(IsolationError::new("start the program", error)),
    }
}

fn start(stage: &Stage, stdin: OwnedFd) -> Result<Pid, IsolationError> {
    let step = || format!("run {}", stage.program.to_string_lossy());
    let child = Command::new(&stage.program).args(&stage.args).stdin(Stdio::from(stdin)).spawn().map_err(
        |error| {
            let exit = match error.kind() {
                io::ErrorKind::NotFound => EXIT_NOT_FOUND,
                _ => EXIT_NOT_RUNNABLE,
            };
            IsolationError { exit, ..IsolationError::new(step(), error) }
        },
    )?;
    let pid = Pid::from_child(&child);
    // The child is not waited for before this, so its id cannot have been given to another process.
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|e| IsolationError::new("open the program's pidfd", e))?;
    stage
        .channel
        .send(&Message::Started, &[pidfd.as_fd()])
        .map_err(|e| IsolationError::new("report the program", e))?;
    Ok(pid)
}

/// Waits until `program` ends, burying whatever else was handed to PID 1 meanwhile. What still runs then ends with
/// the namespace.
fn reap(program: Pid) -> Ended {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                if let Some(ended) = ended(status) {
                    return ended;
                }
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Ended::Code(125),
        }
    }
}

fn ended(status: WaitStatus) -> Option<Ended> {
    let code = status.exit_status().map(Ended::Code);
    code.or_else(|| status.terminating_signal().map(Ended::Signal))
}
