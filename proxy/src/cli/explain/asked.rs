//! The request that is asked about.

use bytes::Bytes;
use centaur_policies::host::{Authority, CanonicalHost};
use centaur_policies::path::decode_path;
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::Target;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// A request, as a client would send it.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) scheme: Scheme,
    pub(super) host: CanonicalHost,
    pub(super) port: u16,
    /// Decoded, without the query.
    pub(super) path: String,
    pub(super) body: Bytes,
    request: Request<()>,
}

impl Asked {
    /// Reads the words of the command line.
    ///
    /// # Errors
    /// What is wrong, with the word it is about.
    pub(super) fn parse<'h>(
        method: &str,
        url: &str,
        headers: impl Iterator<Item = &'h str>,
        body: &str,
    ) -> Result<Self, String> {
        let wrong = |why: String| format!("URL {url:?}: {why}");
        let uri: Uri = url.parse().map_err(|e: http::uri::InvalidUri| wrong(e.to_string()))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(wrong("must begin with http:// or https://".to_owned())),
        };
        let authority = uri.authority().ok_or_else(|| wrong("no host".to_owned()))?;
        let authority = Authority::parse(authority.as_str()).map_err(|e| wrong(e.to_string()))?;
        let path = decode_path(uri.path()).map_err(|e| wrong(e.to_string()))?.into_owned();
        let mut request = Request::new(());
        *request.method_mut() = method.parse().map_err(|_| format!("method {method:?}: not a token"))?;
        *request.uri_mut() = uri;
        for header in headers {
            let wrong = |why: String| format!("-H {header:?}: {why}");
            let (name, value) = header.split_once(':').ok_or_else(|| wrong("no colon".to_owned()))?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|e| wrong(e.to_string()))?;
            let value = HeaderValue::from_str(value.trim()).map_err(|e| wrong(e.to_string()))?;
            request.headers_mut().append(name, value);
        }
        let port = authority.port_or(scheme.default_port());
        let body = Bytes::copy_from_slice(body.as_bytes());
        Ok(Self { method: method.to_owned(), scheme, host: authority.host, port, path, body, request })
    }

    /// Whether a tunnel is asked for, of which the host alone decides.
    pub(super) fn is_tunnel(&self) -> bool {
        *self.request.method() == Method::CONNECT
    }

    /// The head.
    pub(super) fn parts(&self) -> Parts {
        self.request.clone().into_parts().0
    }

    /// As rules see it.
    pub(super) fn target(&self) -> Target<'_> {
        Target {
            scheme: self.scheme,
            host: &self.host,
            port: self.port,
            method: &self.method,
            path: &self.path,
        }
    }
}
