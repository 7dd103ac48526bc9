//! `explain`: what would happen to a request, without sending it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use centaur_client::api::{Principal, Probe, Requester, Tried};
use serde_json::{Value, json};

use crate::address;
use crate::args::{ExplainArgs, PrincipalArg};
use crate::credential::Credential;
use crate::effective;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Table, line};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};

pub(super) async fn run(session: &Session, args: &ExplainArgs) -> Result<Report, Failure> {
    let principal = address::principal(session, &args.principal).await?.found(session)?;
    let requester = match &args.requester {
        Some(text) => {
            let arg = PrincipalArg { principal: text.clone(), slack_user: None };
            Some(address::principal(session, &arg).await?.found(session)?)
        }
        None => None,
    };
    let secret = match &args.secret {
        Some(text) => Some(address::secret(session, text).await?.id.to_string()),
        None => None,
    };
    let asked = Requester { principal: requester.as_ref().map(|row| row.id) };
    let mut all = effective::credentials(session, principal.id, &asked, &BTreeMap::new()).await?;
    let tried = match &args.host {
        Some(host) => Some(tried(session, &principal, &asked, args, host, &all).await?),
        None => None,
    };
    all.retain(|one| secret.as_ref().is_none_or(|id| one.id == *id));
    all.retain(|one| {
        args.tool.as_deref().is_none_or(|tool| one.secret.as_ref().and_then(shape::tool_of) == Some(tool))
    });
    let judged = all.into_iter().map(|one| {
        let reason = set_aside(&one, tried.as_ref(), args.database.as_deref());
        (one, reason)
    });
    let (set_aside, applied): (Vec<_>, Vec<_>) = judged.partition(|(_, reason)| reason.is_some());
    Ok(report(args, &principal, requester.as_ref(), &applied, &set_aside, tried.as_ref()))
}

/// Asks the console what it would do. The headers that the client is taken to send are those that placeholders are
/// looked for in.
async fn tried(
    session: &Session,
    principal: &Principal,
    requester: &Requester,
    args: &ExplainArgs,
    host: &str,
    all: &[Credential],
) -> Result<Tried, Failure> {
    let placements = all.iter().filter_map(Credential::placement);
    let named = placements.flat_map(|placement| placement.locations);
    let named = named.filter_map(|place| place.strip_prefix("header:").map(str::to_owned));
    let mut headers: Vec<String> = named.filter(|name| name != "*" && !name.starts_with('/')).collect();
    headers.push("authorization".to_owned());
    headers.sort();
    headers.dedup();
    let path = args.path.as_deref().unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let url = if host.contains("://") {
        format!("{host}{slash}{path}")
    } else {
        format!("https://{host}{slash}{path}")
    };
    let probe = Probe { method: args.method.as_deref().unwrap_or("GET").to_uppercase(), url, headers };
    let tried = session.api()?.dry_run(principal.id, requester, &probe).await.of(session)?;
    tried.ok_or(Failure::Unsupported("a dry run"))
}

/// Why a credential does nothing to the request; `None` when it applies.
fn set_aside(one: &Credential, tried: Option<&Tried>, database: Option<&str>) -> Option<String> {
    if one.state != "active" {
        return Some(one.state.clone());
    }
    if let Some(wanted) = database {
        let its = one.placement().and_then(|placement| placement.database);
        return (its.as_deref() != Some(wanted)).then(|| "rule_mismatch".to_owned());
    }
    let applies = tried?.applies.iter().find(|applied| applied.secret_id == one.id);
    match applies {
        None => Some("rule_mismatch".to_owned()),
        Some(applied) if applied.overwritten_by.is_some() => Some("lower_priority".to_owned()),
        Some(_) => None,
    }
}

fn report(
    args: &ExplainArgs,
    principal: &Principal,
    requester: Option<&Principal>,
    applied: &[(Credential, Option<String>)],
    set_aside: &[(Credential, Option<String>)],
    tried: Option<&Tried>,
) -> Report {
    let request = json!({
        "principal": principal.called(),
        "requester": requester.map(Principal::called),
        "host": args.host,
        "method": args.method,
        "path": args.path,
        "database": args.database,
        "tool": args.tool,
        "secret": args.secret,
    });
    let matched = |one: &Credential| tried?.applies.iter().find(|applied| applied.secret_id == one.id);
    let shown = |(one, reason): &(Credential, Option<String>)| {
        let mut shown = one.json();
        if let Some(reason) = reason {
            shown["reason"] = reason.as_str().into();
        }
        if let Some(applied) = matched(one) {
            shown["rule"] = json!(applied.rule);
        }
        shown
    };
    let data = json!({
        "request": request,
        "applied": applied.iter().map(shown).collect::<Vec<Value>>(),
        "set_aside": set_aside.iter().map(shown).collect::<Vec<Value>>(),
    });

    let mut text = String::new();
    if applied.is_empty() {
        text.push_str("no credential applies\n");
    }
    for (one, _) in applied {
        let [kind, name, _, _, via, state] = one.cells();
        let _ = writeln!(text, "applies  {name}  {kind}  via {via}  {state}");
        let rule = matched(one).and_then(|applied| applied.rule);
        if let Some(rule) = rule {
            let _ = writeln!(text, "  matched by rule {}", rule + 1);
        }
        let _ = writeln!(text, "  {}", line(&advice(one)));
    }
    if !set_aside.is_empty() {
        text.push_str("set aside\n");
        let mut table = Table::new().indented(2);
        for (one, reason) in set_aside {
            let [kind, name, _, hosts, via, _] = one.cells();
            let reason =
                one.reason.clone().or_else(|| reason.as_ref().map(|reason| reason.replace('_', " ")));
            table.row([kind, name, hosts, via, reason.unwrap_or_default()]);
        }
        text.push_str(&table.text());
    }
    let status = if applied.is_empty() { ExitStatus::NotFound } else { ExitStatus::Success };
    Report::new(data, text).with_status(status)
}

/// What the sandbox has to send.
fn advice(one: &Credential) -> String {
    let Some(placement) = one.placement() else { return "its definition cannot be read".to_owned() };
    let places = placement.locations.join(" or ");
    match (&placement.placeholder, &placement.database) {
        (Some(placeholder), _) => format!("send {placeholder} in {places}; the proxy puts the value there"),
        (None, Some(database)) => format!("connect to database {database} with the password of the sandbox"),
        (None, None) => format!("send nothing; the proxy writes {places}"),
    }
}
