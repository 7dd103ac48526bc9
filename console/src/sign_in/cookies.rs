//! The cookies of a browser.

use centaur_base::Secret;
use http::{HeaderMap, HeaderValue, header};

use super::site::Site;

/// A cookie of the console. All are for the whole host, `HttpOnly` and `SameSite=Lax`; over TLS they are `Secure` and
/// their names begin with `__Host-`, which no other host can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The token of a session.
    Session,
    /// What the token of a form is made from before there is a session.
    Form,
    /// What the next page should say.
    Notice,
}

impl Name {
    fn text(self, site: &Site) -> String {
        let name = match self {
            Self::Session => "console_session",
            Self::Form => "console_form",
            Self::Notice => "console_notice",
        };
        format!("{}{name}", if site.is_secure() { "__Host-" } else { "" })
    }
}

/// The cookies that a browser sent: names and values. One that is not text is none; the others of its line count.
pub(crate) fn sent(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    pairs.filter_map(|pair| str::from_utf8(pair).ok()?.trim().split_once('='))
}

/// The value of a cookie. Two of one name are none: only one of them can be ours.
pub(crate) fn value(headers: &HeaderMap, site: &Site, name: Name) -> Option<Secret<String>> {
    let name = name.text(site);
    let mut values = sent(headers).filter(|(sent, _)| *sent == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then(|| Secret::new(first.to_owned()))
}

/// `Set-Cookie` for a cookie that ends with the browser, or after so many seconds.
pub(crate) fn set(site: &Site, name: Name, value: &str, seconds: Option<u64>) -> HeaderValue {
    let secure = if site.is_secure() { "; Secure" } else { "" };
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text = format!("{}={value}; Path=/{age}; HttpOnly; SameSite=Lax{secure}", name.text(site));
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// `Set-Cookie` that takes it away.
pub(crate) fn remove(site: &Site, name: Name) -> HeaderValue {
    set(site, name, "", Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(url: &str) -> Site {
        Site::of(Some(url), &HeaderMap::new()).expect("a site")
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, line.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn over_tls_they_are_of_this_host_alone() {
        let secure = site("https://console.example.com");
        assert_eq!(
            set(&secure, Name::Session, "fake", None),
            "__Host-console_session=fake; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            remove(&site("http://localhost:1"), Name::Session),
            "console_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        let headers = headers(&["console_session=planted; __Host-console_session=ours"]);
        assert_eq!(value(&headers, &secure, Name::Session).expect("a value").expose(), "ours");
    }

    #[test]
    fn a_cookie_that_was_sent_twice_counts_for_nothing() {
        let site = site("http://localhost:1");
        let read =
            |lines: &[&str]| value(&headers(lines), &site, Name::Session).map(|value| value.expose().clone());
        assert_eq!(read(&["a=1; console_session=one"]), Some("one".to_owned()));
        assert_eq!(read(&["a=1", "console_session=one"]), Some("one".to_owned()));
        assert_eq!(read(&["console_session=one; console_session=two"]), None);
        assert_eq!(read(&["xconsole_session=one"]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_cookie_of_somebody_else_that_is_no_text_hides_none_of_ours() {
        let site = site("http://localhost:1");
        let mut headers = HeaderMap::new();
        let line =
            HeaderValue::from_bytes(b"theme=\xe9; console_session=one; name=\xc3\xa9").expect("a header");
        headers.append(header::COOKIE, line);
        let value = value(&headers, &site, Name::Session);
        assert_eq!(value.map(|value| value.expose().clone()), Some("one".to_owned()));
    }
}
