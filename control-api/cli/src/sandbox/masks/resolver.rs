//! Resolver files: every name is asked of the proxy's DNS server on loopback, and of nobody else.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Staging, bind};
use crate::sandbox::IsolationError;

/// One quick server: it is on loopback and always answers.
const RESOLV_CONF: &str = "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n";

pub(super) fn replace(stage: &Staging) -> Result<(), IsolationError> {
    put(stage, "/etc/resolv.conf", RESOLV_CONF)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    put(stage, "/etc/hosts", &hosts(&host))?;
    // Without the file the C library asks DNS and /etc/hosts anyway.
    if let Ok(current) = fs::read_to_string("/etc/nsswitch.conf") {
        put(stage, "/etc/nsswitch.conf", &nsswitch(&current))?;
    }
    Ok(())
}

/// Puts `content` where `path` is read from, following a link.
fn put(stage: &Staging, path: &str, content: &str) -> Result<(), IsolationError> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let failed = |error: std::io::Error| IsolationError::new(format!("replace {path}"), error);
    if let Ok(target) = fs::canonicalize(path) {
        let file = stage.file(name, content.as_bytes())?;
        return bind(&file, &target);
    }
    // A link into a directory that is fresh by now, as with systemd-resolved.
    let Some(target) = link_target(Path::new(path)) else {
        return Ok(());
    };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(&target, content).map_err(failed)
}

fn link_target(path: &Path) -> Option<PathBuf> {
    let link = fs::read_link(path).ok()?;
    let joined = path.parent()?.join(link);
    let mut target = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::ParentDir => {
                target.pop();
            }
            std::path::Component::CurDir => {}
            other => target.push(other),
        }
    }
    Some(target)
}

/// Loopback alone: an entry of the host's file would lead past the proxy, to an address that goes nowhere.
fn hosts(host: &str) -> String {
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {host}\n")
}

/// The host's file with `files dns` for hosts: other services (resolved, mDNS, LDAP) ask daemons outside.
fn nsswitch(current: &str) -> String {
    let mut out = String::with_capacity(current.len());
    for line in current.lines().filter(|line| !line.trim_start().starts_with("hosts:")) {
        out.push_str(line);
        out.push('\n');
    }
    out.push_str("hosts: files dns\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hosts_line_of_nsswitch_changes() {
        let current = "passwd: files systemd\nhosts: files mdns4 resolve dns\n# end\n";
        assert_eq!(nsswitch(current), "passwd: files systemd\n# end\nhosts: files dns\n");
    }

    #[test]
    fn a_relative_link_is_followed_by_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("resolv.conf");
        std::os::unix::fs::symlink("../run/./x/stub.conf", &link).unwrap();
        let expected = directory.path().parent().unwrap().join("run/x/stub.conf");
        assert_eq!(link_target(&link), Some(expected));
    }
}
