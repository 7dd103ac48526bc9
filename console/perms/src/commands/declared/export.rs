//! `export`

use std::collections::{BTreeMap, BTreeSet};

use centaur_base::oid::SecretId;
use centaur_client::api::{Grant, Principal, Role, Secret};
use centaur_manifest::discover::Catalog;
use centaur_manifest::register::ids;
use serde_json::json;
use time::OffsetDateTime;

use crate::address;
use crate::args::{ExportArgs, PrincipalArg};
use crate::commands::grant_end;
use crate::declared::{
    self, DIRECT_PRIORITY, Document, Held, PrincipalEntry, ROLE_PRIORITY, RoleEntry, VERSION,
};
use crate::failure::Failure;
use crate::fetch;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity, MANAGED};
use crate::span;
use crate::tools;

pub(in crate::commands) async fn run(session: &Session, args: &ExportArgs) -> Result<Report, Failure> {
    let (roles, principals) = chosen(session, args).await?;
    let api = session.api()?;
    let role_grants = fetch::grants_of_each(session, &roles).await?;
    let held = fetch::roles_of_each(session, &principals).await?;
    let direct = fetch::all(session, principals.iter().map(|row| api.grants_of_principal(row.id))).await?;
    let known = Known::read(session).await?;
    let mut role: Vec<RoleEntry> =
        roles.iter().zip(&role_grants).map(|(row, grants)| known.role(row, grants)).collect();
    let mut principal: Vec<PrincipalEntry> = principals
        .iter()
        .zip(held.iter().zip(&direct))
        .map(|(row, (held, direct))| known.principal(row, held, direct))
        .collect();
    role.sort_by(|a, b| a.id.cmp(&b.id));
    principal.sort_by(|a, b| a.id.cmp(&b.id));
    let document =
        Document { version: VERSION, namespace: Some(session.namespace().to_owned()), role, principal };
    Ok(Report::new(json!(document), declared::toml(&document)))
}

/// What is written: everything, or what is named.
async fn chosen(session: &Session, args: &ExportArgs) -> Result<(Vec<Role>, Vec<Principal>), Failure> {
    let api = session.api()?;
    if args.principal.is_empty() && args.role.is_empty() {
        let filter = session.everything();
        let filter = if args.managed { filter.label(MANAGED.0, MANAGED.1) } else { filter };
        return Ok((api.roles(&filter).await.of(session)?, api.principals(&filter).await.of(session)?));
    }
    let (mut roles, mut principals) = (BTreeMap::new(), BTreeMap::new());
    for text in &args.role {
        let row = address::existing_role(session, text).await?;
        roles.insert(row.id, row);
    }
    for text in &args.principal {
        let arg = PrincipalArg { principal: text.clone(), slack_user: None };
        let row = address::principal(session, &arg).await?.found(session)?;
        principals.insert(row.id, row);
    }
    for namespace in
        roles.values().map(|row| &row.namespace).chain(principals.values().map(|row| &row.namespace))
    {
        if namespace != session.namespace() {
            let text = format!("a file is of one namespace; use --namespace {namespace}");
            return Err(Failure::BadCombination(text));
        }
    }
    let is_managed = |labels: &centaur_client::api::Labels| {
        !args.managed || labels.get(MANAGED.0).is_some_and(|value| value == MANAGED.1)
    };
    roles.retain(|_, row| is_managed(&row.labels));
    principals.retain(|_, row| is_managed(&row.labels));
    Ok((roles.into_values().collect(), principals.into_values().collect()))
}

/// The secrets of the namespace, and which of them are of which tool.
struct Known {
    secrets: BTreeMap<SecretId, Secret>,
    tools: BTreeMap<String, BTreeSet<SecretId>>,
    now: OffsetDateTime,
}

impl Known {
    async fn read(session: &Session) -> Result<Self, Failure> {
        let api = session.api()?;
        let everything = session.everything();
        let lists = fetch::all(session, shape::TYPES.iter().map(|(kind, _)| api.secrets(*kind, &everything)));
        let mut tools: BTreeMap<String, BTreeSet<SecretId>> = BTreeMap::new();
        let mut secrets = BTreeMap::new();
        for row in lists.await?.into_iter().flatten() {
            if let Some(tool) = shape::tool_of(&row) {
                tools.entry(tool.to_owned()).or_default().insert(row.id);
            }
            secrets.insert(row.id, row);
        }
        if !session.settings.tool_dirs.is_empty() {
            declared_ids(&tools::catalog(session)?, &secrets, &mut tools);
        }
        Ok(Self { secrets, tools, now: OffsetDateTime::now_utc() })
    }

    fn role(&self, row: &Role, grants: &[Grant]) -> RoleEntry {
        let mut secrets = self.held(grants, ROLE_PRIORITY);
        let plain: BTreeSet<SecretId> =
            secrets.iter().filter(|(_, held)| is_plain(held)).map(|(id, _)| *id).collect();
        let whole = |of: &&BTreeSet<SecretId>| of.iter().all(|id| plain.contains(id));
        let tools: Vec<String> =
            self.tools.iter().filter(|(_, of)| whole(of)).map(|(name, _)| name.clone()).collect();
        for tool in &tools {
            secrets.retain(|id, _| !self.tools[tool].contains(id));
        }
        let id = row.called();
        let name = row.name.clone().filter(|name| *name != id);
        RoleEntry { id, name, tools, secrets: sorted(secrets) }
    }

    fn principal(&self, row: &Principal, held: &[Role], direct: &[Grant]) -> PrincipalEntry {
        let mut roles: Vec<String> = held.iter().map(Identity::called).collect();
        roles.sort();
        PrincipalEntry { id: row.called(), roles, secrets: sorted(self.held(direct, DIRECT_PRIORITY)) }
    }

    /// Grants that are in force, as a file has them.
    fn held(&self, grants: &[Grant], usual: i64) -> BTreeMap<SecretId, Held> {
        let in_force = grants.iter().filter(|grant| grant_end(grant).is_none_or(|end| end > self.now));
        in_force
            .map(|grant| {
                let found = self.secrets.get(&grant.secret);
                let held = Held {
                    secret: found.map_or_else(|| grant.secret.to_string(), declared::reference),
                    priority: grant.priority.filter(|priority| *priority != usual),
                    expires_at: grant_end(grant).map(span::shown),
                };
                (grant.secret, held)
            })
            .collect()
    }
}

/// Where manifests are at hand, a tool is what its manifest declares, and is not written when a part of that is not there:
/// the file would bring all of it.
fn declared_ids(
    catalog: &Catalog,
    secrets: &BTreeMap<SecretId, Secret>,
    tools: &mut BTreeMap<String, BTreeSet<SecretId>>,
) {
    tools.retain(|name, of_tool| {
        let Some(tool) = catalog.named(name) else { return true };
        let Ok(manifest) = &tool.manifest else { return false };
        let by_name: BTreeMap<&str, SecretId> =
            of_tool.iter().filter_map(|id| Some((secrets.get(id)?.foreign_id.as_deref()?, *id))).collect();
        let declared: Option<BTreeSet<SecretId>> = ids(&tool.role(), manifest)
            .into_iter()
            .map(|(_, id)| by_name.get(id.as_str()).copied())
            .collect();
        declared.is_some_and(|declared| {
            *of_tool = declared;
            !of_tool.is_empty()
        })
    });
}

fn is_plain(held: &Held) -> bool {
    held.priority.is_none() && held.expires_at.is_none()
}

fn sorted(secrets: BTreeMap<SecretId, Held>) -> Vec<Held> {
    let mut all: Vec<Held> = secrets.into_values().collect();
    all.sort();
    all
}
