//! Who looks at a page. Every page takes one of the seats of this file, and gets it only when the session says so; the
//! user is read anew for each request.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use centaur_base::Secret;
use centaur_store::{Actor, Session, StoreError, TokenHash, User, UserStatus, Who, Work, WriteTx};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, header};

use super::cookies::{self, Name};
use super::csrf;
use super::failure::{Failure, Result};
use super::network;
use super::notice::Notice;
use super::return_path::ReturnPath;
use super::site::Site;
use crate::api::{Caller, Peer, RequestId};
use crate::app::{App, log};
use crate::config::is_token;

/// Anybody, signed in or not.
pub(crate) struct Visitor {
    /// The console.
    pub(crate) app: App,
    /// Where it is reached.
    pub(crate) site: Site,
    /// The request's.
    pub(crate) headers: HeaderMap,
    /// The request's.
    pub(crate) uri: Uri,
    /// What the page should say on top.
    pub(crate) notice: Option<Notice>,
    /// Where the browser is.
    pub(crate) address: IpAddr,
    request_id: Option<String>,
    method: Method,
    cookie: Option<Secret<String>>,
    session: Option<(Session, User)>,
    is_disabled: bool,
}

/// Somebody who is signed in: pending, or with the rights of an operator at least.
pub(crate) struct Member {
    /// The visit.
    pub(crate) visitor: Visitor,
    /// The session.
    pub(crate) session: Session,
    /// Whose it is, as the user is now.
    pub(crate) user: User,
}

/// Somebody whom an administrator let in.
pub(crate) struct Operator(pub(crate) Member);

/// An administrator, who is not looking at the console as an operator does.
pub(crate) struct Administrator(pub(crate) Member);

/// What a page asks of its visitor.
pub(crate) trait Seat: Sized + Send {
    /// The seat, when the visitor has the right to it.
    ///
    /// # Errors
    /// Where the visitor has to go instead.
    fn of(visitor: Visitor) -> Result<Self>;
}

impl Visitor {
    pub(crate) async fn of(parts: &Parts, app: &App) -> Result<Self> {
        let config = app.config();
        let site = Site::of(config.public_url.as_deref(), &parts.headers)?;
        let peer =
            parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let address = network::client(peer, &config.sign_in.trusted_proxies, &parts.headers);
        let cookie = cookies::value(&parts.headers, &site, Name::Session);
        let cookie = cookie.filter(|cookie| is_token(cookie.expose(), ""));
        let notice = cookies::value(&parts.headers, &site, Name::Notice);
        let mut visitor = Self {
            app: app.clone(),
            site,
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
            notice: notice.and_then(|word| Notice::read(word.expose())),
            address,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
            method: parts.method.clone(),
            cookie,
            session: None,
            is_disabled: false,
        };
        visitor.find_session().await?;
        if let (Some((_, user)), Some(caller)) = (&visitor.session, parts.extensions.get::<Caller>()) {
            caller.is(user.id);
        }
        Ok(visitor)
    }

    async fn find_session(&mut self) -> Result<()> {
        let Some(cookie) = &self.cookie else { return Ok(()) };
        let token = TokenHash::of(cookie.expose());
        let mut tx = self.app.store().read().await?;
        self.session = tx.session_by_token(&token, self.app.config().sign_in.sessions).await?;
        if self.session.is_none() {
            self.is_disabled = tx.is_of_disabled_user(&token).await?;
        }
        drop(tx);
        if let Some((session, _)) = &self.session
            && let Err(error) = self.app.store().touch_session(session).await
        {
            // The session ends earlier than it might.
            log("warn", "cannot note the use of a session", &[("error", &error.to_string())]);
        }
        Ok(())
    }

    /// The user, when somebody is signed in.
    pub(crate) fn user(&self) -> Option<&User> {
        self.session.as_ref().map(|(_, user)| user)
    }

    /// The token of the session that is there now.
    pub(crate) fn session_token(&self) -> Option<TokenHash> {
        self.session.as_ref().and(self.cookie.as_ref()).map(|cookie| TokenHash::of(cookie.expose()))
    }

    /// What the tokens of the browser's forms are made from: the session, or the cookie of the form.
    pub(crate) fn form_cookie(&self) -> Option<Secret<String>> {
        if self.session.is_some()
            && let Some(cookie) = &self.cookie
        {
            return Some(Secret::new(cookie.expose().clone()));
        }
        let cookie = cookies::value(&self.headers, &self.site, Name::Form);
        cookie.filter(|cookie| is_token(cookie.expose(), ""))
    }

    /// The hidden field of the forms of a page for somebody who is signed in.
    pub(crate) fn form_token(&self) -> String {
        self.form_cookie().map(|cookie| csrf::token(&cookie)).unwrap_or_default()
    }

    /// What the browser says it is, as far as it is kept.
    pub(crate) fn user_agent(&self) -> Option<String> {
        let text = self.headers.get(header::USER_AGENT)?.to_str().ok()?;
        Some(text.chars().filter(|c| !c.is_control()).take(256).collect())
    }

    /// The program, asked by this request.
    pub(crate) fn system(&self) -> Actor {
        self.actor(Who::System, false)
    }

    pub(crate) fn actor(&self, who: Who, as_operator: bool) -> Actor {
        let address = Some(self.address.to_string());
        Actor { who, as_operator, request_id: self.request_id.clone(), address, scope: None }
    }

    /// Runs a transaction.
    pub(crate) async fn write<'c, T, F>(&self, actor: &Actor, work: F) -> Result<T>
    where
        F: for<'t> FnMut(&'t mut WriteTx<'c>) -> Work<'t, T, StoreError>,
    {
        Ok(self.app.store().write(actor, work).await?)
    }

    /// To the sign-in, and back here afterwards.
    fn to_login(&self) -> Failure {
        let page = self.uri.path_and_query().map_or("", |page| page.as_str());
        let is_page = matches!(self.method, Method::GET | Method::HEAD);
        let back = ReturnPath::parse(page).filter(|_| is_page);
        let notice = self.is_disabled.then_some(Notice::Disabled);
        Failure::ToLogin { site: self.site.clone(), back, notice }
    }
}

impl Member {
    /// The user, as who asks for a change.
    pub(crate) fn actor(&self) -> Actor {
        let as_operator = self.user.admin && self.session.as_operator;
        self.visitor.actor(Who::User(self.user.id), as_operator)
    }

    /// Has the rights of an administrator now.
    pub(crate) fn administers(&self) -> bool {
        self.user.status == UserStatus::Active && self.user.admin && !self.session.as_operator
    }

    /// Is an administrator whose rights are paused in this session.
    pub(crate) fn is_paused(&self) -> bool {
        self.user.admin && self.session.as_operator
    }
}

impl Seat for Visitor {
    fn of(visitor: Visitor) -> Result<Self> {
        Ok(visitor)
    }
}

impl Seat for Member {
    fn of(mut visitor: Visitor) -> Result<Self> {
        match visitor.session.take() {
            Some((session, user)) if user.status != UserStatus::Disabled => {
                visitor.session = Some((session.clone(), user.clone()));
                Ok(Self { visitor, session, user })
            }
            _ => Err(visitor.to_login()),
        }
    }
}

impl Seat for Operator {
    fn of(visitor: Visitor) -> Result<Self> {
        let member = <Member as Seat>::of(visitor)?;
        if member.user.status == UserStatus::Active { Ok(Self(member)) } else { Err(Failure::ToPending) }
    }
}

impl Seat for Administrator {
    fn of(visitor: Visitor) -> Result<Self> {
        let Operator(member) = <Operator as Seat>::of(visitor)?;
        if member.administers() { Ok(Self(member)) } else { Err(Failure::Forbidden) }
    }
}

/// Who is signed in with the browser that sent these, for what is open to all and notes who did it. `None` also where it
/// cannot be found out.
pub(crate) async fn signed_in(headers: &HeaderMap, app: &App) -> Option<(Session, User)> {
    let config = app.config();
    let site = Site::of(config.public_url.as_deref(), headers).ok()?;
    let cookie = cookies::value(headers, &site, Name::Session)?;
    let token = TokenHash::of(cookie.expose());
    let found =
        app.store().read().await.ok()?.session_by_token(&token, config.sign_in.sessions).await.ok()?;
    found.filter(|(_, user)| user.status == UserStatus::Active)
}

/// The seat of a page that is looked at.
pub(crate) struct Page<S>(pub(crate) S);

impl<S: Seat> FromRequestParts<App> for Page<S> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        S::of(Visitor::of(parts, app).await?).map(Self)
    }
}
