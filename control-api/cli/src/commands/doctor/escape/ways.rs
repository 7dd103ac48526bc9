//! The ways out that are tried, each a function that says what stopped it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::UnmountFlags;
use rustix::net::{AddressFamily, Protocol, SocketType, ipproto};

use super::NESTED;
use super::baits::REACHED;
use super::probes::Outcome;

/// Nothing inside takes longer than this, as nothing leaves the machine.
const PATIENCE: Duration = Duration::from_secs(20);

type Way = (&'static str, fn() -> Outcome);

/// Tried only where loopback is all there is. Documentation addresses, and the metadata service of clouds.
pub(super) const NETWORK: [Way; 7] = [
    ("raw IPv4, TCP 443", || tcp(([192, 0, 2, 1], 443).into())),
    ("raw IPv6, TCP 443", || tcp(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443).into())),
    ("UDP 443 (QUIC)", || udp(([192, 0, 2, 1], 443).into())),
    ("another DNS server, UDP 53", || udp(([198, 51, 100, 53], 53).into())),
    ("another DNS server, TCP 53", || tcp(([198, 51, 100, 53], 53).into())),
    ("link-local metadata, IPv4", || tcp(([169, 254, 169, 254], 80).into())),
    ("link-local metadata, IPv6", || tcp(([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 80).into())),
];

/// What the kernel itself might offer.
pub(super) const KERNEL: [Way; 7] = [
    ("raw socket", || socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))),
    ("packet socket", || socket(AddressFamily::PACKET, SocketType::RAW, None)),
    ("VSOCK to the hypervisor", || socket(AddressFamily::VSOCK, SocketType::STREAM, None)),
    ("capabilities", capabilities),
    ("kernel settings (core_pattern)", core_pattern),
    ("raw disks", disks),
    ("joining PID 1's network namespace", join_namespace),
];

/// The interfaces of this network namespace.
pub(super) fn interfaces() -> Outcome {
    let table = match fs::read_to_string("/proc/net/dev") {
        Ok(table) => table,
        Err(error) => return Outcome::Escaped(format!("cannot tell: {error}")),
    };
    let names = table.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim);
    let others: Vec<&str> = names.filter(|name| *name != "lo").collect();
    if others.is_empty() {
        return Outcome::Contained("only loopback".to_owned());
    }
    Outcome::Escaped(format!("there is {}", others.join(", ")))
}

pub(super) fn tcp(to: SocketAddr) -> Outcome {
    match TcpStream::connect_timeout(&to, PATIENCE) {
        Ok(_) => Outcome::Escaped(format!("connected to {to}")),
        Err(error) => stopped(&error),
    }
}

fn udp(to: SocketAddr) -> Outcome {
    let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"centaur", to));
    match sent {
        Ok(_) => Outcome::Escaped(format!("a datagram left for {to}")),
        Err(error) => stopped(&error),
    }
}

/// Our own loopback takes a datagram; whether the host's got it is for the bait to say.
pub(super) fn udp_loopback(port: u16) -> Outcome {
    let sent =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"centaur", ("127.0.0.1", port)));
    match sent {
        Ok(_) => Outcome::Contained("the datagram stayed on this side's loopback".to_owned()),
        Err(error) => stopped(&error),
    }
}

/// A name that carries data must be answered here; that no resolver was asked is for the bait to say.
pub(super) fn dns_labels() -> Outcome {
    match ("data-in-a-label.exfiltration.test", 443).to_socket_addrs() {
        Ok(mut addresses) => match addresses.find(|address| !address.ip().is_loopback()) {
            Some(address) => Outcome::Escaped(format!("somebody outside answered {}", address.ip())),
            None => Outcome::Contained("answered here, with loopback".to_owned()),
        },
        Err(error) => stopped(&error),
    }
}

pub(super) fn unix_path(path: &Path) -> Outcome {
    match UnixStream::connect(path) {
        Ok(_) => Outcome::Escaped(format!("connected to {}", path.display())),
        Err(error) => stopped(&error),
    }
}

pub(super) fn unix_abstract(name: &str) -> Outcome {
    let connected = UnixAddr::from_abstract_name(name).and_then(|address| UnixStream::connect_addr(&address));
    match connected {
        Ok(_) => Outcome::Escaped("connected".to_owned()),
        Err(error) => stopped(&error),
    }
}

fn socket(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Outcome {
    match rustix::net::socket(family, kind, protocol) {
        Ok(_) => Outcome::Escaped("opened".to_owned()),
        Err(error) => stopped(&error.into()),
    }
}

fn capabilities() -> Outcome {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let sets = ["CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].map(field);
    let empty = |set: Option<&str>| set.is_some_and(|set| set.bytes().all(|digit| digit == b'0'));
    if sets.into_iter().all(empty) && field("NoNewPrivs:") == Some("1") && field("Seccomp:") == Some("2") {
        return Outcome::Contained("none, and no way to gain one".to_owned());
    }
    Outcome::Escaped("some are left".to_owned())
}

fn core_pattern() -> Outcome {
    match fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern") {
        Ok(_) => Outcome::Escaped("can be written".to_owned()),
        Err(error) => stopped(&error),
    }
}

fn disks() -> Outcome {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let disks = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_block_device()));
    let open = disks.map(|entry| entry.path()).find(|path| fs::File::open(path).is_ok());
    match open {
        Some(path) => Outcome::Escaped(format!("{} can be read", path.display())),
        None => Outcome::Contained("none can be opened".to_owned()),
    }
}

fn join_namespace() -> Outcome {
    match fs::File::open("/proc/1/ns/net").map(|namespace| setns(namespace, CloneFlags::CLONE_NEWNET)) {
        Ok(Ok(())) => Outcome::Escaped("joined".to_owned()),
        Ok(Err(error)) => stopped(&error.into()),
        Err(error) => stopped(&error),
    }
}

/// No process but PID 1 and this one is there, and PID 1 is closed.
pub(super) fn parent(host_id: u32) -> Outcome {
    let own = std::process::id();
    let visible = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids =
        visible.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    if let Some(other) = ids.into_iter().find(|id| *id != 1 && *id != own) {
        return Outcome::Escaped(format!("process {other} can be seen"));
    }
    for path in [format!("/proc/{host_id}/environ"), "/proc/1/environ".to_owned(), "/proc/1/mem".to_owned()] {
        if host_id != own && fs::File::open(&path).is_ok_and(|mut file| file.read(&mut [0; 16]).is_ok()) {
            return Outcome::Escaped(format!("{path} can be read"));
        }
    }
    Outcome::Contained("no such process here, and PID 1 is closed".to_owned())
}

/// The same masks, looked at from a user namespace in which this program has every capability again.
pub(super) fn from_nested(socket: &Path) -> Outcome {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return stopped(&error),
    };
    match Command::new(program).arg(NESTED).arg(socket).status() {
        Ok(status) if status.code() == Some(0) => Outcome::Contained("the mounts are locked".to_owned()),
        Ok(_) => Outcome::Escaped("a mask came off".to_owned()),
        Err(error) => stopped(&error),
    }
}

/// Runs nested; whether everything still holds.
pub(super) fn nested(socket: &std::ffi::OsStr) -> bool {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).is_err() {
        return true;
    }
    let _ = fs::write("/proc/self/setgroups", "deny");
    let _ = fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"));
    let _ = fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"));
    let masks =
        [PathBuf::from(socket), "/etc/resolv.conf".into(), "/run".into(), "/proc".into(), "/dev".into()];
    let lifted = masks.iter().any(|mask| rustix::mount::unmount(mask, UnmountFlags::DETACH).is_ok());
    !lifted && UnixStream::connect(socket).is_err()
}

/// What must work, so that a broken harness cannot pass for a tight one.
pub(super) fn twins(origin: u16) -> [(&'static str, Result<String, String>); 2] {
    [
        ("allowed twin: a request to an allowed host", twin(&format!("127.0.0.1:{origin}"), "200", REACHED)),
        ("refused twin: a request to another host", twin("not-allowed.test", "403", "")),
    ]
}

fn twin(host: &str, status: &str, body: &str) -> Result<String, String> {
    let answer = request(host).map_err(|error| error.to_string())?;
    let line = answer.lines().next().unwrap_or_default().to_owned();
    if line.split(' ').nth(1) == Some(status) && answer.contains(body) { Ok(line) } else { Err(line) }
}

/// As a program does that knows nothing of the proxy: to port 80 of where the name resolves.
fn request(host: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&([127, 0, 0, 1], 80).into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn stopped(error: &io::Error) -> Outcome {
    let text = error.to_string();
    Outcome::Contained(text.split(" (os error").next().unwrap_or(&text).to_owned())
}
