//! From an answer of the control plane to a pipeline: all of it, or nothing.
//!
//! | Member | Absent or null | Empty | Value |
//! |---|---|---|---|
//! | `rules` | as before | nothing is allowed | what is allowed |
//! | `secrets` | as before | none | the credentials |
//! | `transforms` | as before | none | in their order |
//! | `mcp` | as before | cleared | refused where its servers are |
//! | `postgres` | absent: as before, null: none | none | noted; there is no listener for it |
//!
//! So a null never allows more than was allowed. When the principal changes, "as before" is as before the first answer:
//! nothing that was given to one principal serves another. What is allowed before any `rules` came is what the local
//! file's `allowlist` says, else `IRON_PROXY_ALLOW_HOSTS`, else nothing. With `@granted` in that variable, what the
//! credentials in force are bound to is allowed as well, and stops to be with them.

mod parse;

use std::sync::Arc;

use centaur_client::sync::{Member, Payload};
use centaur_policies::rule::{Rule, RuleSet};
use centaur_policies::spec::{AllowlistSpec, TransformSpec};
use serde_json::{Value, json};

use super::settings::AllowHosts;
use crate::harness::HarnessLogins;
use crate::pipeline::{Pipeline, Stage};
use crate::sources::SourcePool;

/// What is in force.
#[derive(Clone)]
pub struct Policy {
    local: Vec<Arc<Stage>>,
    /// Where credentials open hosts: what is allowed without them.
    base: Option<Arc<RuleSet>>,
    rules: Option<Arc<Stage>>,
    secrets: Vec<Arc<Stage>>,
    transforms: Vec<Arc<Stage>>,
    mcp: Vec<Arc<Stage>>,
    bound: Bound,
    principal: String,
    epoch: u64,
    parts: Parts,
    harness: Arc<HarnessLogins>,
}

/// Where the credentials apply, by the member they came in.
#[derive(Debug, Clone, Default)]
struct Bound {
    secrets: Vec<Rule>,
    transforms: Vec<Rule>,
}

/// The parts of a configuration, for the status.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    allowed_by: AllowedBy,
    rules: usize,
    secrets: usize,
    transforms: usize,
    /// What was delivered and cannot be run, in words.
    unavailable: Vec<String>,
    secrets_unavailable: Vec<String>,
    transforms_unavailable: Vec<String>,
    mcp: usize,
    postgres: usize,
}

/// Where the allowlist in force comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AllowedBy {
    /// Nowhere: nothing is allowed.
    #[default]
    Nothing,
    /// The `allowlist` of the local file.
    File,
    /// `IRON_PROXY_ALLOW_HOSTS`
    Environment,
    /// `rules` of the control plane.
    ControlPlane,
}

/// An answer that cannot be put in force. Texts hold no values of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// `rules`, `secrets` or `transforms`.
    #[error("{0}")]
    Pipeline(String),
    /// `mcp`
    #[error("{0}")]
    Mcp(String),
    /// `postgres`
    #[error("{0}")]
    Postgres(String),
}

impl ApplyError {
    /// The message under which the reference logs it.
    pub fn log_message(&self) -> &'static str {
        match self {
            Self::Pipeline(_) => "rejecting invalid pipeline config from sync, keeping current pipeline",
            Self::Mcp(_) => "rejecting invalid mcp policy from sync, keeping current policy",
            Self::Postgres(_) => "rejecting invalid postgres config from sync, keeping current listener",
        }
    }
}

impl Policy {
    /// Before the first answer: what the allowlists among `transforms` of the local file allow, else `hosts`. Other
    /// transforms of the file have no effect in managed mode.
    pub fn local(transforms: Vec<(String, TransformSpec)>, hosts: AllowHosts, sources: &SourcePool) -> Self {
        let mut parts = Parts::default();
        let mut specs: Vec<AllowlistSpec> = Vec::new();
        for (_, spec) in transforms {
            if let TransformSpec::Allowlist(spec) = spec {
                parts.allowed_by = AllowedBy::File;
                parts.rules += spec.rules.len();
                specs.push(spec);
            }
        }
        let mut base = None;
        if specs.is_empty() {
            let AllowHosts { rules, granted } = hosts;
            if granted || !rules.is_empty() {
                parts.allowed_by = AllowedBy::Environment;
                parts.rules = rules.len();
            }
            base = granted.then(|| Arc::new(rules.clone()));
            specs.push(AllowlistSpec { rules, warn: false });
        }
        Self {
            local: specs.into_iter().filter_map(|spec| allowlist(spec, sources)).collect(),
            base,
            rules: None,
            secrets: Vec::new(),
            transforms: Vec::new(),
            mcp: Vec::new(),
            bound: Bound::default(),
            principal: String::new(),
            epoch: 1,
            parts,
            harness: Arc::default(),
        }
    }

    /// The same with these logins, which stay local. One whose token was set is answered for as long as the principal is
    /// the same: while its credential is dead the console leaves it out, and that is when the program asks for another
    /// token (docs/decisions/0028-token-calls-are-answered-here.md).
    #[must_use]
    pub fn answering(self, harness: Arc<HarnessLogins>) -> Self {
        Self { harness, ..self }
    }

    /// What it consists of.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Whether an answer is about another principal than the one in force.
    pub fn changes_principal(&self, payload: &Payload) -> bool {
        match &payload.principal_id {
            Member::Absent => false,
            Member::Null => !self.principal.is_empty(),
            Member::Given(id) => *id != self.principal,
        }
    }

    /// What would be in force with this answer. Nothing is fetched.
    ///
    /// # Errors
    /// [`ApplyError`]; then nothing changes.
    pub fn update(&self, local: &Self, payload: &Payload, sources: &SourcePool) -> Result<Self, ApplyError> {
        let mut next = self.clone();
        if self.changes_principal(payload) {
            next = local.clone();
            next.epoch = self.epoch + 1;
            next.principal = payload.principal_id.given().cloned().unwrap_or_default();
        }
        if let Some(rules) = payload.rules.given() {
            let (stage, count) = parse::rules(rules, sources)?;
            next.rules = Some(stage);
            next.parts.allowed_by = AllowedBy::ControlPlane;
            next.parts.rules = count;
        }
        if let Some(secrets) = payload.secrets.given() {
            let parsed = parse::secrets(secrets, sources)?;
            next.secrets = parsed.stages;
            next.bound.secrets = parsed.bound;
            next.parts.secrets = parsed.count;
            next.parts.secrets_unavailable = parsed.unavailable;
        }
        if let Some(transforms) = payload.transforms.given() {
            let parsed = parse::transforms(transforms, sources)?;
            next.transforms = parsed.stages;
            next.bound.transforms = parsed.bound;
            next.parts.transforms = parsed.count;
            next.parts.transforms_unavailable = parsed.unavailable;
        }
        if let Some(mcp) = payload.mcp.given() {
            let parsed = parse::mcp(mcp)?;
            next.mcp = parsed.stages;
            next.parts.mcp = parsed.count;
        }
        match &payload.postgres {
            Member::Absent => {}
            Member::Null => next.parts.postgres = 0,
            Member::Given(value) => next.parts.postgres = parse::postgres(value)?,
        }
        if next.rules.is_none() {
            next.open_granted(sources);
        }
        next.keep_logins();
        next.parts.unavailable =
            [&next.parts.secrets_unavailable[..], &next.parts.transforms_unavailable[..]].concat();
        if next.parts.mcp > 0 {
            next.parts.unavailable.push("mcp".to_owned());
        }
        if next.parts.postgres > 0 {
            next.parts.unavailable.push("postgres".to_owned());
        }
        Ok(next)
    }

    fn keep_logins(&mut self) {
        let pipeline = self.pipeline();
        let names = pipeline.harness().all().iter().map(|reason| &reason.login.name);
        if names.clone().all(|name| self.harness.kept.contains(name)) {
            return;
        }
        let kept = names.cloned().collect();
        self.harness = Arc::new(HarnessLogins { kept, ..HarnessLogins::clone(&self.harness) });
    }

    /// Allows what the credentials are bound to, if the environment says so.
    fn open_granted(&mut self, sources: &SourcePool) {
        let Some(base) = &self.base else { return };
        let Bound { secrets, transforms } = &self.bound;
        let rules: RuleSet = base.rules().iter().chain(secrets).chain(transforms).cloned().collect();
        self.parts.rules = rules.len();
        self.local = allowlist(AllowlistSpec { rules, warn: false }, sources).into_iter().collect();
    }

    /// The pipeline: allowlist, secrets, transforms, and what is refused for want of MCP.
    pub fn pipeline(&self) -> Pipeline {
        let allowlist = self.rules.as_ref().map_or(&self.local[..], std::slice::from_ref);
        let stages = [allowlist, &self.secrets, &self.transforms, &self.mcp].concat();
        Pipeline::of(stages, &self.harness, self.epoch)
    }
}

impl Parts {
    /// What was delivered and cannot be run.
    pub fn unavailable(&self) -> &[String] {
        &self.unavailable
    }

    /// Where the allowlist comes from.
    pub fn allowed_by(&self) -> AllowedBy {
        self.allowed_by
    }

    /// For the status.
    pub fn to_json(&self) -> Value {
        let state = |count: usize| if count == 0 { "none" } else { "unavailable" };
        json!({
            "allowlist": { "from": self.allowed_by.as_str(), "rules": self.rules },
            "secrets": { "entries": self.secrets, "unavailable": self.secrets_unavailable },
            "transforms": { "entries": self.transforms, "unavailable": self.transforms_unavailable },
            "mcp": { "state": state(self.mcp), "servers": self.mcp },
            "postgres": { "state": state(self.postgres), "upstreams": self.postgres },
        })
    }
}

impl AllowedBy {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::File => "file",
            Self::Environment => "environment",
            Self::ControlPlane => "control_plane",
        }
    }
}

/// A stage that allows what the rules say; its making cannot fail.
fn allowlist(spec: AllowlistSpec, sources: &SourcePool) -> Option<Arc<Stage>> {
    Stage::build("allowlist".to_owned(), TransformSpec::Allowlist(spec), sources).ok()
}

#[cfg(test)]
mod tests;
