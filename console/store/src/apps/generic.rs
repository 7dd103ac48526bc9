//! What an app says about a provider that the console does not know.

use serde::{Deserialize, Serialize};

/// Where a provider is and how it wants to be asked. No secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenericProvider {
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed and tokens refreshed.
    pub token_endpoint: String,
    /// Whether it takes PKCE.
    pub pkce: bool,
    /// How the client says who it is.
    pub client_auth: ClientAuthMethod,
    /// The name of the parameter that has the scopes.
    pub scope_param: String,
    /// What stands between two scopes.
    pub scope_separator: String,
    /// Hosts that take its tokens, as patterns.
    pub api_hosts: Vec<String>,
    /// Who signs its id tokens; without one there are none.
    pub issuer: Option<String>,
    /// Where the issuer's keys are; found by discovery without it.
    pub jwks_uri: Option<String>,
    /// Where the account of a token can be read.
    pub profile_url: Option<String>,
    /// Where a grant is taken back (RFC 7009).
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
}

impl GenericProvider {
    /// The member that says where tokens or who vouches for an account, and is another one in `after`.
    pub fn moved_to(&self, after: &Self) -> Option<&'static str> {
        let members = [
            ("token_endpoint", self.token_endpoint != after.token_endpoint),
            ("issuer", self.issuer != after.issuer),
            ("jwks_uri", self.jwks_uri != after.jwks_uri),
            ("profile_url", self.profile_url != after.profile_url),
            ("revocation_endpoint", self.revocation_endpoint != after.revocation_endpoint),
        ];
        members.into_iter().find(|(_, moved)| *moved).map(|(member, _)| member)
    }
}

/// How a client says who it is at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMethod {
    /// Id and secret in the form.
    #[default]
    Post,
    /// Id and secret in the header `Authorization`.
    Basic,
    /// The id alone: it has no secret.
    None,
}

impl ClientAuthMethod {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Basic => "basic",
            Self::None => "none",
        }
    }
}
