//! The loop: ask, put in force, wait, for as long as the proxy runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use centaur_client::sync::{Ask, Member, Payload, Reply, SyncClient, SyncError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Managed;
use super::apply::{AllowedBy, Policy};
use super::keep::{KeepError, Keeper, Write};
use super::status::LastError;
use super::timing::{Answer, Outcome, Timing};
use crate::app::Phase;
use crate::pipeline::{Gate, Pipeline};
use crate::sources::SourcePool;

/// Whoever answers syncs.
pub trait Console: Send {
    /// One call; dropping the future gives it up.
    fn sync(&self, ask: &Ask) -> impl Future<Output = Result<Reply, SyncError>> + Send;
}

impl Console for SyncClient {
    fn sync(&self, ask: &Ask) -> impl Future<Output = Result<Reply, SyncError>> + Send {
        Self::sync(self, ask)
    }
}

/// The traffic that a policy is put in force for.
pub trait Traffic: Send {
    /// Decides with `pipeline` from now on; ends what it does not grant. Returns how much was ended.
    fn decide_by(&self, pipeline: Pipeline) -> usize;
    /// Places no credentials any more; ends what one was placed in. Returns how much was ended.
    fn withdraw(&self) -> usize;
    /// A sync ended, with what.
    fn synced(&self, result: &'static str);
}

/// Everything that one loop needs.
pub struct Loop<C, T> {
    /// Answers.
    pub console: C,
    /// Obeys.
    pub traffic: T,
    /// When to ask.
    pub timing: Timing,
    /// Shown to others.
    pub managed: Arc<Managed>,
    /// Before the first answer.
    pub local: Policy,
    /// Where values come from.
    pub sources: Arc<SourcePool>,
    /// The file for a start without a control plane, if there is to be one.
    pub keeper: Option<Keeper>,
    /// The process ends.
    pub drain: watch::Receiver<Phase>,
}

/// For how long a first answer is waited for before the file is looked at.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// How a loop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The process is going down.
    Draining,
    /// The control plane has revoked this proxy.
    Revoked,
}

/// What is known between two syncs.
struct State {
    policy: Policy,
    /// To be echoed; empty when everything has to be sent.
    hash: String,
    /// What tells the configuration in force from others; `None` before the first, and when it was withdrawn.
    in_force: Option<String>,
    rejected: Option<String>,
    /// When credentials are withdrawn; `None` when there is nothing to withdraw.
    deadline: Option<Instant>,
    /// When the file is to stand in for a first answer; `None` when it is not, or not any more.
    restore_at: Option<Instant>,
    /// Credentials were withdrawn, and the file does not know yet.
    withdrawn: bool,
    /// What the file is to say.
    unwritten: Option<Write>,
    /// A poke is to be answered: the console is not to wait.
    hurry: bool,
}

/// What a wait ended with.
enum Woken {
    Time,
    Poke,
    Draining,
}

impl<C: Console, T: Traffic> Loop<C, T> {
    /// Runs until the end.
    pub async fn run(mut self) -> Ended {
        let mut state = State {
            policy: self.local.clone(),
            hash: String::new(),
            in_force: None,
            rejected: None,
            deadline: None,
            restore_at: self.keeper.is_some().then(|| Instant::now() + FIRST_ANSWER),
            withdrawn: false,
            unwritten: None,
            hurry: false,
        };
        loop {
            let synced = self.sync(&mut state).await;
            self.write(&mut state).await;
            let pause = match synced {
                Synced::Again(pause) => pause,
                Synced::AtOnce => continue,
                Synced::Ended(ended) => return ended,
            };
            match self.wait(&mut state, Instant::now() + pause).await {
                Woken::Time => {}
                Woken::Poke => state.hurry = true,
                Woken::Draining => return Ended::Draining,
            }
        }
    }

    /// One sync, and what follows from it.
    async fn sync(&mut self, state: &mut State) -> Synced {
        let at_once = state.hurry || state.rejected.is_some() || self.is_unsure(state);
        let wait = if at_once { Duration::ZERO } else { self.timing.wait() };
        state.hurry = false;
        self.managed.status.begins();
        let ask = Ask {
            config_hash: state.hash.clone(),
            generation: self.managed.status.facts().generation,
            rejected: state.rejected.clone(),
            wait,
        };
        let started = Instant::now();
        let mut drain = self.drain.clone();
        let answered = {
            let mut call = std::pin::pin!(self.console.sync(&ask));
            loop {
                tokio::select! {
                    biased;
                    answered = call.as_mut() => break Some(answered),
                    _ = drain.wait_for(|phase| *phase != Phase::Running) => return Synced::Ended(Ended::Draining),
                    // Whoever pokes cannot wait for a change: the waiting request is given up for one that asks at once.
                    () = self.managed.poked(), if !wait.is_zero() => {
                        state.hurry = true;
                        return Synced::AtOnce;
                    }
                    () = reached(state.deadline) => self.withdraw(state),
                    // Asked again with what is in force then.
                    () = reached(state.restore_at) => break None,
                }
            }
        };
        let took = started.elapsed();
        self.forget_withdrawn(state);
        let Some(answered) = answered else {
            self.restore(state);
            return Synced::AtOnce;
        };
        match answered {
            Ok(reply) => {
                state.restore_at = None;
                let outcome = self.take(state, &reply);
                if !wait.is_zero() {
                    self.managed.status.facts().long_poll = reply.waits;
                }
                Synced::Again(self.timing.after_answer(Answer {
                    waits: reply.waits,
                    asked: wait,
                    took,
                    outcome,
                }))
            }
            Err(error) if error.is_revocation() => {
                self.revoked(&error);
                Synced::Ended(Ended::Revoked)
            }
            Err(error) => {
                self.failed(error.code(), &error.to_string());
                let pause = if error.is_retryable() {
                    if state.restore_at.is_some() {
                        self.restore(state);
                    }
                    self.timing.after_failure(error.retry_after(), (!wait.is_zero()).then_some(took))
                } else {
                    // Whoever is told no does not go on with what was said before.
                    state.restore_at = None;
                    self.timing.after_refusal(error.retry_after())
                };
                Synced::Again(pause)
            }
        }
    }

    /// Whether a console that has nothing new is to say so at once: it was away, or has not answered this process yet.
    /// While it waited, nobody would vouch for the credentials.
    fn is_unsure(&self, state: &State) -> bool {
        let facts = self.managed.status.facts();
        facts.failures > 0 || (state.in_force.is_some() && facts.last_sync_at.is_none())
    }

    async fn wait(&mut self, state: &mut State, until: Instant) -> Woken {
        let mut drain = self.drain.clone();
        loop {
            tokio::select! {
                biased;
                _ = drain.wait_for(|phase| *phase != Phase::Running) => return Woken::Draining,
                () = self.managed.poked() => return Woken::Poke,
                () = reached(state.deadline) => {
                    self.withdraw(state);
                    self.forget_withdrawn(state);
                }
                () = sleep_until(until) => return Woken::Time,
            }
        }
    }

    /// An answer with status 200.
    fn take(&mut self, state: &mut State, reply: &Reply) -> Outcome {
        let payload = &reply.payload;
        let identity = payload.identity();
        let known = state.in_force.as_deref() == Some(identity);
        let to_apply = payload.is_update() || state.policy.changes_principal(payload);
        let mut is_new = true;
        if to_apply && !known {
            if state.rejected.as_deref() == Some(identity) {
                self.traffic.synced("rejected");
                return Outcome::Rejected;
            }
            let first = state.in_force.is_none() && !self.managed.status.is_ready();
            log_received(payload, first);
            match state.policy.update(&self.local, payload, &self.sources) {
                Ok(policy) => {
                    self.put_in_force(&policy);
                    state.policy = policy;
                }
                Err(error) => {
                    tracing::error!(error = %error, config_hash = %payload.config_hash, "{}", error.log_message());
                    state.rejected = Some(identity.to_owned());
                    self.failed("apply", &error.to_string());
                    self.managed.status.facts().rejected = Some(identity.to_owned());
                    return Outcome::Rejected;
                }
            }
            payload.config_hash.clone_into(&mut state.hash);
            state.in_force = Some(identity.to_owned());
        } else if !self.managed.status.is_ready() {
            // There is nothing to apply, which is a policy as well: what is allowed locally, without credentials.
            self.put_in_force(&state.policy);
            payload.config_hash.clone_into(&mut state.hash);
            state.in_force = Some(identity.to_owned());
        } else {
            is_new = false;
            if state.in_force.is_some() {
                payload.config_hash.clone_into(&mut state.hash);
                state.in_force = Some(identity.to_owned());
            }
        }
        self.succeeded(state, reply);
        if state.in_force.is_some() {
            self.keep(state, payload, is_new);
        }
        if to_apply && !known { Outcome::Applied } else { Outcome::Unchanged }
    }

    fn put_in_force(&self, policy: &Policy) {
        let pipeline = policy.pipeline();
        let names = pipeline.names();
        let ended = self.traffic.decide_by(pipeline);
        {
            let mut facts = self.managed.status.facts();
            facts.generation += 1;
            facts.stale = false;
            facts.parts = policy.parts().clone();
        }
        self.managed.status.set_ready(true);
        tracing::info!(transforms = %names, ended, "pipeline reloaded");
        if !policy.parts().unavailable().is_empty() {
            tracing::warn!(
                missing = %policy.parts().unavailable().join(", "),
                "the control plane delivers what this build does not have: the hosts it covers are refused"
            );
        }
        if policy.parts().allowed_by() == AllowedBy::Nothing {
            tracing::warn!(
                "no allowlist: neither the control plane, nor the file, nor {} allows any host, so everything is refused",
                super::settings::ALLOW_HOSTS
            );
        }
    }

    fn succeeded(&mut self, state: &mut State, reply: &Reply) {
        let payload = &reply.payload;
        self.timing.set_max_age(reply.max_age);
        let max_age = self.timing.max_age();
        let mut facts = self.managed.status.facts();
        if state.in_force.is_some() {
            state.deadline = Some(Instant::now() + max_age);
            facts.credentials_until = SystemTime::now().checked_add(max_age);
        }
        if facts.failures > 0 {
            tracing::info!(failures = facts.failures, "the control plane answers again");
        }
        state.rejected = None;
        facts.rejected = None;
        facts.failures = 0;
        facts.last_error = None;
        facts.config_hash.clone_from(&state.hash);
        facts.last_sync_at = Some(SystemTime::now());
        match &payload.principal_id {
            Member::Given(id) if !id.is_empty() => facts.principal_id.clone_from(id),
            Member::Null if payload.is_update() => facts.principal_id.clear(),
            _ => {}
        }
        if let Some(status) = payload.status.given().filter(|status| !status.is_empty()) {
            facts.principal_status.clone_from(status);
        }
        drop(facts);
        self.traffic.synced("ok");
    }

    /// Prepares what the file has to say after a good answer; [`Self::write`] puts it there.
    fn keep(&mut self, state: &mut State, payload: &Payload, is_new: bool) {
        let max_age = self.timing.max_age();
        let Some(keeper) = &mut self.keeper else { return };
        let sealed = if is_new { keeper.applied(payload, max_age) } else { keeper.vouched(max_age) };
        match sealed {
            Ok(write) => state.unwritten = write,
            Err(error) => self.not_kept(&error),
        }
    }

    /// Writes what is to be written, apart from the traffic.
    async fn write(&mut self, state: &mut State) {
        let Some(write) = state.unwritten.take() else { return };
        let written = tokio::task::spawn_blocking(move || write.run()).await;
        match written.unwrap_or(Err(KeepError::Io(std::io::ErrorKind::Other))) {
            Ok(()) => {
                self.managed.status.facts().kept.set("written", None);
            }
            Err(error) => self.not_kept(&error),
        }
    }

    fn not_kept(&self, error: &KeepError) {
        let again = self.managed.status.facts().kept.set("failed", Some(error.to_string()));
        if !again {
            tracing::warn!(error = %error, "the last-known-good file is not written");
        }
    }

    /// Puts the file in force in place of a first answer, if it may be believed.
    fn restore(&mut self, state: &mut State) {
        state.restore_at = None;
        let Some(keeper) = &mut self.keeper else { return };
        if self.managed.status.is_ready() {
            return;
        }
        let path = keeper.path().display().to_string();
        let restored = match keeper.restore() {
            Ok(restored) => restored,
            Err(error) => {
                self.managed.status.facts().kept.set("ignored", Some(error.to_string()));
                if error.is_missing() {
                    tracing::info!(path, "there is no last-known-good file");
                } else {
                    tracing::warn!(path, error = %error, "the last-known-good file is not used");
                }
                return;
            }
        };
        let payload = &restored.payload;
        let policy = match state.policy.update(&self.local, payload, &self.sources) {
            Ok(policy) => policy,
            Err(error) => {
                self.managed.status.facts().kept.set("ignored", Some(error.to_string()));
                tracing::warn!(path, error = %error, "the last-known-good file is not used");
                return;
            }
        };
        self.timing.set_max_age(Some(restored.max_age));
        payload.config_hash.clone_into(&mut state.hash);
        state.in_force = Some(payload.identity().to_owned());
        state.deadline = Some(Instant::now() + restored.left);
        tracing::warn!(
            path,
            config_hash = %payload.config_hash,
            seconds_left = restored.left.as_secs(),
            "the control plane does not answer: the last-known-good configuration is in force"
        );
        self.put_in_force(&policy);
        state.policy = policy;
        let mut facts = self.managed.status.facts();
        facts.credentials_until = SystemTime::now().checked_add(restored.left);
        facts.config_hash.clone_from(&state.hash);
        facts.principal_id = payload.principal_id.given().cloned().unwrap_or_default();
        facts.principal_status = payload.status.given().cloned().unwrap_or_default();
        facts.kept.set("in_force", None);
        facts.kept.synced_at = Some(restored.synced_at);
    }

    /// Notes a failure. Of a row of failures the first is logged, then the second, the fourth, the eighth …
    fn failed(&self, code: &str, message: &str) {
        self.traffic.synced("failed");
        let mut facts = self.managed.status.facts();
        facts.failures += 1;
        facts.last_error =
            Some(LastError { code: code.to_owned(), message: message.to_owned(), at: SystemTime::now() });
        let (failures, never) = (facts.failures, facts.last_sync_at.is_none());
        drop(facts);
        if !failures.is_power_of_two() {
            tracing::debug!(error = %message, failures, "sync failed");
        } else if never {
            tracing::warn!(error = %message, failures, "initial sync failed, will retry in background");
        } else {
            tracing::warn!(error = %message, failures, "sync failed");
        }
    }

    /// Nobody has vouched for the credentials for too long.
    fn withdraw(&self, state: &mut State) {
        let ended = self.traffic.withdraw();
        state.withdrawn = true;
        let lasted = self.timing.max_age().as_secs();
        tracing::warn!(
            seconds = lasted,
            ended,
            "no configuration from the control plane for too long: credentials are withdrawn, other traffic goes on"
        );
        // Everything has to be sent again.
        state.hash.clear();
        state.in_force = None;
        state.deadline = None;
        let mut facts = self.managed.status.facts();
        facts.stale = true;
        facts.credentials_until = None;
    }

    /// What was withdrawn is not kept on disk either.
    fn forget_withdrawn(&mut self, state: &mut State) {
        let withdrawn = std::mem::take(&mut state.withdrawn);
        if let Some(keeper) = self.keeper.as_mut().filter(|_| withdrawn) {
            keeper.withdrawn();
            self.managed.status.facts().kept.set("deleted", None);
        }
    }

    fn revoked(&mut self, error: &SyncError) {
        if let Some(keeper) = &mut self.keeper {
            keeper.forget();
            self.managed.status.facts().kept.set("deleted", None);
        }
        tracing::error!(error = %error, "proxy has been revoked, exiting");
        self.managed.status.set_ready(false);
        {
            let mut facts = self.managed.status.facts();
            facts.revoked = true;
            facts.credentials_until = None;
        }
        self.traffic.withdraw();
        self.traffic.decide_by(Pipeline::closed(Gate::Revoked));
        self.traffic.synced("revoked");
    }
}

/// What follows a sync.
enum Synced {
    Again(Duration),
    AtOnce,
    Ended(Ended),
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn log_received(payload: &Payload, first: bool) {
    let message = if first {
        "received initial config from control plane"
    } else {
        "config update received from control plane"
    };
    tracing::info!(
        config_hash = %payload.config_hash,
        has_rules = payload.rules.given().is_some(),
        has_secrets = payload.secrets.given().is_some(),
        has_transforms = payload.transforms.given().is_some(),
        has_mcp = payload.mcp.given().is_some(),
        has_postgres = payload.postgres.given().is_some(),
        "{message}"
    );
}

#[cfg(test)]
mod tests;
