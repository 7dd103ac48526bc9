//! Proxies further up (`proxy.upstream_proxy`): which one serves a target, and how to get through it.
//!
//! The guard still holds: a target that is an address literal is checked before the proxy is asked for it, see
//! [`crate::dial::Dialer::connect_to_proxy`]. Names are the proxy's to resolve.

use centaur_base::Secret;
use centaur_policies::host::{CanonicalHost, HostError};
use centaur_policies::pattern::Scheme;
use thiserror::Error;

use crate::address::is_loopback;
use crate::dial::Target;

pub mod connect;
mod no_proxy;
pub mod socks;
mod url;

use no_proxy::NoProxy;

/// The settings of `upstream_proxy`, read.
#[derive(Debug, Default)]
pub struct Chain {
    http: Option<Proxy>,
    https: Option<Proxy>,
    bypass: NoProxy,
}

/// How a target is reached.
#[derive(Debug, Clone, Copy)]
pub enum Route<'a> {
    /// Connect to it.
    Direct,
    /// Through an HTTP proxy: an `http` target in absolute form, an `https` target after [`connect::tunnel`].
    Http(&'a HttpProxy),
    /// Through a SOCKS5 proxy, after [`socks::tunnel`].
    Socks(&'a SocksProxy),
}

/// A proxy of either kind.
#[derive(Debug)]
pub enum Proxy {
    /// `http://` or `https://`
    Http(HttpProxy),
    /// `socks5://` or `socks5h://`, which mean the same: the proxy resolves names.
    Socks(SocksProxy),
}

/// Where a proxy listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    /// Host.
    pub host: CanonicalHost,
    /// Port.
    pub port: u16,
}

impl ProxyAddress {
    /// For the dialer.
    pub fn target(&self) -> Target<'_> {
        Target { host: self.host.as_str(), port: self.port }
    }
}

/// An HTTP proxy.
#[derive(Debug)]
pub struct HttpProxy {
    /// Where it listens.
    pub address: ProxyAddress,
    /// The connection to the proxy itself is TLS (`https://`), with the proxy's host as the name to verify.
    pub tls: bool,
    /// Value of `Proxy-Authorization`, if the URL carries credentials.
    pub authorization: Option<Secret<String>>,
}

/// A SOCKS5 proxy.
#[derive(Debug)]
pub struct SocksProxy {
    /// Where it listens.
    pub address: ProxyAddress,
    /// Credentials (RFC 1929), if the URL carries any.
    pub credentials: Option<Credentials>,
}

/// Name and password.
#[derive(Debug)]
pub struct Credentials {
    /// 1 to 255 octets.
    pub user: Secret<String>,
    /// 1 to 255 octets.
    pub password: Secret<String>,
}

impl Chain {
    /// Reads the three settings; an empty URL means no proxy for that scheme. Entries of `no_proxy` that say nothing
    /// about hosts are left out with a warning, since that list usually comes from an environment written for other
    /// programs.
    ///
    /// # Errors
    /// A proxy URL that cannot be used. The reference accepts it and fails every request.
    pub fn parse(http_proxy: &str, https_proxy: &str, no_proxy: &str) -> Result<Self, ChainError> {
        let read = |setting, text: &str| {
            let text = text.trim();
            if text.is_empty() {
                return Ok(None);
            }
            url::parse(text).map(Some).map_err(|source| ChainError { setting, source })
        };
        Ok(Self {
            http: read("http_proxy", http_proxy)?,
            https: read("https_proxy", https_proxy)?,
            bypass: NoProxy::parse(no_proxy),
        })
    }

    /// Whether any target goes through a proxy.
    pub fn is_direct(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The route to one target. Loopback is always direct, by name or by address.
    pub fn for_target(&self, scheme: Scheme, host: &CanonicalHost, port: u16) -> Route<'_> {
        let proxy = match scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let Some(proxy) = proxy else { return Route::Direct };
        if is_local(host) || self.bypass.matches(host, port) {
            return Route::Direct;
        }
        match proxy {
            Proxy::Http(proxy) => Route::Http(proxy),
            Proxy::Socks(proxy) => Route::Socks(proxy),
        }
    }
}

/// A setting that cannot be used. Its text is not repeated, it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("upstream_proxy.{setting}: {source}")]
pub struct ChainError {
    /// `http_proxy` or `https_proxy`.
    pub setting: &'static str,
    /// What is wrong.
    pub source: ProxyUrlError,
}

/// Why a proxy URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxyUrlError {
    /// Another scheme.
    #[error("unknown scheme {0:?}: use http, https, socks5 or socks5h")]
    Scheme(String),
    /// The host or the port.
    #[error("{0}")]
    Host(#[from] HostError),
    /// A path, query or fragment.
    #[error("a proxy URL has nothing behind the port")]
    Trailing,
    /// User information that is not valid percent-encoding or UTF-8, or holds control characters.
    #[error("the user or password is not valid percent-encoding of text")]
    UserInfo,
    /// SOCKS carries one length octet for each.
    #[error("a SOCKS user and password have 1 to 255 octets each")]
    SocksCredentials,
}

fn is_local(host: &CanonicalHost) -> bool {
    match host.as_ip() {
        Some(ip) => is_loopback(ip),
        None => host.as_str().rsplit('.').next() == Some("localhost"),
    }
}

/// How long a proxy may take to open the way, once connected to.
pub const TUNNEL_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

#[cfg(test)]
mod tests;
