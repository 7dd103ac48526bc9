//! Passwords: made into hashes with Argon2id, and looked at. Hashes of bcrypt, from installations of the reference, are
//! taken and replaced at the next sign-in.
//!
//! How long it takes to refuse says nothing of the account: whoever is asked for, and whatever is stored, the same kinds
//! of hash are computed.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use centaur_base::Secret;
use tokio::sync::Semaphore;

/// The fewest characters of a new password.
pub(crate) const SHORTEST: usize = 12;
/// The most bytes that are looked at.
pub(crate) const LONGEST: usize = 1024;

/// Why a password cannot be made into a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// Fewer characters than [`SHORTEST`].
    #[error("is too short (minimum is 12 characters)")]
    TooShort,
    /// More bytes than [`LONGEST`].
    #[error("is too long (maximum is 1024 bytes)")]
    TooLong,
    /// There is no random number, or no memory.
    #[error("cannot be hashed")]
    Failed,
}

/// A new hash, as a PHC string.
///
/// # Errors
/// [`Unusable`]
pub(crate) fn hash(password: &Secret<String>) -> Result<Secret<String>, Unusable> {
    if password.expose().chars().count() < SHORTEST {
        return Err(Unusable::TooShort);
    }
    if password.expose().len() > LONGEST {
        return Err(Unusable::TooLong);
    }
    argon2id(password)
}

fn argon2id(password: &Secret<String>) -> Result<Secret<String>, Unusable> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| Unusable::Failed)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| Unusable::Failed)?;
    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
    hash.map(|hash| Secret::new(hash.to_string())).map_err(|_| Unusable::Failed)
}

/// What came of looking at a password.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is the one. With it a better hash, when the stored one is of an older kind.
    Right(Option<Secret<String>>),
    /// It is not, or there is none.
    Wrong,
}

/// Looks at passwords, a few at a time: each takes 19 MiB and some tens of milliseconds of a core.
#[derive(Debug, Clone)]
pub(crate) struct Passwords(Arc<Semaphore>);

/// How many are looked at at once.
const AT_ONCE: usize = 4;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Too many want to sign in at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    /// Looks at a password. `stored` is the hash of the account, if there is such an account and it has one; `older` is
    /// any hash of bcrypt that is stored.
    ///
    /// # Errors
    /// [`Busy`]
    pub(crate) async fn verify(
        &self,
        password: Secret<String>,
        stored: Option<Secret<String>>,
        older: Option<Secret<String>>,
    ) -> Result<Verdict, Busy> {
        if password.expose().len() > LONGEST {
            return Ok(Verdict::Wrong);
        }
        let turn = tokio::time::timeout(PATIENCE, self.0.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Busy) };
        let work = tokio::task::spawn_blocking(move || {
            let verdict = verdict(&password, stored.as_ref(), older.as_ref());
            drop(turn);
            verdict
        });
        work.await.map_err(|_| Busy)
    }
}

fn verdict(
    password: &Secret<String>,
    stored: Option<&Secret<String>>,
    older: Option<&Secret<String>>,
) -> Verdict {
    let mut is_right = false;
    for work in plan(stored.map(|hash| hash.expose().as_str()), older.map(|hash| hash.expose().as_str())) {
        let matches = work.matches(password.expose().as_bytes());
        is_right |= matches && work.counts;
    }
    if !is_right {
        return Verdict::Wrong;
    }
    let is_current = stored.is_some_and(|hash| is_current(hash.expose()));
    Verdict::Right(if is_current { None } else { argon2id(password).ok() })
}

/// A hash to compute, and whether its result counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work<'a> {
    hash: &'a str,
    counts: bool,
}

impl Work<'_> {
    fn is_bcrypt(self) -> bool {
        self.hash.starts_with("$2")
    }

    fn matches(self, password: &[u8]) -> bool {
        if self.is_bcrypt() {
            return bcrypt::verify(password, self.hash).unwrap_or(false);
        }
        let parsed = PasswordHash::new(self.hash);
        parsed.is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }
}

/// One Argon2id, and one bcrypt while any account still has such a hash: the same for every account, and for none.
fn plan<'a>(stored: Option<&'a str>, older: Option<&'a str>) -> Vec<Work<'a>> {
    let stored = stored.map(|hash| Work { hash, counts: true });
    let (old, new) = match stored {
        Some(work) if work.is_bcrypt() => (Some(work), None),
        work => (None, work),
    };
    let new = new.unwrap_or(Work { hash: NOBODYS, counts: false });
    let old = old.or(older.map(|hash| Work { hash, counts: false }));
    std::iter::once(new).chain(old).collect()
}

/// Whether a hash is as [`hash`] makes them now.
fn is_current(hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    let ours = Params::default();
    parsed.algorithm == Algorithm::Argon2id.ident()
        && parsed.version == Some(Version::V0x13.into())
        && Params::try_from(&parsed).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                == (ours.m_cost(), ours.t_cost(), ours.p_cost())
        })
}

/// A hash of no password, as expensive as the others.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn bcrypt_of(password: &str) -> String {
        bcrypt::hash(password, 4).expect("a hash")
    }

    #[test]
    fn a_new_password_has_a_length() {
        assert_eq!(hash(&secret("12345678901")).err(), Some(Unusable::TooShort));
        assert_eq!(hash(&secret(&"a".repeat(1025))).err(), Some(Unusable::TooLong));
        assert!(hash(&secret("éééééééééééé")).is_ok(), "characters are counted");
        assert!(hash(&secret(&"a".repeat(1024))).is_ok());
    }

    #[test]
    fn the_right_one_is_right_and_an_older_hash_is_replaced() {
        let right = secret("fake-password-1");
        let made = hash(&right).expect("a hash");
        assert!(made.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(matches!(verdict(&right, Some(&made), None), Verdict::Right(None)));
        assert!(matches!(verdict(&secret("fake-password-2"), Some(&made), None), Verdict::Wrong));

        let old = secret(&bcrypt_of("fake-password-1"));
        let Verdict::Right(Some(better)) = verdict(&right, Some(&old), Some(&old)) else { panic!("refused") };
        assert!(is_current(better.expose()) && !is_current(old.expose()));
        assert!(matches!(verdict(&right, Some(&better), None), Verdict::Right(None)));
        assert!(matches!(verdict(&secret("fake-password-2"), Some(&old), Some(&old)), Verdict::Wrong));

        let cheap =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).expect("params"));
        let salt = SaltString::encode_b64(&[7; 16]).expect("a salt");
        let cheap = cheap.hash_password(b"fake-password-1", &salt).expect("a hash").to_string();
        assert!(matches!(verdict(&right, Some(&secret(&cheap)), None), Verdict::Right(Some(_))));
    }

    #[test]
    fn no_password_is_that_of_nobody_or_of_somebody_else() {
        let old = secret(&bcrypt_of("fake-password-1"));
        for password in ["", "fake-password-1", "nobody's salt"] {
            assert!(matches!(verdict(&secret(password), None, Some(&old)), Verdict::Wrong));
            assert!(matches!(
                verdict(&secret(password), Some(&secret("rubbish")), Some(&old)),
                Verdict::Wrong
            ));
            assert!(matches!(verdict(&secret(password), Some(&secret("$2b$rubbish")), None), Verdict::Wrong));
        }
        assert!(is_current(NOBODYS), "it costs what the others cost");
    }

    #[test]
    fn the_work_is_the_same_whatever_is_stored() {
        let kinds =
            |stored, older| -> Vec<bool> { plan(stored, older).into_iter().map(Work::is_bcrypt).collect() };
        for stored in [None, Some("$argon2id$x"), Some("$2a$12$x")] {
            assert_eq!(kinds(stored, Some("$2a$12$y")), [false, true], "{stored:?}");
        }
        for stored in [None, Some("$argon2id$x")] {
            assert_eq!(kinds(stored, None), [false], "{stored:?}");
        }
        let counting = |stored, older| plan(stored, older).iter().filter(|work| work.counts).count();
        assert_eq!(counting(None, Some("$2a$12$y")), 0);
        assert_eq!(counting(Some("$2a$12$y"), Some("$2a$12$y")), 1);
    }
}
