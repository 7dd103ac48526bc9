//! What a request may ask for when its answer has to be searched.

use http::header::{HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE};

use crate::codec::limit_accept_encoding;
use crate::engine::MIN_CUT;
use crate::headers::retain;

/// Prepares a request whose answer will be searched: only codings we can decode are accepted, gRPC messages
/// come uncompressed, and ranges that would show a value in small pieces are not asked for.
pub fn prepare_request(headers: &mut HeaderMap) {
    limit_accept_encoding(headers);
    for name in [GRPC_ACCEPT_ENCODING, CONNECT_ACCEPT_ENCODING] {
        if let Some(accepted) = headers.get_mut(&name) {
            *accepted = HeaderValue::from_static("identity");
        }
    }
    let mut ranges = headers.get_all(RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (None, _) => {}
        (Some(one), None) if is_searchable(one.as_bytes()) => {}
        _ => retain(headers, |name| name != RANGE && name != IF_RANGE),
    }
}

const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const CONNECT_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// Whether a value that an edge of the range cuts can be recognised in it: one range of bytes (RFC 9110 section
/// 14.1.2), not shorter than the shortest piece that is. The very first byte is given to those who probe for support
/// of ranges.
fn is_searchable(range: &[u8]) -> bool {
    let parts = || {
        let (unit, range) = std::str::from_utf8(range).ok()?.split_once('=')?;
        let (first, last) = range.split_once('-')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some((first.trim(), last.trim()))
    };
    let least = MIN_CUT as u64;
    match parts() {
        None => false,
        Some(("", length)) => number(length).is_some_and(|length| length >= least),
        Some((first, "")) => number(first).is_some(),
        Some((first, last)) => match (number(first), number(last)) {
            (Some(0), Some(0)) => true,
            (Some(first), Some(last)) => last.checked_sub(first).is_some_and(|more| more >= least - 1),
            _ => false,
        },
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header_map;

    fn prepared(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = header_map(fields);
        prepare_request(&mut headers);
        headers
    }

    #[test]
    fn ranges_that_would_show_a_value_in_small_pieces_are_not_asked_for() {
        let kept = ["bytes=0-", "bytes=4711-", "bytes=0-0", "bytes=-4", "bytes=5-8", "Bytes = 10-99999999"];
        for range in kept {
            let headers = prepared(&[("range", range), ("if-range", "\"e\"")]);
            assert_eq!(headers["range"], range);
            assert_eq!(headers["if-range"], "\"e\"");
        }
        let dropped = [
            "bytes=1-1",
            "bytes=5-7",
            "bytes=-3",
            "bytes=9-8",
            "bytes=0-99,200-299",
            "bytes=0-99999999999999999999999",
            "bytes=+1-9",
            "bytes=-",
            "bytes",
            "lines=1-50",
        ];
        for range in dropped {
            let headers = prepared(&[("range", range), ("if-range", "\"e\""), ("accept", "a")]);
            assert_eq!(
                headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
                ["accept", "accept-encoding"]
            );
        }
        let twice = prepared(&[("range", "bytes=0-"), ("range", "bytes=7-")]);
        assert!(!twice.contains_key("range"));
    }

    #[test]
    fn messages_are_asked_for_uncompressed_and_nothing_is_added_where_nothing_was_said() {
        let headers =
            prepared(&[("grpc-accept-encoding", "gzip, identity"), ("connect-accept-encoding", "br")]);
        assert_eq!(headers["grpc-accept-encoding"], "identity");
        assert_eq!(headers["connect-accept-encoding"], "identity");
        assert_eq!(prepared(&[]).keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept-encoding"]);
    }
}
