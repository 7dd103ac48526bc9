//! Random texts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers")]
pub struct NoRandomness;

/// `BYTES` random bytes as unpadded URL-safe base64.
///
/// # Errors
/// [`NoRandomness`]
pub fn random<const BYTES: usize>() -> Result<String, NoRandomness> {
    let mut bytes = Zeroizing::new([0_u8; BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}
