use proptest::prelude::*;

use super::*;

/// The plain way: at every place try every pattern, byte by byte, in every spelling.
mod naive {
    use crate::escape::{Escape, Escapes};

    pub(super) fn replace(text: &[u8], patterns: &[Vec<u8>], with: &[Vec<u8>], escapes: Escapes) -> Vec<u8> {
        let inside = if escapes.aligned { insides(text, escapes) } else { vec![false; text.len()] };
        let mut out = Vec::new();
        let mut at = 0;
        'text: while at < text.len() {
            if !inside[at] {
                for (pattern, with) in patterns.iter().zip(with) {
                    if let Some(end) = end(text, at, pattern, escapes) {
                        out.extend_from_slice(with);
                        at = end;
                        continue 'text;
                    }
                }
            }
            out.push(text[at]);
            at += 1;
        }
        out
    }

    /// The shortest way to read `pattern` at `at`.
    fn end(text: &[u8], at: usize, pattern: &[u8], escapes: Escapes) -> Option<usize> {
        let Some((&first, rest)) = pattern.split_first() else { return Some(at) };
        let bare = !(first == b'\\' && escapes.json && escapes.aligned);
        let plain =
            (bare && text.get(at) == Some(&first)).then(|| end(text, at + 1, rest, escapes)).flatten();
        let escaped = match escapes.read(text.get(at..)?) {
            Escape::Whole { bytes, n, len } if pattern.starts_with(&bytes[..n]) => {
                end(text, at + len, &pattern[n..], escapes)
            }
            _ => None,
        };
        plain.into_iter().chain(escaped).min()
    }

    /// The bytes that belong to an escape and do not begin it.
    fn insides(text: &[u8], escapes: Escapes) -> Vec<bool> {
        let mut inside = vec![false; text.len()];
        let mut at = 0;
        let is_hex = |i: usize| text.get(i).is_some_and(u8::is_ascii_hexdigit);
        while at < text.len() {
            let len = match (text[at], text.get(at + 1)) {
                (b'%', _) if escapes.percent && is_hex(at + 1) && is_hex(at + 2) => 3,
                (b'\\', Some(b'u')) if escapes.json => 2 + (2..6).take_while(|&i| is_hex(at + i)).count(),
                (b'\\', Some(_)) if escapes.json => 2,
                _ => 1,
            };
            inside[at + 1..at + len].fill(true);
            at += len;
        }
        inside
    }
}

fn compiled(list: &[&str], escapes: Escapes) -> Patterns {
    Patterns::new(list, escapes).unwrap()
}

fn replacer(list: &[&str], with: &[&str], escapes: Escapes) -> Counting {
    let with = with.iter().map(|w| Zeroizing::new(w.as_bytes().to_vec())).collect();
    Counting::new(StreamReplacer::new(Arc::new(compiled(list, escapes)), with, Fit::Free), list.len())
}

/// A replacer and what it found.
struct Counting {
    inner: StreamReplacer,
    hits: Vec<u64>,
}

impl Counting {
    fn new(inner: StreamReplacer, patterns: usize) -> Self {
        Self { inner, hits: vec![0; patterns] }
    }

    fn push(&mut self, piece: Bytes) -> Bytes {
        self.inner.push(piece, &mut |pattern| self.hits[pattern] += 1)
    }

    fn finish(&mut self) -> Bytes {
        self.inner.finish(&mut |pattern| self.hits[pattern] += 1)
    }

    fn held(&self) -> usize {
        self.inner.held()
    }
}

fn replaced(list: &[&str], text: &str, escapes: Escapes) -> String {
    let with: Vec<String> = (0..list.len()).map(|i| format!("<{i}>")).collect();
    let out = compiled(list, escapes).replace(text.as_bytes(), &with, |_| {});
    out.map_or(text.to_owned(), |out| String::from_utf8(out).unwrap())
}

const ALL: [Escapes; 5] = [Escapes::RAW, Escapes::FORM, Escapes::PATH, Escapes::JSON, Escapes::ANY];

#[test]
fn the_leftmost_wins_and_then_the_earlier_in_the_list() {
    assert_eq!(replaced(&["tok-1", "tok-12"], "tok-12 tok-1", Escapes::RAW), "<0>2 <0>");
    assert_eq!(replaced(&["tok-12", "tok-1"], "tok-12 tok-1", Escapes::RAW), "<0> <1>");
    assert_eq!(replaced(&["cd", "abc"], "abcd", Escapes::RAW), "<1>d");
}

#[test]
fn escaped_occurrences_are_found_in_any_mix() {
    let cases = [
        (Escapes::FORM, "%74ok%2D1", "<0>"),
        (Escapes::FORM, "tok%2d1", "<0>"),
        (Escapes::FORM, "tok%2x1", "tok%2x1"),
        (Escapes::PATH, "/a/%54%4Fk/tok%2D1", "/a/%54%4Fk/<0>"),
        (Escapes::JSON, r#"{"a":"\u0074ok\u002d1\n"}"#, r#"{"a":"<0>\n"}"#),
        (Escapes::JSON, r#"{"a":"\u0074OK"}"#, r#"{"a":"\u0074OK"}"#),
        (Escapes::ANY, r"\u0074%6Fk-1", "<0>"),
        (Escapes::RAW, "%74ok-1", "%74ok-1"),
    ];
    for (escapes, text, want) in cases {
        assert_eq!(replaced(&["tok-1"], text, escapes), want, "{text}");
    }
    assert_eq!(replaced(&["a b"], "a+b a%20b", Escapes::FORM), "<0> <0>");
    assert_eq!(replaced(&["k/😀é"], r"k\/\ud83d\ude00\u00E9", Escapes::JSON), "<0>");
    assert_eq!(replaced(&["a\"b\\c"], r#"a\"b\\c a"b\c"#, Escapes::JSON), r#"<0> a"b\c"#);
}

#[test]
fn a_find_inside_an_escape_counts_only_where_nothing_may_slip_through() {
    assert_eq!(replaced(&["ntok"], r"\ntok", Escapes::JSON), r"\ntok");
    assert_eq!(replaced(&["ntok"], r"\\ntok", Escapes::JSON), r"\\<0>");
    assert_eq!(replaced(&["41tok"], r"\u0041tok", Escapes::JSON), r"\u0041tok");
    assert_eq!(replaced(&["41tok"], "%41tok 41tok", Escapes::FORM), "%41tok <0>");
    assert_eq!(replaced(&["ntok"], r"\ntok", Escapes::ANY), r"\<0>");
    assert_eq!(replaced(&["41tok"], "%41tok", Escapes::ANY), "%<0>");
    assert_eq!(replaced(&["41tok/x"], "%41tok%2Fx", Escapes::ANY), "%<0>");
}

#[test]
fn a_backslash_never_stands_for_itself_in_json() {
    assert_eq!(replaced(&[r"\\"], r"\\\u0061", Escapes::JSON), r"\\\u0061");
    assert_eq!(replaced(&[r"\\"], r"\\\\u0061", Escapes::JSON), "<0>u0061");
}

#[test]
fn an_alignment_is_remembered_across_pieces() {
    for (text, want) in [(r"x\ntok", r"x\ntok"), (r"x\\ntok", r"x\\<>")] {
        for cut in 0..text.len() {
            let mut replacer = replacer(&["ntok"], &["<>"], Escapes::JSON);
            let mut out = replacer.push(Bytes::copy_from_slice(&text.as_bytes()[..cut])).to_vec();
            out.extend_from_slice(&replacer.push(Bytes::copy_from_slice(&text.as_bytes()[cut..])));
            out.extend_from_slice(&replacer.finish());
            assert_eq!(String::from_utf8(out).unwrap(), want, "cut at {cut}");
        }
    }
}

#[test]
fn a_piece_without_occurrence_is_the_same_memory() {
    let mut replacer = replacer(&["tok-1"], &["v"], Escapes::ANY);
    let piece = Bytes::from(r#"data: {"text":"100% \n of it"} "#.repeat(100));
    let out = replacer.push(piece.clone());
    assert_eq!(out.as_ptr(), piece.as_ptr());
    assert_eq!(out.len(), piece.len());
}

#[test]
fn only_an_end_that_may_become_an_occurrence_is_held() {
    let mut replacer = replacer(&["tok-1"], &["v"], Escapes::ANY);
    for event in ["data: {\"a\": 1}\n\n", "data: tok-2\n\n", "data: tok-1\n\n", "a t o k"] {
        let out = replacer.push(Bytes::copy_from_slice(event.as_bytes()));
        assert_eq!(out, event.replace("tok-1", "v").as_bytes());
        assert_eq!(replacer.held(), 0);
    }
    assert_eq!(replacer.push(Bytes::from_static(b"xt")), "x");
    assert_eq!(replacer.push(Bytes::from_static(b"o")), "");
    assert_eq!(replacer.held(), 2);
    assert_eq!(replacer.push(Bytes::from_static(b"t")), "to");
    assert_eq!(replacer.finish(), "t");
}

#[test]
fn what_is_held_is_bounded_by_the_longest_pattern() {
    let long = "k".repeat(500);
    let mut replacer = replacer(&[&long], &["v"], Escapes::ANY);
    for _ in 0..2_000 {
        replacer.push(Bytes::from_static(br"\u006b"));
        assert!(replacer.held() < 500 * 6);
    }
    assert_eq!(replacer.hits, [4]);
}

#[test]
fn an_earlier_pattern_is_awaited_and_a_later_one_is_not() {
    let mut first = replacer(&["abcd", "ab"], &["1", "2"], Escapes::RAW);
    assert_eq!(first.push(Bytes::from_static(b"ab")), "");
    assert_eq!(first.push(Bytes::from_static(b"c!")), "2c!");
    let mut second = replacer(&["ab", "abcd"], &["1", "2"], Escapes::RAW);
    assert_eq!(second.push(Bytes::from_static(b"ab")), "1");
}

#[test]
fn a_thousand_patterns_are_told_apart() {
    let list: Vec<String> = (0..1_000).map(|i| format!("placeholder-{i:04}-end")).collect();
    let patterns = Patterns::new(&list, Escapes::JSON).unwrap();
    let text = list.iter().map(|p| p.replace('p', r"\u0070")).collect::<Vec<_>>().join(",");
    let mut hits = Vec::new();
    patterns.replace(text.as_bytes(), &list, |p| hits.push(p)).unwrap();
    assert_eq!(hits, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn an_empty_pattern_is_refused_and_debug_shows_none() {
    assert_eq!(Patterns::new(&["a", ""], Escapes::RAW).err(), Some(PatternsError::Empty(1)));
    let shown = format!("{:?}", replacer(&["fake-secret"], &["fake-other"], Escapes::RAW).inner);
    assert!(!shown.contains("fake"), "{shown}");
    assert!(!format!("{:?}", compiled(&["fake-secret"], Escapes::RAW)).contains("fake"));
}

/// Few letters, so that patterns, escapes and near misses are common.
fn texts(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => "[abn/%+\\\\ ]",
        2 => "%(61|62|2[fF]|5[cC]|25)",
        2 => r"\\(u006[12]|u002[Ff]|u005c|/|n|\\|u00)",
        1 => "(ab|ba|n/|41|u0|006)",
    ];
    proptest::collection::vec(word, 0..most).prop_map(|words| words.concat().into_bytes())
}

fn patterns() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let pattern = "[abn/%\\\\u06 ]{2,5}".prop_map(String::into_bytes);
    proptest::collection::vec(pattern, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn any_cut_gives_what_the_plain_way_gives(
        text in texts(40),
        list in patterns(),
        mode in 0..ALL.len(),
        cuts in proptest::collection::vec(1..9_usize, 1..20),
    ) {
        let with: Vec<Vec<u8>> = (0..list.len()).map(|i| format!("<{i}>").into_bytes()).collect();
        let want = naive::replace(&text, &list, &with, ALL[mode]);

        let patterns = Arc::new(Patterns::new(&list, ALL[mode]).unwrap());
        let whole = patterns.replace(&text, &with, |_| {}).unwrap_or_else(|| text.clone());
        prop_assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&want));

        let with = with.into_iter().map(Zeroizing::new).collect();
        let mut replacer = Counting::new(StreamReplacer::new(patterns, with, Fit::Free), list.len());
        let mut out = Vec::new();
        let mut left = text.as_slice();
        for cut in cuts.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (piece, rest) = left.split_at((*cut).min(left.len()));
            out.extend_from_slice(&replacer.push(Bytes::copy_from_slice(piece)));
            left = rest;
        }
        out.extend_from_slice(&replacer.finish());
        prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&want));
    }
}
