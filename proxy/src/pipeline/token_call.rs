//! A token call of a harness login: answered or refused, never forwarded. No transform is shown it, so nothing is placed in
//! it, captured from it, or noted of it but the name of the login.

use std::time::Instant;

use bytes::Bytes;

use super::Passage;
use super::annotations::Annotations;
use crate::audit::{Action, Trace};
use crate::harness::{Login, TRACE, call};
use crate::refusal::Refusal;

/// The proxy's own answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// JSON.
    pub content: Bytes,
    /// Length of the request's content, in bytes.
    pub read: u64,
}

pub(super) async fn answer(login: &Login, passage: &mut Passage<'_>) -> Result<Answer, Refusal> {
    let started = Instant::now();
    let asked = call::read(&login.name, passage.parts, passage.body).await;
    let mut notes = Annotations::default();
    notes.text("login", &login.name);
    passage.record.request_traces.push(Trace {
        name: TRACE.into(),
        action: if asked.is_ok() { Action::Answer } else { Action::Reject },
        duration: started.elapsed(),
        error: None,
        annotations: notes.into_json(),
    });
    Ok(Answer { content: login.shape.answer(), read: asked? })
}
