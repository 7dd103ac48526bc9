//! The same from a console that cannot explain: all grants, and which of them are in what is delivered.

use std::collections::BTreeMap;

use centaur_base::oid::{PrincipalId, SecretId, SecretKind};
use centaur_client::api::{EffectiveConfig, Grant, Requester, Secret};
use serde_json::Value;

use crate::credential::{Credential, Via};
use crate::failure::Failure;
use crate::fetch;
use crate::session::{Calls as _, Session};
use crate::shape::Identity as _;

/// Credentials of a principal, then those of who fills its gaps.
pub(super) async fn credentials(
    session: &Session,
    principal: PrincipalId,
    requester: &Requester,
) -> Result<Vec<Credential>, Failure> {
    let mut all = of(session, principal, "self").await?;
    if let Some(requester) = requester.principal {
        all.extend(of(session, requester, "requester").await?);
    }
    Ok(all)
}

async fn of(session: &Session, principal: PrincipalId, supplier: &str) -> Result<Vec<Credential>, Failure> {
    let api = session.api()?;
    let roles = api.roles_of(principal).await.of(session)?;
    let role_grants = fetch::grants_of_each(session, &roles).await?;
    let direct = api.grants_of_principal(principal).await.of(session)?;
    let config = api.effective_config(principal, &Requester::default()).await.of(session)?;
    let mut ways: BTreeMap<SecretId, Vec<Via>> = BTreeMap::new();
    let mut add = |grant: &Grant, role: Option<String>| {
        let is_baseline = role.as_ref().is_some_and(|role| session.settings.default_roles.contains(role));
        ways.entry(grant.secret).or_default().push(Via { grant: grant.id.to_string(), role, is_baseline });
    };
    for grant in &direct {
        add(grant, None);
    }
    for (role, grants) in roles.iter().zip(&role_grants) {
        for grant in grants {
            add(grant, Some(role.called()));
        }
    }
    let mut secrets = fetch::secrets(session, ways.keys().copied()).await?;
    let credential = |(id, via): (SecretId, Vec<Via>)| {
        let secret = secrets.remove(&id);
        let state = secret.as_ref().map_or("unknown", |secret| state(secret, &config));
        let reason = match state {
            "active" => None,
            "not_delivered" => Some("it is not in the effective configuration"),
            _ => Some("this control plane does not say"),
        };
        Credential {
            secret,
            id: id.to_string(),
            via,
            supplied_by: supplier.to_owned(),
            state: state.to_owned(),
            shadowed_by: None,
            reason: reason.map(str::to_owned),
        }
    };
    Ok(ways.into_iter().map(credential).collect())
}

/// Entries of what is delivered have no ids: static ones are told by their placement and rules, databases by their names.
fn state(secret: &Secret, config: &EffectiveConfig) -> &'static str {
    let member = |name: &str| secret.document.get(name).unwrap_or(&Value::Null);
    let is_there = match secret.id.kind {
        SecretKind::Static => config.secrets.iter().any(|entry| {
            let places = [("replace", "replace_config"), ("inject", "inject_config")];
            let is_placed = places.iter().any(|(ours, theirs)| {
                entry.get(*ours).is_some_and(|place| !place.is_null() && place == member(theirs))
            });
            is_placed && hosts(entry.get("rules")) == hosts(secret.document.get("rules"))
        }),
        SecretKind::PgDsn => {
            config.postgres.iter().any(|entry| entry.get("foreign_id") == Some(member("foreign_id")))
        }
        _ => return "unknown",
    };
    if is_there { "active" } else { "not_delivered" }
}

fn hosts(rules: Option<&Value>) -> Vec<&str> {
    let rules = rules.and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| ["host", "cidr"].iter().find_map(|key| rule.get(*key)?.as_str())).collect()
}
