//! The address of a console.

use std::fmt;

use reqwest::Url;

/// `scheme://host[:port][/prefix]` of a console; paths of the API are appended to it.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is no address of a console. Holds nothing of the text, which may have a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL.
    #[error("is not a URL; write https://host, with a port and a path if need be")]
    Syntax,
    /// Another scheme.
    #[error("has to begin with https:// or http://")]
    Scheme,
    /// `user:password@`.
    #[error("must not hold a user name or a password; the token is given apart")]
    Userinfo,
    /// `?` or `#`.
    #[error("must not have a query or a fragment")]
    Query,
}

impl BaseUrl {
    /// Reads an address. Slashes at its end are dropped, so that none doubles.
    ///
    /// # Errors
    /// [`BaseUrlError`]
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text.trim().trim_end_matches('/')).map_err(|_| BaseUrlError::Syntax)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BaseUrlError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(BaseUrlError::Syntax);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Userinfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        Ok(Self(url))
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_clear(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether it is this machine, by its address or as `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            Some("localhost") => true,
            Some(host) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            None => false,
        }
    }

    /// The address with `path` (which begins with a slash) appended.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let joined = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_do_not_double() {
        for (text, joined) in [
            ("https://console.test", "https://console.test/api/x"),
            ("https://console.test/", "https://console.test/api/x"),
            ("http://10.0.0.1:3000//", "http://10.0.0.1:3000/api/x"),
            ("https://console.test/under/", "https://console.test/under/api/x"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().join("/api/x").as_str(), joined);
        }
    }

    #[test]
    fn what_is_no_address_of_a_console_is_refused_without_repeating_it() {
        for (text, error) in [
            ("console.test", BaseUrlError::Syntax),
            ("", BaseUrlError::Syntax),
            ("ftp://console.test", BaseUrlError::Scheme),
            ("https://user:fake-password@console.test", BaseUrlError::Userinfo),
            ("https://console.test/?token=fake", BaseUrlError::Query),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("fake"));
        }
    }

    #[test]
    fn this_machine_is_recognised() {
        for text in ["http://127.0.0.1:3000", "http://[::1]:3000", "https://LOCALHOST"] {
            assert!(BaseUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["http://10.0.0.1", "https://localhost.console.test"] {
            assert!(!BaseUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn cleartext_is_recognised() {
        assert!(BaseUrl::parse("http://console.test").unwrap().is_clear());
        assert!(!BaseUrl::parse("https://console.test").unwrap().is_clear());
    }
}
