use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::{HostPattern, Scheme};
use centaur_policies::rule::Destination as To;
use serde_json::{Value, json};

use super::*;
use crate::pipeline::{Placed, Reach, Used};
use crate::upstream::Destination;

fn hosts(list: &[&str]) -> AllowHosts {
    let rule = |host: &&str| Rule::from(To::Host(HostPattern::parse(host).unwrap()));
    AllowHosts { rules: list.iter().map(rule).collect(), granted: false }
}

fn local(list: &[&str]) -> Policy {
    Policy::local(Vec::new(), hosts(list), &SourcePool::default())
}

fn payload(body: &Value) -> Payload {
    Payload::parse(body.to_string().as_bytes()).unwrap()
}

/// The policy after these answers, one after the other.
fn after(local: &Policy, answers: &[Value]) -> Policy {
    let sources = SourcePool::default();
    answers
        .iter()
        .fold(local.clone(), |policy, answer| policy.update(local, &payload(answer), &sources).unwrap())
}

fn refused(local: &Policy, answer: &Value) -> ApplyError {
    local.update(local, &payload(answer), &SourcePool::default()).err().expect("an error")
}

fn asks(host: &str) -> Used {
    let host = CanonicalHost::parse(host).unwrap();
    let destination = Destination { scheme: Scheme::Https, host, port: 443, loopback_only: false };
    let reach = Reach::Request { method: http::Method::GET, path: "/x".into() };
    Used { destination, reach, placed: Placed::new(), epoch: 0 }
}

fn allows(policy: &Policy, host: &str) -> bool {
    policy.pipeline().still_grants(&asks(host))
}

fn credentials(policy: &Policy) -> usize {
    policy.pipeline().credentials().count()
}

fn secret(host: &str) -> Value {
    json!({
        "source": {"type": "control_plane", "value": "fake-value-one"},
        "rules": [{"host": host}],
        "inject": {"header": "Authorization", "formatter": "Bearer {{ .Value }}"},
    })
}

#[test]
fn a_login_that_was_bound_is_answered_until_the_principal_is_another() {
    let bare = local(&[]);
    let logins = |policy: &Policy| {
        let pipeline = policy.pipeline();
        pipeline.harness().all().iter().map(|reason| reason.login.name.clone()).collect::<Vec<_>>()
    };
    let answer = |principal: &str, secrets: Value| json!({"principal_id":principal,"secrets":secrets});
    let none = answer("prn_one", json!([]));
    let bound = answer("prn_one", json!([secret("chatgpt.com")]));
    assert_eq!(logins(&after(&bare, std::slice::from_ref(&none))), [""; 0]);
    assert_eq!(logins(&after(&bare, std::slice::from_ref(&bound))), ["openai-codex"]);
    assert_eq!(logins(&after(&bare, &[bound.clone(), none.clone()])), ["openai-codex"]);
    assert_eq!(logins(&after(&bare, &[bound, none, answer("prn_two", json!([]))])), [""; 0]);
}

fn rule(host: &str) -> Value {
    json!([{"host": host}])
}

const STRIP: &str = r#"{"name":"header_allowlist","config":{"headers":["Host"]}}"#;

fn strip() -> Value {
    serde_json::from_str(STRIP).unwrap()
}

#[test]
fn without_rules_the_local_list_decides_and_without_that_nothing_is_allowed() {
    let nothing =
        json!({"config_hash": "h", "secrets": [secret("a.test")], "transforms": [], "postgres": []});
    assert!(!allows(&after(&local(&[]), std::slice::from_ref(&nothing)), "a.test"));
    let listed = after(&local(&["a.test"]), &[nothing]);
    assert!(allows(&listed, "a.test") && !allows(&listed, "b.test"));
}

#[test]
fn the_allowlist_of_the_file_comes_before_the_hosts_of_the_environment() {
    let spec = |host| AllowlistSpec { rules: hosts(&[host]).rules, warn: false };
    let transforms = vec![
        ("allowlist".to_owned(), TransformSpec::Allowlist(spec("file.test"))),
        ("annotate".to_owned(), TransformSpec::Annotate(Vec::new())),
    ];
    let policy = Policy::local(transforms, hosts(&["environment.test"]), &SourcePool::default());
    assert!(allows(&policy, "file.test") && !allows(&policy, "environment.test"));
    assert_eq!(policy.parts().allowed_by(), AllowedBy::File);
    assert_eq!(policy.pipeline().names(), "allowlist");
}

#[test]
fn absent_and_null_rules_leave_what_was_allowed_as_it_was() {
    let first = json!({"config_hash": "1", "rules": rule("a.test"), "secrets": []});
    for second in [
        json!({"config_hash": "2", "secrets": [], "transforms": []}),
        json!({"config_hash": "2", "rules": null, "secrets": []}),
        json!({"config_hash": "2", "rules": null, "secrets": null, "transforms": null, "mcp": {}}),
        json!({"config_hash": "2", "rules": null, "secrets": null, "transforms": null, "postgres": []}),
    ] {
        let policy = after(&local(&["local.test"]), &[first.clone(), second.clone()]);
        assert!(allows(&policy, "a.test"), "{second}");
        assert!(!allows(&policy, "b.test") && !allows(&policy, "local.test"), "{second}");
    }
    let null_first =
        json!({"config_hash": "1", "rules": null, "secrets": null, "transforms": null, "mcp": {}});
    let policy = after(&local(&["local.test"]), &[null_first]);
    assert!(allows(&policy, "local.test") && !allows(&policy, "b.test"));
}

#[test]
fn empty_rules_refuse_everything_and_other_rules_replace_them() {
    let empty = json!({"config_hash": "1", "rules": []});
    let policy = after(&local(&["local.test"]), std::slice::from_ref(&empty));
    assert!(!allows(&policy, "local.test") && !allows(&policy, "a.test"));
    let policy =
        after(&local(&["local.test"]), &[empty, json!({"config_hash": "2", "rules": rule("a.test")})]);
    assert!(allows(&policy, "a.test") && !allows(&policy, "local.test"));
}

#[test]
fn secrets_and_transforms_stay_when_absent_or_null_and_go_when_empty() {
    let first = json!({"config_hash": "1", "secrets": [secret("a.test")], "transforms": [strip()]});
    for (second, kept) in [
        (
            json!({"config_hash": "2", "rules": []}),
            (1, "allowlist \u{2192} secrets \u{2192} header_allowlist"),
        ),
        (
            json!({"config_hash": "2", "rules": [], "secrets": null, "transforms": null}),
            (1, "allowlist \u{2192} secrets \u{2192} header_allowlist"),
        ),
        (json!({"config_hash": "2", "secrets": [], "transforms": []}), (0, "allowlist \u{2192} secrets")),
    ] {
        let policy = after(&local(&[]), &[first.clone(), second]);
        assert_eq!((credentials(&policy), policy.pipeline().names().as_str()), kept);
    }
}

#[test]
fn nothing_of_one_principal_serves_another() {
    let first = json!({
        "config_hash": "1", "principal_id": "prn_a", "rules": rule("a.test"), "secrets": [secret("a.test")],
        "transforms": [strip()],
    });
    for second in [
        json!({"config_hash": "2", "principal_id": "prn_b"}),
        json!({"config_hash": "2", "principal_id": "prn_b", "secrets": null}),
        json!({"config_hash": "2", "principal_id": null, "status": "unassigned", "transforms": []}),
    ] {
        let policy = after(&local(&["local.test"]), &[first.clone(), second]);
        assert_eq!(credentials(&policy), 0);
        assert!(!allows(&policy, "a.test") && allows(&policy, "local.test"));
    }
    // The twin: the same principal, and an answer that does not say.
    for second in [
        json!({"config_hash": "2", "principal_id": "prn_a", "mcp": {}}),
        json!({"config_hash": "2", "mcp": {}}),
    ] {
        let policy = after(&local(&[]), &[first.clone(), second]);
        assert_eq!(credentials(&policy), 1);
        assert!(allows(&policy, "a.test"));
    }
}

/// A use of the first credential of a policy.
fn uses_first(policy: &Policy) -> Used {
    let pipeline = policy.pipeline();
    Used { placed: pipeline.credentials().collect(), epoch: pipeline.epoch(), ..asks("a.test") }
}

#[test]
fn a_credential_is_the_same_when_its_value_is_new_and_another_when_it_is_bound_otherwise() {
    let answer = |hash: &str, entry: &Value, principal: &str| json!({"config_hash": hash, "principal_id": principal, "rules": rule("*"), "secrets": [entry]});
    let local = local(&[]);
    let before = answer("1", &secret("a.test"), "prn_a");
    let used = uses_first(&after(&local, std::slice::from_ref(&before)));
    let grants = |second: Value| after(&local, &[before.clone(), second]).pipeline().still_grants(&used);
    let mut rotated = secret("a.test");
    rotated["source"]["value"] = "fake-value-two".into();
    assert!(grants(answer("2", &rotated, "prn_a")));
    assert!(!grants(answer("2", &secret("b.test"), "prn_a")), "bound to another host");
    assert!(!grants(answer("2", &secret("a.test"), "prn_b")), "of another principal");
    assert!(!grants(json!({"config_hash": "2", "secrets": []})), "gone");
    assert!(
        !grants(json!({"config_hash": "2", "rules": rule("b.test")})),
        "the host is not allowed any more"
    );
}

#[test]
fn a_transform_that_cannot_be_run_closes_the_hosts_it_covers_and_no_other() {
    for (name, config) in [
        ("gcp_auth", json!({"keyfile": "fake", "rules": rule("a.test")})),
        ("gcp_id_token", json!({"rules": rule("a.test")})),
        ("aws_auth", json!({"rules": rule("a.test")})),
        ("hmac_sign", json!({"rules": rule("a.test")})),
        ("oauth_token", json!({"tokens": [{"rules": rule("a.test")}, {"rules": rule("c.test")}]})),
        ("judge", json!({"rules": rule("a.test")})),
        ("grpc", json!({"rules": rule("a.test")})),
    ] {
        let answer =
            json!({"config_hash": "1", "rules": rule("*"), "transforms": [{"name": name, "config": config}]});
        let policy = after(&local(&[]), &[answer]);
        assert!(!allows(&policy, "a.test"), "{name}");
        assert!(allows(&policy, "b.test"), "{name}");
        assert_eq!(policy.parts().unavailable(), [format!("transform {name}")]);
    }
    // One that does not say where it applies covers everything.
    for config in [json!({}), json!({"rules": []}), json!(null)] {
        let transforms = json!([{"name": "gcp_auth", "config": config}]);
        let policy = after(&local(&["*"]), &[json!({"config_hash": "1", "transforms": transforms})]);
        assert!(!allows(&policy, "b.test"));
    }
}

#[test]
fn a_source_that_cannot_be_read_closes_the_hosts_of_its_entry_and_leaves_the_others() {
    let elsewhere = json!({
        "source": {"type": "aws_sm", "secret_id": "fake"}, "rules": rule("a.test"), "inject": {"header": "X-Key"},
    });
    let answer = json!({"config_hash": "1", "rules": rule("*"), "secrets": [elsewhere, secret("b.test")]});
    let policy = after(&local(&[]), &[answer]);
    assert!(!allows(&policy, "a.test") && allows(&policy, "b.test"));
    assert_eq!(
        (credentials(&policy), policy.parts().unavailable()),
        (1, &["source of type aws_sm".to_owned()][..])
    );
}

#[test]
fn mcp_stays_when_absent_or_null_and_goes_when_empty() {
    let first = json!({"config_hash": "1", "rules": rule("*"), "mcp": {"servers": [{"name": "m", "rules": rule("a.test")}]}});
    for (second, open) in [
        (json!({"config_hash": "2", "secrets": []}), false),
        (json!({"config_hash": "2", "secrets": [], "mcp": null}), false),
        (json!({"config_hash": "2", "mcp": {}}), true),
        (json!({"config_hash": "2", "mcp": {"servers": []}}), true),
        (json!({"config_hash": "2", "mcp": {"servers": [{"name": "m", "rules": rule("c.test")}]}}), true),
    ] {
        let policy = after(&local(&[]), &[first.clone(), second.clone()]);
        assert_eq!(allows(&policy, "a.test"), open, "{second}");
        assert!(allows(&policy, "b.test"));
    }
}

#[test]
fn postgres_stays_when_absent_and_goes_when_null_or_empty() {
    let first = json!({"config_hash": "1", "postgres": [{"foreign_id": "x"}, null]});
    for (second, left) in [
        (json!({"config_hash": "2", "secrets": []}), 1),
        (json!({"config_hash": "2", "secrets": [], "postgres": null}), 0),
        (json!({"config_hash": "2", "postgres": []}), 0),
        (json!({"config_hash": "2", "postgres": [{}, {}]}), 2),
    ] {
        let policy = after(&local(&[]), &[first.clone(), second]);
        assert_eq!(policy.parts().postgres, left);
    }
}

#[test]
fn stages_stand_in_the_order_allowlist_secrets_transforms() {
    let annotate =
        json!({"name": "annotate", "config": {"annotations": [{"rules": rule("*"), "headers": ["X"]}]}});
    let answer = json!({
        "config_hash": "1", "transforms": [strip(), null, annotate], "secrets": [], "rules": [], "mcp": {},
    });
    let names = after(&local(&[]), &[answer]).pipeline().names();
    assert_eq!(names, "allowlist \u{2192} secrets \u{2192} header_allowlist \u{2192} annotate");
}

#[test]
fn what_is_wrong_is_named_and_nothing_of_it_is_in_force() {
    let local = local(&["local.test"]);
    for (answer, error) in [
        (json!({"rules": {}}), "parsing rules: cannot unmarshal !!map into []interface {} (rules)"),
        (
            json!({"rules": [{"host": "a.test", "cidr": "10.0.0.0/8"}]}),
            "initializing transform \"allowlist\": allowlist: rules[0]: host and cidr are mutually exclusive (rules[0])",
        ),
        (json!({"secrets": "x"}), "parsing secrets: not a list"),
        (
            json!({"secrets": [{"source": {"type": "control_plane"}, "inject": {"header": "X"}}]}),
            "initializing transform \"secrets\": secrets[0]: source: value is required (secrets[0].source.value)",
        ),
        (
            json!({"secrets": [{"source": {"type": "env", "var": "X"}, "inject": {"header": "X", "headr": 1}}]}),
            "parsing secrets: field headr not found in type secrets.injectConfig; did you mean \"header\"? (secrets[0].inject.headr)",
        ),
        (json!({"transforms": {}}), "parsing transforms: not a list"),
        (json!({"transforms": [null, 5]}), "parsing transforms[1]: not an object"),
        (json!({"transforms": [{"config": {}}]}), "transforms[0]: name is required"),
        (json!({"transforms": [{"name": "nope"}]}), "unknown transform \"nope\""),
        (
            json!({"transforms": [{"name": "header_allowlist", "config": 5}]}),
            "transforms[0] (header_allowlist): parsing config: cannot unmarshal !!int `5` into headerallowlist.config",
        ),
        (json!({"mcp": []}), "parsing mcp: not an object"),
        (json!({"mcp": {"servers": {}}}), "parsing mcp: servers is not a list"),
        (json!({"postgres": {}}), "parsing postgres: not a list"),
    ] {
        assert_eq!(refused(&local, &answer).to_string(), error);
    }
    // All or nothing: good rules beside a bad transform.
    let mixed = json!({"rules": rule("*"), "secrets": [secret("a.test")], "transforms": [{"name": "nope"}]});
    refused(&local, &mixed);
    assert!(!allows(&local, "a.test") && credentials(&local) == 0);
}

#[test]
fn an_error_does_not_show_a_value() {
    let mut entry = secret("a.test");
    entry["inject"] = json!({"header": "Host"});
    let error = refused(&local(&[]), &json!({"secrets": [entry]})).to_string();
    assert!(error.contains("secrets[0]") && !error.contains("fake-value"), "{error}");
}

#[test]
fn keys_are_those_of_json_and_not_of_yaml() {
    let answer = json!({"rules": [{"<<": {"host": "a.test"}}]});
    let error = refused(&local(&[]), &answer).to_string();
    assert!(error.contains("field << not found"), "{error}");
}

#[test]
fn the_status_says_where_the_allowlist_is_from() {
    let answer = json!({"config_hash": "1", "rules": rule("a.test"), "secrets": [secret("a.test")]});
    let shown = after(&local(&["b.test"]), &[answer]).parts().to_json();
    assert_eq!(shown["allowlist"], json!({"from": "control_plane", "rules": 1}));
    assert_eq!(shown["secrets"]["entries"], 1);
    assert_eq!(local(&["b.test"]).parts().to_json()["allowlist"]["from"], "environment");
    assert_eq!(local(&[]).parts().to_json()["allowlist"]["from"], "nothing");
}

#[test]
fn what_a_credential_is_bound_to_is_allowed_for_as_long_as_it_is_there_if_the_environment_says_so() {
    let granted = AllowHosts { granted: true, ..hosts(&["local.test"]) };
    let local = Policy::local(Vec::new(), granted, &SourcePool::default());
    let without = json!({"config_hash": "1", "principal_id": "prn_a", "secrets": [secret("a.test")]});
    let first = after(&local, std::slice::from_ref(&without));
    assert!(allows(&first, "a.test") && allows(&first, "local.test") && !allows(&first, "b.test"));
    assert_eq!(first.parts().allowed_by(), AllowedBy::Environment);
    // Withdrawn, and the same for another principal.
    let none = json!({"config_hash": "2", "principal_id": "prn_a", "secrets": []});
    let withdrawn = after(&local, &[without.clone(), none]);
    assert!(!allows(&withdrawn, "a.test") && allows(&withdrawn, "local.test"));
    let other = json!({"config_hash": "3", "principal_id": "prn_b", "secrets": [secret("b.test")]});
    let moved = after(&local, &[without.clone(), other]);
    assert!(!allows(&moved, "a.test") && allows(&moved, "b.test"));
    // Without the word, or with rules of the control plane, credentials open nothing.
    assert!(!allows(&after(&self::local(&["local.test"]), std::slice::from_ref(&without)), "a.test"));
    let ruled = json!({"config_hash": "4", "rules": rule("r.test"), "secrets": [secret("a.test")]});
    let ruled = after(&local, &[ruled]);
    assert!(allows(&ruled, "r.test") && !allows(&ruled, "a.test"));
}
