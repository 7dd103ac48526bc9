//! Where the providers of the sign-in are.

use centaur_identity::Document;
use centaur_oauth::ClientAuth;
use centaur_store::moved_endpoint;

use crate::app::{App, log};
use crate::config::{LoginProvider, LoginProviderKind};

/// What is asked where, and who signs the answer.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// Where the browser is sent.
    pub(super) authorize: String,
    /// Where the code is redeemed.
    pub(super) token: String,
    /// Where the keys are.
    pub(super) jwks: String,
    /// What may stand in the token as its issuer.
    pub(super) issuers: Vec<String>,
    /// How the client says who it is.
    pub(super) client_auth: ClientAuth,
    /// What is asked for.
    pub(super) scope: &'static str,
}

const SCOPES: &str = "openid email profile";
/// Where a setting names a group: Okta tells groups to who asks for them, and refuses a scope that it does not know.
const SCOPES_WITH_GROUPS: &str = "openid email profile groups";

const GOOGLE: [&str; 3] = [
    "https://accounts.google.com/o/oauth2/v2/auth",
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v3/certs",
];
const GOOGLE_ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
const SLACK: [&str; 3] = [
    "https://slack.com/openid/connect/authorize",
    "https://slack.com/api/openid.connect.token",
    "https://slack.com/openid/connect/keys",
];
const SLACK_ISSUERS: [&str; 1] = ["https://slack.com"];

/// Those of a provider; `None` when its issuer does not say where they are.
pub(super) async fn of(app: &App, provider: &LoginProvider) -> Option<Endpoints> {
    match provider.kind {
        LoginProviderKind::Google => Some(known(app, "google", GOOGLE, &GOOGLE_ISSUERS)),
        LoginProviderKind::Slack => Some(known(app, "slack", SLACK, &SLACK_ISSUERS)),
        LoginProviderKind::Okta | LoginProviderKind::Oidc => discovered(app, provider).await,
    }
}

/// A provider that was moved may also sign as what it was moved to.
fn known(app: &App, name: &str, at: [&str; 3], issuers: &[&str]) -> Endpoints {
    let moved = &app.config().broker.moved;
    let [authorize, token, jwks] = at.map(|endpoint| moved_endpoint(moved, Some(name), endpoint));
    let issuers = issuers.iter().map(|issuer| (*issuer).to_owned());
    let issuers = issuers.chain(moved.get(name).map(|base| base.trim_end_matches('/').to_owned())).collect();
    Endpoints { authorize, token, jwks, issuers, client_auth: ClientAuth::Post, scope: SCOPES }
}

async fn discovered(app: &App, provider: &LoginProvider) -> Option<Endpoints> {
    let issuer = provider.issuer.as_deref()?;
    match app.sign_in().discovery().document(issuer).await {
        Ok(document) => Some(Endpoints {
            client_auth: document.client_auth(),
            scope: scope(provider, &document),
            authorize: document.authorization_endpoint,
            token: document.token_endpoint,
            jwks: document.jwks_uri,
            issuers: vec![document.issuer],
        }),
        Err(error) => {
            let fields = [("provider", provider.kind.as_str()), ("error", &error.to_string())];
            log("warn", "a sign-in provider cannot be asked", &fields);
            None
        }
    }
}

fn scope(provider: &LoginProvider, issuer: &Document) -> &'static str {
    let wants_groups = provider.required_group.is_some() || provider.admin_group.is_some();
    let has_groups = issuer.scopes_supported.iter().flatten().any(|scope| scope == "groups");
    if wants_groups && has_groups { SCOPES_WITH_GROUPS } else { SCOPES }
}
