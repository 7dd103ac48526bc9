//! The secrets of the tools that a file names: those that are registered.

use std::collections::BTreeMap;

use crate::address;
use crate::declared::RoleEntry;
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{MadeSecret, Plan};
use crate::session::Session;
use crate::shape::{Identity as _, TOOL_LABEL, TYPES};

/// A secret that somebody shall hold.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) secret: MadeSecret,
    pub(super) called: String,
}

/// The secrets of each tool that a role of the file names.
pub(super) async fn of(
    session: &Session,
    _plan: &mut Plan,
    roles: &[RoleEntry],
) -> Result<BTreeMap<String, Vec<Wanted>>, Failure> {
    let mut found = BTreeMap::new();
    for tool in roles.iter().flat_map(|role| &role.tools) {
        if !found.contains_key(tool) {
            found.insert(tool.clone(), registered(session, tool).await?);
        }
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
    if found.is_empty() { Err(address::missing(session, "tool", tool)) } else { Ok(found) }
}
