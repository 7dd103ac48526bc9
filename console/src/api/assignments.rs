//! Which principal holds which role: `/api/v1/principals/:id/roles`

use centaur_base::oid::{PrincipalId, RoleId};
use centaur_store::{Role, SAME_NAMESPACE, StoreError, Upserted, WriteTx};
use serde_json::{Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, oid};
use super::{principals, roles};
use crate::openapi::{Parameter, Verb, list_of, reference};
use crate::wire::ApiError;

pub(super) fn routes() -> Routes {
    const PATH: &str = "/api/v1/principals/{id}/roles";
    let (principal, role) = (principals::RESOURCE, roles::RESOURCE);
    let list = principal.of_one("listPrincipalRoles", "List every role that a principal holds, at once");
    let list = list.gives(200, "All of them", list_of(role.shown()));
    let assign = principal
        .of_one("assignRole", "Let a principal hold a role")
        .numbered()
        .takes(reference("RoleAssignment"))
        .gives(200, "It held it already", role.shown())
        .gives(201, "Assigned", role.shown());
    let unassign = principal.of_one("unassignRole", "Take a role from a principal").numbered();
    let unassign =
        unassign.with([Parameter::oid("role", role.prefix).example(role.example)]).empty(204, "Taken away");
    route(PATH, Verb::Get, list, all).merge(route(PATH, Verb::Post, assign, self::assign)).merge(route(
        "/api/v1/principals/{id}/roles/{role}",
        Verb::Delete,
        unassign,
        self::unassign,
    ))
}

/// All at once, without `meta`.
async fn all(call: Call) -> Result {
    let id: PrincipalId = oid(call.param(0), principals::TYPE)?;
    let mut tx = call.read().await?;
    found(tx.principal(id).await?, principals::TYPE, call.param(0))?;
    let roles = tx.roles_of(id).await?;
    let shown: Vec<_> = roles.iter().map(roles::shown).collect();
    Ok(Answer::body(json!({ "data": shown })))
}

async fn assign(call: Call) -> Result {
    let written = call.write(|tx, call| Box::pin(assigned(tx, call))).await?;
    Ok(Answer::written(written.created, roles::shown(&written.row)))
}

async fn assigned(tx: &mut WriteTx<'_>, call: &Call) -> Result<Upserted<Role>> {
    let principal: PrincipalId = oid(call.param(0), principals::TYPE)?;
    found(tx.principal(principal).await?, principals::TYPE, call.param(0))?;
    let role = call.attributes()?.take("role_id");
    let role = role.as_ref().and_then(Value::as_str).filter(|role| !role.trim().is_empty());
    let role = role.ok_or_else(|| ApiError::missing_parameter("role_id"))?;
    let id: RoleId = oid(role, roles::TYPE)?;
    found(tx.role(id).await?, roles::TYPE, role)?;
    tx.assign_role(principal, id).await.map_err(|error| match error {
        StoreError::Invalid { rule } if rule == SAME_NAMESPACE => {
            ApiError::invalid("role", "must be in the same namespace as the principal").into()
        }
        error => error.into(),
    })
}

async fn unassign(call: Call) -> Result {
    call.write(|tx, call| {
        Box::pin(async move {
            let principal: PrincipalId = oid(call.param(0), principals::TYPE)?;
            found(tx.principal(principal).await?, principals::TYPE, call.param(0))?;
            let role: RoleId = oid(call.param(1), roles::TYPE)?;
            tx.unassign_role(principal, role).await.map_err(|error| match error {
                StoreError::Missing { .. } => ApiError::unknown_oid(roles::TYPE, call.param(1)).into(),
                error => error.into(),
            })
        })
    })
    .await?;
    Ok(Answer::empty())
}
