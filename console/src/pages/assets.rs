//! What pages load: a style sheet and an icon, compiled in.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::app::App;

/// Their routes.
pub(crate) fn routes() -> Router<App> {
    let style = || async { asset("text/css; charset=utf-8", include_str!("../../assets/console.css")) };
    let icon = || async { asset("image/svg+xml", include_str!("../../assets/icon.svg")) };
    Router::new().route("/assets/console.css", get(style)).route("/assets/icon.svg", get(icon))
}

/// Kept by browsers for five minutes: after that a newer console has its newer files.
fn asset(media: &'static str, body: &'static str) -> Response {
    let headers =
        [(CONTENT_TYPE, media), (CACHE_CONTROL, "public, max-age=300"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, body).into_response()
}
