//! `broker create`

use std::time::Duration;

use centaur_base::oid::{BrokerCredentialId, Oid as _};
use centaur_client::api::Credential;
use serde_json::{Map, Value, json};

use super::input::Input;
use crate::address;
use crate::args::{BrokerCreate, BrokerGrant, Sensitive};
use crate::failure::Failure;
use crate::plan::{Action, Call, Confidential, Plan, Seen, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity as _, MANAGED};

/// Time between two looks at a credential that is waited for.
const POLL: Duration = Duration::from_secs(1);

pub(in crate::commands) async fn run(session: &Session, args: &BrokerCreate) -> Result<Report, Failure> {
    if let Some(fraction) = args.early_refresh_fraction.filter(|fraction| !(0.0..1.0).contains(fraction)) {
        let problem = format!("{fraction} is not from 0 to below 1");
        return Err(Failure::BadOption { name: "--early-refresh-fraction".to_owned(), problem });
    }
    if BrokerCredentialId::claims(&args.foreign_id) {
        let problem = "a foreign id must not begin with bcr_".to_owned();
        return Err(Failure::BadOption { name: "--foreign-id".to_owned(), problem });
    }
    let mut data = Confidential(attributes(session, args)?);
    let api = session.api()?;
    let stored = api.credential_named(session.namespace(), &args.foreign_id).await.of(session)?;
    let target = |id: Option<String>| Target {
        kind: "broker_credential",
        id,
        foreign_id: Some(args.foreign_id.clone()),
    };
    let (action, id, seen) = match &stored {
        Some(row) => (Action::Update, Some(row.id.to_string()), Seen::from(row)),
        None => (Action::Create, None, Seen::default()),
    };
    if stored.is_none()
        && let Value::Object(members) = &mut data.0
    {
        members.insert("labels".to_owned(), json!({ MANAGED.0: MANAGED.1 }));
    }
    let changed = stored.as_ref().map(|row| changes(row, &data.0)).unwrap_or_default();
    let call = Call::PutCredential { at: args.foreign_id.clone(), data, seen };
    let mut step = Step::new(action, target(id), "asked for", call);
    for (name, before, after) in changed {
        step = step.changing(&name, before, after);
    }
    let mut plan = Plan::new();
    plan.push(step);
    let report = plan.run(session).await?;
    if session.settings.dry_run || report.failure.is_some() {
        return Ok(report);
    }
    finished(session, args, report).await
}

/// Shows the credential as it is then, waiting for it if that is asked for.
async fn finished(session: &Session, args: &BrokerCreate, mut report: Report) -> Result<Report, Failure> {
    let mut row = address::credential(session, &args.foreign_id).await?;
    while args.wait && !matches!(row.status.as_str(), "live" | "dead") {
        tokio::time::sleep(POLL).await;
        row = address::credential(session, &args.foreign_id).await?;
    }
    report.data["credential"] = row.document.clone().into();
    report.text = format!("{}  {}  {}\n", crate::printer::line(&row.called()), row.id, row.status);
    if args.wait && row.status == "dead" {
        let reason = row.document.get("dead_reason").and_then(Value::as_str).unwrap_or("no reason is known");
        let failure = Failure::Dead { id: row.called(), reason: reason.to_owned() };
        return Ok(report.with_failure(failure));
    }
    Ok(report)
}

/// The attributes of the write: what is not given is not there, and so stays as it is.
fn attributes(session: &Session, args: &BrokerCreate) -> Result<Value, Failure> {
    let mut input = Input::default();
    let mut data = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            data.insert(name.to_owned(), value);
        }
    };
    set("namespace", Some(session.namespace().into()));
    set("foreign_id", Some(args.foreign_id.as_str().into()));
    set("token_endpoint", Some(args.token_endpoint.as_str().into()));
    set("client_id", Some(args.client_id.as_str().into()));
    set("grant", args.grant.map(BrokerGrant::as_str).map(Value::from));
    set("username", args.username.as_deref().map(Value::from));
    set("name", args.name.as_deref().map(Value::from));
    set("description", args.description.as_deref().map(Value::from));
    set("scopes", (!args.scope.is_empty()).then(|| json!(args.scope)));
    set("early_refresh_slack_seconds", args.early_refresh_slack_seconds.map(Value::from));
    set("early_refresh_fraction", args.early_refresh_fraction.map(Value::from));
    set("max_refresh_interval_seconds", args.max_refresh_interval_seconds.map(Value::from));
    set("refresh_timeout_seconds", args.refresh_timeout_seconds.map(Value::from));
    let secrets: [(&str, &'static str, &Option<Sensitive>); 4] = [
        ("client_secret", "--client-secret", &args.client_secret),
        ("refresh_token", "--refresh-token", &args.refresh_token),
        ("password", "--password", &args.password),
        ("api_key", "--api-key", &args.api_key),
    ];
    for (name, option, value) in secrets {
        if let Some(value) = value {
            set(name, Some(input.read(session, option, value)?.as_str().into()));
        }
    }
    if !args.token_endpoint_header.is_empty() {
        let mut headers = Map::new();
        for pair in &args.token_endpoint_header {
            const OPTION: &str = "--token-endpoint-header";
            // What is no pair may be a secret.
            let (name, value) = address::pair(OPTION, pair.expose())
                .map_err(|_| Failure::BadPair { option: OPTION, text: "a text without a key".to_owned() })?;
            let value = zeroize::Zeroizing::new(value);
            let value = if value.starts_with('@') || *value == "-" {
                input.text(session, OPTION, &value)?
            } else {
                value
            };
            headers.insert(name, value.as_str().into());
        }
        set("token_endpoint_headers", Some(headers.into()));
    }
    Ok(data.into())
}

/// Members that the write changes, as far as they are shown anywhere.
fn changes(row: &Credential, data: &Value) -> Vec<(String, Value, Value)> {
    const SHOWN: [&str; 10] = [
        "token_endpoint",
        "client_id",
        "grant",
        "name",
        "description",
        "scopes",
        "early_refresh_slack_seconds",
        "early_refresh_fraction",
        "max_refresh_interval_seconds",
        "refresh_timeout_seconds",
    ];
    let change = |name: &str| {
        let (before, after) = (row.document.get(name).cloned().unwrap_or_default(), data.get(name)?.clone());
        (before != after).then(|| (name.to_owned(), before, after))
    };
    let mut all: Vec<_> = SHOWN.into_iter().filter_map(change).collect();
    for name in
        ["client_secret", "refresh_token", "password", "api_key", "username", "token_endpoint_headers"]
    {
        if data.get(name).is_some() {
            all.push((name.to_owned(), "[hidden]".into(), "[hidden]".into()));
        }
    }
    all
}
