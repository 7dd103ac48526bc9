//! `generate-ca`.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use super::flags::{self, Command, Kind, Spec};
use crate::ca::{Algorithm, errno_text, generate};
use crate::config::LIFETIME_HOURS;

const COMMAND: &Command = &Command {
    words: None,
    flags: &[
        Spec {
            name: "alg",
            kind: Kind::Text,
            default: "rsa4096",
            help: "key algorithm: rsa4096, ed25519 or p256",
        },
        Spec {
            name: "expiry-hours",
            kind: Kind::Int,
            default: "8760",
            help: "CA certificate lifetime in hours",
        },
        Spec { name: "name", kind: Kind::Text, default: "iron-proxy CA", help: "CA subject common name" },
        Spec {
            name: "outdir",
            kind: Kind::Text,
            default: ".",
            help: "output directory for ca.crt and ca.key",
        },
    ],
    about: "Makes a certificate authority for tls.ca_cert and tls.ca_key. Clients of the proxy have to trust ca.crt. \
            Existing files\nare not replaced.\n",
};

pub(super) fn main(args: &[String]) -> ExitCode {
    let flags = match flags::parse("generate-ca", COMMAND, args) {
        Ok(flags) => flags,
        Err(error) => return super::usage(&error),
    };
    let hours = flags.text("expiry-hours").parse().unwrap_or(8760);
    if !LIFETIME_HOURS.contains(&hours) {
        let (from, to) = (LIFETIME_HOURS.start(), LIFETIME_HOURS.end());
        return super::fail(&format!("-expiry-hours must be from {from} to {to}; got {hours}"));
    }
    match write_pair(flags.text("alg"), flags.text("name"), hours, Path::new(flags.text("outdir"))) {
        Ok(wrote) => super::out(&wrote),
        Err(problem) => super::fail(&problem),
    }
}

fn write_pair(algorithm: &str, name: &str, hours: i64, dir: &Path) -> Result<String, String> {
    let known = Algorithm::parse(algorithm)
        .ok_or_else(|| format!("unsupported algorithm {algorithm:?} (use rsa4096, ed25519 or p256)"))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(dir)
        .map_err(|e| format!("creating output directory: mkdir {}: {}", dir.display(), errno_text(&e)))?;
    let (cert, key) = (dir.join("ca.crt"), dir.join("ca.key"));
    // Checked before the first file is written, so that a pair is never half made.
    for path in [&cert, &key] {
        if path.exists() {
            return Err(creating(path, &io::ErrorKind::AlreadyExists.into()));
        }
    }
    let pair = generate(known, name, hours).map_err(|e| e.to_string())?;
    write_new(&cert, 0o644, pair.cert.as_bytes())?;
    write_new(&key, 0o600, pair.key.expose().as_bytes())?;
    Ok(format!("wrote {}\nwrote {}\n", cert.display(), key.display()))
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<(), String> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(|e| creating(path, &e))
}

fn creating(path: &Path, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => errno_text(error),
    };
    format!("creating {}: open {}: {what}", path.display(), path.display())
}
