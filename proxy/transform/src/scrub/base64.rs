//! What a value looks like inside base64.
//!
//! Base64 writes three bytes as four characters, so a value has three looks, by how many bytes went before it
//! modulo three. At either end a character may share its bits with a neighbour; it is left out. What remains
//! depends on the value alone and is searched as it is.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

/// The three looks in both alphabets, each with a replacement of the same length. Equal ones may repeat.
pub(super) fn cores(value: &[u8], placeholder: &[u8]) -> Vec<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let mut cores = Vec::with_capacity(6);
    for shift in 0..3 {
        for url_safe in [false, true] {
            let core = core(value, shift, url_safe);
            let mut with = self::core(placeholder, shift, url_safe).to_vec();
            with.resize(core.len(), b'A');
            cores.push((core, with));
        }
    }
    cores
}

fn core(value: &[u8], shift: usize, url_safe: bool) -> Zeroizing<Vec<u8>> {
    let mut shifted = vec![0; shift];
    shifted.extend_from_slice(value);
    let engine = if url_safe { &URL_SAFE_NO_PAD } else { &STANDARD_NO_PAD };
    let mut encoded = engine.encode(&shifted);
    // The characters that hold bits of what goes before: none, the first two, the first three.
    let from = [0, 2, 3][shift].min(encoded.len());
    // Those whose six bits all belong to the value or to what is before it.
    let to = (shifted.len() * 8 / 6).max(from);
    let core = Zeroizing::new(encoded.as_bytes()[from..to].to_vec());
    shifted.zeroize();
    encoded.zeroize();
    core
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_recognised_whatever_stands_around_it() {
        let value = b"fake-value?>~";
        for before in 0..7 {
            for after in 0..4 {
                let text = [vec![b'x'; before], value.to_vec(), vec![b'y'; after]].concat();
                for (url_safe, encoded) in
                    [(false, STANDARD_NO_PAD.encode(&text)), (true, URL_SAFE_NO_PAD.encode(&text))]
                {
                    let core = core(value, before % 3, url_safe);
                    assert!(core.len() >= 16, "{}", core.len());
                    assert!(
                        encoded.as_bytes().windows(core.len()).any(|w| w == core.as_slice()),
                        "{encoded}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_replacement_is_as_long_as_what_it_replaces() {
        for placeholder in [&b""[..], b"p", b"a-much-longer-placeholder-than-the-value"] {
            assert!(cores(b"fake-value", placeholder).iter().all(|(core, with)| core.len() == with.len()));
        }
    }
}
