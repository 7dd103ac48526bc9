//! The JSON API: one file per resource, each with its handlers and its form of the rows.
//!
//! A handler takes a `Call`, which only exists once the key was checked, and gives an `Answer` or a `Failure`.
//! To add a route: a handler in the file of its resource and a line in its `routes`.

mod access_log;
mod answer;
mod api_keys;
mod assignments;
mod audit_events;
mod broker_credentials;
mod call;
mod effective;
mod effective_diff;
mod failed_auth;
mod failure;
mod grants;
mod health;
mod list;
mod metrics;
mod oauth_apps;
mod path;
mod principals;
mod proxies;
mod proxy_sync;
mod proxy_wait;
mod reaches;
mod roles;
mod secrets;
mod shell;
mod target;
mod token;

use axum::Router;
use axum::handler::Handler;
use axum::response::IntoResponse as _;
use axum::routing::{MethodFilter, on};

pub(crate) use self::failed_auth::FailedAuth;
pub(crate) use self::path::tidied;
pub(crate) use self::secrets::{stored_body, stored_common};
pub(crate) use self::shell::Peer;
pub(crate) use self::token::new_token;

use self::failure::Failure;
use crate::app::App;
use crate::definition::SecretKind;
use crate::wire::ApiError;

/// All routes; whatever else is asked for, by any method, is the JSON 404.
pub(crate) fn router(app: App) -> Router {
    let api = Router::new()
        .merge(principals::routes())
        .merge(roles::routes())
        .merge(assignments::routes())
        .merge(grants::routes())
        .merge(api_keys::routes())
        .merge(audit_events::routes())
        .merge(broker_credentials::routes())
        .merge(oauth_apps::routes())
        .merge(proxies::routes())
        .merge(effective::routes())
        .merge(effective_diff::routes());
    let api = SecretKind::ALL.into_iter().fold(api, |api, kind| api.merge(secrets::routes(kind)));
    let api = api
        .layer(axum::middleware::from_fn(reaches::told))
        .layer(axum::middleware::from_fn(shell::within_time));
    Router::new()
        .merge(health::routes())
        .merge(metrics::routes())
        // Not within the time of the others: here it is waited for a change.
        .merge(proxy_sync::routes())
        .merge(proxy_wait::routes())
        .merge(api)
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(axum::middleware::from_fn(access_log::caught))
        .layer(axum::middleware::from_fn_with_state(app.clone(), access_log::logged))
        .layer(axum::middleware::from_fn_with_state(app.clone(), metrics::counted))
        .layer(axum::middleware::from_fn(shell::with_request_id))
        .with_state(app)
}

async fn not_found() -> axum::response::Response {
    Failure::from(ApiError::unmatched_route()).into_response()
}

/// One method of one path; `HEAD` comes with `GET`. What is not offered is 404.
fn route<H, T>(path: &str, method: MethodFilter, handler: H) -> Router<App>
where
    H: Handler<T, App>,
    T: 'static,
{
    Router::new().route(path, on(method, handler))
}

/// `PUT` and `PATCH` are the same.
const WRITE: MethodFilter = MethodFilter::PUT.or(MethodFilter::PATCH);
