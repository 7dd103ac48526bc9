//! `broker …`

pub(super) mod create;
pub(super) mod delete;
mod input;
pub(super) mod list;
pub(super) mod show;
