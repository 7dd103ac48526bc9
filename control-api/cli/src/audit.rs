//! Where the proxy's audit lines go, and what `--explain` makes of a refusal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use serde_json::Value;

use crate::printer;
use crate::settings::Audit;

/// A writer for the proxy's lines.
pub struct AuditLines {
    file: Option<File>,
    stderr: bool,
    explain: bool,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

impl AuditLines {
    /// Opens the target.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(target: &Audit, explain: bool) -> io::Result<Self> {
        let file = match target {
            Audit::File(path) => Some(OpenOptions::new().append(true).create(true).open(path)?),
            Audit::Off | Audit::Stderr => None,
        };
        Ok(Self { file, stderr: *target == Audit::Stderr, explain, partial: Vec::new() })
    }
}

impl Write for AuditLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        if self.stderr {
            io::stderr().lock().write_all(bytes)?;
        }
        if self.explain {
            self.partial.extend_from_slice(bytes);
            while let Some(end) = self.partial.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                if let Some(text) = explain(&line) {
                    printer::note(text);
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// One sentence for the line of a request that was refused or failed: what, why, and the flag that would allow it.
pub fn explain(line: &[u8]) -> Option<String> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let audit = &line["audit"];
    let action = audit["action"].as_str()?;
    if action != "reject" && action != "error" {
        return None;
    }
    let host = audit["host"].as_str().unwrap_or_default();
    let what = format!("{} {host}{}", text(&audit["method"]), text(&audit["path"]));
    let reason = audit["reason"].as_str().or(line["rejected_by"].as_str()).unwrap_or("error");
    let target = line["tunnel"]["target"].as_str().unwrap_or(host);
    let advice = match reason {
        "no-rule" | "allowlist" => format!("to allow it: --allow {}", flag_host(target, host)),
        "placeholder-missing" => {
            "the placeholder must stand where the credential belongs; see --secret …/PLACE".to_owned()
        }
        "competing-credential" => {
            "the program sent a credential of its own where the placeholder belongs".to_owned()
        }
        "secret-unavailable" => "the source of the secret gave no value".to_owned(),
        "plaintext" => format!("credentials go over TLS only; to allow it: --secret NAME@http://{host}"),
        _ => text(&line["error"]).to_owned(),
    };
    let separator = if advice.is_empty() { "" } else { ": " };
    Some(format!("refused {} ({reason}){separator}{advice}", what.trim()))
}

/// The host as `--allow` takes it: with its port unless that is 443.
fn flag_host<'a>(target: &'a str, host: &'a str) -> &'a str {
    let shown = if target.is_empty() { host } else { target };
    shown.strip_suffix(":443").unwrap_or(shown)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_flag_that_would_allow_it() {
        let line = br#"{"audit":{"host":"b.test:8443","method":"GET","path":"/x","action":"reject","reason":"no-rule"}}"#;
        assert_eq!(
            explain(line).unwrap(),
            "refused GET b.test:8443/x (no-rule): to allow it: --allow b.test:8443"
        );
        let tunnel = br#"{"audit":{"host":"b.test:443","method":"CONNECT","path":"","action":"reject","reason":"no-rule"}}"#;
        assert!(explain(tunnel).unwrap().ends_with("--allow b.test"));
    }

    #[test]
    fn a_request_that_went_through_needs_no_explanation() {
        assert_eq!(explain(br#"{"audit":{"host":"a.test","action":"allow"}}"#), None);
        assert_eq!(explain(b"not json"), None);
    }

    #[test]
    fn a_line_in_two_pieces_is_still_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let mut lines = AuditLines::open(&Audit::File(path.clone()), true).unwrap();
        lines.write_all(b"{\"audit\":").unwrap();
        lines.write_all(b"{}}\n").unwrap();
        assert!(lines.partial.is_empty());
        assert_eq!(std::fs::read(path).unwrap(), b"{\"audit\":{}}\n");
    }
}
