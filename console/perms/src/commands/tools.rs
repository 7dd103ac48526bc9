//! `tools …`

pub(super) mod list;
pub(super) mod register;
pub(super) mod show;
mod status;
pub(super) mod sync;
pub(super) mod validate;
