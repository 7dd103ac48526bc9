//! Whether the process runs, and whether it can work.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;

use super::answer::Answer;
use super::failure::{Failure, unavailable};
use crate::app::{App, log};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/up", get(up)).route("/healthz", get(up)).route("/readyz", get(ready))
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
