//! The log as lines of JSON, read while it is sent.

use axum::body::{Body, Bytes};
use axum::response::Response;
use centaur_store::{AuditFilter, ReadTx, StoreError};
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::event;
use crate::api::answer::Result;
use crate::api::call::Call;
use crate::app::log;

/// The media type that asks for it.
pub(super) const TYPE: &str = "application/x-ndjson";

/// Events per query; a client that reads slowly holds no transaction.
const BATCH: u32 = 500;

/// All events that pass the filter and are there now, oldest first.
pub(super) async fn all(call: &Call, filter: AuditFilter) -> Result<Response> {
    let mut tx = call.read().await?;
    let end = tx.last_audit_event().await?.saturating_add(1);
    let below = Some(filter.below.map_or(end, |below| below.min(end)));
    let filter = AuditFilter { below, oldest_first: true, ..filter };
    // The first batch before the head of the answer, so that a failure is an error and no broken body.
    let first = batch(tx, &filter).await?;
    let (store, scope) = (call.app.store().clone(), call.key.namespace.clone());
    let lines = stream::unfold(Some(first), move |read| {
        let (store, scope, mut filter) = (store.clone(), scope.clone(), filter.clone());
        async move {
            let (lines, last) = read?;
            let last = last?;
            filter.above = Some(last);
            let next = async { batch(store.read_within(scope).await?, &filter).await };
            match next.await {
                Ok(next) => Some((Ok(lines), Some(next))),
                Err(error) => {
                    log("error", "an export of the audit log broke off", &[("error", &error.to_string())]);
                    Some((Err(error), None))
                }
            }
        }
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
    Ok(response)
}

/// Lines, and the number of the last event in them.
async fn batch(
    mut tx: ReadTx,
    filter: &AuditFilter,
) -> std::result::Result<(Bytes, Option<i64>), StoreError> {
    let events = tx.audit_events(filter, BATCH).await?;
    let mut lines = String::new();
    for one in &events {
        lines.push_str(&event(one).to_string());
        lines.push('\n');
    }
    Ok((Bytes::from(lines), events.last().map(|last| last.seq)))
}
