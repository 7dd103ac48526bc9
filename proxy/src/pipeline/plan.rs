//! What depends on the host alone, worked out once per host.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use centaur_policies::host::CanonicalHost;
use centaur_policies::rule::{Candidates, RuleSet, Target};
use centaur_transform::ScrubSet;

use super::Pipeline;
use super::scrub::{Scrub, Scrubbers};
use super::secrets::SecretsPlan;
use crate::refusal::Refusal;

/// Hosts remembered. A client that makes up more names pays for the work each time, not we for the memory.
const MOST_HOSTS: usize = 1024;

#[derive(Default)]
pub(super) struct Plans(RwLock<HashMap<CanonicalHost, Arc<HostPlan>>>);

/// For each stage, the rules whose host matches.
pub(super) struct HostPlan {
    stages: Vec<StagePlan>,
    scrubbers: Scrubbers,
}

struct StagePlan {
    /// One per rule set of the stage.
    candidates: Vec<Candidates>,
    secrets: Option<Arc<SecretsPlan>>,
}

impl Plans {
    pub(super) fn of(&self, host: &CanonicalHost, pipeline: &Pipeline) -> Arc<HostPlan> {
        if let Some(plan) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(host) {
            return plan.clone();
        }
        let plan = Arc::new(HostPlan::new(host, pipeline));
        let mut plans = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= MOST_HOSTS {
            plans.clear();
        }
        plans.insert(host.clone(), plan.clone());
        plan
    }
}

impl HostPlan {
    fn new(host: &CanonicalHost, pipeline: &Pipeline) -> Self {
        let stage = |stage: &Arc<super::Stage>| {
            if let super::Kind::Secrets(secrets) = &stage.kind {
                return StagePlan { candidates: Vec::new(), secrets: Some(Arc::new(secrets.plan(host))) };
            }
            let candidates = stage.rule_sets().into_iter().map(|rules| rules.for_host(host)).collect();
            StagePlan { candidates, secrets: None }
        };
        Self { stages: pipeline.stages.iter().map(stage).collect(), scrubbers: Scrubbers::default() }
    }

    /// Whether a rule set of a stage matches.
    pub(super) fn matches(&self, stage: usize, set: usize, rules: &RuleSet, target: &Target<'_>) -> bool {
        let candidates = self.stages.get(stage).and_then(|plan| plan.candidates.get(set));
        candidates.is_some_and(|candidates| rules.matches_among(candidates, target).is_some())
    }

    /// What takes the values that were placed out of the response.
    pub(super) fn scrubber(&self, scrub: &Scrub) -> Result<Option<ScrubSet>, Refusal> {
        self.scrubbers.compiled(scrub)
    }

    /// The plan of a `secrets` stage.
    pub(super) fn secrets(&self, stage: usize) -> Option<&Arc<SecretsPlan>> {
        self.stages.get(stage)?.secrets.as_ref()
    }
}
