//! A console with credentials of a provider.

use centaur_e2e::real::{Api, Console, Database, id};
use centaur_e2e::strict::{Provider, first_token};
use serde_json::{Value, json};

const SETTINGS: [(&str, &str); 1] = [("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1")];

/// Starts a console; `refreshes` says whether it keeps credentials fresh.
pub(crate) async fn console(database: &Database, refreshes: bool) -> Console {
    let works = ("CENTAUR_CONSOLE_BROKER", if refreshes { "1" } else { "0" });
    let settings: Vec<_> = SETTINGS.into_iter().chain([works]).collect();
    Console::start_at(&database.address(), &settings).await
}

/// A credential of a family of that name; its id.
pub(crate) async fn credential(api: &Api, provider: &Provider, family: &str) -> String {
    let data = json!({
        "foreign_id": family, "token_endpoint": provider.url(), "client_id": "client-1",
        "refresh_token": first_token(family),
    });
    id(&api.make("broker_credentials", data).await)
}

/// `unsaved_us` of the refreshes that a log tells of.
pub(crate) fn unsaved(log: &str) -> Vec<u64> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["msg"] == "credential refreshed" && line["result"] == "success")
        .filter_map(|line| line["unsaved_us"].as_u64())
        .collect()
}
