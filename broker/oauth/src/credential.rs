//! What a call to a token endpoint is made from.

use std::time::Duration;

use centaur_base::Secret;

/// All that a refresh of one credential needs. `Debug` shows no material.
#[derive(Debug)]
pub struct Credential {
    /// How it is refreshed.
    pub grant: Grant,
    /// The token endpoint, a URL.
    pub endpoint: String,
    /// The client's id.
    pub client_id: Option<String>,
    /// The client's secret; public clients have none.
    pub client_secret: Option<Secret<String>>,
    /// How the client says who it is.
    pub client_auth: ClientAuth,
    /// Scopes to send, joined with spaces; none are sent when it is empty.
    pub scopes: Vec<String>,
    /// Headers that are set last and win.
    pub headers: Vec<(String, Secret<String>)>,
    /// What proves the right to a token.
    pub material: Material,
    /// Who the token is for at the provider. A nested token of somebody else is not taken.
    pub subject: Option<String>,
    /// How long one call may take, from the first packet to the last byte.
    pub timeout: Duration,
}

/// How a credential is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// With a refresh token.
    RefreshToken,
    /// With user name and password, and with the refresh token that this gave, if any.
    Password,
    /// With user name and API key at Preqin, and with the refresh token that this gave.
    Preqin,
}

/// How a client says who it is (RFC 6749, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Id and secret stand in the form.
    #[default]
    Post,
    /// Id and secret stand in the header `Authorization`.
    Basic,
}

/// What proves the right to a token.
#[derive(Debug, Default)]
pub struct Material {
    /// The refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// The user name.
    pub username: Option<Secret<String>>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// The API key.
    pub api_key: Option<Secret<String>>,
}

/// Which of the material a call sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The refresh token.
    Stored,
    /// The values that the credential began with: user name and password, or user name and API key.
    Initial,
}

impl Credential {
    /// Whether there is what [`Ask::Initial`] sends.
    pub fn has_initial(&self) -> bool {
        let material = &self.material;
        match self.grant {
            Grant::RefreshToken => false,
            Grant::Password => material.username.is_some() && material.password.is_some(),
            Grant::Preqin => material.username.is_some() && material.api_key.is_some(),
        }
    }

    /// The host and port of the endpoint, by which calls are counted; empty for what is no URL.
    pub fn host(&self) -> &str {
        host_of(&self.endpoint)
    }
}

/// The authority of a URL.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
