//! Pages that are not what was asked for.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use centaur_store::StoreError;
use http::StatusCode;
use http::header::SET_COOKIE;

use super::notice::Notice;
use super::page::{self, Message};
use super::return_path::ReturnPath;
use super::site::{NoSite, Site};
use crate::app::{App, log};

/// What handlers of pages return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The console is not reached in a way in which a session would be safe.
    NoSite(NoSite),
    /// Nobody is signed in.
    ToLogin {
        /// Of this request.
        site: Site,
        /// Where to go afterwards.
        back: Option<ReturnPath>,
        /// What the sign-in page says.
        notice: Option<Notice>,
    },
    /// An administrator has to approve the user first.
    ToPending,
    /// Only for administrators.
    Forbidden,
    /// There is no such thing, or it is somebody else's.
    NotFound,
    /// A form that no page of this session sent.
    ForeignForm,
    /// The system gave no random numbers.
    NoRandomness,
    /// The store; the cause is logged, not shown.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => Self::NotFound,
            error => Self::Store(error),
        }
    }
}

impl From<NoSite> for Failure {
    fn from(error: NoSite) -> Self {
        Self::NoSite(error)
    }
}

/// A failure on its way to where its page is made.
#[derive(Debug, Clone)]
pub(super) struct Marked(Arc<Failure>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Marked(Arc::new(self)));
        response
    }
}

impl Marked {
    /// The page of it.
    pub(super) fn page(&self, app: &App) -> Response {
        let (status, message) = match &*self.0 {
            Failure::ToLogin { site, back, notice } => return to_login(app, site, back.as_ref(), *notice),
            Failure::ToPending => return page::see_other(app, "/pending"),
            Failure::NoSite(why) => {
                let heading = "Signing in is not possible here";
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    Message { heading, text: why.to_string(), leads_home: false },
                )
            }
            Failure::Forbidden => (
                StatusCode::FORBIDDEN,
                Message::home("Not allowed", "You need administrator access for this page."),
            ),
            Failure::NotFound => {
                (StatusCode::NOT_FOUND, Message::home("Not found", "There is no such page."))
            }
            Failure::ForeignForm => {
                (StatusCode::FORBIDDEN, Message::home("This form is not valid any more", FOREIGN))
            }
            Failure::NoRandomness => {
                log("error", "there are no random numbers", &[]);
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    Message::home("Something went wrong", "Please try again."),
                )
            }
            Failure::Store(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                log("error", "the store failed", &[("error", &error.to_string()), ("cause", &cause)]);
                (StatusCode::SERVICE_UNAVAILABLE, Message::home("Not available", AWAY))
            }
        };
        page::message(app, status, &message)
    }
}

const FOREIGN: &str = "It was sent from another site, or your session has changed since the page was opened. Nothing was \
                       changed. Go back, reload the page and try again.";
const AWAY: &str = "The console cannot reach its database. Please try again.";

fn to_login(app: &App, site: &Site, back: Option<&ReturnPath>, notice: Option<Notice>) -> Response {
    let query = back.map(|back| {
        let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        query.append_pair("return_to", back.as_str()).finish()
    });
    let mut response = page::see_other(app, &format!("/login{}", query.unwrap_or_default()));
    if let Some(notice) = notice {
        response.headers_mut().append(SET_COOKIE, notice.keep(site));
    }
    response
}
