//! Many records at once, at most eight requests in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use centaur_base::oid::{PrincipalId, SecretId};
use centaur_client::api::{ApiError, Grant, Principal, Role, Secret};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::failure::Failure;
use crate::session::{Calls as _, Session};

/// Requests in flight.
const AT_ONCE: usize = 8;

/// Runs all, in order of the answers asked for.
///
/// # Errors
/// The first failure.
pub async fn all<T, F>(session: &Session, calls: impl IntoIterator<Item = F>) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<T, ApiError>>,
{
    stream::iter(calls).buffered(AT_ONCE).try_collect().await.of(session)
}

/// The roles of each principal.
///
/// # Errors
/// The first failure.
pub async fn roles_of_each(session: &Session, principals: &[Principal]) -> Result<Vec<Vec<Role>>, Failure> {
    let api = session.api()?;
    all(session, principals.iter().map(|row| api.roles_of(row.id))).await
}

/// The grants of each role.
///
/// # Errors
/// The first failure.
pub async fn grants_of_each(session: &Session, roles: &[Role]) -> Result<Vec<Vec<Grant>>, Failure> {
    let api = session.api()?;
    all(session, roles.iter().map(|row| api.grants_of_role(row.id))).await
}

/// The secrets of grants, each read once. What cannot be read is left out, with a warning unless it is gone.
///
/// # Errors
/// [`Failure::MissingOption`]
pub async fn secrets(
    session: &Session,
    ids: impl IntoIterator<Item = SecretId>,
) -> Result<BTreeMap<SecretId, Secret>, Failure> {
    let api = session.api()?;
    let ids: BTreeSet<SecretId> = ids.into_iter().collect();
    let read = ids.into_iter().map(async |id| (id, api.secret(id).await));
    let mut answers = stream::iter(read).buffered(AT_ONCE);
    let mut found = BTreeMap::new();
    while let Some((id, answer)) = answers.next().await {
        match answer {
            Ok(row) => found.extend(row.map(|row| (id, row))),
            Err(error) => session.warn("secret_unreadable", format!("{id} cannot be read: {error}")),
        }
    }
    Ok(found)
}

/// All principals of the namespace that hold each role; asks each principal for its roles.
///
/// # Errors
/// The first failure.
pub async fn holders(session: &Session) -> Result<Vec<(Principal, Vec<Role>)>, Failure> {
    let rows = session.api()?.principals(&session.everything()).await.of(session)?;
    let roles = roles_of_each(session, &rows).await?;
    Ok(rows.into_iter().zip(roles).collect())
}

/// The principals with these ids, those that are there.
///
/// # Errors
/// The first failure.
pub async fn principals(
    session: &Session,
    ids: impl IntoIterator<Item = PrincipalId>,
) -> Result<BTreeMap<PrincipalId, Principal>, Failure> {
    let api = session.api()?;
    let ids: BTreeSet<PrincipalId> = ids.into_iter().collect();
    let rows = all(session, ids.into_iter().map(|id| api.principal(id))).await?;
    Ok(rows.into_iter().flatten().map(|row| (row.id, row)).collect())
}
