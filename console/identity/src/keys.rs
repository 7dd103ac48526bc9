//! Keys for one purpose each, from one secret (broker.md, section 17).

use std::fmt;

use aws_lc_rs::hmac;
use centaur_base::Secret;

/// What keys are derived from. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Keys(hmac::Key);

/// What a state or a cookie is for. What was made for one purpose is nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose(&'static str);

impl Purpose {
    /// The consent to a credential.
    pub const CONSENT: Self = Self("consent");
    /// The sign-in to the console.
    pub const SIGN_IN: Self = Self("sign-in");

    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

impl Keys {
    /// From `CENTAUR_CONSOLE_SECRET_KEY_BASE`, or what stands for it.
    pub fn new(base: &Secret<String>) -> Self {
        let base = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, LABEL), base.expose().as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, base.as_ref()))
    }

    /// The key for one use, 32 bytes. Each use has a name of its own.
    pub fn derive(&self, name: &str) -> Secret<[u8; 32]> {
        let tag = hmac::sign(&self.0, name.as_bytes());
        let mut key = [0; 32];
        key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Secret::new(key)
    }

    /// The key of message authentication codes for one use.
    pub fn mac(&self, name: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(name).expose())
    }
}

/// Keeps these keys apart from whatever else is derived from the same base.
const LABEL: &[u8] = b"centaur browser flows";

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_and_each_base_has_another_key() {
        let keys = |base: &str| Keys::new(&Secret::new(base.to_owned()));
        let key = |base, name| *keys(base).derive(name).expose();
        assert_eq!(key("fake-base", "a"), key("fake-base", "a"));
        assert_ne!(key("fake-base", "a"), key("fake-base", "b"));
        assert_ne!(key("fake-base", "a"), key("fake-other", "a"));
        assert_eq!(format!("{:?}", keys("fake-base")), "Keys(..)");
    }
}
