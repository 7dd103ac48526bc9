//! Digests of bearer tokens. The token itself is never stored.

use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// SHA-256 of a whole token, prefix included. Tokens are 256 random bits, so a digest needs no salt, and looking it up
/// by an index tells nothing about the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The digest of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn read(bytes: &[u8], table: &'static str) -> Result<Self, StoreError> {
        bytes.try_into().map(Self).map_err(|_| StoreError::inconsistent(table, "length of a digest"))
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(..)")
    }
}
