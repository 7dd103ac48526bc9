//! What clients show to be let in.

use centaur_base::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The tokens that are let in: the one, and while clients are changed over the one before it.
pub struct Bearer(Vec<[u8; 32]>);

/// Why there is no token. Names the variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// There is nothing in it.
    #[error("{0}, named by bearer_auth_env, is not set or empty")]
    Empty(String),
    /// It could never be shown.
    #[error("{0} holds characters that cannot stand in a header")]
    Unsendable(String),
}

/// What the name of the variable with the former token ends with.
const FORMER: &str = "_PREVIOUS";

impl Bearer {
    /// Reads the variable `name`, and that of the former token, `<name>_PREVIOUS`.
    ///
    /// # Errors
    /// [`BearerError`]
    pub fn read(name: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, BearerError> {
        let value = |name: &str| {
            let value = Secret::new(env(name).unwrap_or_default());
            let is_sendable = value.expose().bytes().all(|byte| (0x21..0x7f).contains(&byte));
            if is_sendable { Ok(value) } else { Err(BearerError::Unsendable(name.to_owned())) }
        };
        let current = value(name)?;
        if current.expose().is_empty() {
            return Err(BearerError::Empty(name.to_owned()));
        }
        let former = value(&format!("{name}{FORMER}"))?;
        let tokens = [current, former].into_iter().filter(|token| !token.expose().is_empty());
        Ok(Self(tokens.map(|token| digest(token.expose().as_bytes())).collect()))
    }

    /// Whether a header `Authorization` shows one of them. How long this takes says nothing about them.
    pub(super) fn admits(&self, header: &[u8]) -> bool {
        let Some((scheme, token)) = header.split_at_checked(7) else { return false };
        let shown = digest(token);
        let matches = self.0.iter().fold(subtle::Choice::from(0), |any, known| any | known.ct_eq(&shown));
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(matches)
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(..)")
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Bearer, BearerError> {
        let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        Bearer::read("FAKE_TOKEN", env)
    }

    #[test]
    fn the_token_and_the_one_before_it_are_let_in_and_nothing_else() {
        let bearer = read(&[("FAKE_TOKEN", "fake-new"), ("FAKE_TOKEN_PREVIOUS", "fake-old")]).unwrap();
        for header in ["Bearer fake-new", "bearer fake-old", "BEARER fake-new"] {
            assert!(bearer.admits(header.as_bytes()), "{header}");
        }
        for header in
            ["", "Bearer", "Bearer ", "Bearer fake", "Bearer fake-new ", "Basic fake-new", "fake-new"]
        {
            assert!(!bearer.admits(header.as_bytes()), "{header}");
        }
        let alone = read(&[("FAKE_TOKEN", "fake-new"), ("FAKE_TOKEN_PREVIOUS", "")]).unwrap();
        assert!(alone.admits(b"Bearer fake-new") && !alone.admits(b"Bearer "));
    }

    #[test]
    fn a_variable_without_a_token_is_named() {
        for vars in [&[][..], &[("FAKE_TOKEN", "")], &[("FAKE_TOKEN_PREVIOUS", "fake-old")]] {
            let error = read(vars).expect_err("refused").to_string();
            assert_eq!(error, "FAKE_TOKEN, named by bearer_auth_env, is not set or empty");
        }
        let error = read(&[("FAKE_TOKEN", "fake\nnew")]).expect_err("refused").to_string();
        assert!(error.starts_with("FAKE_TOKEN holds") && !error.contains("fake"), "{error}");
    }
}
