//! Whether the process runs, and whether it can work.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::answer::Answer;
use super::failure::{Failure, unavailable};
use super::routes::{Routes, route};
use crate::app::{App, log};
use crate::openapi::{Operation, Verb, reference};

pub(super) fn routes() -> Routes {
    let described = |id: &str, text: &str| {
        Operation::new(id, "health", text).open().answers(200, "It does", reference("Health"))
    };
    let alive = |id: &str| described(id, "Whether the process answers");
    let ready = described("getReadiness", "Whether the database answers and has this program's schema");
    route("/up", Verb::Get, alive("getUp"), up)
        .merge(route("/healthz", Verb::Get, alive("getHealth"), up))
        .merge(route("/readyz", Verb::Get, ready.fails(&[503]), self::ready))
}

async fn up() -> Answer {
    Answer::body(json!({ "status": "ok" }))
}

/// The database answers and has this program's schema.
async fn ready(State(app): State<App>) -> Response {
    match app.store().ready().await {
        Ok(()) => Answer::body(json!({ "status": "ready" })).into_response(),
        Err(error) => {
            log("warn", "not ready", &[("error", &error.to_string())]);
            Failure::from(unavailable()).into_response()
        }
    }
}
