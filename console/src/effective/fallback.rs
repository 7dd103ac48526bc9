//! What the acting user adds to the principal of the conversation.

use super::deliver::Given;
use super::explain::{Explained, Outcome, Precedence, Withheld};
use super::input::{StoredSecret, Subject};
use super::overlap::Reach;
use super::standing::Standing;
use crate::definition::{Body, Placement, SourceType};

/// The fallback principal and when it counts.
#[derive(Debug, Clone, Copy)]
pub struct Fallback<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// When.
    pub mode: FallbackMode,
}

/// When the fallback principal's grants count. The order is from lax to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum FallbackMode {
    /// Where the principal has nothing for the same target.
    #[default]
    PerTarget,
    /// When nobody granted the principal anything beyond the default roles.
    WhenEmpty,
    /// Not at all.
    Never,
}

impl FallbackMode {
    /// The mode of a name: `per-target`, `when-empty` or `never`.
    pub fn named(name: &str) -> Option<Self> {
        [Self::PerTarget, Self::WhenEmpty, Self::Never].into_iter().find(|mode| mode.as_str() == name)
    }

    /// The name in configuration, labels and the proxy's record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PerTarget => "per-target",
            Self::WhenEmpty => "when-empty",
            Self::Never => "never",
        }
    }

    /// The mode that holds: the strictest of the deployment's, the channel's label `centaur.user-fallback` and the
    /// proxy's. A label that names no mode is `never`, so that a slip of the pen opens nothing.
    pub fn effective(deployment: Self, label: Option<&str>, proxy: Option<Self>) -> Self {
        let label = label.map(|label| Self::named(label.trim()).unwrap_or(Self::Never));
        [label, proxy].into_iter().flatten().fold(deployment, Self::max)
    }
}

/// A standing whose values are all there.
pub(super) struct Deliverable<'a> {
    pub(super) standing: Standing<'a>,
    pub(super) given: Given,
}

/// Adds those of `extra` to `own` that the mode allows; `extra` holds what was decided for the fallback principal,
/// without its default roles. Returns whether any was added.
pub(super) fn merge<'a>(
    own: &mut Vec<Deliverable<'a>>,
    extra: Vec<Deliverable<'a>>,
    mode: FallbackMode,
    explained: &mut Vec<Explained>,
) -> bool {
    let decided: Vec<&StoredSecret> =
        own.iter().filter(|one| one.standing.is_decided()).map(|one| one.standing.secret).collect();
    let mut added = Vec::new();
    for one in extra {
        if own.iter().any(|known| known.standing.key == one.standing.key) {
            continue;
        }
        let withheld = match mode {
            FallbackMode::Never => Some(Withheld::Mode(mode)),
            FallbackMode::WhenEmpty => (!decided.is_empty()).then_some(Withheld::Mode(mode)),
            FallbackMode::PerTarget => precedence(one.standing.secret, &decided),
        };
        match withheld {
            Some(withheld) => explained.push(one.standing.explained(Outcome::Withheld(withheld))),
            None => added.push(one),
        }
    }
    let any = !added.is_empty();
    own.extend(added);
    any
}

/// The first of the principal's credentials that covers what this one is for.
fn precedence(extra: &StoredSecret, decided: &[&StoredSecret]) -> Option<Withheld> {
    decided.iter().find_map(|own| {
        let why = same_purpose(extra, own).or_else(|| {
            let meets = |one: &Reach| own.claim().reaches.iter().any(|two| one.overlaps(two));
            extra.claim().reaches.iter().any(meets).then_some(Precedence::Target)
        })?;
        Some(Withheld::PrincipalHas { by: own.oid.clone(), why })
    })
}

fn same_purpose(one: &StoredSecret, two: &StoredSecret) -> Option<Precedence> {
    let tool = |secret: &StoredSecret| secret.common.labels.get("centaur-tool").cloned();
    if tool(one).is_some() && tool(one) == tool(two) {
        return Some(Precedence::Tool);
    }
    match (&one.body, &two.body) {
        (Body::Static(one), Body::Static(two)) => match (&one.placement, &two.placement) {
            (Placement::Replace(one), Placement::Replace(two)) => {
                (one.proxy_value == two.proxy_value).then_some(Precedence::Placeholder)
            }
            _ => None,
        },
        (Body::PgDsn(one), Body::PgDsn(two)) => {
            let variable = |source: &crate::definition::Source| {
                (source.source_type == SourceType::Env).then(|| source.config.get("var").cloned()).flatten()
            };
            let same_variable = variable(&one.dsn).is_some() && variable(&one.dsn) == variable(&two.dsn);
            (one.database == two.database || same_variable).then_some(Precedence::Database)
        }
        _ => None,
    }
}
