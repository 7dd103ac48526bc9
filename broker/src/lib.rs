//! The refresh engine: keeps access tokens fresh, spends each refresh token once, and loses none that it was given
//! (broker.md, sections 5 to 7; docs/broker-failure-model.md).
//!
//! Read first: [`Row`], the credential as the protocol sees it, with the three writes that it allows; then [`Attempt`],
//! one refresh as a sequence of steps. Both are pure, and `tests/model.rs` walks all that can come of them. [`Engine`]
//! runs attempts against a [`Store`] and a [`Provider`].
//!
//! Who uses it: the console, whose store keeps rows in its database, and the stand-alone token broker.

mod attempt;
mod chance;
mod engine;
mod provider;
mod row;
mod schedule;
mod spool;
mod store;
mod time;

pub use attempt::{Attempt, Facts, Step};
pub use chance::Chance;
pub use engine::{Engine, Event, Options};
pub use provider::Provider;
pub use row::{Claim, Claimable, Lease, Minted, Outcome, Row};
pub use schedule::{Timing, backoff, next_of_assumed, next_refresh};
pub use spool::{Seal, Spool, SpoolError};
pub use store::{Claimed, Due, Ready, Store};
pub use time::Moment;
