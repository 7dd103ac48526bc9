//! Pages for browsers: how all of them are sent, and what they are framed with.
//!
//! A page is an askama template in `templates/` that extends `frame.html`, and a struct with a field `frame`
//! ([`Frame`]); [`page`] sends it. Everything that is interpolated is escaped by the template. There is no script and
//! no style in a page: what it needs is served under `/assets` ([`routes`]).

mod assets;
mod headers;
pub(crate) mod result;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};

pub(crate) use self::assets::routes;
pub(crate) use self::headers::Referrer;

use crate::app::{App, log};

/// What every page is framed with.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// What stands before every path of ours, for a console that is reached below a path: empty, or `/console`.
    pub(crate) base: String,
}

impl Frame {
    /// That of this console.
    pub(crate) fn of(app: &App) -> Self {
        Self { base: base(app.config().public_url.as_deref()) }
    }
}

/// The path of the public URL, without a slash at the end.
fn base(public_url: Option<&str>) -> String {
    let uri = public_url.and_then(|url| url.parse::<http::Uri>().ok());
    uri.map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

/// A page with a status. A template that fails is a 500 without a body.
pub(crate) fn page(app: &App, status: StatusCode, referrer: Referrer, template: &impl Template) -> Response {
    let mut response = match template.render() {
        Ok(html) => {
            let mut response = Response::new(Body::from(html));
            *response.status_mut() = status;
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, html);
            response
        }
        Err(error) => {
            log("error", "a page could not be made", &[("error", &error.to_string())]);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    headers::guard(app, referrer, response.headers_mut());
    response
}

/// Sends the browser elsewhere, by `status` (302 or 303). An address that is no header is a 500.
pub(crate) fn redirect(app: &App, status: StatusCode, referrer: Referrer, location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    match HeaderValue::try_from(location) {
        Ok(location) => {
            *response.status_mut() = status;
            response.headers_mut().insert(LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    headers::guard(app, referrer, response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_path_of_the_public_url() {
        for (url, want) in [
            (None, ""),
            (Some("https://console.example"), ""),
            (Some("https://console.example/"), ""),
            (Some("https://example/console"), "/console"),
        ] {
            assert_eq!(base(url), want);
        }
    }
}
