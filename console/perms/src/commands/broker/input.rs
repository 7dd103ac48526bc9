//! Secret values of options: `@FILE`, `-` for standard input, or the value itself.

use std::io::Read as _;

use zeroize::{Zeroize as _, Zeroizing};

use crate::args::Sensitive;
use crate::failure::Failure;
use crate::session::Session;

/// Largest value, in bytes.
const LARGEST: usize = 64 * 1024;

/// Reads values; standard input gives one only.
#[derive(Default)]
pub(super) struct Input {
    is_stdin_taken: bool,
}

impl Input {
    /// The value of an option, without the newline at its end.
    ///
    /// # Errors
    /// [`Failure::BadInput`]
    pub(super) fn read(
        &mut self,
        session: &Session,
        option: &'static str,
        value: &Sensitive,
    ) -> Result<Zeroizing<String>, Failure> {
        self.text(session, option, value.expose())
    }

    /// The same for a text.
    ///
    /// # Errors
    /// [`Failure::BadInput`]
    pub(super) fn text(
        &mut self,
        session: &Session,
        option: &'static str,
        text: &str,
    ) -> Result<Zeroizing<String>, Failure> {
        let bad = |problem: String| Failure::BadInput { option, problem };
        if text == "-" {
            if std::mem::replace(&mut self.is_stdin_taken, true) {
                return Err(bad("standard input was read for another option already".to_owned()));
            }
            return value(std::io::stdin().lock())
                .map_err(|problem| bad(format!("standard input: {problem}")));
        }
        if let Some(path) = text.strip_prefix('@') {
            let file = std::fs::File::open(path).map_err(|error| bad(format!("{path}: {}", error.kind())))?;
            return value(file).map_err(|problem| bad(format!("{path}: {problem}")));
        }
        let advice = format!(
            "{option} is in the command line, where other users and the shell's history see it; use @FILE or -"
        );
        session.warn("secret_in_arguments", advice);
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn value(reader: impl std::io::Read) -> Result<Zeroizing<String>, String> {
    // A buffer that grows by itself would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    reader.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.kind().to_string())?;
    if bytes.len() > LARGEST {
        return Err(format!("is larger than {LARGEST} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let text = Zeroizing::new(text.to_owned());
    bytes.zeroize();
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_no_part_of_a_value() {
        for (bytes, wanted) in [
            (&b"fake\n"[..], Ok("fake")),
            (b"fake\r\n", Ok("fake")),
            (b"fake\n\n", Ok("fake\n")),
            (b" fake", Ok(" fake")),
            (b"\n", Err("is empty")),
            (b"", Err("is empty")),
            (b"\xff", Err("is not UTF-8")),
        ] {
            let read = value(bytes);
            assert_eq!(read.as_ref().map(|text| text.as_str()).map_err(String::as_str), wanted);
        }
        assert!(value(std::io::repeat(b'x')).is_err());
    }
}
