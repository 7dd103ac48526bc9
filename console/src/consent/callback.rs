//! `GET /oauth/:slug/callback`: back from the provider. The order of the checks is that of broker.md, section 11.2.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use centaur_base::Secret;
use centaur_base::oid::OauthAppId;
use centaur_identity::{Cookie, Flow};
use centaur_oauth::Redeem;
use centaur_store::OauthApp;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};

use super::account::Account;
use super::mint::{Asked, Minted, mint};
use super::refusal::Refusal;
use super::visit::Visit;
use super::{Claims, end, enrich, identity, tokens};
use crate::app::log;
use crate::provider::{Identity, Strategy};

/// A browser that goes away meanwhile changes nothing: a code that was redeemed is written down.
pub(super) async fn callback(visit: Visit) -> Response {
    if visit.only_looks {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let visit = Arc::new(visit);
    let errand = visit.app.errands().begin({
        let visit = visit.clone();
        async move { answer(&visit).await }
    });
    match errand.await {
        Some(response) => response,
        None => end::refused(&visit, None, None, &Refusal::Saving).await,
    }
}

async fn answer(visit: &Visit) -> Response {
    let (app, strategy) = match visit.app_of_slug().await {
        Ok(found) => found,
        Err(refusal) => return end::refused(visit, None, None, &refusal).await,
    };
    let mut begun = Begun::default();
    let mut response = match take(visit, &app, &strategy, &mut begun).await {
        Ok((account, minted)) => end::connected(visit, &app, &account, &minted),
        Err(refusal) => end::refused(visit, Some(&app), begun.scopes.as_deref(), &refusal).await,
    };
    if let Some(name) = begun.cookie {
        let path = visit.cookie_path();
        let gone = Cookie { path: &path, secure: visit.is_secure() }.remove(&name);
        if let Ok(gone) = HeaderValue::try_from(gone) {
            response.headers_mut().append(SET_COOKIE, gone);
        }
    }
    response
}

/// What is known of a flow that came back, whatever comes of it.
#[derive(Default)]
struct Begun {
    /// The name of its cookie, which is taken away.
    cookie: Option<String>,
    /// What it asked for.
    scopes: Option<Vec<String>>,
}

async fn take(
    visit: &Visit,
    app: &OauthApp,
    strategy: &Strategy,
    begun: &mut Begun,
) -> Result<(Account, Minted), Refusal> {
    let consents = visit.app.consents();
    let state = visit.query.value("state").ok_or(Refusal::State)?;
    let claims: Claims = consents.states.open(state, visit.now()).map_err(|_| Refusal::State)?;
    if claims.app.parse::<OauthAppId>().ok() != Some(app.id) || !app.enabled {
        return Err(Refusal::NotAvailable);
    }
    begun.cookie = Some(consents.cookies.name(&claims.nonce));
    begun.scopes = Some(claims.scopes.clone());
    let flow = consents.cookies.open(&claims.nonce, visit.cookies(), visit.now());
    let flow = flow.ok_or(Refusal::Browser)?;
    if let Some(word) = visit.query.value("error").filter(|word| !word.is_empty()) {
        return Err(Refusal::denied(word));
    }
    let code = visit.query.value("code").filter(|code| !code.is_empty()).ok_or(Refusal::NoCode)?;
    check_issuer(visit, strategy)?;

    let at = visit.app.store().clock().now();
    let redeem = redeem(visit, app, strategy, &flow, code).await?;
    let answer = {
        // A code is good once: who waits here for a turn loses nothing.
        let _turn = consents.redeeming.acquire().await;
        visit.app.oauth().redeem(&redeem).await.map_err(|reason| Refusal::exchange(&reason))?
    };
    let tokens = tokens::read(&answer, strategy).map_err(Refusal::exchange)?;
    let account = identity::of(visit, strategy, &app.client_id, &flow, &answer, &tokens).await;
    let account = account.map_err(|reason| Refusal::exchange(&reason))?;
    let asked = Asked { scopes: claims.scopes, at };
    let minted = mint(visit, app, strategy, &account, tokens, asked).await?;
    // At Slack the subject is known and the name may not be.
    if account.is_pending() || (matches!(strategy.identity, Identity::Slack(_)) && account.name.is_none()) {
        enrich::begin(&visit.app, minted.credential);
    }
    Ok((account, minted))
}

/// An answer that another provider sent (RFC 9207).
fn check_issuer(visit: &Visit, strategy: &Strategy) -> Result<(), Refusal> {
    let (Identity::IdToken(issuer), Some(sent)) = (&strategy.identity, visit.query.value("iss")) else {
        return Ok(());
    };
    let is_known = issuer.names.iter().any(|name| name == sent);
    if is_known { Ok(()) } else { Err(Refusal::exchange("issuer_mismatch")) }
}

async fn redeem(
    visit: &Visit,
    app: &OauthApp,
    strategy: &Strategy,
    flow: &Flow,
    code: &str,
) -> Result<Redeem, Refusal> {
    let secret = async { visit.app.store().read().await?.app_secret(app.id).await };
    let secret = secret.await.map_err(|error| {
        log("error", "the client of an app could not be read", &[("error", &error.to_string())]);
        Refusal::Unavailable
    })?;
    let secret = secret.filter(|secret| !secret.expose().is_empty() && !app.is_public());
    let verifier = flow.verifier.secret();
    Ok(Redeem {
        endpoint: strategy.token_endpoint.clone(),
        client_id: app.client_id.clone(),
        client_secret: secret,
        client_auth: strategy.client_auth,
        code: Secret::new(code.to_owned()),
        redirect_uri: visit.redirect_uri()?,
        verifier: strategy.pkce.then(|| Secret::new(verifier.expose().clone())),
    })
}
