//! Object identifiers: `<prefix>_<code>`, one newtype per kind of object (console-api.md, section 4).
//!
//! The code is the Sqids encoding of the row's number over an alphabet that is permuted per prefix, so that a code
//! moved under another prefix does not name the same row. An identifier is stable and public; it is not a secret.
//!
//! To add a kind: one line in the call of `kinds!` at the end of this file, and its row in the vectors of the tests.

mod secret;
mod words;

use std::collections::HashSet;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use sqids::Sqids;

pub use secret::{SecretId, SecretKind};

/// Why a text is no identifier of the kind that was asked for. The API answers 404, as for a row that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id that begins with {prefix}_")]
pub struct OidError {
    /// The prefix of the kind that was asked for.
    pub prefix: &'static str,
}

/// What the kinds of identifiers have in common, for code that is written once for all of them.
pub trait Oid: Copy + Eq + std::fmt::Display + std::str::FromStr<Err = OidError> {
    /// The text before the underscore.
    const PREFIX: &'static str;

    /// The identifier of the row with this number; `None` below 1.
    fn new(row: i64) -> Option<Self>;

    /// The row's number, at least 1.
    fn row(self) -> i64;

    /// Whether a text claims to be an identifier of this kind. Such a text must never be taken for a `foreign_id`,
    /// even when it does not decode.
    fn claims(text: &str) -> bool {
        text.strip_prefix(Self::PREFIX).is_some_and(|rest| rest.starts_with('_'))
    }
}

/// Sqids over the alphabet of one prefix.
struct Codec {
    prefix: &'static str,
    /// Knows no words; decodes too, for which words do not matter.
    plain: Lazy,
    /// Encodes those few that may hold a word.
    careful: Lazy,
}

type Lazy = LazyLock<Option<Sqids>, Box<dyn FnOnce() -> Option<Sqids> + Send>>;

impl Codec {
    fn new(prefix: &'static str) -> Self {
        let builder = move || Sqids::builder().alphabet(alphabet(prefix)).min_length(MIN_CODE_LENGTH);
        let plain = move || builder().blocklist(HashSet::new()).build().ok();
        let careful = move || builder().build().ok();
        Self { prefix, plain: LazyLock::new(Box::new(plain)), careful: LazyLock::new(Box::new(careful)) }
    }

    /// The text of a row's number. The alphabets are fixed and a test encodes under each, so neither failure of the
    /// library can happen; an empty code would be refused by [`Codec::decode`].
    fn encode(&self, row: i64) -> String {
        let of = |sqids: &Lazy| sqids.as_ref()?.encode(&[row.cast_unsigned()]).ok();
        let code = of(&self.plain).filter(|code| !words::may_be_in(code)).or_else(|| of(&self.careful));
        format!("{}_{}", self.prefix, code.unwrap_or_default())
    }

    /// The number in a text that this codec would have written, byte for byte.
    fn decode(&self, text: &str) -> Result<i64, OidError> {
        self.read(text).ok_or(OidError { prefix: self.prefix })
    }

    fn read(&self, text: &str) -> Option<i64> {
        let code = text.strip_prefix(self.prefix)?.strip_prefix('_')?;
        // Longer texts cannot be canonical, and the library's arithmetic is not meant for them.
        let plausible = (MIN_CODE_LENGTH.into()..=MAX_CODE_LENGTH).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plausible {
            return None;
        }
        let numbers = self.plain.as_ref()?.decode(code);
        let &[number] = numbers.as_slice() else { return None };
        let row = i64::try_from(number).ok().filter(|row| *row >= 1)?;
        (self.encode(row) == text).then_some(row)
    }
}

/// The 62 characters, sorted by the lowercase hex SHA-256 of `<prefix>:<character>`.
fn alphabet(prefix: &str) -> Vec<char> {
    let mut characters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    // The order of digests is the order of their hex texts.
    characters.sort_by_cached_key(|character| Sha256::digest(format!("{prefix}:{character}")));
    characters
}

/// Codes of everyday numbers have this length.
const MIN_CODE_LENGTH: u8 = 8;
/// 63-bit numbers need 12; one more leaves room for a code that avoids a blocked word.
const MAX_CODE_LENGTH: usize = 13;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $prefix:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            fn codec() -> &'static Codec {
                static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new($prefix));
                &CODEC
            }
        }

        impl Oid for $name {
            const PREFIX: &'static str = $prefix;

            fn new(row: i64) -> Option<Self> {
                (row >= 1).then_some(Self(row))
            }

            fn row(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&Self::codec().encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = OidError;

            fn from_str(text: &str) -> Result<Self, OidError> {
                Self::codec().decode(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

kinds! {
    /// A static secret.
    StaticSecretId = "ssr";
    /// A Google service account secret.
    GcpAuthSecretId = "gas";
    /// A Google ID token secret.
    GcpIdTokenSecretId = "gid";
    /// An AWS signing secret.
    AwsAuthSecretId = "aas";
    /// An OAuth token secret.
    OauthTokenSecretId = "ots";
    /// A Postgres DSN secret.
    PgDsnSecretId = "pgs";
    /// An HMAC signing secret.
    HmacSecretId = "hms";
    /// A broker credential.
    BrokerCredentialId = "bcr";
    /// An OAuth app.
    OauthAppId = "oap";
    /// A principal.
    PrincipalId = "prn";
    /// A role.
    RoleId = "role";
    /// The assignment of a role to a principal.
    AssignmentId = "prole";
    /// A grant of a secret to a principal or a role.
    GrantId = "grant";
    /// An API key of a console user.
    ApiKeyId = "ak";
    /// A registered proxy.
    ProxyId = "prx";
    /// A console user.
    UserId = "usr";
    /// A user's identity at a sign-in provider.
    IdentityId = "usid";
    /// A browser that is signed in.
    SessionId = "ses";
    /// A source of a secret's value.
    SourceId = "scs";
    /// A request rule.
    RuleId = "rqr";
    /// An MCP client.
    McpClientId = "moc";
    /// An MCP authorization code.
    McpCodeId = "moa";
    /// An MCP refresh token.
    McpRefreshId = "mor";
    /// An event of the audit log.
    AuditId = "aud";
}

#[cfg(test)]
mod tests;
