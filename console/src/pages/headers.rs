//! What browsers are told about a page (broker.md, section 15).

use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::app::App;

/// What a page that is gone to from here hears of where it was come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Referrer {
    /// Nothing: the address has a code or a state in it.
    Nothing,
    /// The address, within the console.
    SameOrigin,
}

/// Everything from the console itself, no script or style within a page, in no frame of another.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
/// A year.
const TRANSPORT: &str = "max-age=31536000";

/// Adds them.
pub(super) fn guard(app: &App, referrer: Referrer, headers: &mut HeaderMap) {
    let referrer = match referrer {
        Referrer::Nothing => "no-referrer",
        Referrer::SameOrigin => "same-origin",
    };
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_FRAME_OPTIONS, "DENY");
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, referrer);
    set(CACHE_CONTROL, "no-store");
    if app.config().public_url.as_deref().is_some_and(|url| url.starts_with("https://")) {
        set(STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}
