use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request};
use http_body::Body as _;
use proptest::prelude::*;

use super::*;
use crate::body::{BodyError, Misfit, Missing};
use crate::codec::{CodecError, Coding};
use crate::testing::{CODINGS, Frames, collect, decode, encode, header_map, name};

fn spec(placeholder: &str) -> ReplaceSpec {
    ReplaceSpec {
        placeholder: placeholder.to_owned(),
        match_headers: Vec::new(),
        match_body: false,
        match_query: false,
        match_query_params: Vec::new(),
        match_path: false,
        require: false,
    }
}

fn literal(name: &str) -> HeaderMatcher {
    HeaderMatcher::Name(name.to_owned())
}

fn pattern(text: &str) -> HeaderMatcher {
    HeaderMatcher::Pattern(regex::RegexBuilder::new(text).case_insensitive(true).build().unwrap())
}

fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn fields(parts: &Parts) -> Vec<(&str, &str)> {
    parts.headers.iter().map(|(n, v)| (n.as_str(), std::str::from_utf8(v.as_bytes()).unwrap())).collect()
}

fn locations(swapped: &Swapped, entry: usize) -> Vec<String> {
    swapped.entries[entry].locations.iter().map(ToString::to_string).collect()
}

/// Swaps one entry with the value `fake/v` and gives the request and where it hit.
fn one(spec: ReplaceSpec, uri: &str, headers: &[(&str, &str)]) -> (Parts, Vec<String>) {
    let set = SwapSet::new([&spec]).unwrap();
    let mut parts = parts(uri, headers);
    let swapped = set.head(&[Some("fake/v")], &mut parts).unwrap();
    (parts, locations(&swapped, 0))
}

#[test]
fn every_header_is_searched_when_none_is_named() {
    let headers = [
        ("host", "tok-1"),
        ("cookie", "a=tok-1; b=tok-1"),
        ("x-a", "none"),
        ("x-b", "tok-1"),
        ("x-b", "tok-1"),
        ("proxy-authorization", "tok-1"),
    ];
    let (parts, hits) = one(spec("tok-1"), "/", &headers);
    assert_eq!(
        fields(&parts),
        [
            ("host", "tok-1"),
            ("cookie", "a=fake/v; b=fake/v"),
            ("x-a", "none"),
            ("x-b", "fake/v"),
            ("x-b", "fake/v"),
            ("proxy-authorization", "tok-1"),
        ]
    );
    assert_eq!(hits, ["header:Cookie", "header:X-B", "header:X-B"]);
    assert!(parts.headers["cookie"].is_sensitive());
    assert!(!parts.headers["x-a"].is_sensitive());
}

#[test]
fn named_headers_are_searched_and_spelled_as_configured_when_hit() {
    let mut entry = spec("tok-1");
    entry.match_headers = vec![pattern("^x-acme-"), literal("X-acme-TOKEN"), literal("X-Unhit")];
    let headers = [
        ("x-acme-token", "tok-1"),
        ("x-acme-token", "tok-1"),
        ("x-acme-b", "tok-1"),
        ("x-c", "tok-1"),
        ("x-unhit", "-"),
    ];
    let set = SwapSet::new([&entry]).unwrap();
    let mut parts = parts("/", &headers);
    let swapped = set.head(&[Some("fake")], &mut parts).unwrap();
    assert_eq!(
        fields(&parts),
        [
            ("x-acme-token", "fake"),
            ("x-acme-token", "fake"),
            ("x-acme-b", "fake"),
            ("x-c", "tok-1"),
            ("x-unhit", "-")
        ]
    );
    assert_eq!(locations(&swapped, 0), ["header:X-acme-TOKEN", "header:X-Acme-B"]);
    assert_eq!(swapped.spellings, [("x-acme-token".parse().unwrap(), "X-acme-TOKEN".to_owned())]);
}

#[test]
fn basic_credentials_are_searched_decoded_and_keep_their_spelling() {
    let cases = [
        ("Basic ", STANDARD.encode("user:tok-1"), STANDARD.encode("user:fake/v")),
        ("basic ", STANDARD.encode("tok-1:x"), STANDARD.encode("fake/v:x")),
        ("BASIC  ", STANDARD_NO_PAD.encode("tok-1:xy"), STANDARD_NO_PAD.encode("fake/v:xy")),
        ("Basic ", URL_SAFE_NO_PAD.encode("?~~>:tok-1"), URL_SAFE_NO_PAD.encode("?~~>:fake/v")),
        ("Basic ", STANDARD.encode("user:other"), STANDARD.encode("user:other")),
        ("Basic ", "tok-1".to_owned(), "fake/v".to_owned()),
        ("Bearer ", STANDARD.encode("user:tok-1"), STANDARD.encode("user:tok-1")),
        ("Basictok-1", String::new(), String::new()),
    ];
    for (scheme, encoded, want) in cases {
        let (parts, hits) = one(spec("tok-1"), "/", &[("authorization", &format!("{scheme}{encoded}"))]);
        let scheme = scheme.replace("tok-1", "fake/v");
        assert_eq!(fields(&parts), [("authorization", format!("{scheme}{want}").as_str())]);
        assert_eq!(hits.is_empty(), encoded == want && !scheme.contains("fake"), "{scheme}{encoded}");
    }
    let (parts, _) = one(spec("tok-1"), "/", &[("x-auth", &format!("Basic {}", STANDARD.encode("tok-1:")))]);
    assert_eq!(fields(&parts)[0].1, format!("Basic {}", STANDARD.encode("tok-1:")));
}

#[test]
fn the_basic_text_that_is_sent_is_reported_for_scrubbing() {
    let set = SwapSet::new([&spec("tok-1")]).unwrap();
    let had = STANDARD.encode("u:tok-1");
    let mut parts = parts("/", &[("authorization", &format!("Basic {had}"))]);
    let swapped = set.head(&[Some("fake")], &mut parts).unwrap();
    let (sent, former) = &swapped.basic[0];
    assert_eq!((sent.expose(), former), (&STANDARD.encode("u:fake"), &had));
}

#[test]
fn a_value_with_a_line_end_is_refused_in_a_header_but_not_in_basic_or_a_query() {
    let mut entry = spec("tok-1");
    entry.match_query = true;
    let set = SwapSet::new([&entry]).unwrap();
    let values = [Some("fake\r\nX-Evil: 1")];
    let mut bad = parts("/", &[("x-key", "tok-1")]);
    assert_eq!(set.head(&values, &mut bad).err(), Some(SwapError::Unsendable { entry: 0 }));
    let mut basic = parts("/", &[("authorization", &format!("Basic {}", STANDARD.encode(":tok-1")))]);
    set.head(&values, &mut basic).unwrap();
    let mut query = parts("/?a=tok-1", &[]);
    set.head(&values, &mut query).unwrap();
    assert_eq!(query.uri.query(), Some("a=fake%0D%0AX-Evil%3A+1"));
}

#[test]
fn in_a_query_only_the_bytes_of_a_find_in_a_value_change() {
    let cases = [
        ("z=1&a=tok-1&b&c=%20q", "z=1&a=fake%2Fv&b&c=%20q", "query:a"),
        ("a=x%41tok%2d1%zz&b;c=1", "a=x%41fake%2Fv%zz&b;c=1", "query:a"),
        ("tok-1=x&tok-1", "tok-1=x&tok-1", ""),
        ("k%65y=%74ok-1tok-1", "k%65y=fake%2Fvfake%2Fv", "query:key"),
        ("a=b=tok-1", "a=b=fake%2Fv", "query:a"),
        ("a=%2541tok-1&=tok-1", "a=%2541fake%2Fv&=fake%2Fv", "query:a query:"),
        ("", "", ""),
    ];
    for (query, want, hits) in cases {
        let mut entry = spec("tok-1");
        entry.match_query = true;
        let (parts, found) = one(entry, &format!("/tok-1?{query}"), &[]);
        assert_eq!(parts.uri.to_string(), format!("/tok-1?{want}"));
        assert_eq!(found.join(" "), hits);
        let (parts, found) = one(spec("tok-1"), &format!("/?{query}"), &[]);
        assert_eq!((parts.uri.query(), found.len()), (Some(query), 0), "off by default");
    }
}

#[test]
fn a_named_parameter_is_swapped_and_the_same_placeholder_elsewhere_is_not() {
    let named = |names: &[&str]| ReplaceSpec {
        match_query_params: names.iter().map(|name| (*name).to_owned()).collect(),
        match_headers: vec![pattern("^$")],
        ..spec("tok-1")
    };
    for (query, want, hits) in [
        ("key=tok-1", "key=fake%2Fv", "query:key"),
        ("q=tok-1&key=tok-1&tok-1", "q=tok-1&key=fake%2Fv&tok-1", "query:key"),
        ("k%65y=xtok%2D1&key=tok-1", "k%65y=xfake%2Fv&key=fake%2Fv", "query:key query:key"),
        ("a+b=tok-1&a%20b=tok-1", "a+b=fake%2Fv&a%20b=fake%2Fv", "query:a b query:a b"),
        ("Key=tok-1&keys=tok-1&key", "Key=tok-1&keys=tok-1&key", ""),
        ("tok-1=key", "tok-1=key", ""),
    ] {
        let (parts, found) = one(named(&["key", "a b"]), &format!("/tok-1?{query}"), &[("x-key", "tok-1")]);
        assert_eq!(parts.uri.to_string(), format!("/tok-1?{want}"));
        assert_eq!(found.join(" "), hits, "{query}");
        assert_eq!(fields(&parts), [("x-key", "tok-1")]);
    }
    assert_eq!(verdict(named(&["key"]), "/?key=tok-1", &[]), Verdict::Pass);
    assert_eq!(verdict(named(&["key"]), "/tok-1?q=tok-1", &[("x-key", "tok-1")]), Verdict::Absent);
}

#[test]
fn each_parameter_has_the_entries_that_look_there() {
    let entries = [
        ReplaceSpec { match_query_params: vec!["key".to_owned()], ..spec("tok-1") },
        ReplaceSpec { match_query: true, ..spec("tok-2") },
        ReplaceSpec { match_query_params: vec!["key".to_owned(), "sig".to_owned()], ..spec("tok-3") },
    ];
    let set = SwapSet::new(&entries).unwrap();
    let swap = |values: &Values<'_>| {
        let mut parts = parts("/?key=tok-1.tok-2.tok-3&sig=tok-1.tok-2.tok-3&q=tok-1.tok-2.tok-3", &[]);
        set.head(values, &mut parts).unwrap();
        parts.uri.query().unwrap().to_owned()
    };
    assert_eq!(swap(&[Some("A"), Some("B"), Some("C")]), "key=A.B.C&sig=tok-1.B.C&q=tok-1.B.tok-3");
    assert_eq!(swap(&[Some("A"), None, Some("C")]), "key=A.tok-2.C&sig=tok-1.tok-2.C&q=tok-1.tok-2.tok-3");
    assert_eq!(swap(&[None, Some("B"), None]), "key=tok-1.B.tok-3&sig=tok-1.B.tok-3&q=tok-1.B.tok-3");
    // A value that holds a later placeholder is swapped again only where that one is looked for.
    assert_eq!(
        swap(&[Some("tok-3"), None, Some("C")]),
        "key=C.tok-2.C&sig=tok-1.tok-2.C&q=tok-1.tok-2.tok-3"
    );
}

#[test]
fn in_a_path_only_the_bytes_of_a_find_change() {
    let cases = [
        ("/a%2Fb/tok-1/(x)!", "/a%2Fb/fake/v/(x)!", 1),
        ("/%54ok/%74ok%2D1", "/%54ok/fake/v", 1),
        ("/tok-1tok-1", "/fake/vfake/v", 1),
        ("/other?tok-1", "/other?tok-1", 0),
    ];
    for (uri, want, hits) in cases {
        let mut entry = spec("tok-1");
        entry.match_path = true;
        let (parts, found) = one(entry, uri, &[]);
        assert_eq!((parts.uri.to_string().as_str(), found.len()), (want, hits));
    }
    let mut entry = spec("tok-1");
    entry.match_path = true;
    let set = SwapSet::new([&entry]).unwrap();
    let mut parts = parts("https://h.test/x/tok-1", &[]);
    set.head(&[Some("a?b%c d#e")], &mut parts).unwrap();
    assert_eq!(parts.uri.to_string(), "https://h.test/x/a%3Fb%25c%20d%23e");
}

#[test]
fn a_value_cannot_add_a_dot_segment_to_the_path() {
    let mut entry = spec("tok-1");
    entry.match_path = true;
    let set = SwapSet::new([&entry]).unwrap();
    for (value, refused) in
        [("..", true), ("a/../b", true), ("..\\x", true), (".;x", true), ("..a", false), ("a.", false)]
    {
        let mut parts = parts("/v1/tok-1/x", &[]);
        let result = set.head(&[Some(value)], &mut parts);
        assert_eq!(result.err() == Some(SwapError::DotSegment), refused, "{value}");
    }
}

#[test]
fn entries_are_applied_in_order_each_to_the_output_of_those_before() {
    let mut entries = [spec("tok-1"), spec("tok-12"), spec("chain")];
    for entry in &mut entries {
        (entry.match_query, entry.match_path, entry.match_body) = (true, true, true);
    }
    let set = SwapSet::new(&entries).unwrap();
    let values = [Some("A-chain"), Some("B"), Some("C")];
    let mut parts = parts("/tok-12/chain?q=tok-1", &[("x", "tok-12 tok-1 chain")]);
    let swapped = set.head(&values, &mut parts).unwrap();
    assert_eq!(fields(&parts), [("x", "A-C2 A-C C")]);
    assert_eq!(parts.uri.to_string(), "/A-C2/C?q=A-C");
    assert_eq!(locations(&swapped, 0), ["header:X", "query:q", "path"]);
    assert!(locations(&swapped, 1).is_empty());
    let body = set.body(&values, &parts.headers).unwrap().unwrap();
    assert_eq!(collect(body.wrap(Frames::whole("tok-12 chain"))).text(), "A-C2 C");
}

#[test]
fn an_entry_without_value_leaves_its_placeholder_and_hides_no_other() {
    let mut entries = [spec("tok-1"), spec("tok-12")];
    for entry in &mut entries {
        (entry.match_query, entry.match_body) = (true, true);
    }
    let set = SwapSet::new(&entries).unwrap();
    let values = [None, Some("B")];
    let mut parts = parts("/?q=tok-12&r=tok-1", &[("x", "tok-12 tok-1")]);
    set.head(&values, &mut parts).unwrap();
    assert_eq!((fields(&parts)[0].1, parts.uri.query()), ("B tok-1", Some("q=B&r=tok-1")));
    let body = set.body(&values, &parts.headers).unwrap().unwrap();
    assert_eq!(collect(body.wrap(Frames::whole("tok-12 tok-1"))).text(), "B tok-1");
    assert!(set.body(&[None, None], &parts.headers).unwrap().is_none());
}

fn verdict(mut entry: ReplaceSpec, uri: &str, headers: &[(&str, &str)]) -> Verdict {
    entry.require = true;
    let set = SwapSet::new([&entry]).unwrap();
    let swapped = set.head(&[Some("fake")], &mut parts(uri, headers)).unwrap();
    set.verdict(0, &swapped)
}

#[test]
fn a_required_placeholder_must_be_there() {
    let named = || ReplaceSpec { match_headers: vec![literal("Authorization")], ..spec("tok-1") };
    assert_eq!(verdict(named(), "/", &[("authorization", "Bearer tok-1")]), Verdict::Pass);
    assert_eq!(verdict(named(), "/", &[]), Verdict::Absent);
    assert_eq!(verdict(named(), "/", &[("x-dummy", "tok-1")]), Verdict::Absent);
    assert_eq!(verdict(spec("tok-1"), "/", &[("proxy-authorization", "tok-1")]), Verdict::Absent);
    let body = ReplaceSpec { match_body: true, ..named() };
    assert_eq!(verdict(body, "/", &[]), Verdict::InBody);
    let query = ReplaceSpec { match_query: true, ..named() };
    assert_eq!(verdict(query, "/?a=tok-1", &[]), Verdict::Pass);
}

#[test]
fn a_competing_credential_is_named() {
    let named =
        || ReplaceSpec { match_headers: vec![literal("Authorization"), literal("X-Key")], ..spec("tok-1") };
    let competing = |name: &str| Verdict::Competing(name.parse().unwrap());
    let cases: [(&[(&str, &str)], Verdict); 5] = [
        (&[("authorization", "tok-1"), ("x-key", "own")], competing("x-key")),
        (&[("authorization", "tok-1"), ("authorization", "own")], competing("authorization")),
        (&[("authorization", "tok-1"), ("authorization", "tok-1")], Verdict::Pass),
        (&[("authorization", "tok-1"), ("x-key", " ")], Verdict::Pass),
        (&[("authorization", "tok-1"), ("x-goog-api-key", "own")], Verdict::Pass),
    ];
    for (headers, want) in cases {
        assert_eq!(verdict(named(), "/", headers), want, "{headers:?}");
    }
    let any: [(&[(&str, &str)], Verdict); 4] = [
        (&[("x-dummy", "tok-1"), ("authorization", "own")], competing("authorization")),
        (&[("authorization", "tok-1"), ("private-token", "own")], competing("private-token")),
        (&[("x-dummy", "tok-1"), ("x-other", "1")], Verdict::Pass),
        (&[("authorization", "tok-1"), ("proxy-authorization", "own")], Verdict::Pass),
    ];
    for (headers, want) in any {
        assert_eq!(verdict(spec("tok-1"), "/", headers), want, "{headers:?}");
    }
}

#[test]
fn another_entry_s_credential_does_not_compete_nor_do_cookie_crumbs() {
    let entries = [ReplaceSpec { require: true, ..spec("tok-a") }, spec("tok-b")];
    let set = SwapSet::new(&entries).unwrap();
    let mut request = parts("/", &[("authorization", "tok-a"), ("x-api-key", "tok-b")]);
    let swapped = set.head(&[Some("A"), Some("B")], &mut request).unwrap();
    assert_eq!(set.verdict(0, &swapped), Verdict::Pass);
    assert_eq!(set.verdict(1, &swapped), Verdict::Pass);
    let cookie = || ReplaceSpec { match_headers: vec![literal("Cookie")], ..spec("tok-1") };
    assert_eq!(verdict(cookie(), "/", &[("cookie", "a=1"), ("cookie", "s=tok-1")]), Verdict::Pass);
    assert_eq!(verdict(cookie(), "/", &[("cookie", "a=1")]), Verdict::Competing("cookie".parse().unwrap()));
}

fn in_body(placeholders: &[&str]) -> SwapSet {
    let entries: Vec<_> =
        placeholders.iter().map(|p| ReplaceSpec { match_body: true, require: true, ..spec(p) }).collect();
    SwapSet::new(&entries).unwrap()
}

#[test]
fn a_body_is_swapped_in_the_escapes_of_its_type() {
    let cases = [
        ("text/plain", "tok-1 %74ok-1", "fa\"ke/ %74ok-1"),
        ("", "tok-1", "fa\"ke/"),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            "a=%74ok-1&tok-1=b",
            "a=fa%22ke%2F&fa%22ke%2F=b",
        ),
        ("Application/JSON", r#"{"a":"x\n\u0074ok\u002D1"}"#, r#"{"a":"x\nfa\"ke/"}"#),
        ("application/vnd.api+json", r#"["tok-1"]"#, r#"["fa\"ke/"]"#),
        ("multipart/form-data; boundary=x", "--x\r\n\r\ntok-1\r\n--x--", "--x\r\n\r\nfa\"ke/\r\n--x--"),
    ];
    for (content_type, text, want) in cases {
        let headers = header_map(&[("content-type", content_type)]);
        let body = in_body(&["tok-1"]).body(&[Some("fa\"ke/")], &headers).unwrap().unwrap();
        assert_eq!(collect(body.wrap(Frames::whole(text))).text(), want, "{content_type}");
    }
}

#[test]
fn hits_in_a_body_are_known_at_its_end() {
    let set = in_body(&["tok-a", "tok-b", "tok-c"]);
    let body = set.body(&[Some("A"), Some("B"), Some("C")], &HeaderMap::new()).unwrap().unwrap();
    let hits = body.hits();
    assert!(!body.keeps_length());
    assert_eq!(collect(body.wrap(Frames::cut(b"x tok-b tok-c", &[2]))).text(), "x B C");
    assert_eq!(hits.entries().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_body_without_the_required_placeholder_fails_at_its_end() {
    let set = in_body(&["tok-a", "tok-b"]);
    for (text, missing) in [("tok-a tok-b", None), ("tok-a", Some(1)), ("", Some(0))] {
        let mut body = set.body(&[Some("AAAAA"), Some("BBBBB")], &HeaderMap::new()).unwrap().unwrap();
        assert!(body.keeps_length());
        body.require(0);
        body.require(1);
        assert!(!body.keeps_length(), "the upstream must notice");
        let all = collect(body.wrap(Frames::whole(text)));
        let got = all.error.map(|error| match error {
            BodyError::Missing(Missing { entry }) => entry,
            other => panic!("{other:?}"),
        });
        assert_eq!(got, missing, "{text}");
    }
}

#[test]
fn a_length_is_kept_only_when_it_cannot_change() {
    let keeps = |value, headers: &[(&'static str, &str)]| {
        let body = in_body(&["tok-1"]).body(&[Some(value)], &header_map(headers)).unwrap().unwrap();
        let keeps = body.keeps_length();
        let wrapped = body.wrap(Frames::whole("x tok-1"));
        assert_eq!(wrapped.size_hint().exact().is_some(), keeps);
        keeps
    };
    assert!(keeps("fake5", &[]));
    assert!(!keeps("longer", &[]));
    assert!(!keeps("fake5", &[("content-type", "application/json")]));
    assert!(!keeps("fake5", &[("content-encoding", "gzip")]));
}

#[test]
fn in_a_message_that_holds_lengths_only_a_value_of_the_same_length_is_swapped() {
    let run = |content_type: &str, value, text: &str, size| {
        let headers = header_map(&[("content-type", content_type)]);
        let body =
            in_body(&["other", "tok-1"]).body(&[Some("same5"), Some(value)], &headers).unwrap().unwrap();
        let all = collect(body.wrap(Frames::cut(text.as_bytes(), &[size])));
        let misfit = all.error.map(|error| match error {
            BodyError::Misfit(Misfit { entry }) => entry,
            other => panic!("{other:?}"),
        });
        (String::from_utf8(all.frames.concat()).unwrap(), misfit)
    };
    for size in [1, 4, 100] {
        for content_type in ["application/grpc", "application/grpc-web+proto", "application/x-protobuf"] {
            let swapped = |value, text| run(content_type, value, text, size);
            assert_eq!(swapped("fake5", "a tok-1 other"), ("a fake5 same5".to_owned(), None));
            assert_eq!(swapped("longer", "without, other"), ("without, same5".to_owned(), None));
            let (sent, misfit) = swapped("longer", "a tok-1 b");
            assert_eq!(misfit, Some(1));
            assert!("a ".starts_with(&sent), "nothing of the placeholder or behind it: {sent}");
        }
        let json = run("application/grpc+json", "fa\"ke", "{\"a\":\"tok-1\"}", size);
        assert_eq!(json.1, Some(1), "written in JSON it has another length");
        assert_eq!(run("text/plain", "longer", "a tok-1 b", size), ("a longer b".to_owned(), None));
    }
}

#[test]
fn a_body_of_compressed_messages_cannot_be_verified_and_its_twin_can() {
    let body = |coding| {
        let headers = [("content-type", "application/grpc"), ("grpc-encoding", coding)];
        in_body(&["tok-1"]).body(&[Some("v")], &header_map(&headers))
    };
    assert!(matches!(body("gzip"), Err(CodecError::Messages)));
    assert!(body("identity").is_ok());
}

#[test]
fn a_body_in_an_unknown_coding_cannot_be_verified() {
    let body = |coding| in_body(&["tok-1"]).body(&[Some("v")], &header_map(&[("content-encoding", coding)]));
    assert!(matches!(body("compress"), Err(CodecError::Unknown)));
    assert!(body("gzip").is_ok());
}

#[test]
fn debug_shows_no_value_and_a_thousand_entries_compile() {
    let entries: Vec<_> =
        (0..1_000).map(|i| ReplaceSpec { match_body: true, ..spec(&format!("tok-{i:04}")) }).collect();
    let set = SwapSet::new(&entries).unwrap();
    let values = vec![Some("fake-value"); 1_000];
    let mut request = parts("/", &[("authorization", "Bearer tok-0777")]);
    let swapped = set.head(&values, &mut request).unwrap();
    let body = set.body(&values, &request.headers).unwrap().unwrap();
    let shown = format!("{set:?} {body:?} {:?}", request.headers);
    assert!(!shown.contains("fake"), "{shown}");
    assert_eq!(locations(&swapped, 777), ["header:Authorization"]);
    assert_eq!(collect(body.wrap(Frames::whole("tok-0999"))).text(), "fake-value");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_cut_and_any_coding_give_the_same_swapped_body(
        words in proptest::collection::vec(
            prop_oneof!["[a-z ]{0,6}", Just("tok-1".to_owned()), Just("tok-".to_owned()), Just("tok-22".to_owned())],
            0..30,
        ),
        cuts in proptest::collection::vec(1..60_usize, 1..8),
        codings in proptest::collection::vec(0..4_usize, 0..3),
    ) {
        let text = words.concat();
        let want = text.replace("tok-1", "fake-value").replace("tok-22", "v");
        let codings: Vec<Coding> = codings.iter().map(|&i| CODINGS[i]).collect();
        let list = codings.iter().map(|&c| name(c)).collect::<Vec<_>>().join(", ");
        let encoded = codings.iter().fold(text.into_bytes(), |text, &coding| encode(coding, &text));
        let set = in_body(&["tok-1", "tok-22"]);
        let headers = header_map(&[("content-encoding", &list)]);
        let body = set.body(&[Some("fake-value"), Some("v")], &headers).unwrap().unwrap();
        let all = collect(body.wrap(Frames::cut(&encoded, &cuts).trailers(header_map(&[("x-t", "tok-1")]))));
        prop_assert!(all.error.is_none());
        prop_assert_eq!(&all.trailers.as_ref().unwrap()["x-t"], "tok-1");
        let decoded = codings.iter().rev().fold(all.bytes(), |bytes, &coding| decode(coding, &bytes));
        prop_assert_eq!(String::from_utf8(decoded).unwrap(), want);
    }
}
