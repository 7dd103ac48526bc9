//! What refuses without looking at rules of its own: a gate before everything, and the place of a transform that this
//! build cannot run.

use centaur_policies::host::CanonicalHost;
use centaur_policies::rule::RuleSet;

use super::annotations::Annotations;
use crate::refusal::Refusal;

/// Why nothing at all passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The control plane has not answered yet.
    Awaiting,
    /// The control plane has revoked this proxy.
    Revoked,
}

impl Gate {
    /// The name of its trace.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Awaiting => "ready",
            Self::Revoked => "revoked",
        }
    }

    pub(super) fn annotate(self, notes: &mut Annotations) {
        let reason = match self {
            Self::Awaiting => "awaiting_control_plane_config",
            Self::Revoked => "proxy_revoked",
        };
        notes.text("reason", reason);
    }

    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Awaiting => Refusal::not_ready(),
            Self::Revoked => Refusal::proxy_revoked(),
        }
    }
}

/// The place of a transform, or of an entry of one, that this build cannot run. What it covers is refused: a request
/// that passed it would go without what was to be done to it, or checked on it.
#[derive(Debug)]
pub struct Unavailable {
    what: String,
    rules: Option<RuleSet>,
}

impl Unavailable {
    /// `what` is missing where `rules` match; `None` is everywhere.
    pub fn new(what: impl Into<String>, rules: Option<RuleSet>) -> Self {
        Self { what: what.into(), rules }
    }

    pub(super) fn covers_all(&self) -> bool {
        self.rules.is_none()
    }

    pub(super) fn rules(&self) -> &RuleSet {
        static NONE: std::sync::LazyLock<RuleSet> = std::sync::LazyLock::new(RuleSet::default);
        self.rules.as_ref().unwrap_or(&NONE)
    }

    /// Whether any request to this host and port could be covered.
    pub(super) fn may_cover(&self, host: &CanonicalHost, port: u16) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.matches_host(host, port, None))
    }

    pub(super) fn annotate(&self, stage: &str, notes: &mut Annotations) {
        notes.text("rejected", stage);
        notes.text("reject_reason", "not_available_in_this_build");
        notes.text("missing", &self.what);
    }

    pub(super) fn refusal(&self, stage: &str) -> Refusal {
        Refusal::transform_unavailable(stage, &self.what)
    }
}
