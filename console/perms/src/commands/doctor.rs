//! `doctor`: is everything set up, from the way to the console to the tools.

use std::time::{Duration, SystemTime};

use centaur_manifest::register::POLICY_LABEL;
use serde_json::{Value, json};

use crate::credential::sources;
use crate::failure::Failure;
use crate::printer::{Table, count};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::settings::SourcePolicy;
use crate::shape::MANAGED;
use crate::tools;

/// A clock that is off by more than this makes ends of grants and tokens surprising.
const SKEW: Duration = Duration::from_secs(30);

/// A check and what it found.
struct Check {
    name: &'static str,
    state: State,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Bad,
    Skipped,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "failed",
            Self::Skipped => "skipped",
        }
    }
}

pub(super) async fn run(session: &Session) -> Report {
    let mut checks = Vec::new();
    let is_up = control_plane(session, &mut checks).await;
    if is_up {
        policy(session, &mut checks).await;
    }
    vault(session, &mut checks);
    roots(session, &mut checks);
    manifests(session, &mut checks);
    let mut table = Table::new();
    for check in &checks {
        table.row([check.name, check.state.as_str(), &check.detail]);
    }
    let shown: Vec<Value> = checks
        .iter()
        .map(|check| json!({"check": check.name, "state": check.state.as_str(), "detail": check.detail}))
        .collect();
    let report = Report::new(json!({ "checks": shown }), table.text());
    match checks.iter().filter(|check| check.state == State::Bad).count() {
        0 => report,
        failed => report.with_failure(Failure::ChecksFailed(failed)),
    }
}

/// Address, way there, clock, key, namespace; says whether the rest can be asked.
async fn control_plane(session: &Session, checks: &mut Vec<Check>) -> bool {
    let mut add = |name, state, detail: String| checks.push(Check { name, state, detail });
    let api = match session.api() {
        Ok(api) => api,
        Err(failure) => {
            add("settings", State::Bad, failure.to_string());
            return false;
        }
    };
    add("settings", State::Good, format!("{} in namespace {}", api.base(), session.namespace()));
    match api.health().await {
        Ok(health) => {
            add("reachable", State::Good, format!("answered in {} ms", health.took.as_millis()));
            let (state, detail) = clock(health.date);
            add("clock", state, detail);
        }
        Err(error) => {
            add("reachable", State::Bad, error.cause.to_string());
            return false;
        }
    }
    let roles = match api.roles(&session.everything()).await.of(session) {
        Ok(roles) => roles,
        Err(failure) => {
            add("key", State::Bad, failure.to_string());
            return false;
        }
    };
    add("key", State::Good, "accepted".to_owned());
    if roles.is_empty() {
        add("namespace", State::Bad, format!("there is no role in namespace {}", session.namespace()));
    } else {
        add("namespace", State::Good, crate::printer::count(roles.len(), "role"));
    }
    true
}

fn clock(date: Option<SystemTime>) -> (State, String) {
    let Some(date) = date else {
        return (State::Skipped, "the control plane does not say what time it is".to_owned());
    };
    let now = SystemTime::now();
    let skew = now.duration_since(date).or_else(|_| date.duration_since(now)).unwrap_or_default();
    if skew > SKEW {
        (State::Bad, format!("differs from the control plane's by {} s", skew.as_secs()))
    } else {
        (State::Good, "agrees with the control plane's".to_owned())
    }
}

/// Sources that were registered with another policy would be rewritten by the next registration.
async fn policy(session: &Session, checks: &mut Vec<Check>) {
    let policy = session.settings.sources.policy;
    let ours = match policy {
        SourcePolicy::Env => "env",
        SourcePolicy::OnePassword => "1password",
        SourcePolicy::OnePasswordConnect => "1password_connect",
    };
    let filter = session.everything().label(MANAGED.0, MANAGED.1);
    let mut others = 0;
    let Ok(api) = session.api() else { return };
    let mut stored = 0;
    for (kind, _) in crate::shape::TYPES {
        let Ok(rows) = api.secrets(kind, &filter).await else { continue };
        // One that was registered with the option keeps its source.
        let rows = rows.iter().filter(|row| !row.labels.contains_key(POLICY_LABEL));
        let kinds = rows.flat_map(sources).map(|text| text.split(':').next().unwrap_or_default().to_owned());
        for kind in kinds.filter(|kind| matches!(kind.as_str(), "env" | "1password" | "1password_connect")) {
            stored += 1;
            others += usize::from(kind != ours);
        }
    }
    let (state, detail) = if others > 0 {
        (State::Bad, format!("{others} of {stored} stored sources are not of policy {}", policy.as_str()))
    } else {
        (State::Good, format!("{} fits the stored sources", policy.as_str()))
    };
    checks.push(Check { name: "source policy", state, detail });
}

fn vault(session: &Session, checks: &mut Vec<Check>) {
    let sources = &session.settings.sources;
    let (state, detail) = match (sources.policy, &sources.vault) {
        (SourcePolicy::Env, _) => (State::Skipped, "policy env needs none".to_owned()),
        (_, Some(vault)) => (State::Good, vault.clone()),
        (policy, None) => {
            (State::Bad, format!("policy {} needs a vault; use --op-vault or OP_VAULT", policy.as_str()))
        }
    };
    checks.push(Check { name: "vault", state, detail });
}

fn roots(session: &Session, checks: &mut Vec<Check>) {
    if session.settings.tool_dirs.is_empty() {
        let detail = "no directory with tools is named".to_owned();
        checks.push(Check { name: "tool directory", state: State::Skipped, detail });
    }
    for dir in &session.settings.tool_dirs {
        let (state, detail) = match std::fs::read_dir(dir) {
            Ok(entries) => (State::Good, format!("{}: {}", dir.display(), entries_text(entries.count()))),
            Err(error) => (State::Bad, format!("{}: {}", dir.display(), error.kind())),
        };
        checks.push(Check { name: "tool directory", state, detail });
    }
}

/// Each tool can be read, and no two would share a role.
fn manifests(session: &Session, checks: &mut Vec<Check>) {
    let Ok(catalog) = tools::catalog(session) else { return };
    let mut add = |state, detail: String| checks.push(Check { name: "manifests", state, detail });
    let mut is_good = true;
    for tool in &catalog.tools {
        let problems = tool.problems();
        if let Some(first) = problems.first() {
            is_good = false;
            let more = if problems.len() > 1 {
                format!(" (and {} more)", problems.len() - 1)
            } else {
                String::new()
            };
            add(State::Bad, format!("{first}{more}"));
        }
        if let Some(other) = catalog.holder_of_role(tool) {
            is_good = false;
            add(State::Bad, format!("{} and {} would share role {}", other.name, tool.name, tool.role()));
        }
    }
    if is_good {
        let warnings: usize = catalog.tools.iter().map(|tool| tool.warnings.len()).sum();
        let (tools, warnings) = (count(catalog.tools.len(), "tool"), count(warnings, "warning"));
        add(State::Good, format!("{tools}, {warnings}"));
    }
}

fn entries_text(number: usize) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}
