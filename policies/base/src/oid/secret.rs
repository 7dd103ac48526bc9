//! The seven types of secret, their names, and the id of one: seven prefixes, one row number.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{
    AwsAuthSecretId, GcpAuthSecretId, GcpIdTokenSecretId, HmacSecretId, OauthTokenSecretId, Oid, OidError,
    PgDsnSecretId, StaticSecretId,
};

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

/// One match for all that differs by the type of the id.
macro_rules! by_kind {
    ($kind:expr, $type:ident => $value:expr) => {
        match $kind {
            SecretKind::Static => {
                type $type = StaticSecretId;
                $value
            }
            SecretKind::GcpAuth => {
                type $type = GcpAuthSecretId;
                $value
            }
            SecretKind::GcpIdToken => {
                type $type = GcpIdTokenSecretId;
                $value
            }
            SecretKind::AwsAuth => {
                type $type = AwsAuthSecretId;
                $value
            }
            SecretKind::OauthToken => {
                type $type = OauthTokenSecretId;
                $value
            }
            SecretKind::PgDsn => {
                type $type = PgDsnSecretId;
                $value
            }
            SecretKind::Hmac => {
                type $type = HmacSecretId;
                $value
            }
        }
    };
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

    /// As the store writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static_secret",
            Self::GcpAuth => "gcp_auth_secret",
            Self::GcpIdToken => "gcp_id_token_secret",
            Self::AwsAuth => "aws_auth_secret",
            Self::OauthToken => "oauth_token_secret",
            Self::PgDsn => "pg_dsn_secret",
            Self::Hmac => "hmac_secret",
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

    /// The inverse of [`SecretKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The type whose collection this is.
    pub fn of_collection(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.collection() == name)
    }

    /// What its ids begin with, without the underscore.
    pub const fn prefix(self) -> &'static str {
        by_kind!(self, Id => Id::PREFIX)
    }

    /// Whether a text claims to be an id of this kind, and so is no foreign id.
    pub fn claims(self, text: &str) -> bool {
        by_kind!(self, Id => Id::claims(text))
    }
}

/// A secret's id: its kind and its row. Shown with the prefix of the kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId {
    /// The kind.
    pub kind: SecretKind,
    /// The row, unique among all kinds.
    pub row: i64,
}

impl SecretId {
    /// Reads an id of a kind.
    ///
    /// # Errors
    /// [`OidError`] when the text is none.
    pub fn parse(kind: SecretKind, text: &str) -> Result<Self, OidError> {
        let row = by_kind!(kind, Id => text.parse::<Id>()?.row());
        Ok(Self { kind, row })
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_kind!(self.kind, Id => Id::new(self.row).map_or(Err(fmt::Error), |id| fmt::Display::fmt(&id, f)))
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_prefix_of_its_ids() {
        let prefixes = SecretKind::ALL.map(SecretKind::prefix);
        assert_eq!(prefixes, ["ssr", "gas", "gid", "aas", "ots", "pgs", "hms"]);
        for kind in SecretKind::ALL {
            let id = SecretId { kind, row: 2 };
            assert_eq!(SecretId::parse(kind, &id.to_string()), Ok(id));
            assert_eq!(SecretKind::parse(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        assert!(SecretId::parse(SecretKind::Static, "ssr_kxIQLCuJ").is_ok());
        assert!(SecretId::parse(SecretKind::GcpAuth, "ssr_kxIQLCuJ").is_err());
        assert!(SecretKind::Static.claims("ssr_x") && !SecretKind::Static.claims("gas_x"));
    }
}
