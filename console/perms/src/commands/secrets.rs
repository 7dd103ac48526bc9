//! `secrets …`

pub(super) mod delete;
pub(super) mod grants;
pub(super) mod list;
pub(super) mod show;
