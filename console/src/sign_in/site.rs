//! Where browsers reach the console, which decides what its cookies may be (docs/sign-in.md).

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

/// The origin of this request's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    origin: String,
    secure: bool,
}

/// Why there is no signing in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSite {
    /// Without a public URL, only this machine's own browsers are let in.
    #[error("CENTAUR_CONSOLE_PUBLIC_URL is not set, so browsers sign in from this machine alone.")]
    Unknown,
    /// A cookie would go over the network in clear.
    #[error("CENTAUR_CONSOLE_PUBLIC_URL is not https, so browsers cannot sign in safely.")]
    Clear,
    /// A cookie for the whole host would be for others, too.
    #[error("CENTAUR_CONSOLE_PUBLIC_URL has a path; signing in needs a host of its own.")]
    Path,
}

impl Site {
    /// The site of the public URL; without one, that of the `Host` header, if it is this machine.
    ///
    /// # Errors
    /// [`NoSite`]
    pub(crate) fn of(public_url: Option<&str>, headers: &HeaderMap) -> Result<Self, NoSite> {
        let Some(url) = public_url else {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let authority = host.and_then(|host| host.parse::<Authority>().ok()).ok_or(NoSite::Unknown)?;
            let is_ours = is_loopback(authority.host()) && !authority.as_str().contains('@');
            return if is_ours { Ok(Self::new("http", &authority)) } else { Err(NoSite::Unknown) };
        };
        let uri: Uri = url.parse().map_err(|_| NoSite::Unknown)?;
        let authority = uri.authority().ok_or(NoSite::Unknown)?;
        if !uri.path().trim_end_matches('/').is_empty() {
            return Err(NoSite::Path);
        }
        match uri.scheme_str() {
            Some("https") => Ok(Self::new("https", authority)),
            _ if is_loopback(authority.host()) => Ok(Self::new("http", authority)),
            _ => Err(NoSite::Clear),
        }
    }

    /// As browsers write it: in lower case, without the port that goes without saying.
    fn new(scheme: &str, authority: &Authority) -> Self {
        let default = if scheme == "https" { 443 } else { 80 };
        let port = authority.port_u16().filter(|port| *port != default);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let origin = format!("{scheme}://{}{port}", authority.host().to_ascii_lowercase());
        Self { origin, secure: scheme == "https" }
    }

    /// `https://console.example.com`
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Reached over TLS: cookies are `Secure` and have the prefix `__Host-`.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }
}

/// Whether a host is this machine, as a name or an address.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(public_url: Option<&str>, host: &str) -> Result<(String, bool), NoSite> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        Site::of(public_url, &headers).map(|site| (site.origin, site.secure))
    }

    #[test]
    fn a_public_url_decides_whatever_the_host_header_says() {
        for host in ["console.example.com", "127.0.0.1:3000", "evil.example"] {
            let secure = Ok(("https://console.example.com".to_owned(), true));
            assert_eq!(site(Some("https://Console.Example.com:443"), host), secure);
            let local = Ok(("http://localhost:3000".to_owned(), false));
            assert_eq!(site(Some("http://localhost:3000"), host), local);
            assert_eq!(site(Some("http://console.example.com"), host), Err(NoSite::Clear));
            assert_eq!(site(Some("https://example.com/console"), host), Err(NoSite::Path));
        }
    }

    #[test]
    fn without_one_only_this_machine_is_served() {
        for (host, origin) in [
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("LOCALHOST:80", "http://localhost"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("a.localhost:1", "http://a.localhost:1"),
        ] {
            assert_eq!(site(None, host), Ok((origin.to_owned(), false)), "{host}");
        }
        for host in
            ["console.example.com", "10.0.0.1:3000", "localhost.example.com", "me@localhost", "", "a b"]
        {
            assert_eq!(site(None, host), Err(NoSite::Unknown), "{host}");
        }
        assert_eq!(Site::of(None, &HeaderMap::new()), Err(NoSite::Unknown));
    }
}
