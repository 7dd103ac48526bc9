//! How an event is shown.

use std::fmt::Write as _;

use centaur_base::oid::{AuditId, Oid as _};
use centaur_store::AuditEvent;
use serde_json::{Value, json};

use super::ids;
use crate::wire::timestamp;

/// An event. `before` and `after` are the rows without anything that is sealed.
pub(super) fn event(event: &AuditEvent) -> Value {
    let document =
        |text: &Option<String>| text.as_deref().map(|text| serde_json::from_str::<Value>(text).ok());
    let actor = event.actor_id.and_then(|row| ids::shown(&event.actor_kind, row));
    json!({
        "id": AuditId::new(event.seq),
        "seq": event.seq,
        "at": timestamp(event.at.0),
        "actor": { "type": event.actor_kind, "id": actor },
        "as_operator": event.as_operator,
        "action": event.action,
        "object": { "type": event.object_kind, "id": ids::shown(&event.object_kind, event.object_id) },
        "namespace": event.namespace,
        "before": document(&event.before),
        "after": document(&event.after),
        "request_id": event.request_id,
        "address": event.address,
        "prev_hash": hex(&event.prev_hash),
        "hash": hex(&event.hash),
    })
}

/// Lower case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
