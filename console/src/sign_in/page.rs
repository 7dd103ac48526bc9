//! The pages: what each shows. The templates are in `templates/sign_in/`.

use askama::Template;
use axum::response::Response;
use centaur_store::Session;
use http::StatusCode;
use http::header::SET_COOKIE;

use super::cookies::{self, Name};
use super::visitor::{Member, Visitor};
use crate::app::App;
use crate::config::LoginProvider;
use crate::pages::{self, Frame, Referrer};

/// A sentence on top.
struct Banner {
    text: String,
    is_alert: bool,
}

#[derive(Template)]
#[template(path = "sign_in/login.html")]
struct Login<'a> {
    frame: Frame,
    banner: Option<Banner>,
    view: &'a LoginPage<'a>,
}

/// The sign-in page.
pub(super) struct LoginPage<'a> {
    /// One button each.
    pub(super) providers: &'a [LoginProvider],
    /// There is a form for a password.
    pub(super) has_password: bool,
    /// It is not folded away behind the buttons.
    pub(super) is_open: bool,
    /// What was typed.
    pub(super) email: &'a str,
    /// Where to go afterwards.
    pub(super) back: &'a str,
    /// The hidden field.
    pub(super) form_token: &'a str,
}

impl LoginPage<'_> {
    fn start(&self, provider: &LoginProvider) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("return_to", self.back).finish();
        format!("/auth/{}/start?{query}", provider.kind.as_str())
    }
}

#[derive(Template)]
#[template(path = "sign_in/pending.html")]
struct Pending<'a> {
    frame: Frame,
    banner: Option<Banner>,
    email: &'a str,
    contact: Option<&'a str>,
    form_token: String,
}

#[derive(Template)]
#[template(path = "sign_in/home.html")]
struct Home<'a> {
    frame: Frame,
    banner: Option<Banner>,
    email: &'a str,
    role: &'static str,
    administers: bool,
    is_paused: bool,
    form_token: String,
}

#[derive(Template)]
#[template(path = "sign_in/sessions.html")]
struct Sessions<'a> {
    frame: Frame,
    banner: Option<Banner>,
    email: &'a str,
    rows: Vec<SessionRow<'a>>,
    form_token: String,
}

/// A session in the list.
pub(super) struct SessionRow<'a> {
    /// It.
    pub(super) session: &'a Session,
    /// The one of this browser.
    pub(super) is_this: bool,
}

#[derive(Template)]
#[template(path = "sign_in/message.html")]
struct MessagePage<'a> {
    frame: Frame,
    message: &'a Message,
}

/// A page with a sentence.
pub(super) struct Message {
    /// Above it.
    pub(super) heading: &'static str,
    /// What happened, and what to do.
    pub(super) text: String,
    /// With a link to the start page.
    pub(super) leads_home: bool,
}

impl Message {
    /// With a link to the start page.
    pub(super) fn home(heading: &'static str, text: impl Into<String>) -> Self {
        Self { heading, text: text.into(), leads_home: true }
    }
}

pub(super) fn login(
    visitor: &Visitor,
    status: StatusCode,
    view: &LoginPage<'_>,
    alert: Option<String>,
) -> Response {
    let banner = alert.map(|text| Banner { text, is_alert: true }).or_else(|| kept(visitor));
    sent(visitor, status, &Login { frame: Frame::of(&visitor.app), banner, view })
}

pub(super) fn pending(member: &Member, contact: Option<&str>) -> Response {
    let visitor = &member.visitor;
    let page = Pending {
        frame: Frame::of(&visitor.app),
        banner: kept(visitor),
        email: &member.user.email,
        contact,
        form_token: visitor.form_token(),
    };
    sent(visitor, StatusCode::OK, &page)
}

pub(super) fn home(member: &Member) -> Response {
    let visitor = &member.visitor;
    let page = Home {
        frame: Frame::of(&visitor.app),
        banner: kept(visitor),
        email: &member.user.email,
        role: if member.user.admin { "administrator" } else { "operator" },
        administers: member.administers(),
        is_paused: member.is_paused(),
        form_token: visitor.form_token(),
    };
    sent(visitor, StatusCode::OK, &page)
}

pub(super) fn sessions(member: &Member, all: &[Session]) -> Response {
    let visitor = &member.visitor;
    let rows = all.iter().map(|session| SessionRow { session, is_this: session.id == member.session.id });
    let page = Sessions {
        frame: Frame::of(&visitor.app),
        banner: kept(visitor),
        email: &member.user.email,
        rows: rows.collect(),
        form_token: visitor.form_token(),
    };
    sent(visitor, StatusCode::OK, &page)
}

pub(super) fn message(app: &App, status: StatusCode, message: &Message) -> Response {
    let page = MessagePage { frame: Frame::of(app), message };
    pages::page(app, status, Referrer::SameOrigin, &page)
}

/// To another page of the console.
pub(super) fn see_other(app: &App, path: &str) -> Response {
    pages::redirect(app, StatusCode::SEE_OTHER, Referrer::SameOrigin, path)
}

fn kept(visitor: &Visitor) -> Option<Banner> {
    let notice = visitor.notice?;
    let email = visitor.user().map(|user| user.email.as_str());
    Some(Banner { text: notice.text(email), is_alert: notice.is_alert() })
}

/// What was kept for this page is shown once.
fn sent(visitor: &Visitor, status: StatusCode, page: &impl Template) -> Response {
    let mut response = pages::page(&visitor.app, status, Referrer::SameOrigin, page);
    if visitor.notice.is_some() {
        response.headers_mut().append(SET_COOKIE, cookies::remove(&visitor.site, Name::Notice));
    }
    response
}
