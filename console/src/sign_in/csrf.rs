//! That a form was sent from a page of the console: two proofs, and both have to hold.
//!
//! The form has a token that is made from a cookie which no other site can read, and the browser says from where the
//! form was sent, which no other site can forge.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_base::Secret;
use http::{HeaderMap, header};

use super::site::Site;

/// The token of the forms of a browser with this cookie: that of its session, or of the form before there is one. The
/// cookie is the key, so replicas agree on the token and nothing has to be kept.
pub(crate) fn token(cookie: &Secret<String>) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&key(cookie), LABEL))
}

/// Whether a token is that of the cookie.
pub(crate) fn is_right(cookie: &Secret<String>, token: &str) -> bool {
    let token = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    hmac::verify(&key(cookie), LABEL, &token).is_ok()
}

fn key(cookie: &Secret<String>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, cookie.expose().as_bytes())
}

const LABEL: &[u8] = b"centaur console form";

/// Whether the browser says that a page of this site sent the request. A browser that says nothing is refused.
pub(crate) fn is_same_origin(site: &Site, headers: &HeaderMap) -> bool {
    let text = |name| headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    let origins: Vec<_> = text(header::ORIGIN).collect();
    let fetches: Vec<_> = text(header::HeaderName::from_static("sec-fetch-site")).collect();
    let said = !origins.is_empty() || !fetches.is_empty();
    said && origins.iter().all(|origin| *origin == site.origin())
        && fetches.iter().all(|site| *site == "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_cookie() {
        let cookie = |text: &str| Secret::new(text.to_owned());
        let made = token(&cookie("fake-one"));
        assert!(is_right(&cookie("fake-one"), &made));
        assert!(!is_right(&cookie("fake-two"), &made));
        for wrong in ["", "x", &made[1..], &made.to_uppercase()] {
            assert!(!is_right(&cookie("fake-one"), wrong), "{wrong}");
        }
        assert!(!made.contains("fake"));
    }

    #[test]
    fn the_browser_has_to_say_that_the_page_is_ours() {
        let site = Site::of(Some("https://console.example.com"), &HeaderMap::new()).expect("a site");
        let said = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().expect("a header"));
            }
            is_same_origin(&site, &headers)
        };
        let ours = ("origin", "https://console.example.com");
        assert!(said(&[ours]));
        assert!(said(&[("sec-fetch-site", "same-origin")]));
        assert!(said(&[ours, ("sec-fetch-site", "same-origin")]));
        for refused in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://console.example.com.evil.example")],
            &[("origin", "http://console.example.com")],
            &[("origin", "https://console.example.com:8443")],
            &[ours, ("origin", "https://evil.example")],
            &[ours, ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!said(refused), "{refused:?}");
        }
    }
}
