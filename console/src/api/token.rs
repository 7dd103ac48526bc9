//! New tokens.

use std::fmt::Write as _;

use centaur_base::Secret;
use zeroize::Zeroizing;

/// A prefix and 32 random bytes in lower case hexadecimal.
///
/// # Errors
/// When the system has no random numbers.
pub(crate) fn new_token(prefix: &str) -> Result<Secret<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut())?;
    let mut token = String::with_capacity(prefix.len() + 64);
    token.push_str(prefix);
    for byte in bytes.iter() {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(Secret::new(token))
}
