//! Following chunked framing without decoding it (RFC 9112 section 7.1).

/// Position inside a chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    left: u64,
    digits: u8,
    line: u32,
    /// Bytes of extensions and trailers so far.
    extra: u32,
    blank: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Hex digits of a chunk size.
    #[default]
    Size,
    /// Extensions, up to CR.
    Extension,
    /// The LF after the size line.
    SizeEnd,
    /// Chunk data.
    Data,
    /// The CR after the data.
    DataEnd,
    /// The LF after the data.
    DataLf,
    /// A trailer line, up to CR.
    Trailer,
    /// The LF after a trailer line.
    TrailerLf,
}

pub(super) enum Step {
    /// All bytes belong to the body, which goes on.
    More,
    /// The body ended after that many bytes.
    Done(usize),
    /// Not chunked framing.
    Bad,
}

/// Longest size line with extensions, and longest trailer line, in bytes.
const MAX_LINE: u32 = 16 * 1024;
/// All extensions and trailers of a body together, in bytes: small enough to show in the first read.
const MAX_EXTRA: u32 = 4 * 1024;

impl Chunked {
    pub(super) fn advance(&mut self, data: &[u8]) -> Step {
        let mut at = 0;
        while at < data.len() {
            if self.state == State::Data {
                let take = (data.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= take as u64;
                at += take;
                if self.left == 0 {
                    self.state = State::DataEnd;
                }
                continue;
            }
            let byte = data[at];
            at += 1;
            self.line += 1;
            if matches!(self.state, State::Extension | State::Trailer) {
                self.extra += 1;
            }
            if self.line > MAX_LINE || self.extra > MAX_EXTRA {
                return Step::Bad;
            }
            self.state = match (self.state, byte) {
                (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    self.digits += 1;
                    if self.digits > 15 {
                        return Step::Bad;
                    }
                    let digit = (byte as char).to_digit(16).unwrap_or(0);
                    self.left = self.left * 16 + u64::from(digit);
                    State::Size
                }
                (State::Size, b'\r') if self.digits > 0 => State::SizeEnd,
                (State::Size, b';' | b' ' | b'\t') if self.digits > 0 => State::Extension,
                (State::Extension, b'\r') => State::SizeEnd,
                (State::Extension | State::Trailer, b'\n') => return Step::Bad,
                (State::Extension, _) => State::Extension,
                (State::SizeEnd, b'\n') => {
                    self.digits = 0;
                    self.line = 0;
                    if self.left == 0 {
                        self.blank = true;
                        State::Trailer
                    } else {
                        State::Data
                    }
                }
                (State::DataEnd, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => {
                    self.line = 0;
                    State::Size
                }
                (State::Trailer, b'\r') => State::TrailerLf,
                (State::Trailer, _) => {
                    self.blank = false;
                    State::Trailer
                }
                (State::TrailerLf, b'\n') => {
                    if self.blank {
                        return Step::Done(at);
                    }
                    self.blank = true;
                    self.line = 0;
                    State::Trailer
                }
                _ => return Step::Bad,
            };
        }
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(body: &[u8], piece: usize) -> Option<usize> {
        let mut chunked = Chunked::default();
        let mut at = 0;
        for part in body.chunks(piece) {
            match chunked.advance(part) {
                Step::More => at += part.len(),
                Step::Done(taken) => return Some(at + taken),
                Step::Bad => return None,
            }
        }
        None
    }

    #[test]
    fn the_end_is_found_however_the_bytes_are_split() {
        for body in [
            &b"0\r\n\r\n"[..],
            b"3\r\nabc\r\n0\r\n\r\n",
            b"A;x=y\r\n0123456789\r\n000\r\nT: v\r\nU: w\r\n\r\n",
        ] {
            let with_more = [body, b"GET / HTTP/1.1\r\n"].concat();
            for piece in 1..with_more.len() {
                assert_eq!(end_of(&with_more, piece), Some(body.len()), "{piece}");
            }
        }
    }

    #[test]
    fn loose_framing_is_refused() {
        for body in [
            &b"\r\n"[..],
            b"3\nabc\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"-1\r\n",
            b"0x3\r\nabc\r\n",
            b"1000000000000000\r\n",
            b"3;ext\nabc\r\n",
            b"0\r\nT: v\n\r\n",
        ] {
            assert_eq!(end_of(body, 1), None, "{:?}", String::from_utf8_lossy(body));
        }
    }
}
