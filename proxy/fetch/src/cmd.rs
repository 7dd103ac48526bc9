//! `cmd`: what a program prints.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::fetch::{Bytes, MAX_BYTES};

/// Runs a program without a shell and takes its standard output, without one trailing line end. It gets no input,
/// and what it says on standard error is dropped unread: it may hold the secret. When the caller gives up, the
/// program dies with everything it started.
pub(crate) async fn run(argv: &[String]) -> Result<Bytes, String> {
    let (program, arguments) = argv.split_first().ok_or("no program is named")?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("the program cannot be run: {}", e.kind()))?;
    let mut group = Group(child);
    let output = group.0.stdout.take().ok_or("the program has no output")?;

    // Room for any secret in common use: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    let read = output.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await;
    if read.is_err() {
        return Err("reading the program's output failed".to_owned());
    }
    if bytes.len() > MAX_BYTES {
        return Err(format!("the program printed more than {MAX_BYTES} bytes"));
    }
    let status = group.0.wait().await.map_err(|_| "waiting for the program failed".to_owned())?;
    if let Some(signal) = status.signal() {
        return Err(format!("the program was killed by signal {signal}"));
    }
    if !status.success() {
        return Err(format!("the program exited with status {}", status.code().unwrap_or(-1)));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}

/// The program and what it started; killed together unless the program has ended. (Its id is taken as long as
/// nobody has waited for it, so the signal cannot hit another group.)
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(leader) = leader {
            // It may have ended by itself this very moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
