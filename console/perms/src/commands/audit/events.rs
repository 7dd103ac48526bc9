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
        let cell = |names: &[&str]| names.iter().find_map(|name| text(item.get(*name)?)).unwrap_or_default();
        table.row([
            cell(&["at", "created_at"]),
            cell(&["actor", "actor_id", "actor_kind"]),
            cell(&["action"]),
            cell(&["object", "object_id", "object_kind"]),
            cell(&["namespace"]),
        ]);
    }
    let total = items.len();
    Ok(Report::list(items, total, table.text() + &format!("{}\n", count(total, "event"))))
}

async fn read(session: &Session, parameters: Vec<(String, String)>) -> Result<Vec<Value>, Failure> {
    let api = session.api()?;
    let mut items: Vec<Value> = Vec::new();
    let mut from: Option<String> = None;
    while items.len() < MOST {
        let mut query = AuditQuery { parameters: parameters.clone() };
        query.parameters.extend(from.clone().map(|from| ("before".to_owned(), from)));
        let page = api.audit_events(&query).await.of(session)?;
        let page =
            page.ok_or(Failure::Unsupported("an audit log; `audit --local` shows what this program wrote"))?;
        let next = page.meta.get("next").and_then(text);
        items.extend(page.events);
        if next.is_none() || next == from {
            return Ok(items);
        }
        from = next;
    }
    session.warn("truncated", format!("only the newest {MOST} events are shown; use --since"));
    Ok(items)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
