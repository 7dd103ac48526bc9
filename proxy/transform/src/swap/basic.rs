//! `Authorization: Basic` taken apart and put together again: the scheme in any letter case, the base64 standard
//! or URL-safe, padded or not. What is rebuilt keeps all of these.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// A `Basic` credential and how it was written.
pub(super) struct Basic<'a> {
    /// The decoded `user:password`.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// The value up to the base64.
    scheme: &'a [u8],
    url_safe: bool,
    padded: bool,
}

impl<'a> Basic<'a> {
    /// `None` when the value is anything else.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let scheme = value.get(..5).filter(|s| s.eq_ignore_ascii_case(b"basic"))?.len();
        let spaces = value[scheme..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if spaces == 0 {
            return None;
        }
        let (scheme, encoded) = value.split_at(scheme + spaces);
        let encoded = encoded.trim_ascii_end();
        let url_safe = encoded.iter().any(|b| matches!(b, b'-' | b'_'));
        let text = Zeroizing::new(engine(url_safe, true).decode(encoded).ok()?);
        // An unpadded text of a length that needs no padding is taken as padded: that is the standard.
        let padded = encoded.ends_with(b"=") || text.len().is_multiple_of(3);
        Some(Self { text, scheme, url_safe, padded })
    }

    /// The value with another text, and the base64 alone.
    pub(super) fn rebuild(&self, text: &[u8]) -> (Zeroizing<Vec<u8>>, String) {
        let encoded = engine(self.url_safe, self.padded).encode(text);
        let value = [self.scheme, encoded.as_bytes()].concat();
        (Zeroizing::new(value), encoded)
    }

    /// The base64 as it came.
    pub(super) fn encoded<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        value[self.scheme.len()..].trim_ascii_end()
    }
}

fn engine(url_safe: bool, padded: bool) -> GeneralPurpose {
    let alphabet = if url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padded)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        // Some encoders leave garbage in the last bits; servers accept it.
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}
