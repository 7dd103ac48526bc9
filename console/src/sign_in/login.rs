//! `GET` and `POST /login`: the sign-in page, and signing in with a password.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use centaur_base::Secret;
use centaur_base::oid::Oid as _;
use centaur_store::{LoginLimits, LoginSource, LoginTurn, NewSession, StoreError, User, UserStatus, Who};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::cookies::{self, Name};
use super::csrf;
use super::failure::{Failure, Result};
use super::form::Form;
use super::network;
use super::notice::Notice;
use super::page::{self, LoginPage};
use super::password::{Busy, Verdict};
use super::return_path::ReturnPath;
use super::visitor::{Page, Visitor};
use crate::api::new_token;
use crate::app::{App, log};

/// With which users a password is good for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordLogin {
    /// All who have one.
    Everybody,
    /// The first user alone: passwords are off, and there is no other way in.
    FirstUser,
    /// Nobody.
    Nobody,
}

impl PasswordLogin {
    pub(super) fn of(app: &App) -> Self {
        let settings = &app.config().sign_in;
        match (settings.password, settings.providers.is_empty()) {
            (true, _) => Self::Everybody,
            (false, true) => Self::FirstUser,
            (false, false) => Self::Nobody,
        }
    }

    fn admits(self, user: &User) -> bool {
        match self {
            Self::Everybody => true,
            Self::FirstUser => user.id.row() == FIRST_USER,
            Self::Nobody => false,
        }
    }
}

/// The row of the first user there ever was; users are never deleted.
const FIRST_USER: i64 = 1;
/// The name that metrics and sessions give to a sign-in without a provider.
pub(super) const PASSWORD: &str = "password";
const WRONG: &str = "Invalid email or password.";
const OFF: &str = "Signing in with a password is turned off.";
const BUSY: &str = "Too many people are signing in at once. Please try again.";

pub(super) async fn show(Page(visitor): Page<Visitor>) -> Result<Response> {
    let asked = visitor.uri.query().unwrap_or_default();
    let asked = form_urlencoded::parse(asked.as_bytes()).find(|(name, _)| name == "return_to");
    let back = asked.and_then(|(_, path)| ReturnPath::parse(&path)).unwrap_or_default();
    if let Some(user) = visitor.user() {
        let to = if user.status == UserStatus::Pending { "/pending" } else { back.as_str() };
        return Ok(page::see_other(&visitor.app, to));
    }
    shown(&visitor, StatusCode::OK, &back, "", None)
}

/// The page; with a cookie for its form, when the browser has none.
fn shown(
    visitor: &Visitor,
    status: StatusCode,
    back: &ReturnPath,
    email: &str,
    alert: Option<String>,
) -> Result<Response> {
    let (cookie, is_new) = match visitor.form_cookie() {
        Some(cookie) => (cookie, false),
        None => (new_token("").map_err(|_| Failure::NoRandomness)?, true),
    };
    let settings = &visitor.app.config().sign_in;
    let view = LoginPage {
        providers: &settings.providers,
        has_password: PasswordLogin::of(&visitor.app) != PasswordLogin::Nobody,
        is_open: alert.is_some() || settings.providers.is_empty(),
        email,
        back: back.as_str(),
        form_token: &csrf::token(&cookie),
    };
    let mut response = page::login(visitor, status, &view, alert);
    if is_new {
        response
            .headers_mut()
            .append(SET_COOKIE, cookies::set(&visitor.site, Name::Form, cookie.expose(), None));
    }
    Ok(response)
}

pub(super) async fn sign_in(State(app): State<App>, form: Form<Visitor>) -> Result<Response> {
    let visitor = &form.by;
    let back = ReturnPath::parse(form.field("return_to")).unwrap_or_default();
    // NUL stands in no address, and not every database takes it.
    let email = form.field("email").trim().replace('\0', "");
    let email = email.as_str();
    let refused = |status, text: &str| shown(visitor, status, &back, email, Some(text.to_owned()));
    let count = |result| app.metrics().login(PASSWORD, result);
    if PasswordLogin::of(&app) == PasswordLogin::Nobody {
        count("off");
        return refused(StatusCode::FORBIDDEN, OFF);
    }
    let source = LoginSource::new(email, &network::counted(visitor.address));
    let turn = match take_turn(visitor, &source).await? {
        LoginTurn::Yours(turn) => turn,
        LoginTurn::Wait(wait) => {
            count("throttled");
            let mut response = refused(StatusCode::TOO_MANY_REQUESTS, &too_many(wait))?;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
            return Ok(response);
        }
    };
    let password = Secret::new(form.field("password").to_owned());
    let looked = look(visitor, email, password).await;
    if !matches!(looked, Ok(Ok(_))) {
        // Nobody looked at the password, so nobody failed.
        give_back(visitor, turn).await;
    }
    match looked? {
        Err(Busy) => {
            count("busy");
            refused(StatusCode::SERVICE_UNAVAILABLE, BUSY)
        }
        Ok(Looked::Wrong(user)) => {
            count("refused");
            note_refusal(visitor, user.as_ref(), PASSWORD, "password").await?;
            refused(StatusCode::UNPROCESSABLE_ENTITY, WRONG)
        }
        Ok(Looked::Right { user, .. }) if user.status == UserStatus::Disabled => {
            count("disabled");
            note_refusal(visitor, Some(&user), PASSWORD, "disabled").await?;
            refused(StatusCode::UNPROCESSABLE_ENTITY, &Notice::Disabled.text(None))
        }
        Ok(Looked::Right { user, stored, better }) => {
            let begun = begin(visitor, &user, &source, turn, &stored, better.as_ref()).await;
            if begun.is_err() {
                give_back(visitor, turn).await;
            }
            let Some(token) = begun? else {
                count("refused");
                return refused(StatusCode::UNPROCESSABLE_ENTITY, WRONG);
            };
            count(if user.status == UserStatus::Pending { "pending" } else { "success" });
            Ok(welcome(visitor, &user, &token, &back))
        }
    }
}

/// Reads first: who has failed too often costs no turn of the writers.
async fn take_turn(visitor: &Visitor, source: &LoginSource) -> Result<LoginTurn> {
    let (store, limits) = (visitor.app.store(), LoginLimits::default());
    if let Some(wait) = store.read().await?.login_wait(source, limits).await? {
        return Ok(LoginTurn::Wait(wait));
    }
    visitor.write(&visitor.system(), |tx| Box::pin(tx.take_login_turn(source, limits))).await
}

/// Takes an attempt back that ended by no fault of who made it. What cannot be taken back counts for a quarter of an hour.
async fn give_back(visitor: &Visitor, turn: i64) {
    let system = visitor.system();
    let work = visitor.write(&system, |tx| Box::pin(tx.return_login_turn(turn)));
    if work.await.is_err() {
        log("warn", "an attempt to sign in could not be taken back", &[]);
    }
}

/// What came of looking at address and password.
enum Looked {
    /// They are right, and what they were compared with.
    Right { user: User, stored: Secret<String>, better: Option<Secret<String>> },
    /// They are not; the account, if there is one.
    Wrong(Option<User>),
}

/// The same is computed whether there is such an account or not.
async fn look(
    visitor: &Visitor,
    email: &str,
    password: Secret<String>,
) -> Result<std::result::Result<Looked, Busy>> {
    let mut tx = visitor.app.store().read().await?;
    let user = tx.user_by_email(email).await?;
    let passwords = PasswordLogin::of(&visitor.app);
    let hash = match user.as_ref().filter(|user| passwords.admits(user)) {
        Some(user) => tx.password_hash(user.id).await?,
        None => None,
    };
    let older = tx.older_password_hash().await?;
    drop(tx);
    let stored = hash.as_ref().map(|hash| Secret::new(hash.expose().clone()));
    let verdict = match visitor.app.sign_in().passwords().verify(password, hash, older).await {
        Ok(verdict) => verdict,
        Err(busy) => return Ok(Err(busy)),
    };
    Ok(Ok(match (verdict, user, stored) {
        (Verdict::Right(better), Some(user), Some(stored)) => Looked::Right { user, stored, better },
        (_, user, _) => Looked::Wrong(user),
    }))
}

/// Begins the session; `None` when the account was changed since its password was looked at.
async fn begin(
    visitor: &Visitor,
    user: &User,
    source: &LoginSource,
    turn: i64,
    stored: &Secret<String>,
    better: Option<&Secret<String>>,
) -> Result<Option<Secret<String>>> {
    let token = new_token("").map_err(|_| Failure::NoRandomness)?;
    let (hash, before) = (centaur_store::TokenHash::of(token.expose()), visitor.session_token());
    let (hash, before) = (&hash, before.as_ref());
    let new = new_session(visitor, PASSWORD);
    let (new, limits) = (&new, visitor.app.config().sign_in.sessions);
    let actor = visitor.actor(Who::User(user.id), false);
    let begun = visitor.app.store().write(&actor, |tx| {
        Box::pin(async move {
            let is_same = tx.password_hash(user.id).await?.is_some_and(|now| now.expose() == stored.expose());
            let is_out = tx.user(user.id).await?.is_none_or(|now| now.status == UserStatus::Disabled);
            if is_out || !is_same {
                return Ok(false);
            }
            tx.login_succeeded(source, turn).await?;
            if let Some(better) = better {
                tx.upgrade_password_hash(user.id, stored, better).await?;
            }
            tx.begin_session(user.id, new, hash, before, limits).await?;
            Ok::<_, StoreError>(true)
        })
    });
    Ok(begun.await?.then_some(token))
}

/// A session of this browser.
pub(super) fn new_session(visitor: &Visitor, provider: &str) -> NewSession {
    NewSession {
        provider: provider.to_owned(),
        address: Some(visitor.address.to_string()),
        user_agent: visitor.user_agent(),
    }
}

/// To where the user wanted, with the cookie of the session.
pub(super) fn welcome(visitor: &Visitor, user: &User, token: &Secret<String>, back: &ReturnPath) -> Response {
    let is_pending = user.status == UserStatus::Pending;
    let (to, notice) =
        if is_pending { ("/pending", Notice::AwaitingApproval) } else { (back.as_str(), Notice::SignedIn) };
    let mut response = page::see_other(&visitor.app, to);
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, cookies::set(&visitor.site, Name::Session, token.expose(), None));
    headers.append(SET_COOKIE, cookies::remove(&visitor.site, Name::Form));
    headers.append(SET_COOKIE, notice.keep(&visitor.site));
    response
}

/// Writes a refusal into the audit log: what was typed is not in it, for it may be anything.
pub(super) async fn note_refusal(
    visitor: &Visitor,
    user: Option<&User>,
    provider: &str,
    because: &str,
) -> Result<()> {
    let (kind, row) = user.map_or(("sign_in", 0), |user| ("user", user.id.row()));
    let details = json!({ "provider": provider, "because": because });
    let (details, system) = (&details, visitor.system());
    visitor.write(&system, |tx| Box::pin(tx.audit("sign_in_refused", kind, row, details))).await
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

fn too_many(wait: Duration) -> String {
    match seconds(wait).div_ceil(60) {
        1 => "Too many failed attempts. Try again in a minute.".to_owned(),
        minutes => format!("Too many failed attempts. Try again in {minutes} minutes."),
    }
}
