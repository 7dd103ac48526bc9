//! `audit`: the console's log, newest first.

use centaur_base::oid::{Oid as _, PrincipalId};
use centaur_client::api::AuditQuery;
use serde_json::Value;
use time::OffsetDateTime;

use super::local;
use crate::address;
use crate::args::{AuditList, PrincipalArg};
use crate::failure::Failure;
use crate::printer::{Table, count};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::span::{self, Direction};

/// Most events that are read in one run.
const MOST: usize = 10_000;

pub(in crate::commands) async fn run(session: &Session, args: &AuditList) -> Result<Report, Failure> {
    let since = match &args.since {
        None => None,
        Some(text) => {
            let at = span::instant(text, OffsetDateTime::now_utc(), Direction::Back);
            Some(at.ok_or_else(|| Failure::BadOption {
                name: "--since".to_owned(),
                problem: format!("{text} is no point in time; write 2030-01-31T12:00:00Z, or 12h, 7d ago"),
            })?)
        }
    };
    if args.local {
        return local::run(session, since);
    }
    let mut parameters = Vec::new();
    let mut add = |name: &str, value: String| parameters.push((name.to_owned(), value));
    if let Some(since) = since {
        add("since", span::shown(since));
    }
    if let Some(actor) = &args.actor {
        add("actor", actor.clone());
    }
    if let Some(text) = &args.principal {
        let id = if PrincipalId::claims(text) {
            text.clone()
        } else {
            let arg = PrincipalArg { principal: text.clone(), slack_user: None };
            address::principal(session, &arg).await?.found(session)?.id.to_string()
        };
        add("principal", id);
    }
    add("limit", "200".to_owned());
    let items = read(session, parameters).await?;
    let mut table = Table::new();
    for item in &items {
        let cell = |name: &str| item.get(name).and_then(text).unwrap_or_default();
        table.row([cell("at"), who(item, "actor"), cell("action"), who(item, "object"), cell("namespace")]);
    }
    let total = items.len();
    Ok(Report::list(items, total, table.text() + &format!("{}\n", count(total, "event"))))
}

async fn read(session: &Session, parameters: Vec<(String, String)>) -> Result<Vec<Value>, Failure> {
    let api = session.api()?;
    let mut items: Vec<Value> = Vec::new();
    let mut from = Vec::new();
    while items.len() < MOST {
        let query = AuditQuery { parameters: parameters.iter().cloned().chain(from.clone()).collect() };
        let page = api.audit_events(&query).await.of(session)?;
        let page =
            page.ok_or(Failure::Unsupported("an audit log; `audit --local` shows what this program wrote"))?;
        items.extend(page.events);
        match page.next.filter(|next| *next != from) {
            Some(next) => from = next,
            None => return Ok(items),
        }
    }
    session.warn("truncated", format!("only the newest {MOST} events are shown; use --since"));
    Ok(items)
}

/// `principal prn_…`
fn who(item: &Value, name: &str) -> String {
    let member = |key: &str| item.get(name)?.get(key).and_then(text);
    [member("type"), member("id")].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
