//! Bodies that keep their lengths: messages, files, ranges.

use super::*;
use crate::escape::percent_decode;

/// A gRPC message in its frame (gRPC over HTTP/2, "Length-Prefixed-Message").
fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

/// Field 1 of a protocol buffer, a text of less than 128 bytes.
fn field(text: &str) -> Vec<u8> {
    [&[0x0a, text.len() as u8][..], text.as_bytes()].concat()
}

/// Takes frames and fields apart again; fails where a length does not fit.
fn texts(mut body: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let [0, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (message, rest) = rest.split_at(length);
        let [0x0a, length, text @ ..] = message else { panic!("not a field: {message:?}") };
        assert_eq!(usize::from(*length), text.len());
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        body = rest;
    }
    assert!(body.is_empty(), "{body:?}");
    texts
}

#[test]
fn a_grpc_message_that_reflects_a_value_still_parses() {
    let messages = [field(&format!("say {VALUE}!")), field("nothing"), field(VALUE)];
    let wire = messages.map(|m| framed(&m)).concat();
    for size in [1, 3, 7, wire.len()] {
        let mut headers = header_map(&[("content-type", "application/grpc"), ("grpc-encoding", "identity")]);
        let scrub = set().response(&Method::POST, StatusCode::OK, &mut headers).unwrap().body.unwrap();
        let hits = scrub.hits();
        let trailers = header_map(&[("grpc-status", "0"), ("grpc-message", VALUE)]);
        let all = collect(scrub.wrap(Frames::cut(&wire, &[size]).trailers(trailers)));
        let filled = format!("{PLACEHOLDER}{}", "*".repeat(VALUE.len() - PLACEHOLDER.len()));
        assert_eq!(texts(&all.bytes()), [format!("say {filled}!"), "nothing".to_owned(), filled]);
        let trailers = all.trailers.unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["grpc-message"], PLACEHOLDER);
        assert_eq!(hits.count(), 3);
    }
}

#[test]
fn a_longer_placeholder_is_cut_at_a_character() {
    let set = ScrubSet::builder().value(b"fake-key", "plätze-für".as_bytes()).build().unwrap().unwrap();
    for (value, want) in [("fake-key", "plätze-"), ("fake%2dkey", "plätze-f*")] {
        let mut headers = header_map(&[("content-type", "application/x-protobuf"), ("content-length", "99")]);
        let scrub = set.response(&Method::GET, StatusCode::OK, &mut headers).unwrap().body.unwrap();
        let all = collect(scrub.wrap(Frames::whole(value)));
        assert_eq!(all.text(), want);
        assert_eq!(headers["content-length"], "99");
    }
}

#[test]
fn a_grpc_web_text_keeps_its_length() {
    let wire = STANDARD.encode(framed(&field(VALUE)));
    let all =
        body(&set(), &[("content-type", "application/grpc-web-text")], Frames::cut(wire.as_bytes(), &[5]));
    let decoded = STANDARD.decode(all.bytes()).unwrap();
    assert_eq!(decoded[..7], framed(&field(VALUE))[..7]);
    assert_eq!(decoded.len(), framed(&field(VALUE)).len());
    assert!(!decoded.windows(6).any(|w| VALUE.as_bytes().windows(6).any(|v| v == w)));
}

#[test]
fn messages_that_are_compressed_one_by_one_are_refused_and_their_twin_passes() {
    let respond = |coding: &str| {
        let fields = [("content-type", "application/grpc+proto"), ("grpc-encoding", coding)];
        set().response(&Method::POST, StatusCode::OK, &mut header_map(&fields))
    };
    assert!(matches!(respond("gzip"), Err(ScrubError::Coding(CodecError::Messages))));
    assert!(respond("identity").is_ok());
}

#[test]
fn a_file_keeps_its_length_and_a_text_takes_the_whole_placeholder() {
    let text = format!("<{VALUE}>");
    for (content_type, keeps) in
        [("application/octet-stream", true), ("application/zip", true), ("text/plain", false), ("", false)]
    {
        let length = text.len().to_string();
        let mut headers = header_map(&[("content-type", content_type), ("content-length", &length)]);
        let scrub = set().response(&Method::GET, StatusCode::OK, &mut headers).unwrap().body.unwrap();
        assert_eq!(headers.contains_key("content-length"), keeps, "{content_type}");
        let wrapped = scrub.wrap(Frames::whole(&text));
        assert_eq!(http_body::Body::size_hint(&wrapped).exact().is_some(), keeps);
        let out = collect(wrapped).text();
        assert_eq!(out.len() == text.len(), keeps, "{out}");
        assert!(out.starts_with(&format!("<{PLACEHOLDER}")), "{out}");
    }
    let mut coded = header_map(&[
        ("content-type", "application/zip"),
        ("content-encoding", "gzip"),
        ("content-length", "9"),
    ]);
    assert!(set().response(&Method::GET, StatusCode::OK, &mut coded).is_ok());
    assert!(!coded.contains_key("content-length"), "encoded again");
}

const PARTS: &str = "fake/0123456789+abcdef=ghijkl";

fn part(document: &[u8], cuts: &[usize]) -> (Vec<u8>, u64) {
    let set = ScrubSet::builder().value(PARTS.as_bytes(), b"p-1").build().unwrap().unwrap();
    let mut headers = header_map(&[("content-range", "bytes 5-9/100"), ("content-length", "5")]);
    let scrub = set.response(&Method::GET, StatusCode::PARTIAL_CONTENT, &mut headers).unwrap().body.unwrap();
    assert_eq!(headers["content-length"], "5");
    let hits = scrub.hits();
    let all = collect(scrub.wrap(Frames::cut(document, cuts)));
    assert!(all.error.is_none());
    (all.bytes(), hits.count())
}

#[test]
fn a_value_that_the_edge_of_a_range_cuts_is_overwritten_from_four_bytes_on() {
    let (before, after) = ("it says ", " and so on");
    for cut in 0..=PARTS.len() {
        let (head, tail) = PARTS.split_at(cut);
        let stars = |piece: &str| if piece.len() < 4 { piece.to_owned() } else { "*".repeat(piece.len()) };
        let whole = |piece: &str| match piece.len() {
            0 => String::new(),
            n if n == PARTS.len() => format!("p-1{}", "*".repeat(n - 3)),
            _ => stars(piece),
        };
        for cuts in [&[1][..], &[2, 5], &[1000]] {
            let (first, hits) = part(format!("{before}{head}").as_bytes(), cuts);
            assert_eq!(String::from_utf8(first).unwrap(), format!("{before}{}", whole(head)));
            assert_eq!(hits, u64::from(head.len() >= 4));
            let (second, hits) = part(format!("{tail}{after}").as_bytes(), cuts);
            assert_eq!(String::from_utf8(second).unwrap(), format!("{}{after}", whole(tail)));
            assert_eq!(hits, u64::from(tail.len() >= 4));
        }
    }
}

#[test]
fn a_range_inside_a_value_is_overwritten_whole() {
    for first in 0..PARTS.len() {
        for last in first + 4..=PARTS.len() {
            let (out, hits) = part(&PARTS.as_bytes()[first..last], &[2]);
            let out = String::from_utf8(out).unwrap();
            assert!(out.trim_end_matches('*').is_empty() || out.starts_with("p-1"), "{out}");
            assert_eq!((out.len(), hits > 0), (last - first, true));
        }
    }
}

#[test]
fn what_only_resembles_the_edge_of_a_value_stays() {
    for text in ["jkl and fak", "fake", "kl", "ijk0 text fake/0123x", "0123456789"] {
        let (out, hits) = part(format!("{text}.").as_bytes(), &[1]);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{text}."));
        assert_eq!(hits, 0);
    }
}

#[test]
fn several_ranges_in_one_body_are_refused_and_one_passes() {
    let respond = |content_type: &str| {
        let mut headers = header_map(&[("content-type", content_type)]);
        set().response(&Method::GET, StatusCode::PARTIAL_CONTENT, &mut headers)
    };
    assert!(matches!(respond("Multipart/ByteRanges; boundary=x"), Err(ScrubError::ManyRanges)));
    assert!(respond("text/plain").is_ok());
}

/// Every spelling of the value's text in which ranges are tried.
fn spelled(spelling: usize) -> String {
    match spelling {
        0 => PARTS.to_owned(),
        1 => PARTS.replace('/', "%2F").replace('+', "%2b").replace('=', "%3D"),
        2 => PARTS.bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat(),
        3 => PARTS.replace('/', "\\/").replace('+', "\\u002b"),
        _ => PARTS.bytes().map(|b| format!("\\u{b:04x}")).collect::<Vec<_>>().concat(),
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).replace("\\/", "/");
    let mut out = percent_decode(text.as_bytes(), false);
    for byte in 0..=0x7f_u8 {
        let text =
            String::from_utf8_lossy(&out).replace(&format!("\\u{byte:04x}"), &char::from(byte).to_string());
        out = text.into_bytes();
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn no_range_of_a_reflected_value_shows_four_of_its_bytes(
        spelling in 0..5_usize,
        first in 0..200_usize,
        length in 4..250_usize,
        cuts in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let document = format!("<p>{}</p><p>{}</p>", spelled(spelling), spelled(spelling));
        let first = first.min(document.len() - 4);
        let range = &document.as_bytes()[first..document.len().min(first + length)];
        let (out, _) = part(range, &cuts);
        prop_assert_eq!(out.len(), range.len());
        let clear = unescaped(&out);
        let shown = clear.windows(4).find(|w| PARTS.as_bytes().windows(4).any(|v| v == *w));
        prop_assert!(shown.is_none(), "{} of {}", String::from_utf8_lossy(&out), String::from_utf8_lossy(range));
        prop_assert_eq!(part(range, &[1000]).0, out);
    }
}
