use std::time::Duration;

use super::*;
use crate::yaml::{Cursor, Node, Problems, parse};

/// Reads a `transforms` list; the problems and warnings as text.
fn read(text: &str, lenient: bool) -> (Vec<(String, TransformSpec)>, Vec<String>, Vec<String>) {
    let problems = Problems::default();
    let root = parse(text, &problems).unwrap_or_else(|| panic!("{:?}", Problems::default()));
    let found = parse_transforms(&Cursor::new(&root, &problems), lenient);
    let (errors, warnings) = problems.into_parts();
    let show = |list: Vec<crate::yaml::Problem>| list.iter().map(|problem| problem.text.clone()).collect();
    (found, show(errors), show(warnings))
}

fn good(text: &str) -> Vec<TransformSpec> {
    let (found, errors, _) = read(text, false);
    assert_eq!(errors, [""; 0], "{text}");
    found.into_iter().map(|(_, spec)| spec).collect()
}

/// The errors, without the words that introduce every error of a transform.
fn errors(text: &str) -> Vec<String> {
    let bare = |error: String| match error.strip_prefix("initializing transform \"") {
        Some(rest) => rest.split_once("\": ").unwrap().1.to_owned(),
        None => error,
    };
    read(text, false).1.into_iter().map(bare).collect()
}

/// One secrets entry from its flow mapping.
fn secret_of(entry: &str) -> SecretSpec {
    let Some(TransformSpec::Secrets(mut entries)) = good(&secrets(entry)).pop() else { panic!("no secrets") };
    entries.pop().unwrap()
}

fn secrets(entry: &str) -> String {
    format!("- {{name: secrets, config: {{secrets: [{entry}]}}}}")
}

fn with_source(source: &str) -> String {
    format!("{{source: {source}, rules: [{{host: a.example}}], replace: {{proxy_value: ph}}}}")
}

#[test]
fn every_transform_of_this_build_is_read() {
    let specs = good(
        "- name: allowlist
  config:
    domains: [a.example]
    cidrs: [10.0.0.0/8]
    rules: [{host: '*.b.example', methods: [get], paths: [/v1/*], ports: [443], schemes: [https]}]
    warn: yes
- name: annotate
  config: {annotations: [{rules: [{host: '*'}], headers: [x-request-id]}]}
- name: header_allowlist
  config: {headers: [accept, /^x-/]}
- name: body_capture
  config: {max_request_body_bytes: 10, rules: [{host: '*'}]}
- name: secrets
  config: {secrets: []}
- name: secrets
- name: body_capture
- name: allowlist
",
    );
    let [
        TransformSpec::Allowlist(allow),
        TransformSpec::Annotate(groups),
        TransformSpec::HeaderAllowlist(headers),
        ..,
    ] = &specs[..]
    else {
        panic!("{specs:?}");
    };
    assert!(allow.warn);
    let shown: Vec<String> = allow.rules.rules().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            r#"{host: "a.example"}"#,
            r#"{cidr: "10.0.0.0/8"}"#,
            r#"{host: "*.b.example", methods: [GET], paths: ["/v1/*"], ports: [443], schemes: [https]}"#,
        ]
    );
    assert_eq!(groups[0].headers, ["x-request-id"]);
    assert!(
        matches!(&headers.headers[..], [HeaderMatcher::Name(_), HeaderMatcher::Pattern(regex)] if regex.is_match("X-A"))
    );
    assert!(matches!(&specs[3], TransformSpec::BodyCapture(spec) if spec.max_request_body_bytes == 10));
    assert!(matches!(&specs[6], TransformSpec::BodyCapture(spec) if spec.max_request_body_bytes == 16_384));
    assert!(matches!(&specs[7], TransformSpec::Allowlist(spec) if spec.rules.is_empty()));
}

#[test]
fn names_that_cannot_be_built_are_never_ignored() {
    assert_eq!(errors("- name: nope"), ["unknown transform \"nope\": unknown transform: \"nope\""]);
    assert_eq!(errors("- {}"), ["unknown transform \"\": unknown transform: \"\""]);
    assert_eq!(errors("- name: Allowlist").len(), 1, "names are case-sensitive");
    for name in ["aws_auth", "gcp_auth", "gcp_id_token", "grpc", "hmac_sign", "judge", "oauth_token"] {
        assert_eq!(
            errors(&format!("- name: {name}")),
            [format!("transform {name:?} is not available in this build")]
        );
    }
}

#[test]
fn errors_name_the_transform_and_the_index() {
    for (text, want) in [
        (
            "- {name: allowlist, config: {domains: [a, '[x']}}",
            "allowlist: domains[1]: \"[x\" malformed glob: character class is empty or not closed",
        ),
        (
            "- {name: allowlist, config: {cidrs: [1.2.3.4]}}",
            "allowlist: cidrs[0]: invalid CIDR \"1.2.3.4\": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128",
        ),
        (
            "- {name: allowlist, config: {rules: [{host: a}, {}]}}",
            "allowlist: rules[1]: one of host or cidr is required",
        ),
        (
            "- {name: allowlist, config: {rules: [{host: a, cidr: 10.0.0.0/8}]}}",
            "allowlist: rules[0]: host and cidr are mutually exclusive",
        ),
        (
            "- {name: allowlist, config: {rules: [{host: a, paths: [/a, v1]}]}}",
            "allowlist: rules[0]: paths[1]: \"v1\" must begin with \"/\"",
        ),
        (
            "- {name: allowlist, config: {rules: [{host: a, ports: [0]}]}}",
            "allowlist: rules[0]: ports[0]: must be from 1 to 65535",
        ),
        (
            "- {name: allowlist, config: {rules: [{host: a, schemes: [ftp]}]}}",
            "allowlist: rules[0]: schemes[0]: \"ftp\" must be \"http\" or \"https\"",
        ),
        ("- {name: annotate}", "annotate: annotations must not be empty"),
        (
            "- {name: annotate, config: {annotations: [{headers: [a]}]}}",
            "annotate: annotations[0]: at least one rule is required",
        ),
        (
            "- {name: annotate, config: {annotations: [{rules: [{host: a}]}]}}",
            "annotate: annotations[0]: at least one header is required",
        ),
        ("- {name: header_allowlist}", "header_allowlist: at least one header is required"),
        (
            "- {name: header_allowlist, config: {headers: ['a b']}}",
            "header_allowlist: headers[0]: \"a b\" is not a header name",
        ),
        (
            "- {name: header_allowlist, config: {headers: ['/(/']}}",
            "header_allowlist: headers[0]: invalid regex \"(\": unclosed group",
        ),
        ("- {name: allowlist, config: {domains: a}}", "cannot unmarshal !!str `a` into []interface {}"),
    ] {
        assert_eq!(errors(text), [want], "{text}");
    }
}

#[test]
fn a_secret_has_exactly_one_mode() {
    let base = "source: {type: env, var: V}, rules: [{host: a}]";
    for (mode, want) in [
        ("", "one of replace or inject is required"),
        (", inject: null", "one of replace or inject is required"),
        (", match_body: false", "one of replace or inject is required"),
        (", replace: {}", "replace: proxy_value is required"),
        (", match_body: true", "proxy_value is required"),
        (
            ", proxy_value: p, replace: {proxy_value: p}",
            "proxy_value, match_headers, match_body and require stand inside replace",
        ),
        (
            ", require: true, inject: {header: a}",
            "proxy_value, match_headers, match_body and require do not go with inject",
        ),
        (", replace: {proxy_value: p}, inject: {header: a}", "replace and inject are mutually exclusive"),
        (", inject: {}", "inject: one of header or query_param is required"),
        (", inject: {header: a, query_param: b}", "inject: header and query_param are mutually exclusive"),
        (", inject: {header: 'a b'}", "inject: header: \"a b\" is not a header name"),
        (", inject: {header: Host}", "inject: header \"Host\" cannot be set"),
        (
            ", replace: {proxy_value: p, match_query_params: [key, '']}",
            "replace: match_query_params[1]: a parameter name is required",
        ),
        (
            ", replace: {proxy_value: p, match_query: true, match_query_params: [key]}",
            "replace: match_query searches every parameter; leave it out to search match_query_params only",
        ),
        (
            ", replace: {proxy_value: p, match_headers: ['/[/']}",
            "match_headers[0]: invalid regex \"[\": unclosed character class",
        ),
    ] {
        assert_eq!(errors(&secrets(&format!("{{{base}{mode}}}"))), [format!("secrets[0]: {want}")], "{mode}");
    }
}

#[test]
fn a_secret_is_read_whole() {
    let entry = secret_of(
        "{source: {type: env, var: V}, rules: [{host: a, ports: [443]}], allow_plaintext: true, scrub_responses: off, websocket: no, replace: {proxy_value: 5, match_headers: [authorization], match_body: y, match_query: y, match_path: y, require: y}}",
    );
    assert!(entry.allow_plaintext && !entry.scrub_responses && !entry.websocket);
    let SecretMode::Replace(replace) = entry.mode else { panic!("not replace") };
    assert_eq!(replace.placeholder, "5");
    assert!(replace.match_body && replace.match_query && replace.match_path && replace.require);
    assert_eq!(replace.match_headers.len(), 1);

    let entry =
        secret_of("{source: {type: env, var: V}, inject: {query_param: key, formatter: '{{ .Value }}'}}");
    assert!(!entry.allow_plaintext && entry.scrub_responses && entry.websocket && entry.rules.is_empty());
    let SecretMode::Inject(inject) = entry.mode else { panic!("not inject") };
    assert!(matches!(inject.place, InjectPlace::Query(key) if key == "key"));
    assert_eq!(inject.formatter.as_deref(), Some("{{ .Value }}"));

    let entry = secret_of(
        "{source: {type: env, var: V}, replace: {proxy_value: p, match_query: no, match_query_params: [key, 'a b']}}",
    );
    let SecretMode::Replace(replace) = entry.mode else { panic!("not replace") };
    assert_eq!((replace.match_query, replace.match_query_params), (false, vec!["key".into(), "a b".into()]));

    let entry = secret_of("{source: {type: env, var: V}, proxy_value: p, require: true}");
    assert!(
        matches!(entry.mode, SecretMode::Replace(replace) if replace.placeholder == "p" && replace.require)
    );
}

#[test]
fn a_value_goes_in_clear_only_where_its_entry_or_the_range_of_its_rule_says_so() {
    use crate::host::CanonicalHost;
    let may = |entry: &str, host: &str| {
        let entry = secret_of(&format!("{{source: {{type: env, var: V}}, inject: {{header: a}}, {entry}}}"));
        entry.may_go_in_clear(0, &CanonicalHost::parse(host).unwrap())
    };
    assert!(may("allow_plaintext: true, rules: [{host: a.test}]", "a.test"));
    assert!(!may("rules: [{host: a.test}]", "a.test"));
    assert!(may("rules: [{cidr: 10.0.0.0/8}]", "10.1.2.3"));
    assert!(!may("rules: [{host: 10.1.2.3}]", "10.1.2.3"), "the rule names a host, not a range");
    assert!(!may("rules: [{cidr: 192.0.2.0/24}]", "192.0.2.1"), "the range is not private");
    assert!(may("rules: [{cidr: 'fd00::/8'}]", "fd00::1"));
    assert!(!may("rules: []", "10.1.2.3"));
}

#[test]
fn sources_are_read_with_their_caching() {
    let source =
        secret_of(&with_source("{type: file, path: /run/x, json_key: k, ttl: 5m, failure_ttl: -1s}")).source;
    assert!(matches!(&source.kind, SourceKind::File { path } if path == std::path::Path::new("/run/x")));
    assert_eq!(source.json_key.as_deref(), Some("k"));
    assert_eq!((source.ttl, source.failure_ttl), (Some(Duration::from_mins(5)), Duration::ZERO));
    let source = secret_of(&with_source("{type: cmd, argv: [printf, x], ttl: 0, failure_ttl: ''}")).source;
    assert!(matches!(&source.kind, SourceKind::Cmd { argv } if argv == &["printf", "x"]));
    assert_eq!((source.ttl, source.failure_ttl), (None, Duration::from_mins(1)));
    let source = secret_of(&with_source("{type: token_broker, credential_id: a/b, ttl: 90s}")).source;
    assert!(matches!(&source.kind, SourceKind::TokenBroker { credential_id } if credential_id == "a/b"));
    assert_eq!((source.ttl, source.failure_ttl), (Some(Duration::from_secs(90)), Duration::from_secs(5)));
    assert_eq!(source.display_name(), "a/b");
    let source = secret_of(&with_source("{type: token_broker, credential_id: x}")).source;
    assert_eq!(source.ttl, Some(Duration::from_mins(1)));
    let source = secret_of(&with_source("{type: control_plane, value: fake-value}")).source;
    assert_eq!(source.display_name(), "control_plane");
    assert!(!format!("{source:?}").contains("fake-value"));
}

#[test]
fn sources_that_cannot_be_read_are_named() {
    for (source, want) in [
        ("{}", "type is required"),
        ("null", "type is required"),
        ("{type: vault}", "unknown source type \"vault\""),
        ("{type: env}", "var is required"),
        ("{type: file, path: ''}", "path is required"),
        ("{type: cmd, argv: []}", "argv is required, as a list"),
        ("{type: control_plane}", "value is required"),
        ("{type: token_broker}", "credential_id is required"),
        ("{type: token_broker, credential_id: x, ttl: 0}", "ttl must be more than 0"),
        ("{type: token_broker, credential_id: x, ttl: -1s}", "ttl must be more than 0"),
        ("{type: token_broker, credential_id: x, ttl: 5}", "ttl: time: missing unit in duration \"5\""),
        (
            "{type: token_broker, credential_id: x, json_key: k}",
            "json_key does not go with source type \"token_broker\": the token is all there is",
        ),
        (
            "{type: env, var: V, credential_id: x}",
            "credential_id belongs to source type \"token_broker\", not \"env\"",
        ),
        ("{type: env, var: V, path: /x}", "path belongs to source type \"file\", not \"env\""),
        ("{type: file, path: /x, ttl: 5}", "ttl: time: missing unit in duration \"5\""),
        ("{type: file, path: /x, failure_ttl: x}", "failure_ttl: time: invalid duration \"x\""),
        ("{type: aws_sm, secret_id: x}", "source type \"aws_sm\" is not available in this build"),
        ("{type: 1password, secret_ref: op://x}", "source type \"1password\" is not available in this build"),
    ] {
        assert_eq!(
            errors(&secrets(&with_source(source))),
            [format!("secrets[0]: source: {want}")],
            "{source}"
        );
    }
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_list() {
    let text = "- {name: nope}\n- {name: secrets, config: {secrets: [{source: {}, rules: [{}]}]}}\n- {name: annotate}\n";
    assert_eq!(
        errors(text),
        [
            "unknown transform \"nope\": unknown transform: \"nope\"",
            "secrets[0]: one of replace or inject is required",
            "secrets[0]: source: type is required",
            "secrets[0]: rules[0]: one of host or cidr is required",
            "annotate: annotations must not be empty",
        ]
    );
}

#[test]
fn unknown_keys_inside_config_are_errors_or_warnings() {
    let text = "- {name: allowlist, config: {rules: [{host: a, method: [GET]}]}}";
    let want = "field method not found in type hostmatch.Rule; did you mean \"methods\"?";
    let (_, errors, warnings) = read(text, false);
    assert_eq!((errors, warnings), (vec![want.to_owned()], vec![]));
    let (found, errors, warnings) = read(text, true);
    assert_eq!((errors, warnings, found.len()), (vec![], vec![want.to_owned()], 1));
    // Beside name and config they are errors in any case.
    assert_eq!(read("- {name: allowlist, confg: {}}", true).1.len(), 1);
}

#[test]
fn json_builds_the_same_transforms() {
    let json = serde_json::json!([{"name": "secrets", "config": {"secrets": [
        {"source": {"type": "env", "var": "V"}, "rules": [{"host": "a", "ports": [443]}, {"cidr": "10.0.0.0"}],
         "replace": {"proxy_value": "p", "require": true}}]}}]);
    let problems = Problems::default();
    let node = Node::from_json(&json);
    assert_eq!(parse_transforms(&Cursor::new(&node, &problems), false).len(), 1);
    let (found, _) = problems.into_parts();
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "initializing transform \"secrets\": secrets[0]: rules[1]: invalid CIDR \"10.0.0.0\": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128 ([0].config.secrets[0].rules[1].cidr)"
    );
}

#[test]
fn the_line_that_would_allow_a_request_does() {
    use crate::host::CanonicalHost;
    use crate::pattern::Scheme;
    use crate::rule::{Rule, Target};
    for (host, method, path) in [
        ("api.example.com", "GET", "/v1/*"),
        ("api.example.com", "NO", "/a[b]\\?c\"d"),
        ("::1", "get", "*"),
        ("10.0.0.1", "POST", "/ä/{x: y}"),
        ("api.example.com", "CONNECT", ""),
    ] {
        let host = CanonicalHost::parse(host).unwrap();
        let target = Target { scheme: Scheme::Https, host: &host, port: 8443, method, path };
        let line = Rule::that_would_allow(&target);
        let specs = good(&format!("- {{name: allowlist, config: {{rules: [{line}]}}}}"));
        let [TransformSpec::Allowlist(allow)] = &specs[..] else { panic!("{specs:?}") };
        assert_eq!(allow.rules.matches(&target), Some(0), "{line}");
        assert_eq!(allow.rules.matches(&Target { port: 443, ..target }), None, "{line}");
    }
}

#[test]
fn lint_finds_what_is_wider_than_meant() {
    let found = |text: &str| lint(&good(text));
    let narrow = "- {name: allowlist, config: {domains: ['*.example.com']}}
- {name: secrets, config: {secrets: [{source: {type: env, var: V}, rules: [{host: api.example.com, ports: [443]}], replace: {proxy_value: p, match_headers: [authorization]}}]}}";
    assert_eq!(found(narrow), [""; 0]);
    for (from, to, want) in [
        ("'*.example.com'", "other.example", "rules[0]: never applies"),
        (", ports: [443]", "", "rules[0]: names no port"),
        ("api.example.com", "'*'", "reaches hosts of other owners"),
        ("api.example.com", "'*example.com'", "write \"*.example.com\""),
        (", match_headers: [authorization]", "", "searches every header"),
        ("[authorization]", "[//]", "matches every header"),
        ("rules: [{host: api.example.com, ports: [443]}], ", "", "has no rules and never applies"),
        ("config: {domains", "config: {warn: true, domains", "nothing is refused"),
        ("'*.example.com'", "", "refuses every request"),
    ] {
        let changed = narrow.replacen(from, to, 1);
        assert_ne!(changed, narrow);
        assert!(found(&changed).iter().any(|line| line.contains(want)), "{changed}: {:?}", found(&changed));
    }
    assert!(found("[]")[0].starts_with("no allowlist"));
}
