//! `GET /oauth/:slug/start`: off to the provider.

use axum::response::Response;
use centaur_identity::{Cookie, Flow, Verifier, random};
use centaur_store::OauthApp;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::refusal::Refusal;
use super::visit::Visit;
use super::{Claims, end, scopes};
use crate::app::log;
use crate::pages::{Referrer, redirect};
use crate::provider::Strategy;

pub(super) async fn start(visit: Visit) -> Response {
    match visit.app_of_slug().await {
        Err(refusal) => end::refused(&visit, None, None, &refusal).await,
        Ok((app, strategy)) => match begin(&visit, &app, &strategy) {
            Ok(response) => response,
            Err(refusal) => end::refused(&visit, Some(&app), None, &refusal).await,
        },
    }
}

fn begin(visit: &Visit, app: &OauthApp, strategy: &Strategy) -> Result<Response, Refusal> {
    if !app.enabled {
        return Err(Refusal::Disabled);
    }
    let asked = scopes::requested(visit.query.value("scopes"), &app.allowed_scopes);
    let asked = asked.map_err(|_| Refusal::Scopes)?;
    let redirect_uri = visit.redirect_uri()?;
    let unavailable = |error: &dyn std::error::Error| {
        log("error", "a consent could not begin", &[("error", &error.to_string())]);
        Refusal::Unavailable
    };
    let consents = visit.app.consents();
    let nonce = random::<32>().map_err(|error| unavailable(&error))?;
    let flow = Flow { nonce, verifier: Verifier::new().map_err(|error| unavailable(&error))? };
    let claims = Claims { app: app.id.to_string(), scopes: asked, nonce: flow.nonce.clone() };
    let state = consents.states.sign(&claims, visit.now()).map_err(|error| unavailable(&error))?;
    let sealed = consents.cookies.seal(&flow, visit.now()).map_err(|error| unavailable(&error))?;
    let address = address(app, strategy, &redirect_uri, &claims.scopes, &state, &flow);

    let mut response = redirect(&visit.app, StatusCode::FOUND, Referrer::Nothing, &address);
    let path = visit.cookie_path();
    let cookie = Cookie { path: &path, secure: visit.is_secure() };
    let gone = consents.cookies.surplus(visit.cookies(), visit.now()).into_iter();
    let gone = gone.map(|name| cookie.remove(&name));
    for text in gone.chain([cookie.set(&consents.cookies.name(&flow.nonce), &sealed)]) {
        if let Ok(mut value) = HeaderValue::try_from(text) {
            value.set_sensitive(true);
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    Ok(response)
}

/// Where the browser is sent.
fn address(
    app: &OauthApp,
    strategy: &Strategy,
    redirect_uri: &str,
    asked: &[String],
    state: &str,
    flow: &Flow,
) -> String {
    let challenge = flow.verifier.challenge();
    let sent = scopes::sent(asked, &strategy.identity_scopes, &strategy.scope_separator);
    let mut params = vec![
        ("client_id", app.client_id.as_str()),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("state", state),
    ];
    if strategy.pkce {
        params.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
    }
    params.extend(strategy.extra_params);
    params.push((&strategy.scope_param, &sent));
    if strategy.wants_nonce() {
        params.push(("nonce", &flow.nonce));
    }
    let params: Vec<_> = params
        .into_iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
        .collect();
    let endpoint = &strategy.authorization_endpoint;
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{}", params.join("&"))
}

/// All but what RFC 3986 calls unreserved.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
