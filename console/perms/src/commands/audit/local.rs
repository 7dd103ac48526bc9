//! `audit --local`: what this program wrote from this machine.

use serde_json::Value;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::printer::{Table, count};
use crate::report::Report;
use crate::session::Session;
use crate::span::{self, Direction};

/// The lines of the local log since a point in time.
pub(super) fn run(session: &Session, since: Option<OffsetDateTime>) -> Result<Report, Failure> {
    let path = session.settings.audit_file.as_ref();
    let path = path.ok_or_else(|| {
        Failure::BadCombination("there is no local log: CENTAUR_PERMS_AUDIT is off".to_owned())
    })?;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Failure::BadProfile {
                path: path.display().to_string(),
                problem: error.kind().to_string(),
            });
        }
    };
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_wanted = |line: &Value| {
        let at = line.get("time").and_then(Value::as_str);
        let at = at.and_then(|at| span::instant(at, OffsetDateTime::UNIX_EPOCH, Direction::Back));
        since.is_none_or(|since| at.is_some_and(|at| at >= since))
    };
    let items: Vec<Value> = lines.filter(is_wanted).collect();
    let mut table = Table::new();
    for item in &items {
        let cell = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        table.row(["time", "user", "namespace", "method", "path", "outcome"].map(cell));
    }
    let total = items.len();
    Ok(Report::list(items, total, table.text() + &format!("{}\n", count(total, "write"))))
}
