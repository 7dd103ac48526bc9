//! What this program wrote, on this machine: one JSON line per write, without headers and bodies.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use centaur_client::api::{Exchange, Observer};
use centaur_client::token::TokenSource;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::printer;
use crate::settings::Settings;
use crate::span;

/// Shows requests, and notes writes.
pub(crate) struct Watch {
    is_verbose: bool,
    is_quiet: bool,
    file: Option<PathBuf>,
    namespace: String,
    key: String,
    user: String,
    has_failed: AtomicBool,
}

impl Watch {
    pub(crate) fn new(settings: &Settings, key: &TokenSource) -> Self {
        Self {
            is_verbose: settings.verbose,
            is_quiet: settings.quiet,
            file: settings.audit_file.clone(),
            namespace: settings.namespace.clone(),
            key: fingerprint(key),
            user: user(),
            has_failed: AtomicBool::new(false),
        }
    }

    fn note(&self, file: &Path, exchange: &Exchange<'_>) {
        let outcome = match (exchange.status, exchange.problem) {
            (Some(status), _) => status.to_string(),
            (None, Some(problem)) => problem.to_string(),
            (None, None) => String::new(),
        };
        let line = json!({
            "time": span::shown(OffsetDateTime::now_utc()),
            "user": self.user,
            "key": self.key,
            "namespace": self.namespace,
            "method": exchange.method,
            "path": exchange.path,
            "ids": exchange.ids,
            "outcome": outcome,
        });
        let written = open(file).and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written
            && !self.has_failed.swap(true, Ordering::Relaxed)
            && !self.is_quiet
        {
            printer::say(&format!("warning: cannot note writes in {}: {}", file.display(), error.kind()));
        }
    }
}

impl Observer for Watch {
    fn ended(&self, exchange: &Exchange<'_>) {
        let Exchange { method, path, attempt, status, problem, .. } = exchange;
        if self.is_verbose {
            let outcome = match (status, problem) {
                (Some(status), _) => status.to_string(),
                (None, Some(problem)) => problem.to_string(),
                (None, None) => String::new(),
            };
            let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
            printer::say(&format!("{method} {path} {outcome}{again}"));
        }
        let writes =
            *method != "GET" && !path.split('?').next().is_some_and(|path| path.ends_with("/dry_run"));
        if let Some(file) = self.file.as_deref().filter(|_| writes) {
            self.note(file, exchange);
        }
    }
}

/// Appends, so that several runs at once do not overwrite each other; nobody else may read it.
fn open(path: &Path) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// The first eight hex digits of the key's SHA-256: enough to tell keys apart, and no way back.
fn fingerprint(key: &TokenSource) -> String {
    let Ok(key) = key.read() else { return String::new() };
    let digest = Sha256::digest(key.expose());
    format!("{:08x}", u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
}

/// The user of the operating system, by the id of the process: variables say what they like.
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use centaur_base::Secret;

    use super::*;

    #[test]
    fn a_write_is_noted_with_a_fingerprint_and_a_read_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("centaur/perms-audit.jsonl");
        let watch = Watch {
            is_verbose: false,
            is_quiet: true,
            file: Some(file.clone()),
            namespace: "lab".to_owned(),
            key: fingerprint(&TokenSource::Value(Secret::new("iak_fake".to_owned()))),
            user: "ada".to_owned(),
            has_failed: AtomicBool::new(false),
        };
        let ids = ["role_1Uc5uCJR".to_owned()];
        for (method, path) in [
            ("GET", "/api/v1/roles"),
            ("POST", "/api/v1/principals/prn_5CO4fITZ/dry_run?fallback_principal_id=x"),
            ("PUT", "/api/v1/roles/tools"),
        ] {
            let exchange = Exchange { method, path, attempt: 1, status: Some(200), problem: None, ids: &ids };
            watch.ended(&exchange);
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let mut line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert!(line["time"].take().as_str().unwrap().ends_with('Z'));
        let want = json!({"time":null,"user":"ada","key":"a097098e","namespace":"lab","method":"PUT",
            "path":"/api/v1/roles/tools","ids":["role_1Uc5uCJR"],"outcome":"200"});
        assert_eq!(line, want);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
