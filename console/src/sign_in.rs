//! Signing in to the console with a browser: who somebody is, sessions, and the pages for both (docs/sign-in.md).
//!
//! The JSON API knows none of this: it takes bearer tokens and no cookies.
//!
//! Read first: `visitor.rs`, the seats that a page can ask for. A page of the console is a handler that takes
//! `Page<Operator>` or `Page<Administrator>`; what changes something is a `POST` that takes `Form` of the same.
//! Neither can be had without the session, the role, and for a form the proof that a page of ours sent it.

mod account;
pub(crate) mod cookies;
mod csrf;
mod endpoints;
mod failure;
mod form;
mod login;
pub(crate) mod network;
mod notice;
mod page;
pub(crate) mod password;
mod person;
mod provision;
mod return_path;
pub(crate) mod site;
mod sso;
pub(crate) mod visitor;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};

use centaur_identity::{Discovery, FlowCookies, IdTokens, Jwks, Keys, NoRandomness, Purpose, States};
use centaur_oauth::Client;

use self::password::Passwords;
use self::site::Site;
use crate::app::App;

/// What signing in keeps in memory.
#[derive(Debug)]
pub(crate) struct SignIn {
    passwords: Passwords,
    states: States,
    secure_flows: FlowCookies,
    local_flows: FlowCookies,
    id_tokens: IdTokens,
    discovery: Discovery,
}

impl SignIn {
    /// With keys that all replicas have, and what calls providers.
    ///
    /// # Errors
    /// [`NoRandomness`], when the library refuses a key.
    pub(crate) fn new(keys: &Keys, client: &Client) -> Result<Self, NoRandomness> {
        let flows = |prefix| FlowCookies::new(keys, Purpose::SIGN_IN, prefix);
        Ok(Self {
            passwords: Passwords::default(),
            states: States::new(keys, Purpose::SIGN_IN),
            secure_flows: flows("__Host-console_login_flow")?,
            local_flows: flows("console_login_flow")?,
            id_tokens: IdTokens::new(Jwks::new(client.clone())),
            discovery: Discovery::new(client.clone()),
        })
    }

    fn states(&self) -> &States {
        &self.states
    }

    fn flows(&self, site: &Site) -> &FlowCookies {
        if site.is_secure() { &self.secure_flows } else { &self.local_flows }
    }

    fn id_tokens(&self) -> &IdTokens {
        &self.id_tokens
    }

    fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    fn passwords(&self) -> &Passwords {
        &self.passwords
    }
}

/// The pages.
pub(crate) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(account::root))
        .route("/login", get(login::show).post(login::sign_in))
        .route("/logout", post(account::sign_out))
        .route("/auth/{provider}/start", get(sso::start))
        .route("/auth/{provider}/callback", get(sso::callback))
        .route("/pending", get(account::pending))
        .route("/console", get(account::home))
        .route("/console/sessions", get(account::sessions))
        .route("/console/sessions/{id}/end", post(account::end_session))
        .route("/console/sessions/end_others", post(account::end_others))
        .route("/console/view_as_operator", post(account::pause_admin))
        .route("/console/restore_admin", post(account::restore_admin))
        .layer(from_fn_with_state(app.clone(), shown))
}

/// Makes a page of a failure.
async fn shown(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<failure::Marked>() {
        Some(failure) => failure.page(&app),
        None => response,
    }
}
