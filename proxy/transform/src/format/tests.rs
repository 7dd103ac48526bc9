use proptest::prelude::*;

use super::*;

fn run(text: &str, value: &str) -> Result<String, RunError> {
    Formatter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).run(value).map(|out| out.to_string())
}

#[test]
fn templates_give_what_go_gives() {
    let cases = [
        ("{{ .Value }}", "v"),
        ("{{.Value}}", "v"),
        ("Bearer {{ .Value }}!", "Bearer v!"),
        (r#"{{ base64 "user:" .Value }}"#, "dXNlcjp2"),
        (r#"Basic {{ printf "%s:x" .Value | base64 }}"#, "Basic djp4"),
        (r#"{{ .Value | printf "%s-%s" "a" }}"#, "a-v"),
        ("a  {{- .Value -}}  b", "avb"),
        ("a {{/* note */}} b", "a  b"),
        ("a {{- /* note */ -}} b", "ab"),
        ("{{ $x := .Value }}{{ $x }}{{ $x = `w` }}{{ $x }}{{ $.Value }}", "vwv"),
        ("{{ if .Value }}yes{{ else }}no{{ end }}", "yes"),
        (r#"{{ if eq .Value "w" }}1{{ else if eq .Value "x" "v" }}2{{ else }}3{{ end }}"#, "2"),
        ("{{ if not .Value }}1{{ end }}2", "2"),
        ("{{ with .Value }}{{ . }}{{ end }}{{ with `` }}1{{ else }}{{ .Value }}{{ end }}", "vv"),
        ("{{ with `` }}1{{ else with .Value }}<{{ . }}>{{ end }}", "<v>"),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ range $i := 3 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $i }}{{ end }}", "02"),
        ("{{ range 9 }}{{ if ge . 2 }}{{ break }}{{ end }}{{ . }}{{ else }}x{{ end }}", "01"),
        ("{{ range 0 }}1{{ else }}none{{ end }}", "none"),
        (
            r#"{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" .Value }}{{ template "t" }}"#,
            "[v][<no value>]",
        ),
        (r#"{{ block "b" . }}<{{ .Value }}>{{ end }}"#, "<v>"),
        ("{{ (printf `%s` .Value) | len }}", "1"),
        ("{{ and .Value `` }}{{ or `` .Value }}{{ and true 1 }}{{ or false 0 }}", "v10"),
        (
            "{{ true }} {{ 1.5 }} {{ 0x1F }} {{ 'a' }} {{ -3 }} {{ 1_000 }} {{ 1e30 }}",
            "true 1.5 31 97 -3 1000 1e+30",
        ),
        (r#"{{ "q\"\n\u00e9\x41\101" }}"#, "q\"\néAA"),
        ("{{ len .Value }}{{ index .Value 0 }} {{ slice `abcd` 1 3 }}{{ slice `abcd` 2 }}", "1118 bccd"),
        ("{{ html `<a&'\">` }}", "&lt;a&amp;&#39;&#34;&gt;"),
        ("{{ js `<a='b'>\\` }}", r"\u003Ca\u003D\'b\'\u003E\\"),
        ("{{ urlquery `a b/&~` .Value }}", "a+b%2F%26~v"),
        ("{{ print 1 2 `a` 3 nil }} {{ println `a` 1 }}", "1 2a3 <nil> a 1\n"),
        ("{{ lt 1 2 }}{{ le `a` `a` }}{{ gt 1.5 2.5 }}{{ ge 2 3 }}{{ ne 1 2 }}", "truetruefalsefalsetrue"),
        (
            "{{ printf `%5s|%-5s|%05d|%+d|%x|%X|%q|%t|%c|%%` `a` `b` 42 7 `hi` 255 `x\"` true 65 }}",
            "    a|b    |00042|+7|6869|FF|\"x\\\"\"|true|A|%",
        ),
        (
            "{{ printf `%.2f %e %g %v %.1s %#x %o %b %U` 3.14159 1500.0 0.00001 nil `xyz` 255 8 5 233 }}",
            "3.14 1.500000e+03 1e-05 <nil> x 0xff 10 101 U+00E9",
        ),
        (
            "{{ printf `%d %s` `a` }}{{ printf `x` 1 }}{{ printf `%` }}",
            "%!d(string=a) %!s(MISSING)x%!(EXTRA int=1)%!(NOVERB)",
        ),
        ("{{ . }}", "{v}"),
        ("no action", "no action"),
        ("", ""),
        ("{{ `}}` }}", "}}"),
    ];
    for (text, want) in cases {
        assert_eq!(run(text, "v").as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn what_is_no_template_is_refused_when_it_is_built() {
    let problem = |text: &str| Formatter::parse(text).err().map(|e| e.problem);
    let cases = [
        ("{{ nope .Value }}", Problem::UnknownFunction("nope".into())),
        ("{{ .Value | nope }}", Problem::UnknownFunction("nope".into())),
        ("{{ $x }}", Problem::UnknownVariable("$x".into())),
        ("{{ $x = 1 }}", Problem::UnknownVariable("$x".into())),
        ("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", Problem::UnknownVariable("$x".into())),
        ("{{ .Value", Problem::UnclosedAction),
        ("{{ /* x }}", Problem::Unexpected("character")),
        ("{{/* x }}", Problem::UnclosedComment),
        ("{{ }}", Problem::MissingValue),
        ("{{ .Value | }}", Problem::MissingValue),
        ("{{ \"a }}", Problem::BadLiteral),
        ("{{ 'ab' }}", Problem::BadLiteral),
        ("{{ 12x }}", Problem::BadNumber),
        ("{{ if 1 }}", Problem::MissingEnd),
        ("{{ if 1 }}{{ else }}", Problem::MissingEnd),
        ("{{ end }}", Problem::Unexpected("end or else")),
        ("{{ break }}", Problem::OutsideRange("break")),
        ("{{ .Value | .Value }}", Problem::NotAFunction),
        ("{{ .Value 1 }}", Problem::NotAFunction),
        ("{{ nil }}", Problem::Unexpected("nil")),
        ("{{ (1 }}", Problem::Unexpected("end of parentheses")),
        ("{{ define `a` }}{{ end }}{{ define `a` }}{{ end }}", Problem::DefinedTwice("a".into())),
    ];
    for (text, want) in cases {
        assert_eq!(problem(text), Some(want), "{text}");
    }
    assert_eq!(problem(&"{{ if 1 }}".repeat(1000)), Some(Problem::TooDeep));
    assert_eq!(problem(&format!("{{{{ {} }}}}", "(".repeat(1000))), Some(Problem::TooDeep));
    assert_eq!(Formatter::parse("a\nb\n{{ nope }}").unwrap_err().line, 3);
}

#[test]
fn what_cannot_run_fails_and_never_shows_the_value() {
    let cases = [
        ("{{ .Other }}", RunError::NoField("Other".into())),
        ("{{ .Value.Other }}", RunError::NoField("Other".into())),
        ("{{ base64 1 }}", RunError::Type("base64")),
        ("{{ len 1 }}", RunError::Type("len")),
        ("{{ lt 1 `a` }}", RunError::Type("lt")),
        ("{{ eq .Value 1 }}", RunError::Type("eq")),
        ("{{ eq .Value }}", RunError::Arguments("eq")),
        ("{{ not }}", RunError::Arguments("not")),
        ("{{ and }}", RunError::Arguments("and")),
        ("{{ index .Value 99 }}", RunError::OutOfRange("index")),
        ("{{ slice `é` 1 }}", RunError::OutOfRange("slice")),
        ("{{ call .Value }}", RunError::NotAFunction),
        ("{{ range .Value }}{{ end }}", RunError::NotIterable("string")),
        ("{{ template `none` }}", RunError::NoTemplate("none".into())),
        ("{{ define `a` }}{{ template `a` }}{{ end }}{{ template `a` }}", RunError::Limit),
        ("{{ range 1000000000 }}{{ end }}", RunError::Limit),
        ("{{ range 90000 }}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{ end }}", RunError::Limit),
    ];
    for (text, want) in cases {
        let error = run(text, "fake-value").unwrap_err();
        assert!(!error.to_string().contains("fake"));
        assert_eq!(error, want, "{text}");
    }
    assert_eq!(format!("{:?}", Formatter::parse("user:{{ .Value }}").unwrap()), "Formatter(..)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn any_text_is_parsed_or_refused(
        words in proptest::collection::vec(prop_oneof![
            Just("{{"), Just("}}"), Just(" -}}"), Just("{{- "), Just("if "), Just("end"), Just("else "), Just(".Value"),
            Just("$"), Just("$x"), Just(":="), Just("|"), Just("("), Just(")"), Just("range "), Just("3"), Just("-"),
            Just("\""), Just("`"), Just("'"), Just("printf "), Just("define "), Just("with "), Just("/*"), Just("*/"),
            Just("é"), Just(" "), Just("%"), Just("\\"), Just("."), Just(","), Just("break"), Just("nil"),
        ], 0..25),
    ) {
        crate::fuzzing::formatter(&words.concat(), "fake-é");
    }
}
