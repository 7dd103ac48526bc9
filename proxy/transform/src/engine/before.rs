//! What went before a text: whether the text begins inside an escape.

use crate::escape::Escapes;

/// The last bytes that went before a text: enough to tell whether the text begins inside an escape.
#[derive(Clone, Copy, Default)]
pub(super) struct Before {
    bytes: [u8; 8],
    len: usize,
    /// Whether the bytes before `bytes` end in an odd run of backslashes.
    odd: bool,
}

impl Before {
    pub(super) fn append(&mut self, text: &[u8]) {
        for &byte in &text[text.len().saturating_sub(64)..] {
            if self.len == self.bytes.len() {
                self.odd = self.bytes[0] == b'\\' && !self.odd;
                self.bytes.copy_within(1.., 0);
                self.len -= 1;
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
    }

    /// The byte `back` places before `at`; 1 is the one directly before.
    fn byte(&self, text: &[u8], at: usize, back: usize) -> Option<u8> {
        match at.checked_sub(back) {
            Some(i) => text.get(i).copied(),
            None => self.len.checked_sub(back - at).map(|i| self.bytes[i]),
        }
    }

    /// Whether an odd run of backslashes ends `skip` places before `at`.
    fn odd_run(&self, text: &[u8], at: usize, skip: usize) -> bool {
        let mut run = 0;
        loop {
            match self.byte(text, at, skip + run + 1) {
                Some(b'\\') => run += 1,
                Some(_) => return run % 2 == 1,
                None => return (run % 2 == 1) != (self.odd && self.len == self.bytes.len()),
            }
        }
    }

    pub(super) fn splits_escape(&self, text: &[u8], at: usize, escapes: Escapes) -> bool {
        let is_hex = |i: usize| text.get(i).is_some_and(u8::is_ascii_hexdigit);
        if escapes.percent {
            let second = self.byte(text, at, 1) == Some(b'%') && is_hex(at) && is_hex(at + 1);
            let third = self.byte(text, at, 2) == Some(b'%')
                && self.byte(text, at, 1).is_some_and(|b| b.is_ascii_hexdigit())
                && is_hex(at);
            if second || third {
                return true;
            }
        }
        if !escapes.json {
            return false;
        }
        if self.odd_run(text, at, 0) {
            return true;
        }
        for back in 1..=4 {
            match self.byte(text, at, back) {
                Some(b'u') if is_hex(at) => return self.odd_run(text, at, back),
                Some(b) if b.is_ascii_hexdigit() => {}
                _ => return false,
            }
        }
        false
    }
}
