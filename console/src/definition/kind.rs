//! The seven types of secret and their names.

use serde::{Deserialize, Serialize};

/// A type of secret. The order is that of the keys in a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A value put into a header, a parameter, a body or a path.
    Static,
    /// Access tokens of a Google service account.
    GcpAuth,
    /// Identity tokens of a Google service account.
    GcpIdToken,
    /// AWS request signatures.
    AwsAuth,
    /// Tokens that the proxy fetches from a token endpoint.
    OauthToken,
    /// A PostgreSQL upstream.
    PgDsn,
    /// Signed requests.
    Hmac,
}

impl SecretKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Static,
        Self::GcpAuth,
        Self::GcpIdToken,
        Self::AwsAuth,
        Self::OauthToken,
        Self::PgDsn,
        Self::Hmac,
    ];

    /// What its OIDs begin with, without the underscore.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Static => "ssr",
            Self::GcpAuth => "gas",
            Self::GcpIdToken => "gid",
            Self::AwsAuth => "aas",
            Self::OauthToken => "ots",
            Self::PgDsn => "pgs",
            Self::Hmac => "hms",
        }
    }

    /// The name in the text of a 404.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Static => "StaticSecret",
            Self::GcpAuth => "GcpAuthSecret",
            Self::GcpIdToken => "GcpIdTokenSecret",
            Self::AwsAuth => "AwsAuthSecret",
            Self::OauthToken => "OauthTokenSecret",
            Self::PgDsn => "PgDsnSecret",
            Self::Hmac => "HmacSecret",
        }
    }

    /// The last segment of its collection's path.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Static => "static_secrets",
            Self::GcpAuth => "gcp_auth_secrets",
            Self::GcpIdToken => "gcp_id_token_secrets",
            Self::AwsAuth => "aws_auth_secrets",
            Self::OauthToken => "oauth_token_secrets",
            Self::PgDsn => "pg_dsn_secrets",
            Self::Hmac => "hmac_secrets",
        }
    }

    /// Its key in a grant.
    pub const fn grant_key(self) -> &'static str {
        match self {
            Self::Static => "static_secret_id",
            Self::GcpAuth => "gcp_auth_secret_id",
            Self::GcpIdToken => "gcp_id_token_secret_id",
            Self::AwsAuth => "aws_auth_secret_id",
            Self::OauthToken => "oauth_token_secret_id",
            Self::PgDsn => "pg_dsn_secret_id",
            Self::Hmac => "hmac_secret_id",
        }
    }

    /// The type whose collection this is.
    pub fn of_collection(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.collection() == name)
    }
}
