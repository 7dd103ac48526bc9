//! The end of an exchange, which comes with the end of its response body.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;

use centaur_transform::scrub::ScrubHits;

use super::{ClientGate, Running};
use crate::app::App;
use crate::audit::Record;
use crate::body::Upload;
use crate::managed::live::Ticket;

/// Rides in the response body and ends the exchange with it.
pub struct Closing {
    pub(super) record: Record,
    pub(super) hits: Option<Arc<ScrubHits>>,
    pub(super) upload: Option<Arc<Upload>>,
    pub(super) gate: Option<ClientGate>,
    pub(super) app: Arc<App>,
    pub(super) running: Option<Running>,
    pub(super) ticket: Option<Ticket>,
    pub(super) ended: bool,
}

impl Closing {
    /// Whether what the exchange uses was withdrawn; then the body ends here.
    pub fn poll_revoked(&mut self, cx: &mut Context<'_>) -> bool {
        let revoked = self.ticket.as_mut().is_some_and(|ticket| ticket.poll_revoked(cx).is_ready());
        if revoked {
            self.ended = true;
            self.record.reason = Some("revoked");
        }
        revoked
    }

    /// The last byte was handed over.
    pub fn finish(mut self: Box<Self>) {
        self.ended = true;
    }

    /// Bytes were handed over.
    pub fn sent(&mut self, bytes: usize) {
        self.record.bytes_out += bytes as u64;
    }

    /// The body broke off; `reason` is for the audit line.
    pub fn failed(&mut self, reason: &'static str, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        self.ended = true;
        self.record.reason = Some(reason);
        self.record.error = Some(error.to_string());
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let record = &mut self.record;
        if let Some(upload) = &self.upload {
            record.bytes_in = upload.bytes.load(Ordering::Relaxed);
        }
        if let Some(hits) = &self.hits {
            record.scrubbed += hits.count();
        }
        if !self.ended {
            let revoked = self.ticket.as_mut().is_some_and(Ticket::is_revoked);
            record.reason = Some(if revoked { "revoked" } else { "client-closed" });
        }
        self.app.metrics.scrubbed(record.scrubbed);
        self.app.metrics.body_bytes(record.bytes_in, record.bytes_out);
        if let Some(gate) = &self.gate {
            gate.finish();
        }
        drop(self.running.take());
    }
}
