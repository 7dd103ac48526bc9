//! Id tokens (OpenID Connect Core, section 3.1.3.7).

use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};

use crate::jwks::{Jwks, JwksError};
use crate::time::UnixTime;

/// Verifies id tokens.
#[derive(Debug, Clone)]
pub struct IdTokens {
    jwks: Jwks,
}

/// What a token has to be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Where the issuer's keys are.
    pub jwks_uri: &'a str,
    /// The issuers that may stand in it.
    pub issuers: &'a [String],
    /// Whom it is for.
    pub client_id: &'a str,
    /// The nonce of the flow; `None` only where the provider was given none.
    pub nonce: Option<&'a str>,
    /// What time it is.
    pub now: UnixTime,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Who it is at the issuer.
    pub subject: String,
    /// With which address.
    pub email: Option<String>,
    /// Whether the issuer has verified the address: only the boolean `true` says so.
    pub email_verified: bool,
    /// The name of the person.
    pub name: Option<String>,
    /// All that stands in it.
    pub all: Map<String, Value>,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is no token.
    #[error("the id token cannot be read")]
    Unreadable,
    /// It is signed with another algorithm than RS256 and ES256, or not at all.
    #[error("the id token is signed with an algorithm that is not taken")]
    Algorithm,
    /// The issuer has no such key.
    #[error("the id token is signed with a key that the issuer does not have")]
    UnknownKey,
    /// The keys of the issuer cannot be read.
    #[error("the keys of the issuer cannot be read")]
    NoKeys,
    /// The signature is not that of the key.
    #[error("the signature of the id token is not right")]
    Signature,
    /// Another issuer.
    #[error("the id token is from another issuer")]
    Issuer,
    /// For somebody else.
    #[error("the id token is for another client")]
    Audience,
    /// It has ended.
    #[error("the id token has expired")]
    Expired,
    /// It was made in the future, or does not say when.
    #[error("the id token is from the future, or does not say when it is from")]
    IssuedAt,
    /// Of another flow.
    #[error("the id token is of another flow")]
    Nonce,
    /// It does not say about whom it is.
    #[error("the id token has no subject")]
    Subject,
}

impl IdTokenError {
    /// The word for pages and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "parse",
            Self::Algorithm => "id_token_alg_invalid",
            Self::UnknownKey => "id_token_key_unknown",
            Self::NoKeys => "id_token_keys_unavailable",
            Self::Signature => "id_token_signature_invalid",
            Self::Issuer => "id_token_iss_invalid",
            Self::Audience => "id_token_aud_mismatch",
            Self::Expired => "id_token_expired",
            Self::IssuedAt => "id_token_iat_invalid",
            Self::Nonce => "id_token_nonce_mismatch",
            Self::Subject => "id_token_missing_sub",
        }
    }
}

/// By how many seconds clocks may differ.
const SKEW: i64 = 60;
/// The largest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

impl IdTokens {
    /// With the keys kept there.
    pub fn new(jwks: Jwks) -> Self {
        Self { jwks }
    }

    /// Verifies a token: its signature with a key of the issuer, then what it says.
    ///
    /// # Errors
    /// [`IdTokenError`]
    pub async fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
        if token.len() > LONGEST {
            return Err(IdTokenError::Unreadable);
        }
        let (algorithm, kid) = head(token)?;
        let found = self.jwks.key(expected.jwks_uri, kid.as_deref(), algorithm).await;
        let key = found.map_err(|error| match error {
            JwksError::Unknown => IdTokenError::UnknownKey,
            JwksError::Unavailable => IdTokenError::NoKeys,
        })?;
        // Of the claims the library looks at none: our clock and our rules are not its.
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => IdTokenError::Signature,
            _ => IdTokenError::Unreadable,
        })?;
        check(claims.claims, expected)
    }
}

/// The algorithm and the key of a token. An algorithm that the library does not know is one that is not taken.
fn head(token: &str) -> Result<(Algorithm, Option<String>), IdTokenError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let head = token.split('.').next().unwrap_or_default();
    let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| IdTokenError::Unreadable)?;
    let head: Map<String, Value> = serde_json::from_slice(&head).map_err(|_| IdTokenError::Unreadable)?;
    let algorithm = match head.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::RS256,
        Some("ES256") => Algorithm::ES256,
        _ => return Err(IdTokenError::Algorithm),
    };
    // A token that wants something of its reader that nobody here can do (RFC 7515, section 4.1.11).
    if head.contains_key("crit") {
        return Err(IdTokenError::Unreadable);
    }
    Ok((algorithm, head.get("kid").and_then(Value::as_str).map(str::to_owned)))
}

fn check(claims: Map<String, Value>, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let text = |key: &str| claims.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let issuer = text("iss").ok_or(IdTokenError::Issuer)?;
    if !expected.issuers.iter().any(|known| known == issuer) {
        return Err(IdTokenError::Issuer);
    }
    if !is_for(&claims, expected.client_id) {
        return Err(IdTokenError::Audience);
    }
    let seconds = |key: &str| claims.get(key).and_then(Value::as_f64).map(|seconds| UnixTime(seconds as i64));
    let expires = seconds("exp").ok_or(IdTokenError::Expired)?;
    if expected.now >= expires.after(SKEW) {
        return Err(IdTokenError::Expired);
    }
    let issued = seconds("iat").ok_or(IdTokenError::IssuedAt)?;
    if [Some(issued), seconds("nbf")].into_iter().flatten().any(|from| from > expected.now.after(SKEW)) {
        return Err(IdTokenError::IssuedAt);
    }
    if expected.nonce.is_some() && text("nonce") != expected.nonce {
        return Err(IdTokenError::Nonce);
    }
    Ok(Claims {
        subject: text("sub").ok_or(IdTokenError::Subject)?.to_owned(),
        email: text("email").map(str::to_owned),
        email_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
        name: text("name").map(str::to_owned),
        all: claims,
    })
}

/// `aud` is one client or several; among several, and wherever it stands, `azp` has to be this one.
fn is_for(claims: &Map<String, Value>, client_id: &str) -> bool {
    let (named, several) = match claims.get("aud") {
        Some(Value::String(one)) => (one == client_id, false),
        Some(Value::Array(all)) => (all.iter().any(|one| one.as_str() == Some(client_id)), all.len() > 1),
        _ => return false,
    };
    match claims.get("azp") {
        Some(party) => named && party.as_str() == Some(client_id),
        None => named && !several,
    }
}

#[cfg(test)]
mod tests;
