use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, StatusCode};
use proptest::prelude::*;

mod lengths;
mod websocket;

use super::*;
use crate::body::BodyError;
use crate::codec::{CodecError, Coding};
use crate::testing::{CODINGS, Collected, Frames, collect, decode, encode, header_map, name};

const VALUE: &str = "fake-s/cr+t \"v\\é=1";
const PLACEHOLDER: &str = "placeholder-1";

fn set() -> ScrubSet {
    ScrubSet::builder().value(VALUE.as_bytes(), PLACEHOLDER.as_bytes()).build().unwrap().unwrap()
}

fn scrubbed(text: &str) -> String {
    set().text(text.as_bytes()).map_or(text.to_owned(), |out| String::from_utf8(out).unwrap())
}

fn body(
    set: &ScrubSet,
    headers: &[(&'static str, &str)],
    body: Frames,
) -> Collected<BodyError<std::convert::Infallible>> {
    let mut headers = header_map(headers);
    let scrub = set.response(&Method::GET, StatusCode::OK, &mut headers).unwrap().body.unwrap();
    collect(scrub.wrap(body))
}

#[test]
fn a_value_is_replaced_however_it_is_written() {
    let forms = [
        VALUE.to_owned(),
        "fake-s%2Fcr%2Bt%20%22v%5C%C3%A9%3D1".to_owned(),
        "fake-s%2fcr%2bt+%22v%5c%c3%a9%3d1".to_owned(),
        "%66%61ke-s/cr%2Bt \"v\\é=1".to_owned(),
        serde_like_json(VALUE),
        r#"fake-s\/cr+t \"v\\\u00e9=1"#.to_owned(),
        r"fake-s\u002fcr\u002Bt \u0022v\u005c\u00E9\u003d1".to_owned(),
        VALUE.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect::<Vec<_>>().concat(),
    ];
    for form in forms {
        assert_eq!(scrubbed(&format!("<{form}>")), format!("<{PLACEHOLDER}>"), "{form}");
        let near = form.replacen("ke-", "kf-", 1);
        if near != form {
            assert_eq!(scrubbed(&near), near, "one letter off");
        }
    }
}

fn serde_like_json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[test]
fn a_value_is_replaced_inside_base64_at_every_alignment() {
    for before in ["", "u", "us", "usr", "user:"] {
        for after in ["", "!", "!!"] {
            let text = format!("{before}{VALUE}{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                let line = format!("Basic {encoded}, next");
                let out = scrubbed(&line);
                assert_eq!(out.len(), line.len(), "the length stays");
                let shown = out["Basic ".len()..].split(',').next().unwrap();
                let bytes = URL_SAFE_NO_PAD
                    .decode(shown.trim_end_matches('=').replace('+', "-").replace('/', "_"))
                    .unwrap();
                // At each end up to a byte shares a character with its neighbour and stays.
                let core = &VALUE.as_bytes()[1..VALUE.len() - 1];
                assert!(!bytes.windows(8).any(|w| core.windows(8).any(|c| c == w)), "{out}");
                assert!(bytes.starts_with(before.as_bytes()));
            }
        }
    }
}

#[test]
fn the_reencoded_basic_text_becomes_what_the_client_sent() {
    let (sent, had) = (STANDARD.encode("user:fake-value-9"), STANDARD.encode("user:placeholder-9"));
    let set = ScrubSet::builder()
        .value(b"fake-value-9", b"placeholder-9")
        .text(sent.as_bytes(), had.as_bytes())
        .build()
        .unwrap()
        .unwrap();
    let out = set.text(format!("got Basic {sent} and fake-value-9").as_bytes()).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("got Basic {had} and placeholder-9"));
}

#[test]
fn an_escape_before_a_value_does_not_hide_it() {
    let set = ScrubSet::builder().value(b"41deadbeef/x", b"p").build().unwrap().unwrap();
    for text in ["%41deadbeef/x", "%41deadbeef%2Fx", r"\u0041deadbeef/x", r"\u0041deadbeef\/x"] {
        let out = String::from_utf8(set.text(text.as_bytes()).unwrap()).unwrap();
        assert!(!out.contains("deadbeef"), "{text} {out}");
    }
}

#[test]
fn short_values_are_not_scrubbed_and_four_bytes_are() {
    assert!(ScrubSet::builder().value(b"abc", b"p").build().unwrap().is_none());
    let set = ScrubSet::builder().value(b"abc", b"p").value(b"abcd", b"q").build().unwrap().unwrap();
    assert_eq!(set.text(b"abc abcd").unwrap(), b"abc q");
}

#[test]
fn a_value_with_a_line_end_is_also_found_without_it_and_a_placeholder_never() {
    let set =
        ScrubSet::builder().value(b"fake-value\n", b"p").value(b"same", b"same").build().unwrap().unwrap();
    assert_eq!(set.text(b"fake-value\n fake-value same").unwrap(), b"p p same");
    assert!(set.text(b"same").is_none());
}

#[test]
fn of_two_values_that_begin_alike_the_longer_is_taken_whole() {
    let set = ScrubSet::builder()
        .value(b"fake-key", b"p1")
        .value(b"fake-key-long", b"p2")
        .build()
        .unwrap()
        .unwrap();
    assert_eq!(set.text(b"fake-key-long fake-key-").unwrap(), b"p2 p1-");
}

#[test]
fn header_fields_and_trailers_are_scrubbed_and_reported() {
    let set = ScrubSet::builder().value(b"fake-value", b"p-1").build().unwrap().unwrap();
    let mut headers = header_map(&[
        ("location", "/x?k=fake%2Dvalue"),
        ("content-length", "12"),
        ("etag", "same"),
        ("set-cookie", "a=fake-value"),
    ]);
    let scrubbed = set.response(&Method::GET, StatusCode::OK, &mut headers).unwrap();
    assert_eq!(scrubbed.headers.as_slice(), [0, 0]);
    let fields: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(fields, [("location", "/x?k=p-1"), ("etag", "same"), ("set-cookie", "a=p-1")]);

    let body = scrubbed.body.unwrap();
    let hits = body.hits();
    let trailers = header_map(&[("x-sum", "ok fake-value")]);
    let all = collect(body.wrap(Frames::cut(b"say fake-value, fake-val", &[3]).trailers(trailers)));
    assert_eq!(all.text(), "say p-1, fake-val");
    assert_eq!(all.trailers.unwrap()["x-sum"], "ok p-1");
    assert_eq!((hits.count(), hits.values().collect::<Vec<_>>()), (2, vec![0]));
}

#[test]
fn a_field_whose_name_holds_a_value_is_removed_and_its_neighbours_stay() {
    let mut builder = ScrubSet::builder();
    let set = builder.value(b"Fake-Key_1/2", b"p").value(b"short", b"q").build().unwrap().unwrap();
    let mut headers = header_map(&[
        ("x-a", "1"),
        ("fake-key_1%2f2", "reflected"),
        ("x-fake-key_1%2F2-id", "reflected"),
        ("fake-key_1", "near"),
        ("x-short", "of a short value"),
        ("x-b", "short"),
    ]);
    assert_eq!(set.headers(&mut headers).as_slice(), [0, 0, 1, 1]);
    let left: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(left, [("x-a", "1"), ("fake-key_1", "near"), ("x-short", "of a q value"), ("x-b", "q")]);
}

#[test]
fn a_trailer_whose_name_holds_a_value_is_removed_and_counted() {
    let set = ScrubSet::builder().value(b"fake-value", b"p-1").build().unwrap().unwrap();
    let scrub = set.response(&Method::GET, StatusCode::OK, &mut HeaderMap::new()).unwrap().body.unwrap();
    let hits = scrub.hits();
    let trailers = header_map(&[("fake-value", "1"), ("x-sum", "1")]);
    let all = collect(scrub.wrap(Frames::whole("text").trailers(trailers)));
    assert_eq!(all.trailers.unwrap().keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
    assert_eq!(hits.count(), 1);
}

#[test]
fn a_response_without_body_keeps_its_length() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 304), (Method::GET, 204)] {
        let mut headers = header_map(&[("content-length", "12"), ("content-encoding", "unknown")]);
        let status = StatusCode::from_u16(status).unwrap();
        let scrubbed = set().response(&method, status, &mut headers).unwrap();
        assert!(scrubbed.body.is_none());
        assert_eq!(headers["content-length"], "12");
    }
}

#[test]
fn what_cannot_be_searched_is_refused_and_its_twin_passes() {
    let respond = |status, coding: &str| {
        set().response(&Method::GET, status, &mut header_map(&[("content-encoding", coding)]))
    };
    assert!(matches!(respond(StatusCode::OK, "compress"), Err(ScrubError::Coding(CodecError::Unknown))));
    assert!(respond(StatusCode::OK, "gzip").is_ok());
    assert!(matches!(respond(StatusCode::PARTIAL_CONTENT, "gzip"), Err(ScrubError::EncodedRange)));
    assert!(respond(StatusCode::PARTIAL_CONTENT, "identity").is_ok());
}

#[test]
fn a_broken_coding_fails_the_body() {
    let encoded = encode(Coding::Gzip, b"text");
    let all = body(&set(), &[("content-encoding", "gzip")], Frames::whole(&encoded[..encoded.len() - 1]));
    assert!(matches!(all.error, Some(BodyError::Codec(CodecError::Cut(Coding::Gzip)))));
}

#[test]
fn an_untouched_body_goes_through_without_a_copy() {
    let text = "nothing to see ".repeat(1000);
    let all = body(&set(), &[], Frames::cut(text.as_bytes(), &[4000]));
    assert_eq!(all.frames.iter().map(Bytes::len).collect::<Vec<_>>(), [4000, 4000, 4000, 3000]);
    assert_eq!(all.text(), text);
}

#[test]
fn debug_shows_no_value() {
    let set = set();
    let response = set.response(&Method::GET, StatusCode::OK, &mut HeaderMap::new()).unwrap();
    let shown = format!("{set:?} {response:?} {:?}", set.websocket());
    assert!(!shown.contains("fake") && !shown.contains("102, 97"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_cut_and_any_coding_give_the_same_scrubbed_body(
        words in proptest::collection::vec(prop_oneof!["[a-z\\\\%\" ]{0,6}", Just(VALUE.to_owned()), Just("fake-s".to_owned()), Just("fake%2ds".to_owned())], 0..30),
        cuts in proptest::collection::vec(1..60_usize, 1..8),
        codings in proptest::collection::vec(0..4_usize, 0..3),
    ) {
        let text = words.concat();
        let want = text.replace(VALUE, PLACEHOLDER);
        let codings: Vec<Coding> = codings.iter().map(|&i| CODINGS[i]).collect();
        let list = codings.iter().map(|&c| name(c)).collect::<Vec<_>>().join(", ");
        let encoded = codings.iter().fold(text.into_bytes(), |text, &coding| encode(coding, &text));
        let trailers = header_map(&[("x-t", "1")]);
        let frames = Frames::cut(&encoded, &cuts).trailers(trailers);
        let all = body(&set(), &[("content-encoding", &list)], frames);
        prop_assert!(all.error.is_none(), "{:?}", all.error);
        prop_assert!(all.trailers.is_some());
        let decoded = codings.iter().rev().fold(all.bytes(), |bytes, &coding| decode(coding, &bytes));
        prop_assert_eq!(String::from_utf8(decoded).unwrap(), want);
    }
}
