//! `GET /auth/:provider/start` and `/callback`: signing in by a provider (broker.md, section 14.2).

use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;
use centaur_base::Secret;
use centaur_identity::{Claims, Cookie, Expected, Flow, UnixTime, Verifier, random};
use centaur_oauth::Redeem;
use centaur_store::{StoreError, TokenHash, User, UserStatus, Who};
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::cookies;
use super::endpoints::{self, Endpoints};
use super::failure::{Failure, Result};
use super::login::{new_session, note_refusal, welcome};
use super::notice::Notice;
use super::page;
use super::person::{Arrival, arrival};
use super::provision::{NoUser, provision};
use super::return_path::ReturnPath;
use super::visitor::{Page, Visitor};
use crate::api::new_token;
use crate::app::{App, log};
use crate::config::LoginProvider;
use crate::pages::{self, Referrer};

/// What comes back in the address.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    provider: String,
    nonce: String,
    back: String,
}

/// How long the provider has to answer all that is asked of it while a browser waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Begins a flow. It changes nothing here but the cookies of the browser.
pub(super) async fn start(Path(name): Path<String>, Page(visitor): Page<Visitor>) -> Result<Response> {
    let Some(provider) = configured(&visitor.app, &name) else {
        return Ok(refused(&visitor, None, Notice::NotAvailable, "unavailable"));
    };
    let Some(endpoints) = endpoints::of(&visitor.app, provider).await else {
        return Ok(refused(&visitor, Some(provider), Notice::Failed, "failed"));
    };
    let asked = form_urlencoded::parse(visitor.uri.query().unwrap_or_default().as_bytes());
    let back = asked.into_iter().find(|(name, _)| name == "return_to");
    let back = back.and_then(|(_, path)| ReturnPath::parse(&path)).unwrap_or_default();
    let (nonce, verifier) =
        random::<32>().and_then(|nonce| Ok((nonce, Verifier::new()?))).map_err(|_| Failure::NoRandomness)?;
    let sign_in = visitor.app.sign_in();
    let now = now(&visitor.app);
    let begun = Begun {
        provider: provider.kind.as_str().to_owned(),
        nonce: nonce.clone(),
        back: back.as_str().to_owned(),
    };
    let state = sign_in.states().sign(&begun, now).map_err(|_| Failure::NoRandomness)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &redirect_uri(&visitor, provider))
        .append_pair("scope", endpoints.scope)
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &verifier.challenge())
        .append_pair("code_challenge_method", "S256");
    let link = if endpoints.authorize.contains('?') { '&' } else { '?' };
    let location = format!("{}{link}{}", endpoints.authorize, query.finish());
    let mut response = pages::redirect(&visitor.app, StatusCode::FOUND, Referrer::Nothing, &location);

    let flows = sign_in.flows(&visitor.site);
    let cookie = Cookie { path: "/", secure: visitor.site.is_secure() };
    for name in flows.surplus(cookies::sent(&visitor.headers), now) {
        set_cookie(&mut response, &cookie.remove(&name));
    }
    let name = flows.name(&nonce);
    let value = flows.seal(&Flow { nonce, verifier }, now).map_err(|_| Failure::NoRandomness)?;
    set_cookie(&mut response, &cookie.set(&name, &value));
    Ok(response)
}

/// Ends a flow: with a session, or with a sentence on the sign-in page.
pub(super) async fn callback(Path(name): Path<String>, Page(visitor): Page<Visitor>) -> Result<Response> {
    let Some(provider) = configured(&visitor.app, &name) else {
        return Ok(refused(&visitor, None, Notice::NotAvailable, "unavailable"));
    };
    let query = Query::of(&visitor);
    let Some((flow, begun)) = opened(&visitor, provider, query.state.as_deref()) else {
        return Ok(refused(&visitor, Some(provider), Notice::LinkInvalid, "invalid"));
    };
    let flow_cookie = visitor.app.sign_in().flows(&visitor.site).name(&flow.nonce);
    let back = ReturnPath::parse(&begun.back).unwrap_or_default();
    let mut response = match query {
        Query { error: true, .. } => refused(&visitor, Some(provider), Notice::Canceled, "canceled"),
        Query { code: Some(code), .. } => match in_time(verified(&visitor, provider, code, flow)).await {
            Ok(claims) => arrived(&visitor, provider, &claims, &back).await?,
            Err(code) => {
                log("warn", "a sign-in failed", &[("provider", provider.kind.as_str()), ("code", &code)]);
                refused(&visitor, Some(provider), Notice::Failed, "failed")
            }
        },
        Query { code: None, .. } => refused(&visitor, Some(provider), Notice::Failed, "failed"),
    };
    let cookie = Cookie { path: "/", secure: visitor.site.is_secure() };
    set_cookie(&mut response, &cookie.remove(&flow_cookie));
    Ok(response)
}

fn configured<'a>(app: &'a App, name: &str) -> Option<&'a LoginProvider> {
    app.config().sign_in.providers.iter().find(|provider| provider.kind.as_str() == name)
}

fn now(app: &App) -> UnixTime {
    UnixTime::from_micros(app.store().clock().now().0)
}

fn redirect_uri(visitor: &Visitor, provider: &LoginProvider) -> String {
    format!("{}/auth/{}/callback", visitor.site.origin(), provider.kind.as_str())
}

/// What the provider sent the browser back with.
struct Query {
    state: Option<String>,
    code: Option<Secret<String>>,
    error: bool,
}

impl Query {
    fn of(visitor: &Visitor) -> Self {
        let mut query = Self { state: None, code: None, error: false };
        for (name, value) in form_urlencoded::parse(visitor.uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "state" if query.state.is_none() => query.state = Some(value.into_owned()),
                "code" if query.code.is_none() && !value.is_empty() => {
                    query.code = Some(Secret::new(value.into_owned()));
                }
                "error" => query.error = true,
                _ => {}
            }
        }
        query
    }
}

/// The flow, when this browser began it for this provider within the last ten minutes.
fn opened(visitor: &Visitor, provider: &LoginProvider, state: Option<&str>) -> Option<(Flow, Begun)> {
    let (sign_in, now) = (visitor.app.sign_in(), now(&visitor.app));
    let begun: Begun = sign_in.states().open(state?, now).ok()?;
    if begun.provider != provider.kind.as_str() {
        return None;
    }
    let flow = sign_in.flows(&visitor.site).open(&begun.nonce, cookies::sent(&visitor.headers), now)?;
    Some((flow, begun))
}

async fn in_time<T>(
    work: impl Future<Output = std::result::Result<T, String>>,
) -> std::result::Result<T, String> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("timeout".to_owned()))
}

/// Who it is, as the provider signed it; else a code for the log.
async fn verified(
    visitor: &Visitor,
    provider: &LoginProvider,
    code: Secret<String>,
    flow: Flow,
) -> std::result::Result<Claims, String> {
    let app = &visitor.app;
    let endpoints = endpoints::of(app, provider).await.ok_or("discovery")?;
    let Endpoints { token, jwks, issuers, client_auth, .. } = endpoints;
    let redeem = Redeem {
        endpoint: token,
        client_id: provider.client_id.clone(),
        client_secret: Some(Secret::new(provider.client_secret.expose().clone())),
        client_auth,
        code,
        redirect_uri: redirect_uri(visitor, provider),
        verifier: Some(Secret::new(flow.verifier.secret().expose().clone())),
    };
    let answer = app.oauth().redeem(&redeem).await?;
    let id_token = answer.text("id_token").ok_or("id_token_missing")?;
    let expected = Expected {
        jwks_uri: &jwks,
        issuers: &issuers,
        client_id: &provider.client_id,
        nonce: Some(&flow.nonce),
        now: now(app),
    };
    let claims = app.sign_in().id_tokens().verify(id_token, &expected).await;
    claims.map_err(|error| error.code().to_owned())
}

/// Begins a session for who is let in.
async fn arrived(
    visitor: &Visitor,
    provider: &LoginProvider,
    claims: &Claims,
    back: &ReturnPath,
) -> Result<Response> {
    let label = provider.kind.as_str();
    let arrival = match arrival(&visitor.app.config().sign_in, provider, claims) {
        Ok(arrival) => arrival,
        Err(because) => {
            note_refusal(visitor, None, label, because).await?;
            return Ok(refused(visitor, Some(provider), Notice::Failed, "refused"));
        }
    };
    match begin(visitor, label, &arrival).await {
        Ok((user, token)) => {
            let result = if user.status == UserStatus::Pending { "pending" } else { "success" };
            visitor.app.metrics().login(label, result);
            Ok(welcome(visitor, &user, &token, back))
        }
        Err(NoUser::Disabled(user)) => {
            note_refusal(visitor, Some(&user), label, "disabled").await?;
            Ok(refused(visitor, Some(provider), Notice::Disabled, "disabled"))
        }
        Err(NoUser::Setup(because)) => {
            note_refusal(visitor, None, label, because).await?;
            Ok(refused(visitor, Some(provider), Notice::SetupFailed, "setup_failed"))
        }
        Err(NoUser::Store(error)) => Err(error.into()),
        Err(NoUser::NoRandomness) => Err(Failure::NoRandomness),
    }
}

/// Finds or makes the user and begins the session, in one transaction.
async fn begin(
    visitor: &Visitor,
    provider: &str,
    arrival: &Arrival,
) -> std::result::Result<(User, Secret<String>), NoUser> {
    let token = new_token("").map_err(|_| NoUser::NoRandomness)?;
    let (hash, before) = (TokenHash::of(token.expose()), visitor.session_token());
    let (hash, before) = (&hash, before.as_ref());
    let new = new_session(visitor, provider);
    let (new, limits) = (&new, visitor.app.config().sign_in.sessions);
    let system = visitor.system();
    let user = visitor.app.store().write(&system, |tx| {
        Box::pin(async move {
            let user = provision(tx, arrival).await?;
            tx.acts_as(Who::User(user.id));
            tx.begin_session(user.id, new, hash, before, limits).await?;
            Ok::<_, NoUser>(user)
        })
    });
    Ok((user.await?, token))
}

/// To the sign-in page, with a sentence.
fn refused(
    visitor: &Visitor,
    provider: Option<&LoginProvider>,
    notice: Notice,
    result: &'static str,
) -> Response {
    let label = provider.map_or("unknown", |provider| provider.kind.as_str());
    visitor.app.metrics().login(label, result);
    let mut response = page::see_other(&visitor.app, "/login");
    response.headers_mut().append(SET_COOKIE, notice.keep(&visitor.site));
    response
}

fn set_cookie(response: &mut Response, line: &str) {
    if let Ok(mut value) = HeaderValue::try_from(line) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
}

impl From<StoreError> for NoUser {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { .. } | StoreError::Invalid { .. } => Self::Setup("taken"),
            error => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_never_answers_is_given_up() {
        assert_eq!(in_time(async { Ok(1) }).await, Ok(1));
        assert_eq!(
            in_time(std::future::pending::<std::result::Result<u8, String>>()).await,
            Err("timeout".to_owned())
        );
    }
}
