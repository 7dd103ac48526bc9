//! Sealing: AES-256-GCM-SIV under a key that HKDF derives from the token and the address of the control plane.
//!
//! ```text
//! "ironlkg1" | key id, 16 bytes | nonce, 12 bytes | sealed document and tag
//! ```
//!
//! The key id is derived like the key, so that a file of another control plane or another token is told from a damaged
//! one. It, the address and a digest of the token are authenticated with the document.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf};
use centaur_base::Secret;
use centaur_client::base::BaseUrl;
use zeroize::Zeroizing;

use super::KeepError;
use super::document::Document;

const MAGIC: &[u8; 8] = b"ironlkg1";
const ID: usize = 16;
const NONCE: usize = 12;
const HEAD: usize = MAGIC.len() + ID + NONCE;
/// Characters of the shortest token that gives a key: those of control planes are random and have 64 digits.
pub(super) const SHORTEST_TOKEN: usize = 32;

/// Seals and opens for one control plane and one token.
pub(super) struct Sealer {
    key: RandomizedNonceKey,
    id: [u8; ID],
    bound_to: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(console: &BaseUrl, token: &Secret<String>) -> Result<Self, KeepError> {
        let token = token.expose().as_bytes();
        if token.len() < SHORTEST_TOKEN {
            return Err(KeepError::ShortToken);
        }
        let console = console.to_string();
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"iron-proxy last-known-good 1").extract(token);
        let derive = |purpose: &[u8], out: &mut [u8]| {
            // 16 and 32 bytes are within what the function gives.
            let info = [purpose, console.as_bytes()];
            extracted
                .expand(&info, Length(out.len()))
                .and_then(|okm| okm.fill(out))
                .map_err(|_| KeepError::Content)
        };
        let (mut key, mut id) = (Zeroizing::new([0; 32]), [0; ID]);
        derive(b"key\0", key.as_mut())?;
        derive(b"id\0", &mut id)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_ref()).map_err(|_| KeepError::Content)?;
        let digest = digest::digest(&digest::SHA256, token);
        let bound_to = [MAGIC, &id[..], digest.as_ref(), console.as_bytes()].concat();
        Ok(Self { key, id, bound_to })
    }

    pub(super) fn seal(&self, document: &Document) -> Result<Vec<u8>, KeepError> {
        let mut sealed = document.text()?;
        let nonce = self.key.seal_in_place_append_tag(Aad::from(&self.bound_to), &mut *sealed);
        let nonce = nonce.map_err(|_| KeepError::Content)?;
        Ok([MAGIC, &self.id[..], nonce.as_ref(), &sealed].concat())
    }

    pub(super) fn open(&self, bytes: &[u8]) -> Result<Document, KeepError> {
        let (head, sealed) = bytes.split_at_checked(HEAD).ok_or(KeepError::Form)?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let (id, nonce) = rest.split_at(ID);
        if magic != MAGIC {
            return Err(KeepError::Form);
        }
        if id != self.id {
            return Err(KeepError::Foreign);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeepError::Form)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(&self.bound_to), text.as_mut());
        Document::read(opened.map_err(|_| KeepError::Damaged)?)
    }
}

/// How much is derived, in bytes.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
