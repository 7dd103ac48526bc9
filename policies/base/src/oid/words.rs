//! Words that a code may not hold, looked for quickly.
//!
//! The library compares every code with each of its several hundred words, which takes longer than all else that is
//! done with an identifier. Whether a code can hold one at all shows in four characters.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words of three characters or fewer count only for codes that are as short.
const LEAST: usize = 4;

/// The first characters of all words that count.
static BEGINNINGS: LazyLock<HashSet<[u8; LEAST]>> = LazyLock::new(|| {
    let words = sqids::default_blocklist();
    words.iter().filter_map(|word| word.as_bytes().first_chunk().copied()).collect()
});

/// Whether the library may find one of its words in a code: `false` is certain, and `true` mostly a coincidence.
pub(super) fn may_be_in(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.as_bytes().windows(LEAST).any(|some| BEGINNINGS.contains(some))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_overlooked() {
        for word in sqids::default_blocklist() {
            let is_found = may_be_in(&format!("Q{}Q", word.to_uppercase()));
            assert_eq!(is_found, word.len() >= LEAST, "{word}");
        }
        assert!(!may_be_in("QZQZQZQZ"));
    }
}
