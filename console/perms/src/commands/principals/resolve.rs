//! `principals resolve`: as which principal a thread acts. Asks nobody.

use centaur_manifest::principal::{self, Derived, TeamForm};
use serde_json::{Value, json};

use crate::address;
use crate::args::PrincipalsResolve;
use crate::printer::{Table, line};
use crate::report::Report;
use crate::session::Session;

pub(in crate::commands) fn run(session: &Session, args: &PrincipalsResolve) -> Report {
    let thread = principal::Session {
        thread_key: &args.thread_key,
        acting_user: args.slack_user.as_deref(),
        slack_team: args.slack_team.as_deref(),
        name: None,
    };
    let derived = thread.principal(TeamForm::Plain);
    if address::is_direct_message(&derived) {
        let text = "this is a direct message; without --slack-user it names the conversation, not the user";
        session.warn("dm_without_user", text);
    }
    let mut text =
        format!("{}  {}  {}\n", line(&derived.foreign_id), derived.form.kind().as_str(), line(&derived.name));
    let mut table = Table::new().indented(2);
    for (key, value) in &derived.labels {
        table.row([key, value]);
    }
    text.push_str(&table.text());
    let fallback = derived.fallback.as_ref().map_or("none", |fallback| &fallback.foreign_id);
    text.push_str("requester  ");
    text.push_str(&line(fallback));
    text.push('\n');
    let data = json!({
        "thread_key": args.thread_key,
        "principal": shown(&derived),
        "requester": derived.fallback.as_deref().map(shown),
    });
    Report::new(data, text)
}

fn shown(derived: &Derived) -> Value {
    let Derived { foreign_id, form, labels, name, .. } = derived;
    json!({"foreign_id": foreign_id, "name": name, "labels": labels, "kind": form.kind().as_str()})
}
