//! Proxies, and what they are sent.

use serde_json::{Value, json};

use super::Named;
use super::shared::{line, revision, times};
use crate::openapi::schema::{
    Object, about, flag, integer, list_of, nullable, oid, pattern, reference, text, timestamp, words,
};

const FALLBACK_MODES: [&str; 3] = ["per-target", "when-empty", "never"];

pub(super) fn all() -> Vec<Named> {
    let token = about(pattern("^iprx_[0-9a-f]{64}$"), "Shown here and never again.");
    let grace =
        about(nullable(integer(Some(0), Some(86_400))), "How long the old token stays good; 60 without it.");
    vec![
        ("Proxy", Object::new().with(proxy).build()),
        ("NewProxy", Object::new().with(proxy).always("token", token).build()),
        ("ProxyWrite", write(true)),
        ("ProxyUpdate", write(false)),
        ("RotateToken", Object::new().maybe("grace_seconds", grace).build()),
        ("SyncRequest", sync_request()),
        ("SyncAnswer", sync_answer()),
    ]
}

fn proxy(of: Object) -> Object {
    let at = || nullable(timestamp());
    of.always("id", oid("prx"))
        .always("name", text())
        .always("principal_id", nullable(oid("prn")))
        .always("status", words(&["assigned", "unassigned"]))
        .always("principal_assigned_at", at())
        .with(times)
        .always("fallback_principal_id", nullable(oid("prn")))
        .always("fallback_mode", nullable(words(&FALLBACK_MODES)))
        .always("last_seen_at", at())
        .always("last_config_hash", nullable(text()))
        .always("last_synced_at", at())
        .always("client_version", nullable(text()))
        .with(generations)
        .with(revision)
}

/// How far a proxy is.
fn generations(of: Object) -> Object {
    let number = || integer(Some(0), None);
    let generation = about(number(), "The change that made its configuration.");
    let acknowledged = about(nullable(number()), "The last one that it said it has.");
    let applied = about(nullable(number()), "How many configurations it has put in force, as it says.");
    let rejected = about(nullable(text()), "The hash of the configuration that it refused.");
    of.always("generation", generation)
        .always("acknowledged_generation", acknowledged)
        .always("in_sync", about(flag(), "Whether it has what it should have."))
        .always("applied_generation", applied)
        .always("rejected_config_hash", rejected)
}

fn write(create: bool) -> Value {
    let mut name = line();
    name["minLength"] = 1.into();
    let principal = about(nullable(text()), "Null and blank: none.");
    let object = Object::new();
    let object = if create { object.always("name", name) } else { object.maybe("name", name) };
    object
        .maybe("principal_id", principal)
        .maybe(
            "fallback_principal_id",
            about(nullable(text()), "Whose grants fill the gaps of the principal."),
        )
        .maybe("fallback_mode", nullable(words(&FALLBACK_MODES)))
        .build()
}

fn sync_request() -> Value {
    let hash = about(text(), "What the proxy has; without it, it gets everything.");
    Object::new().maybe("config_hash", hash).build()
}

fn sync_answer() -> Value {
    let hash = || pattern("^sha256:[0-9a-f]{64}$");
    let unchanged =
        Object::new().about("The proxy has it already.").closed().always("config_hash", hash()).build();
    let whole = Object::new()
        .closed()
        .always("config_hash", hash())
        .always("status", words(&["assigned", "unassigned"]))
        .always("principal_id", nullable(oid("prn")))
        .always("secrets", list_of(reference("DeliveredSecret")))
        .always("transforms", list_of(reference("DeliveredTransform")))
        .always("postgres", list_of(reference("DeliveredUpstream")))
        .build();
    json!({ "oneOf": [unchanged, whole] })
}
