//! `audit …`

pub(super) mod check;
pub(super) mod events;
mod local;
