//! The path that rules see: decoded once, as the reference does, and refused when servers would disagree about
//! what it names. What goes upstream are the bytes the client sent.

use std::borrow::Cow;

/// Why a path is refused. All answers are 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A segment that is `.` or `..` after one decoding. The text is the body the reference answers with.
    #[error("path contains dot segments")]
    DotSegment,
    /// A dot segment with parameters (`/..;x/`), which some servers strip before they resolve it.
    #[error("path contains dot segments with parameters")]
    ParameterDotSegment,
    /// A dot segment for servers to which `\` is a slash.
    #[error("path contains dot segments behind a backslash")]
    BackslashDotSegment,
    /// A dot segment that appears when the path is decoded once more.
    #[error("path contains dot segments under a second encoding")]
    EncodedDotSegment,
    /// `%00`, which ends the path for some servers.
    #[error("path contains a NUL")]
    Nul,
    /// `%` without two hexadecimal digits.
    #[error("path contains an invalid escape")]
    Escape,
    /// `%0D` or `%0A`, which ends the line for servers that write the path into a header or a log.
    #[error("path contains an encoded line end")]
    LineEnd,
    /// An overlong UTF-8 form (`%C0%AE` for a dot), which lenient decoders take for the character itself.
    #[error("path contains an overlong UTF-8 form")]
    Overlong,
}

/// Decodes the path of a request (no query) once. Octets that are not UTF-8 stay as the escapes they were
/// written as, so that nothing is lost and two different paths do not look alike by being replaced.
///
/// # Errors
/// [`PathError`]; `/..x`, `/.hidden`, `//a`, `/a\b` and `/a;x` are fine.
pub fn decode_path(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let decoded = decode_once(raw)?;
    if decoded.contains('\0') {
        return Err(PathError::Nul);
    }
    if decoded.contains(['\r', '\n']) {
        return Err(PathError::LineEnd);
    }
    // Without a dot, encoded or not, there is nothing to find below.
    if !decoded.contains(['.', '%']) {
        return Ok(decoded);
    }
    if let Some(error) = dot_segment(&decoded) {
        return Err(error);
    }
    if decoded.contains('%') && dot_segment(&decode_fully(&decoded)).is_some() {
        return Err(PathError::EncodedDotSegment);
    }
    Ok(decoded)
}

fn decode_once(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            decoded.push(byte);
            at += 1;
            continue;
        }
        decoded.push(escape(bytes.get(at + 1..at + 3)).ok_or(PathError::Escape)?);
        at += 3;
    }
    if decoded.windows(2).any(is_overlong) {
        return Err(PathError::Overlong);
    }
    Ok(Cow::Owned(utf8_or_escapes(decoded)))
}

/// The first two octets of a form that is longer than its character needs (RFC 3629 section 3).
fn is_overlong(octets: &[u8]) -> bool {
    matches!(octets, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
}

fn escape(digits: Option<&[u8]>) -> Option<u8> {
    let [high, low] = digits? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(*high)? << 4 | digit(*low)?) as u8)
}

fn utf8_or_escapes(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(percent_encoding::percent_encode_byte(*byte));
        }
    }
    text
}

/// Decodes until nothing is left to decode, in one pass: an escape that a decoded character completes is taken at
/// once. (A loop of whole passes would be quadratic on `%2525252525…`.)
fn decode_fully(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        out.push(byte);
        while let [.., b'%', high, low] = out[..] {
            let Some(decoded) = escape(Some(&[high, low])) else { break };
            out.truncate(out.len() - 3);
            out.push(decoded);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn dot_segment(path: &str) -> Option<PathError> {
    let is_dots = |segment: &str| segment == "." || segment == "..";
    if path.split('/').any(is_dots) {
        return Some(PathError::DotSegment);
    }
    let parameters = |segment: &str| segment.split_once(';').is_some_and(|(name, _)| is_dots(name));
    if path.split('/').any(parameters) {
        return Some(PathError::ParameterDotSegment);
    }
    path.split(['/', '\\'])
        .any(|segment| is_dots(segment) || parameters(segment))
        .then_some(PathError::BackslashDotSegment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_overlong_forms_are_refused_and_their_neighbours_pass() {
        for (raw, want) in [
            ("/a%0d%0aX", PathError::LineEnd),
            ("/a%0A", PathError::LineEnd),
            ("/%c0%ae%c0%ae/x", PathError::Overlong),
            ("/%e0%80%af", PathError::Overlong),
            ("/%f0%80%80%ae", PathError::Overlong),
        ] {
            assert_eq!(decode_path(raw), Err(want), "{raw}");
        }
        for raw in ["/a%09b", "/%c3%a9", "/%e0%a4%85", "/%f0%9f%98%80", "/%c0"] {
            assert!(decode_path(raw).is_ok(), "{raw}");
        }
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (raw, want) in [
            ("/a/b", "/a/b"),
            ("", ""),
            ("*", "*"),
            ("/%61dmin%2Fx", "/admin/x"),
            ("/a%252Fb", "/a%2Fb"),
            ("/%E2%82%AC", "/€"),
            ("/a%ffb", "/a%FFb"),
            ("/..x", "/..x"),
            ("/x..", "/x.."),
            ("/.hidden", "/.hidden"),
            ("/...", "/..."),
            ("//a", "//a"),
            ("/a;x=..", "/a;x=.."),
            ("/a\\b", "/a\\b"),
            ("/100%25", "/100%"),
            ("/a%252ejson", "/a%2ejson"),
        ] {
            assert_eq!(decode_path(raw).unwrap(), want, "{raw}");
        }
    }

    #[test]
    fn paths_that_servers_read_differently_are_refused() {
        use PathError as E;
        for (raw, want) in [
            ("/.", E::DotSegment),
            ("/a/../b", E::DotSegment),
            ("/%2e%2E/", E::DotSegment),
            ("/..%2fx", E::DotSegment),
            ("/.%2e", E::DotSegment),
            ("/a/..;/b", E::ParameterDotSegment),
            ("/a/.;x", E::ParameterDotSegment),
            ("/a/..%3b/b", E::ParameterDotSegment),
            ("/..\\x", E::BackslashDotSegment),
            ("/a\\..\\x", E::BackslashDotSegment),
            ("/a%5c%2e%2e", E::BackslashDotSegment),
            ("/a\\..;x", E::BackslashDotSegment),
            ("/%252e%252e/x", E::EncodedDotSegment),
            ("/..%252fx", E::EncodedDotSegment),
            ("/%25252e%25252e", E::EncodedDotSegment),
            ("/%25%32%65.", E::EncodedDotSegment),
            ("/a%2500/%252e", E::EncodedDotSegment),
            ("/a%00", E::Nul),
            ("/%", E::Escape),
            ("/%2", E::Escape),
            ("/%zz", E::Escape),
            ("/%+1", E::Escape),
        ] {
            assert_eq!(decode_path(raw).unwrap_err(), want, "{raw}");
        }
    }

    #[test]
    fn deep_encodings_take_one_pass() {
        let raw = format!("/%{}2e", "25".repeat(200_000));
        assert_eq!(decode_path(&raw).unwrap_err(), PathError::EncodedDotSegment);
        let raw = format!("/%{}41", "25".repeat(200_000));
        assert!(decode_path(&raw).is_ok());
    }
}
