//! Where the bearer token is.

use std::path::PathBuf;

use centaur_base::Secret;
use zeroize::Zeroizing;

/// Where the bearer token is.
#[derive(Debug)]
pub enum TokenSource {
    /// Given outright.
    Value(Secret<String>),
    /// In a file that is read again for every call, so that a rotated token is used at once. White space around it is
    /// dropped.
    File(PathBuf),
}

/// A token that cannot be read. Holds nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("reading the token file {path}: {kind}")]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// There is nothing in it.
    #[error("the token is empty")]
    Empty,
    /// A token with bytes that no header can carry.
    #[error("the token has bytes that cannot stand in a header")]
    Unsendable,
}

impl TokenSource {
    /// The same source, for somebody else who needs the token.
    #[must_use]
    pub fn copy(&self) -> Self {
        match self {
            Self::Value(value) => Self::Value(Secret::new(value.expose().clone())),
            Self::File(path) => Self::File(path.clone()),
        }
    }

    /// The token, from 1 byte of visible ASCII on.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn read(&self) -> Result<Secret<String>, TokenError> {
        let text = match self {
            Self::Value(value) => Zeroizing::new(value.expose().clone()),
            Self::File(path) => Zeroizing::new(
                std::fs::read_to_string(path)
                    .map_err(|error| TokenError::Unreadable { path: path.clone(), kind: error.kind() })?,
            ),
        };
        let token = text.trim();
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unsendable);
        }
        Ok(Secret::new(token.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_each_time_and_trimmed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "fake-one\n").unwrap();
        let source = TokenSource::File(path.clone());
        assert_eq!(source.read().unwrap().expose(), "fake-one");
        std::fs::write(&path, " fake-two ").unwrap();
        assert_eq!(source.read().unwrap().expose(), "fake-two");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.read(), Err(TokenError::Unreadable { .. })));
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_and_not_shown() {
        for (text, wanted) in [("", "empty"), (" \n", "empty"), ("fake two", "bytes"), ("fak\u{e9}", "bytes")]
        {
            let error = TokenSource::Value(Secret::new(text.to_owned())).read().unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("fak"), "{error}");
        }
        let source = TokenSource::Value(Secret::new("fake-token".to_owned()));
        assert!(!format!("{source:?}").contains("fake-token"));
    }
}
