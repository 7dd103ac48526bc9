//! A secret's id: seven prefixes, one table.

use std::fmt;

use centaur_base::oid::{
    AwsAuthSecretId, GcpAuthSecretId, GcpIdTokenSecretId, HmacSecretId, OauthTokenSecretId, Oid, OidError,
    PgDsnSecretId, StaticSecretId,
};
use serde::{Serialize, Serializer};

/// A kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// `static_secrets`
    Static,
    /// `gcp_auth_secrets`
    GcpAuth,
    /// `gcp_id_token_secrets`
    GcpIdToken,
    /// `aws_auth_secrets`
    AwsAuth,
    /// `oauth_token_secrets`
    OauthToken,
    /// `pg_dsn_secrets`
    PgDsn,
    /// `hmac_secrets`
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
    /// All kinds, in the order in which the API lists their keys.
    pub const ALL: [Self; 7] = [
        Self::Static,
        Self::GcpAuth,
        Self::GcpIdToken,
        Self::AwsAuth,
        Self::OauthToken,
        Self::PgDsn,
        Self::Hmac,
    ];

    /// As the table writes it and the API spells it in keys: `static_secret`; `_id` and `s` make the others.
    pub fn as_str(self) -> &'static str {
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

    /// The inverse of [`SecretKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The prefix of its ids.
    pub fn prefix(self) -> &'static str {
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
