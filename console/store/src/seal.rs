//! Values encrypted at rest (broker.md, section 17).
//!
//! Each value has a data key of its own, which is wrapped by a key of the [`KeyRing`]. Both layers are AES-256-GCM-SIV,
//! so that a repeated nonce would not be fatal, and both are bound to the place of the value ([`Place`]): moved to
//! another row or column it does not open. Rotation wraps the data key anew and leaves the value's ciphertext as it is.
//!
//! A sealed value, byte by byte: version (1), length of the key id (1), key id, nonce of the wrapping (12), wrapped
//! data key with its tag (48), nonce of the value (12), value with its tag (16 more than the value).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use centaur_base::Secret;
use zeroize::{Zeroize, Zeroizing};

/// Why a value could not be sealed or opened. Texts carry ids of keys and places, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The list of keys has no entry.
    #[error("no encryption key is given")]
    NoKey,
    /// An entry of the list is not `id:base64 of 32 bytes`.
    #[error("encryption key {0} is not id:base64 of 32 bytes")]
    Malformed(usize),
    /// Two entries have one id.
    #[error("two encryption keys have the id {0:?}")]
    Duplicate(String),
    /// The value was sealed under a key that is not in the ring.
    #[error("a value is sealed under the encryption key {0:?}, which is not given")]
    UnknownKey(String),
    /// The value is damaged, was moved, or the key of this id is another one.
    #[error("a sealed value of {0} does not open")]
    Broken(&'static str),
    /// The library failed, or the value is not text where text is expected.
    #[error("sealing failed")]
    Failed,
}

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's id.
    pub row: i64,
    /// The row's namespace; empty where the table has none.
    pub namespace: &'a str,
}

impl Place<'_> {
    /// Unambiguous: names of tables and columns have no NUL.
    fn bytes(self) -> Vec<u8> {
        format!("{}\0{}\0{}\0{}", self.table, self.column, self.row, self.namespace).into_bytes()
    }
}

/// The keys that wrap data keys, in order: the first seals, all open.
pub struct KeyRing {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    key: RandomizedNonceKey,
}

impl KeyRing {
    /// Reads the list `id:base64,id:base64,…`; blanks around entries are ignored.
    ///
    /// # Errors
    /// [`SealError::NoKey`], [`SealError::Malformed`] with the number of the entry, counted from 1, or
    /// [`SealError::Duplicate`].
    pub fn parse(list: &Secret<String>) -> Result<Self, SealError> {
        let entries = list.expose().split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut ring = Self { keys: Vec::new() };
        for (index, entry) in entries.enumerate() {
            let malformed = || SealError::Malformed(index + 1);
            let (id, key) = entry.split_once(':').ok_or_else(malformed)?;
            let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| malformed())?);
            let bytes = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed())?;
            ring.push(id, bytes)
                .map_err(|error| if error == SealError::Failed { malformed() } else { error })?;
        }
        if ring.keys.is_empty() { Err(SealError::NoKey) } else { Ok(ring) }
    }

    /// A ring of one key.
    ///
    /// # Errors
    /// [`SealError::Failed`] when the id is empty, longer than 255 bytes or has other characters than letters,
    /// digits, `-`, `_` and `.`.
    pub fn single(id: &str, key: &Secret<[u8; 32]>) -> Result<Self, SealError> {
        let mut ring = Self { keys: Vec::new() };
        ring.push(id, key.expose())?;
        Ok(ring)
    }

    fn push(&mut self, id: &str, key: &[u8; 32]) -> Result<(), SealError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > 255 || !id.bytes().all(plain) {
            return Err(SealError::Failed);
        }
        if self.keys.iter().any(|known| known.id == id) {
            return Err(SealError::Duplicate(id.to_owned()));
        }
        self.keys.push(Key { id: id.to_owned(), key: new_key(key)? });
        Ok(())
    }

    /// The id of the key that seals.
    pub fn primary(&self) -> &str {
        self.keys.first().map_or("", |key| &key.id)
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// [`SealError::Failed`] when the library has no randomness.
    pub fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut data_key = Zeroizing::new([0_u8; 32]);
        aws_lc_rs::rand::fill(data_key.as_mut_slice()).map_err(|_| SealError::Failed)?;
        let mut sealed = self.wrap(place, &data_key)?;
        sealed.extend(encrypt(&new_key(&data_key)?, place.bytes(), value)?);
        Ok(sealed)
    }

    /// Opens a value at its place.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`], or [`SealError::Broken`] when the value was altered or stands elsewhere.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        let parts = Parts::of(sealed).ok_or(SealError::Broken(place.table))?;
        let data_key = self.unwrap(place, &parts)?;
        let value = decrypt(&new_key(&data_key)?, place.bytes(), parts.value);
        value.map(Secret::new).ok_or(SealError::Broken(place.table))
    }

    /// As [`KeyRing::open`], for a value that is text.
    ///
    /// # Errors
    /// As [`KeyRing::open`], and [`SealError::Failed`] when it is not text.
    pub fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret<String>, SealError> {
        let bytes = self.open(place, sealed)?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| SealError::Failed)?;
        Ok(Secret::new(text.to_owned()))
    }

    /// The same value under the first key; `None` when it is already.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn reseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let parts = Parts::of(sealed).ok_or(SealError::Broken(place.table))?;
        if parts.key_id == self.primary() {
            return Ok(None);
        }
        let data_key = self.unwrap(place, &parts)?;
        let mut anew = self.wrap(place, &data_key)?;
        anew.extend(parts.value);
        Ok(Some(anew))
    }

    fn wrap(&self, place: Place<'_>, data_key: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError::NoKey)?;
        let mut sealed = vec![VERSION, u8::try_from(key.id.len()).map_err(|_| SealError::Failed)?];
        sealed.extend(key.id.as_bytes());
        let bound = [sealed.as_slice(), &place.bytes()].concat();
        sealed.extend(encrypt(&key.key, bound, data_key)?);
        Ok(sealed)
    }

    fn unwrap(&self, place: Place<'_>, parts: &Parts<'_>) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let unknown = || SealError::UnknownKey(parts.key_id.to_owned());
        let key = self.keys.iter().find(|key| key.id == parts.key_id).ok_or_else(unknown)?;
        let bound = [parts.head, &place.bytes()].concat();
        let broken = SealError::Broken(place.table);
        let data_key =
            decrypt(&key.key, bound, parts.data_key).map(Zeroizing::new).ok_or_else(|| broken.clone())?;
        Ok(Zeroizing::new(<[u8; 32]>::try_from(data_key.as_slice()).map_err(|_| broken)?))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_tuple("KeyRing").field(&ids).finish()
    }
}

/// The id of the key under which a value is sealed; `None` when it is no sealed value.
pub(crate) fn key_id(sealed: &[u8]) -> Option<&str> {
    Parts::of(sealed).map(|parts| parts.key_id)
}

struct Parts<'a> {
    head: &'a [u8],
    key_id: &'a str,
    data_key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (&[version, id_len], _) = sealed.split_first_chunk::<2>()?;
        if version != VERSION {
            return None;
        }
        let (head, rest) = sealed.split_at_checked(2 + usize::from(id_len))?;
        let key_id = std::str::from_utf8(head.get(2..)?).ok()?;
        let (data_key, value) = rest.split_at_checked(NONCE_LEN + 32 + TAG_LEN)?;
        (value.len() >= NONCE_LEN + TAG_LEN).then_some(Self { head, key_id, data_key, value })
    }
}

fn new_key(bytes: &[u8; 32]) -> Result<RandomizedNonceKey, SealError> {
    RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes).map_err(|_| SealError::Failed)
}

/// Nonce, ciphertext, tag.
fn encrypt(key: &RandomizedNonceKey, bound: Vec<u8>, value: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut text = Vec::with_capacity(value.len() + TAG_LEN);
    text.extend(value);
    let sealed = key.seal_in_place_append_tag(Aad::from(bound), &mut text);
    let Ok(nonce) = sealed else {
        text.zeroize();
        return Err(SealError::Failed);
    };
    Ok([nonce.as_ref().as_slice(), &text].concat())
}

fn decrypt(key: &RandomizedNonceKey, bound: Vec<u8>, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut text = Zeroizing::new(text.to_vec());
    let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), &mut text).ok()?;
    Some(opened.to_vec())
}

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests;
