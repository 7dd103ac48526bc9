//! `tools sync`

use std::collections::{BTreeMap, BTreeSet};

use centaur_base::oid::SecretKind;
use centaur_client::api::{Grantee, Secret};
use centaur_manifest::discover::Catalog;
use centaur_manifest::register::{TOOLS_ROLE, tool_role};

use super::register::{ended, every, plan};
use crate::args::ToolsSync;
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{Action, Call, Plan, Seen, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _, MANAGED, TYPES};
use crate::tools::{self, Chosen};

/// More deletions than these are asked about.
const FEW: usize = 10;

pub(in crate::commands) async fn run(session: &Session, args: &ToolsSync) -> Result<Report, Failure> {
    let catalog = tools::catalog(session)?;
    let (chosen, status) = every(session, &catalog)?;
    let roles: &[&str] = if args.tools_role { &[TOOLS_ROLE.0] } else { &[] };
    let (mut plan, registrar) = plan(session, &chosen, roles, &args.how).await?;
    if args.prune {
        plan = prune(session, &catalog, &chosen, args.prune_missing_tools, plan).await?;
    }
    Ok(ended(registrar.finish(plan.run(session).await?), status))
}

/// Deletes what a tool in scope registered once and does not declare any more. A tool whose manifest is invalid, or
/// which could not be registered, is not in scope.
async fn prune(
    session: &Session,
    catalog: &Catalog,
    chosen: &[Chosen<'_>],
    also_missing: bool,
    mut plan: Plan,
) -> Result<Plan, Failure> {
    let current: BTreeMap<&str, BTreeSet<(SecretKind, &str)>> = chosen
        .iter()
        .map(|chosen| {
            let ids = chosen.registration.secrets.iter();
            let ids = ids.map(|record| (record.kind, record.foreign_id.as_str())).collect();
            (chosen.tool.name.as_str(), ids)
        })
        .collect();
    let mut stale: Vec<Secret> = Vec::new();
    let mut is_mass = false;
    for (tool, stored) in registered(session).await? {
        let ids = current.get(tool.as_str());
        let is_missing = catalog.named(&tool).is_none();
        if ids.is_none() && !(is_missing && also_missing) {
            if is_missing {
                let text = format!(
                    "{tool} is in no tool directory; add --prune-missing-tools to delete its secrets"
                );
                session.printer.notice(&text);
            }
            continue;
        }
        let is_current = |row: &Secret| {
            let id = row.foreign_id.as_deref().map(|id| (row.id.kind, id));
            id.is_some_and(|id| ids.is_some_and(|ids| ids.contains(&id)))
        };
        let all = stored.len();
        let gone: Vec<Secret> = stored.into_iter().filter(|row| !is_current(row)).collect();
        is_mass |= gone.len() * 2 > all;
        stale.extend(gone);
    }
    if is_mass || stale.len() > FEW {
        plan = plan.destructive();
    }
    for secret in &stale {
        plan.push(delete(session, secret).await?);
    }
    Ok(plan)
}

/// Everything that Centaur manages for a tool, by tool.
async fn registered(session: &Session) -> Result<BTreeMap<String, Vec<Secret>>, Failure> {
    let api = session.api()?;
    let filter = session.everything().label(MANAGED.0, MANAGED.1);
    let lists = fetch::all(session, TYPES.iter().map(|(kind, _)| api.secrets(*kind, &filter))).await?;
    let mut found: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
    for row in lists.into_iter().flatten() {
        if let Some(tool) = shape::tool_of(&row) {
            found.entry(tool.to_owned()).or_default().push(row);
        }
    }
    Ok(found)
}

/// Direct grants that would disappear are told first; those of the tool's own role go without a word.
async fn delete(session: &Session, secret: &Secret) -> Result<Step, Failure> {
    let grants = session.api()?.grants_of_secret(secret.id).await.of(session)?.unwrap_or_default();
    let direct = grants.iter().filter_map(|grant| match grant.grantee {
        Grantee::Principal(id) => Some(id),
        Grantee::Role(_) => None,
    });
    let holders = fetch::principals(session, direct).await?;
    for holder in holders.values() {
        let (holder, secret) = (holder.called(), secret.called());
        session.printer.notice(&format!("{holder} loses its direct grant of {secret}"));
    }
    let tool = shape::tool_of(secret).unwrap_or_default();
    let target =
        Target { kind: "secret", id: Some(secret.id.to_string()), foreign_id: secret.foreign_id.clone() };
    let call = Call::DeleteSecret { id: secret.id, seen: Seen::from(secret) };
    let reason = format!("{tool} does not declare it any more");
    Ok(Step::new(Action::Delete, target, reason, call)
        .with("type", shape::type_name(secret.id.kind))
        .with("role", tool_role(tool))
        .with("grants", grants.iter().map(|grant| grant.id.to_string()).collect::<Vec<_>>()))
}
