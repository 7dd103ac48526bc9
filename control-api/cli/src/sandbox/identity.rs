//! Which user and group ids exist inside: the caller's own, each mapped to itself.

use std::fmt::Write as _;
use std::fs;
use std::io;

/// The maps of a caller without privileges: one user, one group, as they were before the process left its
/// namespace. Written by the process itself.
pub(super) fn write_own(uid: u32, gid: u32) -> io::Result<()> {
    // A process that may not call setgroups cannot drop a group that denies it something (user_namespaces(7)).
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))
}

/// The maps of a privileged caller: every id that exists here. Written from outside, for process `pid`.
pub(super) fn write_for(pid: u32) -> io::Result<()> {
    let maps = [("uid_map", identity_map("uid_map")?), ("gid_map", identity_map("gid_map")?)];
    for (name, map) in maps {
        fs::write(format!("/proc/{pid}/{name}"), map)?;
    }
    Ok(())
}

/// Our own ranges, each onto itself.
fn identity_map(name: &str) -> io::Result<String> {
    let mut map = String::new();
    for line in fs::read_to_string(format!("/proc/self/{name}"))?.lines() {
        let mut fields = line.split_whitespace();
        if let (Some(inside), Some(_), Some(count)) = (fields.next(), fields.next(), fields.next()) {
            let _ = writeln!(map, "{inside} {inside} {count}");
        }
    }
    Ok(map)
}
