//! PKCE (RFC 7636), always with S256.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_base::Secret;

use crate::randomness::{NoRandomness, random};

/// What proves, when a code is redeemed, that the flow was begun here.
#[derive(Debug)]
pub struct Verifier(Secret<String>);

impl Verifier {
    /// 64 random bytes: 86 characters.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn new() -> Result<Self, NoRandomness> {
        random::<64>().map(|text| Self(Secret::new(text)))
    }

    pub(crate) fn kept(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// What the provider is told at the start: unpadded URL-safe base64 of the SHA-256.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.expose().as_bytes()))
    }

    /// What the provider is told at the end.
    pub fn secret(&self) -> &Secret<String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        let verifier = Verifier::kept("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn each_is_another_and_long_enough_and_no_debug_shows_it() {
        let (one, other) = (Verifier::new().expect("one"), Verifier::new().expect("another"));
        assert_ne!(one.secret().expose(), other.secret().expose());
        assert_eq!(one.secret().expose().len(), 86);
        assert!(!format!("{one:?}").contains(one.secret().expose()));
    }
}
