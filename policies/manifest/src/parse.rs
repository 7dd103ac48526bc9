//! Reading a manifest: all that is wrong with it at once, each with its place in the file.
//!
//! Names, references, hosts and URLs are trimmed; templates are taken as they are written. A key that is there and
//! blank is wrong, never absent.

mod cloud;
mod database;
mod entry;
mod fields;
mod header;
mod hmac;
mod host;
mod http;
mod log;
mod oauth;
mod overlap;
mod project;
mod reserved;
mod source;
mod template;

use std::path::Path;

use toml::de::DeTable;

use self::log::Log;
use crate::manifest::Manifest;
use crate::problem::{Code, Problem};

pub use self::fields::nearest;

/// The file that makes a directory a tool.
pub const FILE: &str = "pyproject.toml";

/// Largest manifest that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// What a manifest comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// What it says, or all that is wrong with it, in the order of the file.
    pub manifest: Result<Manifest, Vec<Problem>>,
    /// What is worth a word, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Reads the manifest of a directory. `name` is the directory's own, which is the tool's.
pub fn directory(dir: &Path, name: &str) -> Read {
    let path = dir.join(FILE);
    let failed = |code, text: String| Read {
        manifest: Err(vec![Problem::of_path(code, &path, text)]),
        warnings: Vec::new(),
    };
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return failed(Code::Unreadable, format!("is larger than {MAX_BYTES} bytes"));
        }
        Ok(_) => {}
        Err(error) => return failed(Code::Unreadable, format!("cannot be read: {error}")),
    }
    match std::fs::read(&path) {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => manifest(text, &path, name),
            Err(_) => failed(Code::TomlSyntax, "is not UTF-8".to_owned()),
        },
        Err(error) => failed(Code::Unreadable, format!("cannot be read: {error}")),
    }
}

/// Reads the text of a manifest. `path` is for messages, `name` is the tool's.
pub fn manifest(text: &str, path: &Path, name: &str) -> Read {
    let log = Log::new(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            log.report(None, None, at, Code::TomlSyntax, format!("is not TOML: {}", error.message()));
        }
        return log.finish(None);
    }
    let manifest = project::manifest(document.get_ref(), name, &log);
    log.finish(manifest)
}

#[cfg(test)]
mod tests;
