use super::*;
use crate::schema::{Kind as Takes, Table, key};

static TABLE: Table = Table {
    name: "test.Config",
    doc: "A test.",
    keys: &[
        key("text", Takes::Text, "", "A text."),
        key("flag", Takes::Bool, "false", "A flag."),
        key("number", Takes::Int, "0", "A number."),
        key("list", Takes::List(&Takes::Text), "", "A list."),
        key("wait", Takes::Duration, "", "A duration."),
        key("below", Takes::Table(&TABLE), "", "Itself."),
    ],
};

/// Reads the text with the table and shows what was wrong.
fn problems(text: &str) -> Vec<String> {
    let problems = Problems::default();
    if let Some(root) = parse(text, &problems) {
        read(&Cursor::new(&root, &problems));
    }
    problems.into_parts().0.iter().map(ToString::to_string).collect()
}

fn read(cursor: &Cursor<'_>) {
    let Some(fields) = cursor.fields(&TABLE) else { return };
    fields.text("text");
    fields.bool_or("flag", false);
    fields.int("number");
    fields.texts("list");
    fields.key("wait").and_then(|wait| wait.duration());
    fields.key("below").iter().for_each(read);
}

fn root(text: &str) -> Node {
    let problems = Problems::default();
    parse(text, &problems).unwrap_or_else(|| panic!("{:?}", problems.into_parts().0))
}

fn value(text: &str) -> Node {
    root(&format!("k: {text}\n")).key("k").unwrap().clone()
}

fn scalar(text: &str) -> Scalar {
    let Kind::Scalar(scalar) = value(text).kind else { panic!("{text} is no scalar") };
    scalar
}

#[test]
fn a_text_keeps_how_it_was_written() {
    for (text, want) in
        [("1.50", "1.50"), ("true", "true"), ("0x10", "0x10"), ("'a'", "a"), ("\"\\x41\"", "A")]
    {
        assert_eq!(&*scalar(text).text, want);
    }
    assert!(value("").is_null() && value("~").is_null() && value("null").is_null());
    assert!(!value("''").is_null() && !value("'null'").is_null() && !value("!!str null").is_null());
}

#[test]
fn booleans_take_the_words_of_yaml_1_1() {
    for text in ["true", "True", "TRUE", "y", "Y", "yes", "on", "'yes'"] {
        assert_eq!(scalar(text).as_bool(), Some(true), "{text}");
    }
    for text in ["false", "False", "FALSE", "n", "N", "no", "off", "\"off\""] {
        assert_eq!(scalar(text).as_bool(), Some(false), "{text}");
    }
    for text in ["1", "0", "'true'", "\"false\"", "tRue", "maybe"] {
        assert_eq!(scalar(text).as_bool(), None, "{text}");
    }
}

#[test]
fn integers_take_separators_bases_and_cut_fractions() {
    for (text, want) in [
        ("10", 10),
        ("-5", -5),
        ("+5", 5),
        ("1_000", 1000),
        ("0x10", 16),
        ("0o17", 15),
        ("0b11", 3),
        ("010", 8),
        ("0", 0),
        ("1.5", 1),
        ("-1.5", -1),
        ("1e3", 1000),
    ] {
        assert_eq!(scalar(text).as_int(), Some(want), "{text}");
    }
    for text in ["'10'", "ten", "1e30", ".inf", "0x", "--5", "1 0", "9223372036854775808e9"] {
        assert_eq!(scalar(text).as_int(), None, "{text}");
    }
}

#[test]
fn everything_wrong_is_reported_with_line_and_path() {
    let text = "text: [a]\nflag: 'true'\nnumber: ten\nlist: a\nwait: 30\nbelow:\n  Tetx: 1\n  zzz: 1\n";
    assert_eq!(
        problems(text),
        [
            "line 1: cannot unmarshal !!seq into string (text)",
            "line 2: cannot unmarshal !!str `true` into bool (flag)",
            "line 3: cannot unmarshal !!str `ten` into int (number)",
            "line 4: cannot unmarshal !!str `a` into []interface {} (list)",
            "line 7: field Tetx not found in type test.Config; did you mean \"text\"? (below.Tetx)",
            "line 8: field zzz not found in type test.Config (below.zzz)",
            "time: missing unit in duration \"30\" (line 5: wait)",
        ]
    );
    assert_eq!(problems("text: a\nflag: yes\nnumber: 1_0\nlist: [a]\nwait: 0\nbelow: {}\n"), [""; 0]);
}

#[test]
fn null_equals_leaving_a_key_out() {
    assert_eq!(problems("text: null\nflag: ~\nnumber:\nlist: null\nwait: null\nbelow: null\n"), [""; 0]);
}

#[test]
fn duplicate_keys_are_named_with_both_lines() {
    assert_eq!(
        problems("text: a\nbelow:\n  flag: y\n  flag: n\ntext: b\n"),
        [
            "line 4: mapping key \"flag\" already defined at line 3 (below.flag)",
            "line 5: mapping key \"text\" already defined at line 1 (text)",
        ]
    );
}

#[test]
fn a_file_without_a_document_is_an_end_of_file() {
    assert_eq!(problems(""), ["EOF"]);
    assert_eq!(problems("# nothing\n"), ["EOF"]);
    assert_eq!(problems("{}"), [""; 0]);
}

#[test]
fn only_the_first_document_counts() {
    assert_eq!(problems("text: a\n---\nunknown: b\n"), [""; 0]);
}

#[test]
fn anchors_aliases_and_merges_work() {
    let node = root("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: {<<: [{p: 4}, *x]}\nd: *x\n");
    let at = |outer: &str, inner: &str| match &node.key(outer).unwrap().key(inner).unwrap().kind {
        Kind::Scalar(scalar) => scalar.text.clone(),
        _ => panic!("not a scalar"),
    };
    assert_eq!((&*at("b", "p"), &*at("b", "q")), ("1", "3"));
    assert_eq!((&*at("c", "p"), &*at("c", "q")), ("4", "2"));
    assert_eq!((&*at("d", "p"), &*at("d", "q")), ("1", "2"));
    assert_eq!(problems("<<: 1\n"), ["line 1: map merge requires map or sequence of maps as the value"]);
}

#[test]
fn a_document_cannot_grow_beyond_its_size() {
    let ten_times = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    let text = "a0: &a0 [x]\n".to_owned() + &(1..9).map(ten_times).collect::<String>();
    let found = problems(&text);
    assert!(found[0].ends_with("document contains excessive aliasing"), "{found:?}");
    assert!(problems("a: &a [*a]\n")[0].ends_with("anchor value contains itself"));
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    assert!(problems(&deep)[0].ends_with("nested more than 100 deep"));
    let chained =
        format!("a: &a {}{}\nb: {}*a{}\n", "[".repeat(60), "]".repeat(60), "[".repeat(60), "]".repeat(60));
    assert!(problems(&chained)[0].ends_with("nested more than 100 deep"));
}

#[test]
fn broken_yaml_is_named_with_its_line() {
    let found = problems("text: a\n  flag: [\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("line "), "{found:?}");
    assert_eq!(problems("text: !custom a\n"), ["line 1: unsupported tag !custom"]);
    assert!(problems("? [a]\n: b\n")[0].contains("invalid map key"));
}

#[test]
fn json_decodes_as_the_same_yaml() {
    let text = r#"{"text": 1.5, "flag": "true", "number": "1", "list": ["a", null], "bad": {}}"#;
    let json = Node::from_json(&serde_json::from_str(text).unwrap());
    let sink = Problems::default();
    read(&Cursor::new(&json, &sink));
    let from_json: Vec<String> = sink.into_parts().0.iter().map(ToString::to_string).collect();
    let from_yaml: Vec<String> = problems(text).iter().map(|line| line.replace("line 1: ", "")).collect();
    assert_eq!(from_json, from_yaml);
    assert_eq!(from_json.len(), 3);
}

#[test]
fn durations_are_those_of_go() {
    for (text, nanoseconds) in [
        ("0", 0),
        ("-0", 0),
        ("1h30m", 5_400_000_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("500ms", 500_000_000),
        ("-5s", -5_000_000_000),
        ("+1us", 1_000),
        ("1µs", 1_000),
        ("3ns", 3),
        ("2562047h47m16.854775807s", i64::MAX),
    ] {
        assert_eq!(GoDuration::parse(text).unwrap().nanoseconds(), nanoseconds, "{text}");
    }
    for (text, want) in [
        ("30", "time: missing unit in duration \"30\""),
        ("1x", "time: unknown unit \"x\" in duration \"1x\""),
        ("1h5", "time: missing unit in duration \"1h5\""),
        ("", "time: invalid duration \"\""),
        ("-", "time: invalid duration \"-\""),
        ("abc", "time: invalid duration \"abc\""),
        (".s", "time: invalid duration \".s\""),
        ("1 s", "time: unknown unit \" s\" in duration \"1 s\""),
        ("2562047h47m16.854775808s", "time: invalid duration \"2562047h47m16.854775808s\""),
        ("99999999999999999999s", "time: invalid duration \"99999999999999999999s\""),
    ] {
        assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), want, "{text}");
    }
}

#[test]
fn durations_show_as_go_shows_them() {
    for text in ["0s", "-5s", "1h30m0s", "1.5s", "500ms", "1m0s", "1µs", "3ns", "1.5ms", "1h0m0.5s"] {
        assert_eq!(GoDuration::parse(text).unwrap().to_string(), text);
    }
}
