//! What there is of what a file names. All of it is read before anything is planned.

use std::collections::{BTreeMap, BTreeSet};

use centaur_client::api::{Grant, Role};

use super::tools::Wanted;
use crate::address::{self, SecretName, Who};
use crate::args::PrincipalArg;
use crate::declared::{Document, Held};
use crate::failure::Failure;
use crate::plan::MadeSecret;
use crate::session::{Calls as _, Session};
use crate::shape::Identity as _;

/// A role and what it holds.
pub(super) struct StoredRole {
    pub(super) row: Role,
    pub(super) grants: Vec<Grant>,
}

pub(super) struct Roles {
    /// Of each `[[role]]`; `None` for one that is to be made.
    pub(super) of_entries: Vec<Option<StoredRole>>,
    /// Those that principals name and the file does not.
    others: BTreeMap<String, Role>,
}

impl Roles {
    /// A role that a principal names.
    pub(super) fn named<'a>(&'a self, document_id: &'a str) -> Option<&'a Role> {
        let of_entries = self.of_entries.iter().flatten().map(|stored| &stored.row);
        of_entries.chain(self.others.values()).find(|row| is_called(row, document_id))
    }
}

pub(super) fn is_called(row: &Role, name: &str) -> bool {
    row.foreign_id.as_deref() == Some(name) || row.id.to_string() == name
}

/// The roles of a file, and those that its principals name.
pub(super) async fn roles(session: &Session, document: &Document) -> Result<Roles, Failure> {
    let mut of_entries = Vec::new();
    for entry in &document.role {
        let row = address::role(session, &entry.id).await?;
        of_entries.push(match row {
            None => None,
            Some(row) => {
                address::same_namespace("role", &entry.id, &row.namespace, session.namespace())?;
                let grants = session.api()?.grants_of_role(row.id).await.of(session)?;
                Some(StoredRole { row, grants })
            }
        });
    }
    let declared: BTreeSet<&str> = document.role.iter().map(|entry| entry.id.as_str()).collect();
    let mut others = BTreeMap::new();
    for name in document.principal.iter().flat_map(|entry| &entry.roles) {
        if !declared.contains(name.as_str()) && !others.contains_key(name) {
            let row = address::existing_role(session, name).await?;
            address::same_namespace("role", name, &row.namespace, session.namespace())?;
            others.insert(name.clone(), row);
        }
    }
    Ok(Roles { of_entries, others })
}

/// A principal and what it holds.
pub(super) struct StoredPrincipal {
    pub(super) who: Who,
    pub(super) roles: Vec<Role>,
    pub(super) grants: Vec<Grant>,
}

/// The principals of a file.
pub(super) async fn principals(
    session: &Session,
    document: &Document,
) -> Result<Vec<StoredPrincipal>, Failure> {
    let api = session.api()?;
    let mut found: Vec<StoredPrincipal> = Vec::new();
    for entry in &document.principal {
        let arg = PrincipalArg { principal: entry.id.clone(), slack_user: None };
        let who = address::principal(session, &arg).await?;
        let (mut roles, mut grants) = (Vec::new(), Vec::new());
        if let Who::Found(row) = &who {
            address::same_namespace("principal", &entry.id, &row.namespace, session.namespace())?;
            roles = api.roles_of(row.id).await.of(session)?;
            grants = api.grants_of_principal(row.id).await.of(session)?;
        }
        found.push(StoredPrincipal { who, roles, grants });
    }
    let mut seen = BTreeSet::new();
    for stored in &found {
        let name = match &stored.who {
            Who::Found(row) => row.called(),
            Who::Missing { foreign_id } => foreign_id.clone(),
        };
        if !seen.insert(name.clone()) {
            return Err(Failure::BadCombination(format!("two principals of the file are {name}")));
        }
    }
    Ok(found)
}

/// The secrets that are named one by one.
pub(super) async fn secrets(
    session: &Session,
    document: &Document,
    tools: &BTreeMap<String, Vec<Wanted>>,
) -> Result<BTreeMap<String, Wanted>, Failure> {
    let of_roles = document.role.iter().flat_map(|entry| &entry.secrets);
    let of_principals = document.principal.iter().flat_map(|entry| &entry.secrets);
    let mut found = BTreeMap::new();
    for Held { secret, .. } in of_roles.chain(of_principals) {
        if found.contains_key(secret) {
            continue;
        }
        let wanted = if let Some(wanted) = made_by_a_tool(secret, tools)? {
            wanted
        } else {
            let row = address::secret(session, secret).await?;
            address::same_namespace("secret", secret, &row.namespace, session.namespace())?;
            Wanted { secret: MadeSecret::Id(row.id), called: row.called() }
        };
        found.insert(secret.clone(), wanted);
    }
    Ok(found)
}

/// A secret that the file's tools make first.
fn made_by_a_tool(text: &str, tools: &BTreeMap<String, Vec<Wanted>>) -> Result<Option<Wanted>, Failure> {
    let name = SecretName::parse(text)?;
    let made = tools.values().flatten().find(|wanted| match (&wanted.secret, &name) {
        (MadeSecret::By(kind, foreign_id), SecretName::Typed(wanted_kind, wanted)) => {
            kind == wanted_kind && foreign_id == wanted
        }
        (MadeSecret::By(_, foreign_id), SecretName::Foreign(wanted)) => foreign_id == wanted,
        _ => false,
    });
    Ok(made.cloned())
}
