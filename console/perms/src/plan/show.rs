//! A plan as it is told: `changes` in the JSON, lines for people.

use serde_json::{Map, Value, json};

use super::step::{Action, Step};
use crate::printer::{Table, count};
use crate::report::Report;

/// A step and whether it was carried out.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) step: Step,
    pub(super) is_applied: bool,
}

impl Shown {
    pub(super) fn planned(step: Step) -> Self {
        Self { step, is_applied: false }
    }

    /// One element of `changes`.
    fn json(&self) -> Value {
        let Step { action, target, before, after, extra, reason, .. } = &self.step;
        let mut out = Map::new();
        out.insert("action".to_owned(), action.as_str().into());
        out.insert("kind".to_owned(), target.kind.into());
        out.insert("id".to_owned(), json!(target.id));
        out.insert("foreign_id".to_owned(), json!(target.foreign_id));
        out.insert("applied".to_owned(), (self.is_applied && *action != Action::Unchanged).into());
        out.insert("reason".to_owned(), reason.as_str().into());
        if let Some(tool) = &self.step.tool {
            out.insert("tool".to_owned(), tool.as_str().into());
        }
        out.extend(extra.clone());
        if *action == Action::Update {
            out.insert("before".to_owned(), before.clone().into());
            out.insert("after".to_owned(), after.clone().into());
        }
        Value::Object(out)
    }

    /// What an update changes.
    fn members(&self) -> String {
        self.step.after.keys().cloned().collect::<Vec<_>>().join(", ")
    }

    fn word(&self, dry_run: bool) -> String {
        let action = self.step.action;
        let word = match (action, self.is_applied) {
            (Action::Unchanged, _) if self.step.is_absent => "not there".to_owned(),
            (Action::Unchanged, _) => "in place".to_owned(),
            (Action::Update, true) => format!("updated {}", self.members()),
            (_, true) => action.done().to_owned(),
            (Action::Update, false) if dry_run => format!("to update {}", self.members()),
            (_, false) if dry_run => format!("to {}", action.as_str()),
            (_, false) => format!("not {}", action.done()),
        };
        self.step.whom.iter().fold(word, |word, whom| word + " " + whom)
    }
}

/// The report of a plan.
pub(super) fn report(steps: &[Shown], dry_run: bool, complete: bool) -> Report {
    let steps: Vec<&Shown> = steps.iter().filter(|shown| !shown.step.is_silent).collect();
    let changes: Vec<Value> = steps.iter().map(|shown| shown.json()).collect();
    let data = json!({ "changes": changes, "dry_run": dry_run, "complete": complete });
    let mut table = Table::new();
    let mut at = 0;
    while let Some(shown) = steps.get(at) {
        let Some(tool) = &shown.step.tool else {
            let target = &shown.step.target;
            // What has no foreign id is called by its id already.
            let id = target.foreign_id.as_ref().and(target.id.clone()).unwrap_or_default();
            table.row([target.kind, &target.called(), &id, &shown.word(dry_run)]);
            at += 1;
            continue;
        };
        let group = steps[at..].iter().take_while(|other| other.step.tool.as_ref() == Some(tool)).count();
        table.row(tool_row(tool, &steps[at..at + group], dry_run));
        at += group;
    }
    let is_quiet = steps.iter().all(|shown| shown.step.action == Action::Unchanged);
    let mut text = table.text();
    if is_quiet && steps.iter().any(|shown| shown.step.is_absent) {
        text.push_str("there is nothing to take away\n");
    } else if is_quiet {
        text.push_str("everything is in place\n");
    } else if dry_run {
        text.push_str("nothing was written (dry run)\n");
    }
    Report::new(data, text)
}

/// `tool  tide-tables  role tool-tide-tables role_4hTz  1 secret: 1 created  assigned  overlay/tools/tide-tables`
fn tool_row(tool: &str, steps: &[&Shown], dry_run: bool) -> Vec<String> {
    let of = |kind: &'static str, assigns: bool| {
        let is_one = move |shown: &&&Shown| {
            shown.step.target.kind == kind && shown.step.extra.contains_key("principal") == assigns
        };
        steps.iter().filter(is_one)
    };
    let own = of("role", false).next().map(|shown| &shown.step);
    let role = own.map(|step| match &step.target.id {
        Some(id) => format!("role {} {id}", step.target.called()),
        None => format!("role {}", step.target.called()),
    });
    let directory = own.and_then(|step| step.extra.get("directory")?.as_str());
    let mut words: Vec<(String, usize)> = Vec::new();
    for shown in of("secret", false) {
        let word = match shown.step.action {
            Action::Unchanged => "unchanged".to_owned(),
            _ => shown.word(dry_run),
        };
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => words.push((word, 1)),
        }
    }
    let total = words.iter().map(|(_, count)| count).sum();
    let parts: Vec<String> = words.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let secrets = count(total, "secret");
    let secrets = if parts.is_empty() { secrets } else { format!("{secrets}: {}", parts.join(", ")) };
    let assigned = of("role", true).next().map(|shown| match shown.step.action {
        Action::Unchanged => "in place".to_owned(),
        _ => shown.word(dry_run),
    });
    let row = ["tool".to_owned(), tool.to_owned(), role.unwrap_or_default(), secrets].into_iter();
    row.chain(assigned).chain(directory.map(str::to_owned)).collect()
}
