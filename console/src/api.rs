//! The JSON API: one file per resource, each with its handlers and its form of the rows.
//!
//! A handler takes a `Call`, which only exists once the key was checked, and gives an `Answer` or a `Failure`.
//! To add a route: a handler in the file of its resource, and a line in its `routes` with what it does, which is where the
//! OpenAPI document takes it from.

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
mod openapi;
mod path;
mod principals;
mod proxies;
mod proxy_sync;
mod proxy_wait;
mod reaches;
mod roles;
mod routes;
mod secrets;
mod shell;
mod target;
mod token;
mod users;

use axum::Router;
use axum::response::IntoResponse as _;
use serde_json::Value;

pub(crate) use self::access_log::Caller;
pub(crate) use self::broker_credentials::BASES;
pub(crate) use self::failed_auth::FailedAuth;
pub(crate) use self::oauth_apps::{METHODS, SEPARATORS};
pub(crate) use self::path::tidied;
pub(crate) use self::secrets::{stored, stored_body, stored_common};
pub(crate) use self::shell::{Peer, RequestId};
pub(crate) use self::token::new_token;

use self::failure::Failure;
use self::routes::Routes;
use crate::app::App;
use crate::definition::SecretKind;
use crate::wire::ApiError;

/// The OpenAPI document of all routes.
pub(crate) fn described() -> Value {
    crate::openapi::document(routes().described())
}

/// All routes; whatever else is asked for, by any method, is the JSON 404.
pub(crate) fn router(app: App) -> Router {
    routes()
        .into_router()
        .merge(browser_routes(&app))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(axum::middleware::from_fn(access_log::caught))
        .layer(axum::middleware::from_fn_with_state(app.clone(), access_log::logged))
        .layer(axum::middleware::from_fn_with_state(app.clone(), metrics::counted))
        .layer(axum::middleware::from_fn(shell::with_request_id))
        .with_state(app)
}

fn routes() -> Routes {
    let secrets = SecretKind::ALL.into_iter().map(secrets::routes);
    let api = Routes::new()
        .merge(principals::routes())
        .merge(effective::routes())
        .merge(effective_diff::routes())
        .merge(assignments::routes())
        .merge(roles::routes())
        .merge(grants::routes())
        .merge(secrets.fold(Routes::new(), Routes::merge))
        .merge(broker_credentials::routes())
        .merge(oauth_apps::routes())
        .merge(proxies::routes())
        .merge(api_keys::routes())
        .merge(users::routes())
        .merge(audit_events::routes())
        .surrounded(|router| router.layer(axum::middleware::from_fn(reaches::told)))
        .surrounded(|router| router.layer(axum::middleware::from_fn(shell::within_time)));
    let others = openapi::routes().merge(health::routes()).merge(metrics::routes());
    // Not within the time of the others: here it is waited for a change.
    api.merge(proxy_sync::routes()).merge(proxy_wait::routes()).merge(others)
}

/// What browsers are sent to; it is no part of the API and of its description.
fn browser_routes(app: &App) -> Router<App> {
    let pages = crate::pages::routes()
        .merge(crate::sign_in::routes(app))
        .layer(axum::middleware::from_fn(shell::within_time));
    // Not within the time of the others: it asks providers, and what they answered has to be written down.
    pages.merge(crate::consent::routes())
}

async fn not_found() -> axum::response::Response {
    Failure::from(ApiError::unmatched_route()).into_response()
}
