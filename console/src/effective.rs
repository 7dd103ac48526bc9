//! What a principal's proxy is sent, and why something is not in it. One pure function, [`assemble()`], is used by
//! sync, by the redacted view, by explain and by the dry run, so that they cannot tell different stories.
//!
//! The order of the steps, one file each: what is granted (`standing`), whether every value is there
//! (`deliver`), what the fallback principal adds (`fallback`), which credentials would overwrite a stronger one
//! (`claims`), which database route wins (`postgres`), and the payload with its hash (`payload`).

mod api_server;
mod assemble;
mod claims;
mod deliver;
mod diff;
mod dry_run;
mod entry;
mod explain;
mod fallback;
mod input;
mod overlap;
mod payload;
mod piece;
mod postgres;
mod standing;

pub use api_server::ApiServer;
pub use assemble::{Effective, assemble};
pub use deliver::{BrokerState, Resolution, SourceValues};
pub use diff::diff;
pub use dry_run::{Probe, dry_run};
pub use explain::{Explained, Outcome, Precedence, Skip, Supplier, Withheld, explain};
pub use fallback::{Fallback, FallbackMode};
pub use input::{Grant, Input, Principal, SecretKey, SlackRow, StoredSecret, Subject, Via};
pub use overlap::scopes_overlap;
pub use payload::{Assignment, Digest, HashKey, Payload, etag, matches_etag, sync_body};

#[cfg(test)]
mod tests;
