//! `secrets grants`: who may use one.

use std::collections::BTreeMap;

use centaur_base::oid::RoleId;
use centaur_client::api::{Grant, Grantee, Principal, Role, Secret};
use serde_json::{Value, json};

use crate::address;
use crate::args::SecretArg;
use crate::commands::roles::members::members;
use crate::failure::Failure;
use crate::fetch;
use crate::printer::{Table, count};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};

pub(in crate::commands) async fn run(session: &Session, args: &SecretArg) -> Result<Report, Failure> {
    let secret = address::secret(session, &args.secret).await?;
    let users = Users::of(session, &secret).await?;
    let mut table = Table::new();
    let mut items = Vec::new();
    for grant in &users.grants {
        let mut shown =
            json!({"grant": grant.id, "priority": grant.priority, "expires_at": grant.expires_at});
        match grant.grantee {
            Grantee::Principal(id) => {
                let row = users.principals.get(&id);
                shown["principal"] = row.map_or(Value::Null, shape::principal);
                let called = row.map_or_else(|| id.to_string(), Principal::called);
                table.row(["principal", &called, &grant.id.to_string(), "direct"]);
            }
            Grantee::Role(id) => {
                let (row, holders) = (users.roles.get(&id), users.holders.get(&id));
                shown["role"] = row.map_or(Value::Null, shape::role);
                shown["members"] = holders.into_iter().flatten().map(shape::principal).collect();
                let called = row.map_or_else(|| id.to_string(), Role::called);
                let names: Vec<_> = holders.into_iter().flatten().map(Principal::called).collect();
                let names = if names.is_empty() { "no members".to_owned() } else { names.join(", ") };
                table.row(["role", &called, &grant.id.to_string(), &names]);
            }
        }
        items.push(shown);
    }
    let text = table.text() + &format!("{} of {}\n", count(items.len(), "grant"), secret.called());
    let data = json!({ "secret": shape::secret(&secret), "total": items.len(), "items": items });
    Ok(Report::new(data, text))
}

/// Who may use a secret.
pub(super) struct Users {
    pub(super) grants: Vec<Grant>,
    principals: BTreeMap<centaur_base::oid::PrincipalId, Principal>,
    roles: BTreeMap<RoleId, Role>,
    holders: BTreeMap<RoleId, Vec<Principal>>,
}

impl Users {
    async fn of(session: &Session, secret: &Secret) -> Result<Self, Failure> {
        let api = session.api()?;
        let grants = grants(session, secret).await?;
        let principals = grants.iter().filter_map(|grant| match grant.grantee {
            Grantee::Principal(id) => Some(id),
            Grantee::Role(_) => None,
        });
        let principals = fetch::principals(session, principals).await?;
        let (mut roles, mut holders) = (BTreeMap::new(), BTreeMap::new());
        for grant in &grants {
            let Grantee::Role(id) = grant.grantee else { continue };
            let Some(role) = api.role(id).await.of(session)? else { continue };
            holders.insert(id, members(session, &role).await?);
            roles.insert(id, role);
        }
        Ok(Self { grants, principals, roles, holders })
    }
}

/// The grants of a secret. A console that does not say is asked for those of every principal and role.
pub(super) async fn grants(session: &Session, secret: &Secret) -> Result<Vec<Grant>, Failure> {
    let api = session.api()?;
    if let Some(grants) = api.grants_of_secret(secret.id).await.of(session)? {
        return Ok(grants);
    }
    session
        .printer
        .notice("this control plane does not list grants of a secret; asking every principal and role");
    let everything = session.everything();
    let roles = api.roles(&everything).await.of(session)?;
    let mut grants: Vec<Grant> =
        fetch::grants_of_each(session, &roles).await?.into_iter().flatten().collect();
    let principals = api.principals(&everything).await.of(session)?;
    let direct = fetch::all(session, principals.iter().map(|row| api.grants_of_principal(row.id))).await?;
    grants.extend(direct.into_iter().flatten());
    grants.retain(|grant| grant.secret == secret.id);
    Ok(grants)
}
