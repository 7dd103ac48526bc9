//! Who may use the proxy at all (`proxy.client_auth`).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use centaur_base::Secret;
use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use crate::config::{ClientAuthConfig, TokenSource};
use crate::conn::Conn;
use crate::refusal::Refusal;

/// The configured identities. Replaced whole on reload.
pub struct ClientAuth {
    required: bool,
    token: Option<Secret<String>>,
    networks: Vec<IpNet>,
}

impl ClientAuth {
    /// Reads the token; `None` lets everyone in who can connect.
    ///
    /// # Errors
    /// The name of what cannot be read, never its content.
    pub fn load(config: Option<&ClientAuthConfig>) -> Result<Self, String> {
        let Some(config) = config else {
            return Ok(Self { required: false, token: None, networks: Vec::new() });
        };
        let token = config.token.as_ref().map(read_token).transpose()?;
        Ok(Self { required: true, token, networks: config.allow_cidrs.clone() })
    }

    /// Whether clients have to identify themselves.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether SOCKS clients can give a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a client needs nothing more than its address.
    pub fn trusts(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        !self.required || self.networks.iter().any(|network| network.contains(&client))
    }

    /// Whether this is the token.
    pub fn accepts(&self, token: &[u8]) -> bool {
        self.token.as_ref().is_some_and(|expected| bool::from(expected.expose().as_bytes().ct_eq(token)))
    }

    /// Holds a request to it. A connection that has shown who it is (by address, certificate, or the CONNECT
    /// around it) need not do so again.
    pub fn check_request(&self, conn: &Conn, headers: &HeaderMap) -> Result<(), Refusal> {
        if conn.trusted || self.trusts(conn.client.ip()) {
            return Ok(());
        }
        let mut given = headers.get_all(PROXY_AUTHORIZATION).iter();
        if given.any(|value| self.accepts_header(value.as_bytes())) {
            Ok(())
        } else {
            Err(Refusal::client_auth())
        }
    }

    fn accepts_header(&self, value: &[u8]) -> bool {
        let Some(space) = value.iter().position(|b| *b == b' ') else { return false };
        let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.accepts(rest);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return false;
        }
        let Ok(pair) = LENIENT.decode(rest) else { return false };
        let password = pair.iter().position(|b| *b == b':').map_or(&b""[..], |colon| &pair[colon + 1..]);
        self.accepts(password)
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn read_token(source: &TokenSource) -> Result<Secret<String>, String> {
    let (text, name) = match source {
        TokenSource::Env(name) => (std::env::var(name).ok(), format!("proxy.client_auth.token_env {name:?}")),
        TokenSource::File(path) => {
            (std::fs::read_to_string(path).ok(), format!("proxy.client_auth.token_file {:?}", path.display()))
        }
    };
    let text = text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    text.map(Secret::new).ok_or_else(|| format!("{name} cannot be read or is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> ClientAuth {
        ClientAuth {
            required: true,
            token: Some(Secret::new("fake-token".to_owned())),
            networks: vec!["192.0.2.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn the_token_is_taken_as_bearer_or_as_the_password_of_basic() {
        let basic = |pair: &str| format!("bAsIc {}", LENIENT.encode(pair));
        for good in ["Bearer fake-token".to_owned(), basic("any:fake-token"), basic(":fake-token")] {
            assert!(auth().accepts_header(good.as_bytes()), "{good}");
        }
        for bad in [
            "Bearer fake-toke".to_owned(),
            basic("fake-token:"),
            basic("fake-token"),
            "fake-token".to_owned(),
            String::new(),
        ] {
            assert!(!auth().accepts_header(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn addresses_can_be_let_in_without_a_token() {
        assert!(auth().trusts([192, 0, 2, 9].into()));
        assert!(auth().trusts("::ffff:192.0.2.9".parse().unwrap()));
        assert!(!auth().trusts([198, 51, 100, 1].into()));
        assert!(ClientAuth::load(None).unwrap().trusts([198, 51, 100, 1].into()));
    }
}
