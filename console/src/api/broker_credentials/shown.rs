//! How a credential is shown: the reference's members in its order, then ours.

use centaur_store::{Attempt, BrokerCredential, CredentialLinks, Micros};
use serde_json::{Map, Value, json};

use crate::wire::timestamp;

/// `now` in microseconds.
pub(super) fn resource(row: &BrokerCredential, links: &CredentialLinks, now: i64) -> Map<String, Value> {
    let at = |at: Option<Micros>| json!(at.map(|at| timestamp(at.0)));
    let timing = row.timing;
    let members = [
        ("id", json!(row.id)),
        ("namespace", json!(row.namespace)),
        ("foreign_id", json!(row.foreign_id)),
        ("name", json!(row.name)),
        ("description", json!(row.description)),
        ("labels", json!(row.labels)),
        ("grant", row.grant.as_str().into()),
        ("token_endpoint", json!(row.token_endpoint)),
        ("scopes", json!(row.scopes)),
        ("client_id", json!(row.client_id)),
        ("token_endpoint_header_names", json!(row.token_endpoint_header_names)),
        ("early_refresh_slack_seconds", timing.early_refresh_slack_seconds.into()),
        ("early_refresh_fraction", (timing.early_refresh_fraction_ppm as f64 / 1e6).into()),
        ("max_refresh_interval_seconds", timing.max_refresh_interval_seconds.into()),
        ("refresh_timeout_seconds", timing.refresh_timeout_seconds.into()),
        ("status", status(row).into()),
        ("expires_at", at(row.expires_at)),
        ("last_refresh", at(row.last_refresh)),
        ("next_attempt_at", at(row.next_attempt_at)),
        ("dead", row.dead.into()),
        ("dead_reason", json!(row.dead_reason)),
        ("failure_count", row.failure_count.into()),
        ("oauth_app_id", json!(row.oauth_app_id)),
        ("provider_subject", json!(row.provider_subject)),
        ("provider_email", json!(row.provider_email)),
        ("external_user_key", json!(row.external_user_key)),
        ("created_at", timestamp(row.created_at.0).into()),
        ("updated_at", timestamp(row.updated_at.0).into()),
        // A linked app's client is used; the row's own only where the app has none.
        ("effective_client_id", json!(links.app_client_id.as_ref().or(row.client_id.as_ref()))),
        ("wrapping_static_secret_id", json!(links.wrapper)),
        ("health", health(row, now).into()),
        ("created_by", json!(row.created_by)),
        ("revision", row.revision.into()),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An entry of the log of attempts.
pub(super) fn attempt(attempt: &Attempt) -> Value {
    json!({
        "id": attempt.id,
        "started_at": timestamp(attempt.started_at.0),
        "duration_ms": attempt.duration_ms,
        "result": attempt.result,
        "code": attempt.code,
        "rotated": attempt.rotated,
    })
}

fn status(row: &BrokerCredential) -> &'static str {
    match (row.dead, row.last_refresh) {
        (true, _) => "dead",
        (false, None) => "bootstrapping",
        (false, Some(_)) => "live",
    }
}

/// What an operator should know at a glance (broker.md, section 6).
fn health(row: &BrokerCredential, now: i64) -> &'static str {
    if row.dead {
        return "dead";
    }
    if row.interrupted_at.is_some() {
        return "interrupted";
    }
    let is_static = row.last_refresh.is_some() && row.next_attempt_at.is_none();
    let is_expired = row.last_refresh.is_some() && row.expires_at.is_none_or(|end| end.0 <= now);
    match (is_static, row.failure_count > 0 || is_expired) {
        (true, _) => "static",
        (false, true) => "failing",
        (false, false) => "healthy",
    }
}
