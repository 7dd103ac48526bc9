//! The directories of one root that have a manifest.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::parse::FILE;
use crate::problem::{Code, Problem};

/// Name and directory of each, sorted by path: children with a manifest, and children of children without one.
pub(super) fn candidates(root: &Path, warnings: &mut Vec<Problem>) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    // A root that cannot be listed is a deployment without tools.
    for (name, child) in children(root).unwrap_or_default() {
        if has_manifest(&child) {
            take(name, child, &mut found, warnings);
            continue;
        }
        match children(&child) {
            Ok(grandchildren) => {
                for (name, dir) in grandchildren.into_iter().filter(|(_, dir)| has_manifest(dir)) {
                    take(name, dir, &mut found, warnings);
                }
            }
            Err(error) => {
                let text = format!("cannot be listed: {error}");
                warnings.push(Problem::of_path(Code::DirectoryUnreadable, child, text));
            }
        }
    }
    found
}

fn take(name: OsString, dir: PathBuf, found: &mut Vec<(String, PathBuf)>, warnings: &mut Vec<Problem>) {
    if let Ok(name) = name.into_string() {
        found.push((name, dir));
    } else {
        let text = "is no tool: its name is not UTF-8";
        warnings.push(Problem::of_path(Code::DirectoryUnreadable, dir, text));
    }
}

/// Directories, and links to directories, whose names begin with neither `.` nor `_`.
fn children(dir: &Path) -> std::io::Result<Vec<(OsString, PathBuf)>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let path = dir.join(&name);
        if !matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')) && path.is_dir() {
            children.push((name, path));
        }
    }
    children.sort();
    Ok(children)
}

fn has_manifest(dir: &Path) -> bool {
    dir.join(FILE).is_file()
}
