//! Carrying a plan out: one step after the other, up to the first that fails.

use std::collections::HashMap;
use std::io::IsTerminal as _;

use centaur_base::oid::{PrincipalId, RoleId, SecretId, SecretKind};
use centaur_client::api::{ApiClient, ApiError, Cause, Expect, Grant, Grantee, NewGrant};

use super::Plan;
use super::call::{Call, Made, MadeSecret, Seen, Terms};
use super::show::{self, Shown};
use super::step::{Action, Step};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer;
use crate::report::Report;
use crate::session::Session;

impl Plan {
    /// Carries the plan out, or shows it under `--dry-run`. What was applied is in the report, also when a later step
    /// fails.
    ///
    /// # Errors
    /// Before anything is written: [`Failure::NeedsYes`], [`Failure::Declined`], and whatever the first call says.
    pub async fn run(self, session: &Session) -> Result<Report, Failure> {
        let pending = self.pending();
        if session.settings.dry_run {
            return Ok(self.differences(session.settings.exit_code));
        }
        if self.asks && pending > 0 {
            consent(session, &self)?;
        }
        let api = session.api()?;
        session.interrupt.begin_writing();
        let mut world = World::new(api, session.settings.force);
        let (mut shown, mut done, mut stop) = (Vec::new(), 0, None);
        for step in self.changes.into_iter().chain(self.removals) {
            if stop.is_some() || !(step.is_pending() || step.is_silent) {
                shown.push(Shown::planned(step));
                continue;
            }
            if session.interrupt.is_asked() {
                stop = Some(Failure::Interrupted { done, all: pending });
                shown.push(Shown::planned(step));
                continue;
            }
            match world.make(&step).await {
                Ok(outcome) => {
                    done += usize::from(step.is_pending());
                    shown.push(Shown::made(step, outcome));
                }
                Err(error) => {
                    stop = Some(failure(session, &step, error));
                    shown.push(Shown::planned(step));
                }
            }
        }
        let report = show::report(&shown, false, stop.is_none());
        match stop {
            None => Ok(report),
            Some(interrupted @ Failure::Interrupted { .. }) => Ok(report.with_failure(interrupted)),
            Some(failure) if done == 0 => Err(failure),
            Some(cause) => {
                Ok(report.with_failure(Failure::Partial { done, all: pending, cause: Box::new(cause) }))
            }
        }
    }

    /// The plan, not carried out. With `is_question` it ends with 8 when there is something to do.
    pub fn differences(self, is_question: bool) -> Report {
        let pending = self.pending();
        let shown: Vec<Shown> = self.changes.into_iter().chain(self.removals).map(Shown::planned).collect();
        let status = if is_question && pending > 0 { ExitStatus::Differences } else { ExitStatus::Success };
        show::report(&shown, true, pending == 0).with_status(status)
    }
}

/// What became of a step.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The id of what it made.
    pub(super) id: Option<String>,
    /// It was in place after all.
    pub(super) was_in_place: bool,
}

enum StepError {
    Call(ApiError),
    Changed,
}

impl From<ApiError> for StepError {
    fn from(error: ApiError) -> Self {
        if error.is_stale() { Self::Changed } else { Self::Call(error) }
    }
}

fn failure(session: &Session, step: &Step, error: StepError) -> Failure {
    match error {
        StepError::Call(error) => session.remote(error),
        StepError::Changed => Failure::ConcurrentChange { kind: step.target.kind, id: step.target.called() },
    }
}

/// Removals that were not named one by one are asked about.
fn consent(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let removals = plan.removals.iter().filter(|step| step.is_pending()).count();
    if removals == 0 || session.settings.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::NeedsYes(removals));
    }
    for step in &plan.removals {
        printer::say(&format!(
            "{} {} {}: {}",
            step.action.as_str(),
            step.target.kind,
            step.target.called(),
            step.reason
        ));
    }
    if printer::confirm(&format!("Remove {}?", printer::count(removals, "item"))) {
        Ok(())
    } else {
        Err(Failure::Declined)
    }
}

/// What is known while a plan runs.
struct World<'a> {
    api: &'a ApiClient,
    is_forced: bool,
    principals: HashMap<String, PrincipalId>,
    roles: HashMap<String, RoleId>,
    secrets: HashMap<(SecretKind, String), SecretId>,
    grants: HashMap<RoleId, Vec<Grant>>,
}

impl<'a> World<'a> {
    fn new(api: &'a ApiClient, is_forced: bool) -> Self {
        Self {
            api,
            is_forced,
            principals: HashMap::new(),
            roles: HashMap::new(),
            secrets: HashMap::new(),
            grants: HashMap::new(),
        }
    }

    async fn make(&mut self, step: &Step) -> Result<Outcome, StepError> {
        let Some(call) = &step.call else { return Ok(Outcome::default()) };
        let made = |id: String| Ok(Outcome { id: Some(id), was_in_place: false });
        match call {
            Call::PutPrincipal { at, data, seen } => {
                let now = async || {
                    Ok(self.api.principal_named(namespace(data), at).await?.map(|row| Seen::from(&row)))
                };
                let expect = self.expect(seen, now).await?;
                let row = self.api.put_principal(at, data, expect).await?.row;
                self.principals.insert(at.clone(), row.id);
                made(row.id.to_string())
            }
            Call::PutRole { at, data, seen } => {
                let now =
                    async || Ok(self.api.role_named(namespace(data), at).await?.map(|row| Seen::from(&row)));
                let expect = self.expect(seen, now).await?;
                let row = self.api.put_role(at, data, expect).await?.row;
                self.roles.insert(at.clone(), row.id);
                made(row.id.to_string())
            }
            Call::PutSecret { kind, at, data, seen } => {
                let now = async || {
                    Ok(self.api.secret_named(*kind, namespace(data), at).await?.map(|row| Seen::from(&row)))
                };
                let expect = self.expect(seen, now).await?;
                let row = self.api.put_secret(*kind, at, data, expect).await?.row;
                self.secrets.insert((*kind, at.clone()), row.id);
                made(row.id.to_string())
            }
            Call::PutCredential { at, data, seen } => {
                let now = async || {
                    Ok(self.api.credential_named(namespace(&data.0), at).await?.map(|row| Seen::from(&row)))
                };
                let expect = self.expect(seen, now).await?;
                made(self.api.put_credential(at, &data.0, expect).await?.row.id.to_string())
            }
            Call::Assign { principal, role } => self.assign(principal, role).await,
            Call::Unassign { principal, role } => gone(self.api.unassign(*principal, *role).await),
            Call::ReadGrants { role } => {
                let role = self.role(role)?;
                let grants = self.api.grants_of_role(role).await?;
                self.grants.insert(role, grants);
                Ok(Outcome::default())
            }
            Call::GrantToPrincipal { principal, secret, terms } => {
                let grantee = Grantee::Principal(self.principal(principal)?);
                let secret = self.secret(secret)?;
                self.grant(grantee, secret, terms).await
            }
            Call::GrantToRole { role, secret, terms } => {
                let (role, secret) = (self.role(role)?, self.secret(secret)?);
                let known = self.grants.get(&role).into_iter().flatten().find(|grant| grant.secret == secret);
                if let Some(known) = known {
                    return Ok(Outcome { id: Some(known.id.to_string()), was_in_place: true });
                }
                self.grant(Grantee::Role(role), secret, terms).await
            }
            Call::SetPriority { grant, priority } => {
                made(self.api.set_priority(*grant, *priority).await?.id.to_string())
            }
            Call::Renew { grant, new } => {
                gone(self.api.delete_grant(*grant).await)?;
                made(self.api.create_grant(new).await?.row.id.to_string())
            }
            Call::Revoke { grant } => gone(self.api.delete_grant(*grant).await),
            Call::DeletePrincipal { id, seen } => {
                let now = async || Ok(self.api.principal(*id).await?.map(|row| Seen::from(&row)));
                let expect = self.expect(seen, now).await?;
                gone(self.api.delete_principal(*id, expect).await)
            }
            Call::DeleteRole { id, seen } => {
                let now = async || Ok(self.api.role(*id).await?.map(|row| Seen::from(&row)));
                let expect = self.expect(seen, now).await?;
                gone(self.api.delete_role(*id, expect).await)
            }
            Call::DeleteSecret { id, seen } => {
                let now = async || Ok(self.api.secret(*id).await?.map(|row| Seen::from(&row)));
                let expect = self.expect(seen, now).await?;
                gone(self.api.delete_secret(*id, expect).await)
            }
            Call::DeleteCredential { id, seen } => {
                let now = async || Ok(self.api.credential(*id).await?.map(|row| Seen::from(&row)));
                let expect = self.expect(seen, now).await?;
                gone(self.api.delete_credential(*id, expect).await)
            }
        }
    }

    /// What a write may find. A console without revisions is asked once more, right before the write.
    async fn expect(
        &self,
        seen: &Seen,
        now: impl AsyncFnOnce() -> Result<Option<Seen>, ApiError>,
    ) -> Result<Expect, StepError> {
        if self.is_forced {
            return Ok(Expect::Anything);
        }
        if let Some(revision) = seen.revision {
            return Ok(Expect::Revision(revision));
        }
        if seen.updated_at.is_some() && now().await?.is_some_and(|now| now.updated_at != seen.updated_at) {
            return Err(StepError::Changed);
        }
        Ok(Expect::Anything)
    }

    /// Consoles answer 409, or 422 and "already assigned", where ours answers 200.
    async fn assign(&self, principal: &Made<PrincipalId>, role: &Made<RoleId>) -> Result<Outcome, StepError> {
        let (principal, role) = (self.principal(principal)?, self.role(role)?);
        let id = Some(role.to_string());
        match self.api.assign(principal, role).await {
            Ok(written) => Ok(Outcome { id, was_in_place: !written.created }),
            Err(error) if is_assigned(&error) => Ok(Outcome { id, was_in_place: true }),
            Err(error) => Err(error.into()),
        }
    }

    async fn grant(&self, grantee: Grantee, secret: SecretId, terms: &Terms) -> Result<Outcome, StepError> {
        let Terms { priority, expires_at } = terms.clone();
        let made = self.api.create_grant(&NewGrant { grantee, secret, priority, expires_at }).await?;
        Ok(Outcome { id: Some(made.row.id.to_string()), was_in_place: !made.created })
    }

    fn principal(&self, made: &Made<PrincipalId>) -> Result<PrincipalId, StepError> {
        match made {
            Made::Id(id) => Ok(*id),
            Made::By(name) => self.principals.get(name).copied().ok_or_else(|| unmade(name)),
        }
    }

    fn role(&self, made: &Made<RoleId>) -> Result<RoleId, StepError> {
        match made {
            Made::Id(id) => Ok(*id),
            Made::By(name) => self.roles.get(name).copied().ok_or_else(|| unmade(name)),
        }
    }

    fn secret(&self, made: &MadeSecret) -> Result<SecretId, StepError> {
        match made {
            MadeSecret::Id(id) => Ok(*id),
            MadeSecret::By(kind, name) => {
                self.secrets.get(&(*kind, name.clone())).copied().ok_or_else(|| unmade(name))
            }
        }
    }
}

/// What is gone already needs no deleting.
fn gone(result: Result<(), ApiError>) -> Result<Outcome, StepError> {
    match result {
        Ok(()) => Ok(Outcome::default()),
        Err(error) if error.is_not_found() => Ok(Outcome { id: None, was_in_place: true }),
        Err(error) => Err(error.into()),
    }
}

fn is_assigned(error: &ApiError) -> bool {
    let Cause::Answered { status, message, details, .. } = &*error.cause else { return false };
    let says = |text: &str| text.to_lowercase().contains("already");
    match status {
        409 => true,
        422 => says(message) || details.values().flatten().any(|text| says(text)),
        _ => false,
    }
}

/// A plan that refers to a step it does not have; a mistake of the program, told as an answer that does not fit.
fn unmade(name: &str) -> StepError {
    let cause = Box::new(Cause::Unexpected(format!("no step of the plan made {name}")));
    StepError::Call(ApiError { method: "PUT", path: name.to_owned(), attempts: 0, cause })
}

/// The namespace in the attributes of a write.
fn namespace(data: &serde_json::Value) -> &str {
    data.get("namespace").and_then(serde_json::Value::as_str).unwrap_or("default")
}

impl Shown {
    fn made(mut step: Step, outcome: Outcome) -> Self {
        if outcome.was_in_place {
            step.action = Action::Unchanged;
        }
        step.target.id = outcome.id.or(step.target.id);
        Self { is_applied: true, step }
    }
}
