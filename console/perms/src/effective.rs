//! What a principal may really use: what the console says became of each granted secret, with its definition.

mod older;

use std::collections::BTreeMap;

use centaur_base::oid::{PrincipalId, SecretId};
use centaur_client::api::{Explained, Requester, Secret};

use crate::credential::{Credential, Via};
use crate::failure::Failure;
use crate::fetch;
use crate::session::{Calls as _, Session};
use crate::shape;

/// All credentials of a principal, in the order of the console: the strongest first. A console that cannot explain is
/// asked for grants and for what is delivered; then the reasons are not known.
///
/// # Errors
/// What the calls say.
pub async fn credentials(
    session: &Session,
    principal: PrincipalId,
    requester: &Requester,
    known: &BTreeMap<SecretId, Secret>,
) -> Result<Vec<Credential>, Failure> {
    let Some(explained) = session.api()?.explain(principal, requester).await.of(session)? else {
        session.warn(
            "no_explain",
            "this control plane does not explain; states are told from what is delivered",
        );
        return older::credentials(session, principal, requester).await;
    };
    let named = |one: &Explained| [Some(one.secret_id.clone()), one.winner_id.clone()];
    let ids = explained.iter().flat_map(named).flatten().filter_map(|id| shape::secret_id(&id));
    let missing: Vec<SecretId> = ids.filter(|id| !known.contains_key(id)).collect();
    let mut all = known.clone();
    all.extend(fetch::secrets(session, missing).await?);
    let defaults = &session.settings.default_roles;
    Ok(explained.into_iter().map(|one| credential(one, &all, defaults)).collect())
}

fn credential(one: Explained, known: &BTreeMap<SecretId, Secret>, defaults: &[String]) -> Credential {
    let find = |id: &str| shape::secret_id(id).and_then(|id| known.get(&id));
    let via = |path: centaur_client::api::GrantPath| {
        let role = path.role_foreign_id.or(path.role_id);
        let is_baseline = role.as_ref().is_some_and(|role| defaults.contains(role));
        Via { grant: path.grant_id, role, is_baseline }
    };
    let winner = one.winner_id.as_deref();
    let shadowed_by = winner.map(|id| find(id).map_or_else(|| id.to_owned(), shape::Identity::called));
    let state = match (one.outcome.as_str(), &shadowed_by) {
        ("served", _) => "active".to_owned(),
        (_, Some(_)) => "shadowed".to_owned(),
        (outcome, None) => one.reason.map_or_else(|| outcome.to_owned(), |reason| state(&reason)),
    };
    Credential {
        secret: find(&one.secret_id).cloned(),
        id: one.secret_id,
        via: one.paths.into_iter().map(via).collect(),
        supplied_by: one.supplied_by.unwrap_or_else(|| "self".to_owned()),
        reason: (state != "active").then_some(one.explanation),
        state,
        shadowed_by,
    }
}

/// The console's code, in the words of this program.
fn state(reason: &str) -> String {
    match reason.strip_prefix("credential_") {
        Some(rest) => format!("broker_{rest}"),
        None => reason.to_owned(),
    }
}
