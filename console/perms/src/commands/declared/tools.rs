//! The secrets of the tools that a file names: registered from their manifests; without any tool directory, those that
//! are registered already.

use std::collections::BTreeMap;

use crate::declared::RoleEntry;
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{MadeSecret, Plan};
use crate::registration::Registrar;
use crate::session::Session;
use crate::shape::{Identity as _, TOOL_LABEL, TYPES};
use crate::tools;

/// A secret that somebody shall hold.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) secret: MadeSecret,
    pub(super) called: String,
}

/// What the tools of a file come to.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Their secrets.
    pub(super) secrets: BTreeMap<String, Vec<Wanted>>,
    /// Roles that registering them makes, with their names.
    pub(super) made_roles: BTreeMap<String, String>,
}

/// The secrets of each tool that a role of the file names.
pub(super) async fn of(
    session: &Session,
    registrar: &mut Registrar<'_>,
    plan: &mut Plan,
    roles: &[RoleEntry],
) -> Result<Tools, Failure> {
    let mut names: Vec<String> = roles.iter().flat_map(|role| role.tools.iter().cloned()).collect();
    names.sort();
    names.dedup();
    let mut found = Tools::default();
    if names.is_empty() {
        return Ok(found);
    }
    if session.settings.tool_dirs.is_empty() {
        for name in names {
            let secrets = registered(session, &name).await?;
            found.secrets.insert(name, secrets);
        }
        return Ok(found);
    }
    let catalog = tools::catalog(session)?;
    for chosen in tools::chosen(session, &catalog, &names)? {
        let registered = registrar.register(plan, &chosen, &[], false, &[]).await?;
        if registered.target.id.is_none() {
            let role = &chosen.registration.role;
            found.made_roles.insert(role.foreign_id.clone(), role.name.clone());
        }
        let secrets = registered.secrets.into_iter().map(|(called, secret)| Wanted { secret, called });
        found.secrets.insert(chosen.tool.name.clone(), secrets.collect());
    }
    Ok(found)
}

/// What is registered of a tool, in all collections.
async fn registered(session: &Session, tool: &str) -> Result<Vec<Wanted>, Failure> {
    let api = session.api()?;
    let filter = session.everything().label(TOOL_LABEL, tool);
    let lists = fetch::all(session, TYPES.iter().map(|(kind, _)| api.secrets(*kind, &filter))).await?;
    let found: Vec<Wanted> = lists
        .into_iter()
        .flatten()
        .map(|row| Wanted { secret: MadeSecret::Id(row.id), called: row.called() })
        .collect();
    if found.is_empty() { Err(Failure::NoToolDirs) } else { Ok(found) }
}
