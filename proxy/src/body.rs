//! Bodies on both legs: what a client sends, looked at before it is sent on ([`ClientBody`], then [`RequestBody`]),
//! and what it gets back ([`ResponseBody`]).

mod client;
mod request;
mod response;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64};

pub use self::client::ClientBody;
pub use self::request::{Hold, RequestBody};
pub use self::response::ResponseBody;
use crate::refusal::Refusal;

/// Any failure of a body; the text is for the audit line and holds no payload.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is known of a request body while it is sent, shared with the exchange.
#[derive(Debug, Default)]
pub struct Upload {
    /// Bytes read from the client.
    pub bytes: AtomicU64,
    /// The whole body was handed over (or there was none).
    pub done: AtomicBool,
    /// The client stopped sending without ending.
    pub stalled: AtomicBool,
    /// The client's side failed: it went away, or sent broken framing.
    pub client_failed: AtomicBool,
    /// The body itself showed that the request must be refused.
    pub refused: OnceLock<Refusal>,
}

/// What was found in a body that was already on its way. It fails with this.
#[derive(Debug, thiserror::Error)]
#[error("the request body is refused: {}", .0.code())]
pub struct Refused(pub Refusal);
