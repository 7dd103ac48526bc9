//! HTTP/2 by hand: enough to send any fields at all, and to read the status that comes back.

const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// What a frame means to an attacker.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A response head with this status.
    Status(u16),
    /// The stream or the connection was reset.
    Reset,
    /// Must be answered with these bytes.
    Answer(Vec<u8>),
    /// Anything else.
    Other,
}

/// Preface and empty settings.
pub fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(SETTINGS, 0, 0, &[]).as_slice()].concat()
}

/// A whole request without content on `stream`.
pub fn request(stream: u32, fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // Literal without indexing, new name, no Huffman: any bytes can be said.
        block.push(0);
        block.extend(length(name.len()));
        block.extend_from_slice(name);
        block.extend(length(value.len()));
        block.extend_from_slice(value);
    }
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

/// Takes one frame off `buf`, when it is there, and says what it means for `stream`.
pub fn event(buf: &mut Vec<u8>, stream: u32) -> Option<Event> {
    let head = buf.get(..FRAME_HEAD)?;
    let size = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let (kind, flags) = (head[3], head[4]);
    let id = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    let payload = buf.get(FRAME_HEAD..FRAME_HEAD + size)?.to_vec();
    buf.drain(..FRAME_HEAD + size);
    Some(match kind {
        HEADERS if id == stream => {
            block(&payload, flags).and_then(status).map_or(Event::Other, Event::Status)
        }
        RST_STREAM if id == stream => Event::Reset,
        GOAWAY => Event::Reset,
        SETTINGS if flags & ACK == 0 => Event::Answer(frame(SETTINGS, ACK, 0, &[])),
        PING if flags & ACK == 0 => Event::Answer(frame(PING, ACK, 0, &payload)),
        _ => Event::Other,
    })
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An integer with a seven-bit prefix (RFC 7541, 5.1).
fn length(mut value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap_or(0)];
    }
    let mut out = vec![127];
    value -= 127;
    while value >= 128 {
        out.push(u8::try_from(value % 128).unwrap_or(0) | 128);
        value /= 128;
    }
    out.push(u8::try_from(value).unwrap_or(0));
    out
}

fn block(payload: &[u8], flags: u8) -> Option<&[u8]> {
    let padding = if flags & PADDED > 0 { usize::from(*payload.first()?) } else { 0 };
    let start = usize::from(flags & PADDED > 0) + if flags & PRIORITY > 0 { 5 } else { 0 };
    payload.get(start..payload.len().checked_sub(padding)?)
}

/// `:status`, which comes first, after at most a change of table size.
fn status(mut block: &[u8]) -> Option<u16> {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    while block.first().is_some_and(|byte| byte & 0xe0 == 0x20) {
        let long = block[0] & 0x1f == 0x1f;
        let rest = &block[1..];
        let skip = if long { rest.iter().position(|byte| byte & 128 == 0)? + 1 } else { 0 };
        block = &rest[skip..];
    }
    let first = *block.first()?;
    if first & 128 > 0 {
        return STATIC.get(usize::from(first & 127).checked_sub(8)?).copied();
    }
    // A literal with one of the names 8 to 14, which are all `:status`.
    let name = if first & 0x40 > 0 { first & 0x3f } else { first & 0x0f };
    if !(8..=14).contains(&name) {
        return None;
    }
    let size = *block.get(1)?;
    let text = block.get(2..2 + usize::from(size & 127))?;
    if size & 128 > 0 { huffman_digits(text) } else { std::str::from_utf8(text).ok()?.parse().ok() }
}

/// Three digits in the Huffman code of RFC 7541, appendix B: 0, 1, 2 have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| u16::from(byte >> shift & 1)));
    let mut value = 0;
    for _ in 0..3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code << 1 | bits.next()?;
        }
        let digit = if code <= 2 { code } else { (code << 1 | bits.next()?).checked_sub(0x19)? + 3 };
        if digit > 9 {
            return None;
        }
        value = value * 10 + digit;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{Event, event, frame, huffman_digits, length, status};

    #[test]
    fn statuses_are_read_in_every_form() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x3f, 0xe1, 0x1f, 0x8c]), Some(400));
        assert_eq!(status(b"\x48\x03403"), Some(403));
        assert_eq!(status(b"\x08\x03502"), Some(502));
        // "302" as in RFC 7541, C.6.1.
        assert_eq!(huffman_digits(&[0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
    }

    #[test]
    fn frames_are_taken_whole() {
        let mut buf = frame(1, 4, 1, &[0x88]);
        let rest = buf.split_off(5);
        assert_eq!(event(&mut buf, 1), None);
        buf.extend(rest);
        assert_eq!(event(&mut buf, 1), Some(Event::Status(200)));
        assert!(buf.is_empty());
        assert_eq!(length(1337 + 96), [127, 0x9a, 0x0a]);
    }
}
