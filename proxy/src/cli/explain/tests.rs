use super::*;

const BASE: &str = "dns: {enabled: false}
tls: {ca_cert: /ca.crt, ca_key: /ca.key}
";
const TRANSFORMS: &str = "transforms:
- name: allowlist
  config: {rules: [{host: a.test}, {host: b.test, methods: [GET], ports: [443]}, {cidr: 10.0.0.0/8}, {cidr: 127.0.0.0/8}, {host: localhost}]}
- name: secrets
  config:
    secrets:
    - {source: {type: env, var: KEY}, rules: [{host: a.test}, {host: 10.9.9.9}, {cidr: 10.0.0.0/8}, {cidr: 127.0.0.0/8}, {host: localhost}],
       replace: {proxy_value: tok, match_headers: [X-Key], match_query_params: [key]}}
    - {source: {type: cmd, argv: [must-not-run]}, rules: [{host: b.test}], replace: {proxy_value: tok, match_headers: [X-Key], match_body: true, require: true}}
- {name: header_allowlist, config: {headers: [x-key]}}
";

fn asked(method: &str, url: &str, headers: &[&str], body: &str) -> Asked {
    Asked::parse(method, url, headers.iter().copied(), body).unwrap()
}

fn run_with(head: &str, asked: &Asked) -> (String, bool) {
    let load = || Config::parse(&format!("{head}{TRANSFORMS}"), &|_| None).unwrap().config;
    let explained = explain(load(), load(), asked).unwrap();
    (explained.text, !explained.refused)
}

fn run(asked: &Asked) -> (String, bool) {
    run_with(BASE, asked)
}

/// The last line.
fn verdict(head: &str, url: &str) -> String {
    let (text, _) = run_with(head, &asked("GET", url, &["X-Key: tok"], ""));
    text.lines().last().unwrap().to_owned()
}

#[test]
fn a_request_that_is_forwarded_shows_each_step() {
    let (text, forwarded) =
        run(&asked("GET", "https://a.test/x?q=tok&key=tok", &["X-Key: tok", "X-Other: 1"], ""));
    assert!(forwarded);
    assert_eq!(
        text,
        r#"GET https://a.test:443/x
transforms[0] allowlist: allowed by {host: "a.test"}
transforms[1] secrets:
  secrets[0] KEY: replaces "tok"; looks at headers X-Key; query parameters key (rule {host: "a.test"})
  secrets[1] must-not-run: not for this request: no rule matches
  placed: KEY at header:X-Key, query:key
transforms[2] header_allowlist: removes X-Other
=> forwarded
"#
    );
}

#[test]
fn a_refusal_has_the_code_and_the_words_of_the_proxy() {
    let (text, forwarded) = run(&asked("POST", "https://b.test/", &[], ""));
    assert!(!forwarded);
    assert!(
        text.contains("allowlist: no rule matches (the host does; method or path does not)\n=> "),
        "{text}"
    );
    assert!(text.contains("=> refused (no-rule): no allowlist rule matches this request; this one would: {"));

    for (request, want) in [
        (asked("GET", "https://b.test/", &[], ""), "(placeholder-missing)"),
        (asked("GET", "https://b.test/", &["X-Key: own"], "tok"), "(competing-credential)"),
        (asked("TRACE", "https://a.test/", &["X-Key: tok"], ""), "(trace-with-credential)"),
        (asked("GET", "https://a.test/", &["Host: c.test"], ""), "(authority-mismatch)"),
    ] {
        let (text, forwarded) = run(&request);
        assert!(!forwarded && text.contains(&format!("=> refused {want}: ")), "{text}");
    }
    let (text, forwarded) = run(&asked("GET", "https://b.test/", &[], "a tok"));
    assert!(forwarded && text.contains("placed: must-not-run at body\n"), "{text}");
}

/// Each line beside its twin that decides otherwise.
#[test]
fn cleartext_is_decided_as_the_data_path_does() {
    let open = format!("{BASE}proxy: {{upstream_deny_cidrs: []}}\n");
    let in_clear = "=> refused (plaintext-credential): KEY travels over TLS only";
    assert!(verdict(&open, "http://a.test/").starts_with(
        "=> refused (plaintext-credential) unless a.test resolves to this machine: KEY travels over TLS only"
    ));
    assert_eq!(verdict(&open, "https://a.test/"), "=> forwarded");
    // The rule that matches first names the address, not the range it is in.
    assert!(verdict(&open, "http://10.9.9.9/").starts_with(in_clear));
    assert_eq!(verdict(&open, "http://10.1.2.3/"), "=> forwarded");
    assert_eq!(verdict(&open, "http://127.0.0.1/"), "=> forwarded");
    assert_eq!(verdict(&open, "http://localhost/"), "=> forwarded");
    for url in ["http://127.0.0.1/", "http://localhost/", "https://localhost/"] {
        assert!(verdict(BASE, url).starts_with("=> refused (upstream-denied): dial tcp 127.0.0.1:"), "{url}");
    }
    let proxied = "proxy: {upstream_deny_cidrs: [], upstream_proxy: {http_proxy: 'p.test:3128', no_proxy: 10.2.0.0/16}}\n";
    let proxied = format!("{BASE}{proxied}");
    assert!(
        verdict(&proxied, "http://a.test/").starts_with(in_clear),
        "a proxy resolves, so no address will do"
    );
    assert_eq!(verdict(&proxied, "https://a.test/"), "=> forwarded");
    assert_eq!(verdict(&proxied, "http://localhost/"), "=> forwarded", "loopback is reached directly");
}

#[test]
fn what_is_not_seen_is_not_decided_on() {
    let sni_only = "dns: {enabled: false}\ntls: {mode: sni-only}\n";
    let (text, forwarded) = run_with(sni_only, &asked("GET", "https://a.test/x", &["X-Key: tok"], ""));
    assert!(forwarded && text.contains("secrets: not asked"), "{text}");
    let (text, forwarded) = run_with(sni_only, &asked("GET", "https://b.test/x", &[], ""));
    assert!(!forwarded && text.contains("a method or path is never seen here"), "{text}");
    let (text, forwarded) = run(&asked("CONNECT", "https://b.test/", &[], ""));
    assert!(forwarded && text.contains("allowed by {host: \"b.test\""), "{text}");
    assert!(!run(&asked("CONNECT", "https://b.test:444/", &[], "")).1);
}

#[test]
fn words_that_are_no_request_are_named() {
    let wrong = |method, url, header| Asked::parse(method, url, [header].into_iter(), "").err().unwrap();
    assert!(wrong("GET", "a.test", "a: b").starts_with("URL \"a.test\": "));
    assert!(wrong("GET", "ftp://a.test/", "a: b").contains("must begin with http:// or https://"));
    assert!(wrong("GET", "https://a.test/../x", "a: b").starts_with("URL "));
    assert!(wrong("G T", "https://a.test/", "a: b").starts_with("method \"G T\""));
    assert!(wrong("GET", "https://a.test/", "a").contains("-H \"a\": no colon"));
    assert!(wrong("GET", "https://a.test/", "a b: c").starts_with("-H \"a b: c\": "));
}

#[test]
fn a_required_parameter_is_refused_without_its_placeholder() {
    let text = format!(
        "{BASE}transforms: [{{name: secrets, config: {{secrets: [{{source: {{type: env, var: KEY}}, rules: [{{host: a.test}}], \
         replace: {{proxy_value: tok, match_headers: [X-Key], match_query_params: [key], require: true}}}}]}}}}]"
    );
    let verdict = |url: &str| {
        let load = || Config::parse(&text, &|_| None).unwrap().config;
        explain(load(), load(), &asked("GET", url, &[], "")).unwrap().text
    };
    let text = verdict("https://a.test/?q=1&key=tok");
    assert!(text.contains("placed: KEY at query:key\n") && text.ends_with("=> forwarded\n"), "{text}");
    let text = verdict("https://a.test/tok?q=tok&key=own");
    assert!(text.contains("=> refused (placeholder-missing): KEY is required here"), "{text}");
}

#[test]
fn a_token_call_of_a_bound_login_is_answered_and_says_why() {
    let bound = |host: &str| {
        let text = format!(
            "{BASE}transforms:\n- {{name: allowlist, config: {{rules: [{{host: chatgpt.com}}]}}}}\n- {{name: secrets, config: {{secrets: [{{\
             source: {{type: env, var: CODEX}}, rules: [{{host: {host}}}], inject: {{header: Authorization, formatter: 'Bearer {{{{.Value}}}}'}}}}]}}}}\n"
        );
        move |asked: &Asked| {
            let load = || Config::parse(&text, &|_| None).unwrap().config;
            let explained = explain(load(), load(), asked).unwrap();
            (explained.text, !explained.refused)
        }
    };
    let url = "https://auth.openai.com/oauth/token";
    let refresh = "grant_type=refresh_token&refresh_token=fake";
    let (text, good) = bound("chatgpt.com")(&asked("POST", url, &[], refresh));
    assert!(good);
    assert_eq!(
        text,
        "POST https://auth.openai.com:443/oauth/token
harness_logins: a token call of openai-codex, since CODEX sets Authorization on chatgpt.com; no transform is asked
=> answered (token-call-answered): with stand-ins, and nothing is sent
"
    );
    let (text, good) = bound("chatgpt.com")(&asked("GET", url, &[], ""));
    assert!(!good && text.contains("=> refused (token-call-method): the proxy answers"), "{text}");
    let (text, good) = bound("chatgpt.com")(&asked("CONNECT", "https://auth.openai.com/", &[], ""));
    assert!(
        good && text.contains("allowlist: no rule matches; open for the token calls of openai-codex"),
        "{text}"
    );
    let (text, good) = bound("chatgpt.com")(&asked("POST", "https://auth.openai.com/other", &[], refresh));
    assert!(!good && text.contains("=> refused (no-rule)"), "{text}");
    let (text, good) = bound("other.test")(&asked("POST", url, &[], refresh));
    assert!(!good && text.contains("=> refused (no-rule)"), "{text}");
}
