//! `principals show`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use centaur_base::oid::SecretId;
use centaur_client::api::{Grant, Requester, Role, Secret};
use serde_json::{Value, json};

use crate::address;
use crate::args::PrincipalArg;
use crate::commands::list::labels;
use crate::effective;
use crate::failure::Failure;
use crate::fetch;
use crate::printer::{Table, count, line};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalArg) -> Result<Report, Failure> {
    let api = session.api()?;
    let principal = address::principal(session, args).await?.found(session)?;
    let roles = api.roles_of(principal.id).await.of(session)?;
    let role_grants = fetch::grants_of_each(session, &roles).await?;
    let direct = api.grants_of_principal(principal.id).await.of(session)?;
    let ids = role_grants.iter().flatten().chain(&direct).map(|grant| grant.secret);
    let secrets = fetch::secrets(session, ids).await?;
    let effective = effective::credentials(session, principal.id, &Requester::default(), &secrets).await?;
    let is_baseline = |role: &Role| session.settings.default_roles.contains(&role.called());

    let mut text = format!(
        "{}  {}  {}\n",
        line(&principal.called()),
        principal.id,
        line(principal.name.as_deref().unwrap_or("-"))
    );
    section(&mut text, "labels", &[labels(&principal.labels)], principal.labels.is_empty());
    let mut table = Table::new().indented(2);
    for (role, grants) in roles.iter().zip(&role_grants) {
        let mark = if is_baseline(role) { " *" } else { "" };
        table.row([
            format!("{}{mark}", role.called()),
            count(grants.len(), "secret"),
            names(grants, &secrets),
        ]);
    }
    table_section(&mut text, "roles", &table, roles.is_empty());
    let mut table = Table::new().indented(2);
    for grant in &direct {
        let secret = secrets.get(&grant.secret);
        let called = secret.map_or_else(|| grant.secret.to_string(), shape::Identity::called);
        let end = grant.expires_at.as_ref().map(|at| format!("until {at}"));
        let cells = [shape::type_name(grant.secret.kind).to_owned(), called, grant.id.to_string()];
        table.row(cells.into_iter().chain(end));
    }
    table_section(&mut text, "direct grants", &table, direct.is_empty());
    let mut table = Table::new().indented(2);
    table.row(["TYPE", "NAME", "PLACEMENT", "HOSTS", "VIA", "STATE"]);
    for credential in &effective {
        table.row(credential.cells());
    }
    table_section(&mut text, "effective", &table, effective.is_empty());
    if roles.iter().any(is_baseline) {
        text.push_str("* default role\n");
    }

    let grant = |grant: &Grant| shape::grant(grant, secrets.get(&grant.secret));
    let shown_roles: Vec<Value> = roles
        .iter()
        .zip(&role_grants)
        .map(|(role, grants)| {
            let mut shown = shape::role(role);
            shown["baseline"] = is_baseline(role).into();
            shown["grants"] = grants.iter().map(grant).collect();
            shown
        })
        .collect();
    let data = json!({
        "principal": shape::principal(&principal),
        "roles": shown_roles,
        "direct_grants": direct.iter().map(grant).collect::<Vec<_>>(),
        "effective": effective.iter().map(crate::credential::Credential::json).collect::<Vec<_>>(),
    });
    Ok(Report::new(data, text))
}

fn names(grants: &[Grant], secrets: &BTreeMap<SecretId, Secret>) -> String {
    let called = |grant: &Grant| {
        secrets.get(&grant.secret).map_or_else(|| grant.secret.to_string(), shape::Identity::called)
    };
    grants.iter().map(called).collect::<Vec<_>>().join(", ")
}

fn section(text: &mut String, title: &str, lines: &[String], is_empty: bool) {
    let _ = writeln!(text, "{title}");
    if is_empty {
        text.push_str("  none\n");
    } else {
        for shown in lines {
            let _ = writeln!(text, "  {}", line(shown));
        }
    }
}

fn table_section(text: &mut String, title: &str, table: &Table, is_empty: bool) {
    section(text, title, &[], is_empty);
    if !is_empty {
        text.push_str(&table.text());
    }
}
