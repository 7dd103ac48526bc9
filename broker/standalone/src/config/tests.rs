use std::time::Duration;

use super::*;

const EXAMPLE: &str = include_str!("../../iron-token-broker.example.yaml");

fn problems(text: &str) -> Vec<String> {
    Config::parse(text).err().unwrap_or_default()
}

/// A file with one credential, `more` being further lines of it.
fn with(more: &str) -> String {
    format!(
        "listen: ':0'\ncredentials:\n- id: a\n  token_endpoint: https://idp.example/t\n  client_id: {{type: env, var: V}}\n{more}"
    )
}

const STORE: &str = "  store: {type: file, path: /x/a}\n";

#[test]
fn the_example_is_read() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!((config.listen.as_str(), config.metrics_listen.as_deref()), (":8181", Some(":9091")));
    assert_eq!(config.bearer_auth_env.as_deref(), Some("IRON_BROKER_TOKEN"));
    let [codex, billing] = &config.credentials[..] else { panic!("two") };
    assert_eq!((codex.id.as_str(), codex.client_secret.is_none()), ("openai-codex", true));
    assert_eq!(codex.timing, Timing::default());
    assert_eq!(billing.scopes, ["invoices.read", "invoices.write"]);
    assert_eq!(billing.headers[0].0, "X-Tenant");
    assert_eq!(billing.timing.timeout, Duration::from_secs(10));
    let key = "blob".to_owned();
    let (namespace, name) = ("centaur".to_owned(), "billing-login".to_owned());
    assert_eq!(billing.store, StoreConfig::KubernetesSecret { namespace, name, key });
}

#[test]
fn without_credentials_and_with_defaults_it_is_whole() {
    let config = Config::parse("listen: 127.0.0.1:8181\ncredentials: []\n").unwrap();
    assert!(
        config.credentials.is_empty() && config.metrics_listen.is_none() && config.bearer_auth_env.is_none()
    );
    assert_eq!((config.log_level, config.log_format), (Level::Info, Format::Json));
}

#[test]
fn a_credentials_times_win_over_the_defaults() {
    let text = format!(
        "defaults: {{early_refresh_slack: 1m, early_refresh_fraction: 0.5, refresh_timeout: 5s}}\n{}{STORE}{}",
        with(""),
        "  early_refresh_fraction: 0\n  max_refresh_interval: 2h\n"
    );
    let timing = Config::parse(&text).unwrap().credentials[0].timing;
    assert_eq!((timing.slack, timing.timeout), (Duration::from_mins(1), Duration::from_secs(5)));
    assert_eq!((timing.fraction_ppm, timing.longest), (0, Duration::from_hours(2)));
}

#[test]
fn unknown_keys_are_named_with_the_nearest_and_all_problems_at_once() {
    let text = "listen: ':0'\nmetrics_listn: ':1'\nlog: {leve: info}\ncredentials:\n- {id: a, stoer: {}}\n";
    let found = problems(text);
    for want in [
        "line 2: field metrics_listn not found in type broker.Config; did you mean \"metrics_listen\"? (metrics_listn)",
        "line 3: field leve not found in type broker.Log; did you mean \"level\"? (log.leve)",
        "line 5: field stoer not found in type broker.Credential; did you mean \"store\"? (credentials[0].stoer)",
        "token_endpoint is required (line 5: credentials[0].token_endpoint)",
        "client_id is required (line 5: credentials[0].client_id)",
        "store: type is required (line 5: credentials[0].store)",
    ] {
        assert!(found.iter().any(|problem| problem == want), "{want}\n{found:#?}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (text, want) in [
        ("{}".to_owned(), "listen is required"),
        ("listen: '8181'".to_owned(), "listen must be host:port"),
        ("listen: ':0'\nbearer_auth_env: ''".to_owned(), "bearer_auth_env must name a variable"),
        ("listen: ':0'\nlog: {level: loud}".to_owned(), "level must be debug, info, warn or error"),
        ("listen: ':0'\nlog: {format: xml}".to_owned(), "format must be json or text"),
        ("listen: ':0'\ntoken_endpoint_allow: ['a b']".to_owned(), "token_endpoint_allow must be a list"),
        (
            "listen: ':0'\ndefaults: {early_refresh_slack: -1s}".to_owned(),
            "early_refresh_slack must not be negative",
        ),
        ("listen: ':0'\ndefaults: {early_refresh_fraction: 1}".to_owned(), "a number from 0 to below 1"),
        ("listen: ':0'\ndefaults: {refresh_timeout: 301s}".to_owned(), "must not be more than 300s"),
        ("listen: ':0'\ndefaults: {refresh_timeout: 30}".to_owned(), "missing unit"),
        ("listen: [".to_owned(), "line 2: while parsing"),
        (with(""), "store: type is required"),
        (
            with("  store: {type: vault}"),
            "store: unknown type \"vault\"; file and kubernetes_secret are supported",
        ),
        (
            with("  store: {type: env, var: V}"),
            "a refresh token is replaced at every use; file and kubernetes_secret",
        ),
        (
            with("  store: {type: 1password, secret_ref: 'op://a/b/c'}"),
            "store: type \"1password\" is not available in this build; file and kubernetes_secret are supported",
        ),
        (with("  store: {type: file, path: a}"), "path must be the absolute path of a file"),
        (with("  store: {type: file, path: /a, key: k}"), "belongs to store type \"kubernetes_secret\""),
        (with("  store: {type: kubernetes_secret, namespace: n, name: s}"), "key is required"),
        (with(&format!("{STORE}  client_secret: {{type: env}}")), "client_secret: var is required"),
        (
            with(&format!("{STORE}  client_secret: {{type: token_broker, credential_id: x}}")),
            "this is the broker",
        ),
        (
            with(&format!("{STORE}  token_endpoint_headers: {{Host: {{type: env, var: V}}}}")),
            "token_endpoint_headers: \"Host\" cannot be set",
        ),
        (
            with(&format!("{STORE}  token_endpoint_headers: {{X-A: {{type: file}}}}")),
            "token_endpoint_headers.X-A: path is required",
        ),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|problem| problem.contains(want)), "{want}\n{found:#?}");
    }
}

#[test]
fn two_credentials_have_neither_id_nor_store_in_common() {
    let one = |id: &str, path: &str| {
        format!(
            "- id: {id}\n  token_endpoint: https://idp.example/t\n  client_id: {{type: env, var: V}}\n  store: {{type: file, path: {path}}}\n"
        )
    };
    let file = |a: String, b: String| format!("listen: ':0'\ncredentials:\n{a}{b}");
    assert_eq!(problems(&file(one("a", "/x/a"), one("b", "/x/b"))), [""; 0]);
    assert_eq!(
        problems(&file(one("a", "/x/a"), one("a", "/x/b"))),
        ["id \"a\" is taken by the credential of line 3 (line 7: credentials[1])"]
    );
    assert_eq!(
        problems(&file(one("a", "/x/a"), one("b", "/x/a"))),
        ["store is that of the credential of line 3; each needs its own (line 7: credentials[1])"]
    );
}

#[test]
fn an_endpoint_is_https_and_public_unless_it_is_listed() {
    let at = |url: &str, allow: &str| {
        let text = with(STORE).replace("https://idp.example/t", url);
        problems(&format!("token_endpoint_allow: [{allow}]\n{text}"))
    };
    assert_eq!(at("https://idp.example/t", ""), [""; 0]);
    assert!(at("http://idp.example/t", "")[0].starts_with("token_endpoint must be an https URL"));
    assert!(at("https://10.0.0.1/t", "")[0].contains("that token_endpoint_allow does not list"));
    assert_eq!(at("https://10.0.0.1/t", "10.0.0.0/8"), [""; 0]);
    assert_eq!(at("http://127.0.0.1:8080/t", "127.0.0.1"), [""; 0]);
    let told = at("https://user:fake-password@idp.example/t", "");
    assert!(!told.is_empty() && !told.join("").contains("fake-password"), "{told:?}");
}

#[test]
fn the_page_lists_every_key() {
    let page = include_str!("../../../../docs/token-broker.md");
    for table in tables::ROOT.all() {
        if table.name.starts_with("broker.") {
            assert!(page.contains(&table.markdown()), "{}:\n{}", table.name, table.markdown());
        }
    }
}
