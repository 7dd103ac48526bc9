//! One authority per request: whatever names the destination (tunnel target, TLS server name, `Host`,
//! `:authority`, an absolute target) is brought to one spelling and must agree, or the request is refused.

use centaur_policies::host::{Authority, CanonicalHost};
use centaur_policies::pattern::Scheme;
use http::header::HOST;
use http::request::Parts;
use http::{Method, Version};

use crate::refusal::Refusal;

/// What the connection already says about where its requests go.
#[derive(Debug, Clone)]
pub struct Path {
    /// TLS or not, on the client's leg and so upstream.
    pub scheme: Scheme,
    /// TLS server name.
    pub sni: Option<CanonicalHost>,
    /// Target of the tunnel around this connection.
    pub tunnel: Option<TunnelTarget>,
    /// Requests come in absolute form only (the tunnel listener).
    pub proxy_requests: bool,
}

/// Where a tunnel goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelTarget {
    /// A name binds what is inside; an address only says where the client would have gone.
    pub host: CanonicalHost,
    /// Port.
    pub port: u16,
}

/// Where one request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget {
    /// TLS or not.
    pub scheme: Scheme,
    /// Canonical host.
    pub host: CanonicalHost,
    /// Port, defaults filled in.
    pub port: u16,
    /// Whether the client named the port, so that it is named upstream too.
    pub port_named: bool,
}

impl RequestTarget {
    /// Reads the target of a request on a connection.
    ///
    /// # Errors
    /// A refusal; nothing was forwarded.
    pub fn read(path: &Path, parts: &Parts) -> Result<Self, Refusal> {
        let named = named_authority(path, parts)?;
        if let Some(sni) = &path.sni
            && *sni != named.host
        {
            return Err(Refusal::sni_mismatch());
        }
        let port = match &path.tunnel {
            None => named.port_or(path.scheme.default_port()),
            Some(tunnel) => {
                let bound = tunnel.host.as_ip().is_none() || named.host.as_ip().is_some();
                if bound && tunnel.host != named.host {
                    return Err(Refusal::tunnel_mismatch());
                }
                if named.port.is_some_and(|port| port != tunnel.port) {
                    return Err(Refusal::tunnel_mismatch());
                }
                tunnel.port
            }
        };
        Ok(Self { scheme: path.scheme, host: named.host, port, port_named: named.port.is_some() })
    }

    /// The authority as it is sent upstream.
    pub fn authority(&self) -> String {
        let host = self.host.to_authority();
        if self.port == self.scheme.default_port() && !self.port_named {
            return host.into_owned();
        }
        format!("{host}:{}", self.port)
    }
}

fn named_authority(path: &Path, parts: &Parts) -> Result<Authority, Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = hosts.next().map(|value| value.to_str().map_err(|_| Refusal::bad_host())).transpose()?;
    if hosts.next().is_some() {
        return Err(Refusal::bad_host());
    }
    let header = header.map(str::trim).filter(|text| !text.is_empty());
    let header = header.map(parse).transpose()?;
    let Some(uri) = parts.uri.authority() else {
        if path.proxy_requests && path.tunnel.is_none() && parts.method != Method::CONNECT {
            return Err(Refusal::only_tunnels_here());
        }
        return header.ok_or_else(Refusal::missing_host);
    };
    // Userinfo says nothing about the destination and is not forwarded.
    let text = uri.as_str().rsplit('@').next().unwrap_or_default();
    if text.is_empty() {
        return Err(Refusal::missing_host());
    }
    let uri = parse(text)?;
    if let Some(scheme) = parts.uri.scheme_str() {
        let agrees = scheme.eq_ignore_ascii_case(path.scheme.as_str());
        // HTTP/2 clients may name any scheme of their choice for extended CONNECT; it is still the connection's.
        let websocket = parts.version == Version::HTTP_2
            && matches!((scheme, path.scheme), ("wss", Scheme::Https) | ("ws", Scheme::Http));
        if !agrees && !websocket {
            return Err(Refusal::scheme_mismatch());
        }
    }
    if let Some(header) = header {
        // A CONNECT without a port means 443, and so does its Host.
        let default = if parts.method == Method::CONNECT { 443 } else { path.scheme.default_port() };
        if header.host != uri.host || header.port_or(default) != uri.port_or(default) {
            return Err(Refusal::authority_mismatch());
        }
    }
    Ok(uri)
}

fn parse(text: &str) -> Result<Authority, Refusal> {
    Authority::parse(text).map_err(|_| Refusal::bad_host())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(uri: &str, host: Option<&str>) -> Parts {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn path(scheme: Scheme, sni: Option<&str>, tunnel: Option<(&str, u16)>) -> Path {
        Path {
            scheme,
            sni: sni.map(|s| s.parse().unwrap()),
            tunnel: tunnel.map(|(host, port)| TunnelTarget { host: host.parse().unwrap(), port }),
            proxy_requests: false,
        }
    }

    fn read(path: &Path, uri: &str, host: Option<&str>) -> Result<String, &'static str> {
        RequestTarget::read(path, &parts(uri, host))
            .map(|t| format!("{}:{} {}", t.host, t.port, t.authority()))
            .map_err(|r| r.code())
    }

    #[test]
    fn all_names_of_the_destination_must_agree() {
        let plain = path(Scheme::Http, None, None);
        assert_eq!(read(&plain, "/x", Some("A.test")), Ok("a.test:80 a.test".into()));
        assert_eq!(read(&plain, "/x", Some("a.test.:8080")), Ok("a.test:8080 a.test:8080".into()));
        assert_eq!(read(&plain, "/x", None), Err("missing-host"));
        assert_eq!(read(&plain, "/x", Some("a.test:b")), Err("bad-host"));
        assert_eq!(read(&plain, "http://a.test/x", Some("a.test")), Ok("a.test:80 a.test".into()));
        assert_eq!(read(&plain, "http://a.test/x", Some("b.test")), Err("authority-mismatch"));
        assert_eq!(read(&plain, "https://a.test/x", Some("a.test")), Err("scheme-mismatch"));

        let tls = path(Scheme::Https, Some("a.test"), None);
        assert_eq!(read(&tls, "/", Some("a.TEST:443")), Ok("a.test:443 a.test:443".into()));
        assert_eq!(read(&tls, "/", Some("b.test")), Err("sni-host-mismatch"));
    }

    #[test]
    fn the_host_of_a_connect_may_leave_out_its_port() {
        let listener = Path { proxy_requests: true, ..path(Scheme::Http, None, None) };
        let connect = |host| {
            let request = Request::connect("a.test:443").header(HOST, host).body(()).unwrap();
            RequestTarget::read(&listener, &request.into_parts().0)
                .map(|t| t.host.to_string())
                .map_err(|r| r.code())
        };
        assert_eq!(connect("a.test"), Ok("a.test".into()));
        assert_eq!(connect("a.test:443"), Ok("a.test".into()));
        assert_eq!(connect("a.test:80"), Err("authority-mismatch"));
        assert_eq!(connect("b.test"), Err("authority-mismatch"));
    }

    #[test]
    fn a_tunnel_binds_host_and_port_of_what_is_inside() {
        let tunnel = path(Scheme::Https, Some("a.test"), Some(("a.test", 8443)));
        assert_eq!(read(&tunnel, "/", Some("a.test")), Ok("a.test:8443 a.test:8443".into()));
        assert_eq!(read(&tunnel, "/", Some("a.test:8443")), Ok("a.test:8443 a.test:8443".into()));
        assert_eq!(read(&tunnel, "/", Some("a.test:443")), Err("tunnel-host-mismatch"));
        let plain = path(Scheme::Http, None, Some(("a.test", 80)));
        assert_eq!(read(&plain, "/", Some("b.test")), Err("tunnel-host-mismatch"));
    }

    #[test]
    fn an_address_as_tunnel_target_leaves_the_name_to_decide() {
        let tunnel = path(Scheme::Https, Some("a.test"), Some(("192.0.2.1", 443)));
        assert_eq!(read(&tunnel, "/", Some("a.test")), Ok("a.test:443 a.test".into()));
        let plain = path(Scheme::Http, None, Some(("192.0.2.1", 80)));
        assert_eq!(read(&plain, "/", Some("192.0.2.2")), Err("tunnel-host-mismatch"));
        assert_eq!(read(&plain, "/", Some("192.0.2.1")), Ok("192.0.2.1:80 192.0.2.1".into()));
    }
}
