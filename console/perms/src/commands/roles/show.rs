//! `roles show`

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::address;
use crate::args::RoleArg;
use crate::credential::{Placement, sources};
use crate::failure::Failure;
use crate::fetch;
use crate::printer::{Table, count, line};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};

pub(in crate::commands) async fn run(session: &Session, args: &RoleArg) -> Result<Report, Failure> {
    let role = address::existing_role(session, &args.role).await?;
    let grants = session.api()?.grants_of_role(role.id).await.of(session)?;
    let secrets = fetch::secrets(session, grants.iter().map(|grant| grant.secret)).await?;
    let mut text =
        format!("{}  {}  {}\n", line(&role.called()), role.id, line(role.name.as_deref().unwrap_or("-")));
    let mut table = Table::new().indented(2);
    if !grants.is_empty() {
        table.row(["TYPE", "NAME", "ID", "GRANT", "SOURCE", "HOSTS", "TOOL"]);
    }
    for grant in &grants {
        let (id, grant_id) = (grant.secret.to_string(), grant.id.to_string());
        let kind = shape::type_name(grant.secret.kind);
        let Some(secret) = secrets.get(&grant.secret) else {
            table.row([kind, "", &id, &grant_id, "", "", ""]);
            continue;
        };
        let (source, hosts) = (sources(secret).join(","), Placement::of(secret).hosts.join(","));
        let tool = shape::tool_of(secret).unwrap_or_default();
        table.row([kind, &secret.called(), &id, &grant_id, &source, &hosts, tool]);
    }
    text.push_str(&if grants.is_empty() { "  no secrets\n".to_owned() } else { table.text() });
    let _ = writeln!(text, "{}", count(grants.len(), "secret"));
    let shown: Vec<Value> =
        grants.iter().map(|grant| shape::grant(grant, secrets.get(&grant.secret))).collect();
    Ok(Report::new(json!({ "role": shape::role(&role), "grants": shown }), text))
}
