//! `principals …`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod grant;
pub(super) mod list;
pub(super) mod resolve;
pub(super) mod revoke;
pub(super) mod show;
pub(super) mod tombstone;
