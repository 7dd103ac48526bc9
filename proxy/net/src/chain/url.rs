//! The URL of a proxy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use centaur_base::Secret;
use centaur_policies::host::Authority;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{Credentials, HttpProxy, Proxy, ProxyAddress, ProxyUrlError, SocksProxy};

/// `scheme://[user[:password]@]host[:port][/]`; without a scheme it is `http`.
pub(super) fn parse(text: &str) -> Result<Proxy, ProxyUrlError> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("http".to_owned(), text),
    };
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        "socks5" | "socks5h" => 1080,
        _ => return Err(ProxyUrlError::Scheme(printable(&scheme))),
    };
    // The last `@`: passwords with a raw one are common, hosts with one do not exist.
    let (user_info, rest) = match rest.rsplit_once('@') {
        Some((user_info, rest)) => (Some(user_info), rest),
        None => (None, rest),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(ProxyUrlError::Trailing);
    }
    let authority = Authority::parse(authority)?;
    let address = ProxyAddress { port: authority.port_or(default_port), host: authority.host };
    let credentials = user_info.filter(|text| !text.is_empty()).map(credentials).transpose()?;
    if scheme.starts_with("socks") {
        let fits = |text: &Secret<String>| (1..=255).contains(&text.expose().len());
        if credentials.as_ref().is_some_and(|c| !fits(&c.user) || !fits(&c.password)) {
            return Err(ProxyUrlError::SocksCredentials);
        }
        return Ok(Proxy::Socks(SocksProxy { address, credentials }));
    }
    let authorization = credentials.as_ref().map(basic);
    Ok(Proxy::Http(HttpProxy { address, tls: scheme == "https", authorization }))
}

fn credentials(user_info: &str) -> Result<Credentials, ProxyUrlError> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    Ok(Credentials { user: decode(user)?, password: decode(password)? })
}

fn decode(text: &str) -> Result<Secret<String>, ProxyUrlError> {
    let bytes = text.as_bytes();
    let escaped =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, b)| *b == b'%' && !escaped(at)) {
        return Err(ProxyUrlError::UserInfo);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| ProxyUrlError::UserInfo)?;
    if decoded.chars().any(char::is_control) {
        return Err(ProxyUrlError::UserInfo);
    }
    Ok(Secret::new(decoded.into_owned()))
}

fn basic(credentials: &Credentials) -> Secret<String> {
    let pair = Zeroizing::new(format!("{}:{}", credentials.user.expose(), credentials.password.expose()));
    let mut value = "Basic ".to_owned();
    STANDARD.encode_string(pair.as_bytes(), &mut value);
    Secret::new(value)
}

/// A scheme for an error message; a text without a real scheme may be anything.
fn printable(scheme: &str) -> String {
    let plain =
        scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if plain { scheme.to_owned() } else { "…".to_owned() }
}
