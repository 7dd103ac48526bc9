//! For a program that runs as root: no raw devices, no kernel settings. Root owns those files, and needs no
//! capability to write what it owns; a disk or `core_pattern` would lead out of every namespace.

use std::fs;
use std::path::Path;

use rustix::mount::MountFlags;

use super::{Staging, bind};
use crate::sandbox::{IsolationError, procfs};

/// Devices and directories of `/dev` that stay.
const KEPT: [&str; 13] = [
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fuse", "dri", "kfd",
];
/// Devices that stay, by the beginning of their name.
const KEPT_PREFIX: [&str; 1] = ["nvidia"];
/// Parts of `/proc` that hold settings.
const READ_ONLY: [&str; 5] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/acpi"];

pub(super) fn restrict(stage: &Staging) -> Result<(), IsolationError> {
    replace_dev(stage)?;
    for path in READ_ONLY.iter().map(Path::new).filter(|path| path.exists()) {
        bind(path, path)?;
        read_only(path)?;
    }
    for mount in procfs::mounts_under(Path::new("/sys")) {
        read_only(&mount)?;
    }
    Ok(())
}

fn replace_dev(stage: &Staging) -> Result<(), IsolationError> {
    let failed = |error: std::io::Error| IsolationError::new("rebuild /dev", error);
    let new = stage.directory("dev")?;
    for entry in fs::read_dir("/dev").map_err(failed)?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let (from, to) = (entry.path(), new.join(&name));
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            // fd, stdin, stdout, stderr, and on some systems ptmx.
            let target = fs::read_link(&from).map_err(failed)?;
            std::os::unix::fs::symlink(target, &to).map_err(failed)?;
            continue;
        }
        if !KEPT.contains(&&*text) && !KEPT_PREFIX.iter().any(|prefix| text.starts_with(prefix)) {
            continue;
        }
        if kind.is_dir() { fs::create_dir(&to) } else { fs::write(&to, b"") }.map_err(failed)?;
        bind(&from, &to)?;
    }
    bind(&new, Path::new("/dev"))
}

fn read_only(path: &Path) -> Result<(), IsolationError> {
    // These flags may be locked on; a remount has to repeat them.
    let flags =
        MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount_remount(path, flags, "")
        .map_err(|e| IsolationError::new(format!("make {} read-only", path.display()), e))
}
