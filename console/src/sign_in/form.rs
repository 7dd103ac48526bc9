//! Forms that were sent. A handler gets one only when a page of the console sent it.

use axum::extract::{FromRequest, Request};
use centaur_base::Secret;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use zeroize::Zeroizing;

use super::csrf;
use super::failure::{Failure, Result};
use super::visitor::{Seat, Visitor};
use crate::app::App;

/// A form: who sent it, and its fields.
pub(crate) struct Form<S> {
    /// Who sent it.
    pub(crate) by: S,
    fields: Vec<(String, Secret<String>)>,
}

/// The name of the hidden field.
pub(crate) const TOKEN: &str = "form_token";
/// The most that is read, in bytes.
const LONGEST: usize = 16 * 1024;

impl<S> Form<S> {
    /// A field; empty when it was not sent.
    pub(crate) fn field(&self, name: &str) -> &str {
        field(&self.fields, name)
    }
}

fn field<'f>(fields: &'f [(String, Secret<String>)], name: &str) -> &'f str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.expose())
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).into_iter().filter_map(|kind| kind.to_str().ok());
    let kind = kinds.next().and_then(|kind| kind.split(';').next()).map(str::trim);
    kind == Some("application/x-www-form-urlencoded") && kinds.next().is_none()
}

impl<S: Seat> FromRequest<App> for Form<S> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(&parts, app).await?;
        if !csrf::is_same_origin(&visitor.site, &parts.headers) {
            return Err(Failure::ForeignForm);
        }
        if !is_form(&parts.headers) {
            return Err(Failure::ForeignForm);
        }
        let body = Limited::new(body, LONGEST).collect().await.map_err(|_| Failure::ForeignForm)?;
        let body = Zeroizing::new(body.to_bytes().to_vec());
        let fields = form_urlencoded::parse(&body);
        let fields: Vec<_> =
            fields.map(|(name, value)| (name.into_owned(), Secret::new(value.into_owned()))).collect();
        // Who has to sign in first is told so; whose form is of an older session has to send it again.
        let cookie = visitor.form_cookie();
        let by = S::of(visitor)?;
        let cookie = cookie.ok_or(Failure::ForeignForm)?;
        if !csrf::is_right(&cookie, field(&fields, TOKEN)) {
            return Err(Failure::ForeignForm);
        }
        Ok(Self { by, fields })
    }
}
