//! Stage 1: leaves for namespaces of its own, opens the listeners there, and waits for stage 2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use rustix::process::Signal;
use rustix::thread::CapabilitySet;

use super::{IsolationError, Kind, Message, STAGE2, Stage, TUNNEL_PORT, identity, netlink, privileges};

const USERNS_HINT: &str = "this needs unprivileged user namespaces (sysctl user.max_user_namespaces above 0; on Ubuntu \
                           kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for centaur; in a \
                           container, a seccomp profile that allows unshare)";

pub(super) fn run(stage: &Stage) -> Result<u8, IsolationError> {
    // Without the parent there is no proxy: nothing inside may outlive it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| IsolationError::new("tie the first stage to its parent", e))?;
    enter_user_namespace(stage)?;
    let rest = [
        (CloneFlags::CLONE_NEWNET, "enter a network namespace"),
        (CloneFlags::CLONE_NEWNS, "enter a mount namespace"),
        (CloneFlags::CLONE_NEWIPC, "enter an IPC namespace"),
        (CloneFlags::CLONE_NEWPID, "enter a PID namespace"),
    ];
    for (flag, step) in rest {
        unshare(flag).map_err(|e| IsolationError::new(step, e).hint(USERNS_HINT))?;
    }
    netlink::loopback_up()
        .map_err(|e| IsolationError::new("bring the loopback interface up", e).hint(USERNS_HINT))?;
    send_listeners(stage)?;
    privileges::keep_across_exec()?;

    let mut stage2 = Command::new("/proc/self/exe")
        .arg0("centaur")
        .arg(STAGE2)
        .args(stage.masks.to_args(&stage.scratch))
        .arg("--")
        .arg(&stage.program)
        .args(&stage.args)
        .stdin(Stdio::from(
            stage.channel.duplicate().map_err(|e| IsolationError::new("duplicate the channel", e))?,
        ))
        .spawn()
        .map_err(|e| IsolationError::new("start the second stage", e))?;
    // From here on the terminal's signals concern the program alone.
    SigSet::all().thread_block().map_err(|e| IsolationError::new("block signals", e))?;
    let status = stage2.wait().map_err(|e| IsolationError::new("wait for the second stage", e))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(125))
}

fn enter_user_namespace(stage: &Stage) -> Result<(), IsolationError> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let privileged = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID));
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|e| IsolationError::new("enter a user namespace", e).hint(USERNS_HINT))?;
    if privileged && mapped_by_parent(stage)? {
        return Ok(());
    }
    identity::write_own(uid, gid)
        .map_err(|e| IsolationError::new("map the user into the namespace", e).hint(USERNS_HINT))
}

/// Asks the parent, which may write more than one line, to write the id maps.
fn mapped_by_parent(stage: &Stage) -> Result<bool, IsolationError> {
    let asked = stage.channel.send(&Message::MapIds, &[]).and_then(|()| stage.channel.receive());
    match asked {
        Ok(Some((Message::Mapped(mapped), _))) => Ok(mapped),
        Ok(_) => Err(IsolationError::new("map the user into the namespace", "the parent gave no answer")),
        Err(error) => Err(IsolationError::new("map the user into the namespace", error)),
    }
}

fn send_listeners(stage: &Stage) -> Result<(), IsolationError> {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let required = [
        (Kind::Http, v4, 80),
        (Kind::Https, v4, 443),
        (Kind::Tunnel, v4, TUNNEL_PORT),
        (Kind::DnsUdp, v4, 53),
        (Kind::DnsTcp, v4, 53),
    ];
    let mut kinds = Vec::new();
    let mut fds = Vec::new();
    for (kind, ip, port) in required {
        let fd = bind(kind, SocketAddr::new(ip, port))
            .map_err(|e| IsolationError::new(format!("listen on {ip} port {port}"), e))?;
        kinds.push(kind);
        fds.push(fd);
    }
    // A kernel without IPv6 has no ::1; then nothing inside can ask for it either.
    for (kind, port) in [(Kind::Http, 80), (Kind::Https, 443)] {
        if let Ok(fd) = bind(kind, SocketAddr::new(v6, port)) {
            kinds.push(kind);
            fds.push(fd);
        }
    }
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    stage
        .channel
        .send(&Message::Listening(kinds), &borrowed)
        .map_err(|e| IsolationError::new("hand over the listeners", e))
}

fn bind(kind: Kind, address: SocketAddr) -> io::Result<OwnedFd> {
    match kind {
        Kind::DnsUdp => UdpSocket::bind(address).map(OwnedFd::from),
        _ => TcpListener::bind(address).map(OwnedFd::from),
    }
}
