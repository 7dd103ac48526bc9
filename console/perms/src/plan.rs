//! What a command is about to write, before it writes anything.
//!
//! A plan is an ordered list of steps, each with what it changes, why, and the one call that does it. Removals come after
//! everything else, so that nothing is gone when something failed before. There are no transactions across calls: a
//! failure stops the plan, what was applied is told, and the same command completes it, for a step that is in place
//! already is no step.
//!
//! To plan a write: read first, push a step ([`Plan::push`]) for each difference and [`Step::in_place`] for what needs
//! none, then [`Plan::run`].

mod call;
mod run;
mod show;
mod step;

pub use self::call::{Call, Confidential, Made, MadeSecret, Seen, Terms};
pub use self::step::{Action, Step, Target};

/// Steps in order.
#[derive(Debug, Default)]
pub struct Plan {
    changes: Vec<Step>,
    removals: Vec<Step>,
    /// Removals are asked about, unless `--yes` is given.
    asks: bool,
}

impl Plan {
    /// Nothing to do.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes what was not named one by one: needs consent.
    #[must_use]
    pub fn destructive(self) -> Self {
        Self { asks: true, ..self }
    }

    /// Adds a step: a removal behind all removals, anything else behind all that is none.
    pub fn push(&mut self, step: Step) {
        if step.action.is_removal() {
            self.removals.push(step);
        } else {
            self.changes.push(step);
        }
    }

    /// Adds several, or the one there may be.
    pub fn extend(&mut self, steps: impl IntoIterator<Item = Step>) {
        steps.into_iter().for_each(|step| self.push(step));
    }

    /// All steps, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.changes.iter().chain(&self.removals)
    }

    /// The same, to be put into another plan.
    pub fn into_steps(self) -> impl Iterator<Item = Step> {
        self.changes.into_iter().chain(self.removals)
    }

    /// How many steps change something.
    pub fn pending(&self) -> usize {
        self.steps().filter(|step| step.is_pending()).count()
    }
}
