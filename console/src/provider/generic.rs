//! A provider that an app describes (docs/consent.md). Whether it gives refresh tokens is its affair: a credential that has
//! one is refreshed, another is not.

use centaur_store::{OauthApp, client_auth};

use super::strategy::{GrantedScopes, Identity, Issuer, IssuerKeys, Profile, Strategy, texts};

pub(super) fn strategy(app: &OauthApp) -> Option<Strategy> {
    let about = app.generic.as_ref()?;
    let identity = match (&about.issuer, &about.jwks_uri) {
        (Some(issuer), keys) => {
            let keys = keys.clone().map_or(IssuerKeys::Discovered, IssuerKeys::At);
            Identity::IdToken(Issuer { names: vec![issuer.clone()], keys })
        }
        (None, _) => Identity::Unsaid(format!("{} account", app.slug)),
    };
    Some(Strategy {
        identity_scopes: if about.issuer.is_some() { texts(&["openid"]) } else { Vec::new() },
        api_hosts: about.api_hosts.clone(),
        scope_param: about.scope_param.clone(),
        scope_separator: about.scope_separator.clone(),
        pkce: about.pkce,
        client_auth: client_auth(app),
        granted_scopes: GrantedScopes::ListedOrArray,
        identity,
        profile: about.profile_url.clone().map(Profile::Generic),
        ..Strategy::new(&app.slug, &about.authorization_endpoint, &about.token_endpoint)
    })
}
