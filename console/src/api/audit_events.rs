//! `/api/v1/audit_events`: who changed what. Read only: nothing here writes, and nothing can be taken away.
//!
//! A page is newest first and names where the next one begins (`before`). `after` gives what came later, in the order
//! in which it happened, for whoever follows the log. With `Accept: application/x-ndjson` all that pass the filters
//! are sent, one JSON object a line, oldest first.

mod export;
mod ids;
mod shown;
mod verify;

use axum::response::{IntoResponse as _, Response};
use centaur_base::oid::{AuditId, Oid as _, PrincipalId};
use centaur_store::{AuditFilter, Micros};
use http::header::ACCEPT;
use serde_json::{Value, json};

use self::shown::event;
use super::answer::{Answer, Result};
use super::call::Call;
use super::routes::{Routes, route};
use super::target::{found, oid};
use super::{list, principals};
use crate::openapi::{Parameter, Resource, Verb, integer, reference, text};
use crate::wire::{ApiError, parse_timestamp};

const TYPE: &str = "AuditEvent";

const RESOURCE: Resource = Resource {
    collection: "audit_events",
    schema: "AuditEvent",
    noun: "change",
    prefix: AuditId::PREFIX,
    example: "aud_LWrYpfO7",
};

pub(super) fn routes() -> Routes {
    let number = || integer(Some(0), None);
    let filters = [
        Parameter::query("object", text()),
        Parameter::query("actor", text()),
        principals::RESOURCE.filter("principal"),
        Parameter::query("action", text()),
        Parameter::query("since", text()),
        Parameter::query("until", text()),
        Parameter::query("before", number()),
        Parameter::query("after", number()),
    ];
    let page = reference("AuditPage");
    let list = RESOURCE
        .other(
            "listAuditEvents",
            "List changes, the newest first; all of them, the oldest first, as lines of JSON",
        )
        .with(filters)
        .with(Parameter::paging())
        .answers(200, "A page, or all", page)
        .or_as(export::TYPE, text());
    let places = [
        Parameter::query("seq", number()),
        Parameter::query("hash", text()),
        Parameter::query("after", number()),
        Parameter::query("after_hash", text()),
        Parameter::query("limit", number()),
    ];
    let verify = RESOURCE.other("verifyAuditEvents", "Walk the hash chain of all changes").with(places);
    let verify = verify.gives(200, "What was found", reference("AuditChain"));
    route("/api/v1/audit_events", Verb::Get, list, all)
        .merge(route("/api/v1/audit_events/verify", Verb::Get, verify, self::verify::verify))
        .merge(route("/api/v1/audit_events/{id}", Verb::Get, RESOURCE.one(), one))
}

async fn all(call: Call) -> Result<Response> {
    let filter = filter(&call)?;
    let accept = call.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains(export::TYPE) {
        return export::all(&call, filter).await;
    }
    let (page, _) = list::page(&call)?;
    let mut events = call.read().await?.audit_events(&filter, page.limit.saturating_add(1)).await?;
    let is_last = events.len() <= page.limit as usize;
    events.truncate(page.limit as usize);
    let next = events.last().filter(|_| !is_last).map(|last| last.seq);
    let key = if filter.oldest_first { "after" } else { "before" };
    let data: Vec<Value> = events.iter().map(event).collect();
    Ok(Answer::body(
        json!({ "data": data, "meta": { "limit": page.limit, "next": next.map(|seq| json!({ key: seq })) } }),
    )
    .into_response())
}

async fn one(call: Call) -> Result {
    let id: AuditId = oid(call.param(0), TYPE)?;
    let filter = AuditFilter { above: Some(id.row() - 1), oldest_first: true, ..AuditFilter::default() };
    let events = call.read().await?.audit_events(&filter, 1).await?;
    let row = events.into_iter().next().filter(|event| event.seq == id.row());
    Ok(Answer::body(json!({ "data": event(&found(row, TYPE, call.param(0))?) })))
}

fn filter(call: &Call) -> Result<AuditFilter> {
    let text = |key: &str| call.query.value(key).filter(|text| !text.is_empty());
    let bad = |key: &str, what: &str| ApiError::bad_request(format!("{key} must be {what}"));
    let time = |key: &str| match text(key) {
        None => Ok(None),
        Some(at) => {
            parse_timestamp(at).map(|at| Some(Micros(at))).ok_or_else(|| bad(key, "an RFC 3339 time"))
        }
    };
    let object = text("object").map(|text| ids::object(text).ok_or_else(|| bad("object", "an object id")));
    let actor = text("actor").map(|text| {
        ids::actor(text).ok_or_else(|| bad("actor", "the id of a user, an API key or a proxy, or system"))
    });
    let principal = text("principal")
        .map(|text| text.parse::<PrincipalId>().map_err(|_| bad("principal", "the id of a principal")));
    let (below, above) = (number(call, "before")?, number(call, "after")?);
    Ok(AuditFilter {
        object: object.transpose()?,
        actor: actor.transpose()?,
        principal: principal.transpose()?,
        action: text("action").map(str::to_owned),
        since: time("since")?,
        until: time("until")?,
        below,
        above,
        oldest_first: above.is_some(),
    })
}

fn number(call: &Call, key: &str) -> Result<Option<i64>> {
    let Some(text) = call.query.value(key).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number >= 0);
    Ok(Some(number.ok_or_else(|| ApiError::bad_request(format!("{key} must be the number of an event")))?))
}
