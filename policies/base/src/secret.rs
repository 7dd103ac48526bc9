//! A value that must never be printed.

use std::fmt;

use zeroize::Zeroize;

/// A credential, wiped when dropped. It has no `Display`, `Serialize`, `Eq` or `Deref`; the one way to the
/// value is [`Secret::expose`], which is the word to search for in review.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of a value; from here on it is wiped on drop.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Never pass the result to a log, an error or a `Debug`.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_value() {
        let secret = Secret::new("fake-value-for-test".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose(), "fake-value-for-test");
    }
}
