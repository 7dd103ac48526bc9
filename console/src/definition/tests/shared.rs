//! Sources, rules, and what a document replaces.

use super::*;

fn source_problems(source: Value) -> Vec<(String, Vec<String>)> {
    rows(SecretKind::Static, with(right(SecretKind::Static), "source", source))
}

#[test]
fn sources_are_checked_under_both_names() {
    let row = |key: &str, text: &str| {
        vec![(key.to_owned(), vec![text.to_owned()]), (format!("source.{key}"), vec![text.to_owned()])]
    };
    for (source, want) in [
        (json!({"config":{}}), row("source_type", "can't be blank")),
        (json!({"source_type":""}), row("source_type", "can't be blank")),
        (json!({"source_type":"frob"}), row("source_type", "is not included in the list")),
        (json!({"source_type":5}), row("source_type", "is not included in the list")),
        (json!({"source_type":"control_plane","config":[],"secret":"x"}), row("config", "must be a hash")),
        (
            json!({"source_type":"env"}),
            row("config", "is missing required key \"var\" for source_type \"env\""),
        ),
        (
            json!({"source_type":"env","config":{"var":"X","colour":"red"}}),
            row("config", "has unknown key \"colour\" for source_type \"env\""),
        ),
        (
            json!({"source_type":"env","config":{"var":""}}),
            row("config", "key \"var\" must be a non-empty string"),
        ),
        (
            json!({"source_type":"env","config":{"var":5}}),
            row("config", "key \"var\" must be a non-empty string"),
        ),
        (
            json!({"source_type":"env","config":{"var":"X","ttl":"-5m"}}),
            row("config", "key \"ttl\" must be a positive duration such as \"10m\""),
        ),
        (
            json!({"source_type":"env","config":{"var":"X","ttl":"0"}}),
            row("config", "key \"ttl\" must be a positive duration such as \"10m\""),
        ),
        (
            json!({"source_type":"aws_ssm","config":{"name":"/x","with_decryption":"yes"}}),
            row("config", "key \"with_decryption\" must be true or false"),
        ),
        (
            json!({"source_type":"control_plane"}),
            row("secret", "can't be blank for source_type \"control_plane\""),
        ),
        (
            json!({"source_type":"control_plane","secret":"  "}),
            row("secret", "can't be blank for source_type \"control_plane\""),
        ),
        (
            json!({"source_type":"env","config":{"var":"X"},"secret":"planted"}),
            row("secret", "is only allowed for source_type \"control_plane\""),
        ),
    ] {
        assert_eq!(source_problems(source.clone()), want, "{source}");
    }
    assert_eq!(source_problems(json!("x")), [("source".to_owned(), vec!["must be a hash".to_owned()])]);
}

#[test]
fn every_source_type_is_taken_with_its_keys() {
    for source in [
        json!({"source_type":"env","config":{"var":"X","json_key":"k","ttl":"10m"}}),
        json!({"source_type":"env","config":{"var":"X"},"secret":null}),
        json!({"source_type":"aws_sm","config":{"secret_id":"x","region":"eu-central-1"}}),
        json!({"source_type":"aws_ssm","config":{"name":"/x","region":"r","with_decryption":true}}),
        json!({"source_type":"1password","config":{"secret_ref":"op://a/b","token_env":"T"}}),
        json!({"source_type":"1password_connect","config":{"secret_ref":"op://a/b","host_env":"H","token_env":"T"}}),
        json!({"source_type":"control_plane","config":{"json_key":"k"},"secret":"x","frob":1}),
        json!({"source_type":"token_broker","config":{"credential_id":KNOWN}}),
        json!({"source_type":"token_broker","config":{"credential_id":"drive","credential_namespace":"lab"}}),
    ] {
        assert_eq!(source_problems(source.clone()), [], "{source}");
    }
}

#[test]
fn a_broker_reference_says_which_credential_it_means() {
    let text = |config: Value| {
        let problems = source_problems(json!({"source_type":"token_broker","config":config}));
        problems.into_iter().find(|(key, _)| key == "config").map(|(_, texts)| texts.join("; "))
    };
    let needs = "credential_namespace is required when credential_id is a foreign_id";
    for (config, want) in [
        (json!({"credential_id":KNOWN}), None),
        (
            json!({"credential_id":KNOWN,"credential_namespace":"lab"}),
            Some("credential_namespace is not allowed when credential_id is an opaque id"),
        ),
        (
            json!({"credential_id":GONE}),
            Some("credential_id \"bcr_aqYHqcEe\" does not reference an existing broker credential"),
        ),
        (json!({"credential_id":"drive"}), Some(needs)),
        (json!({"credential_id":"bcr_garbage"}), Some(needs)),
        (
            json!({"credential_id":"nope","credential_namespace":"lab"}),
            Some("credential_id \"nope\" does not reference an existing broker credential"),
        ),
        (
            json!({"credential_id":KNOWN,"json_key":"k"}),
            Some("json_key is not allowed for source_type \"token_broker\""),
        ),
        (json!({"credential_id":""}), Some("key \"credential_id\" must be a non-empty string")),
        (json!({}), Some("is missing required key \"credential_id\" for source_type \"token_broker\"")),
    ] {
        assert_eq!(text(config.clone()).as_deref(), want, "{config}");
    }
}

#[test]
fn the_references_of_a_request_are_found_wherever_they_stand() {
    let broker = |id: &str| json!({"source_type":"token_broker","config":{"credential_id":id}});
    let body =
        json!({"source":broker("a"),"credentials":{"x":broker("b"),"y":broker("a")},"rules":[broker("c")]});
    let Value::Object(members) = body else { panic!() };
    let found: Vec<_> =
        credential_refs(&Attributes::new(members)).into_iter().map(|found| found.id).collect();
    assert_eq!(found, ["a", "b", "c"]);
}

#[test]
fn rules_are_checked_one_by_one_with_their_index() {
    for (rule, key, want) in [
        (json!({"host":"a","cidr":"10.0.0.0/8"}), "base", "host and cidr are mutually exclusive"),
        (json!({}), "base", "either host or cidr must be present"),
        (json!({"host":" "}), "base", "either host or cidr must be present"),
        (json!({"cidr":"10.0.0.0/33"}), "cidr", "is not a valid CIDR"),
        (json!({"cidr":"example.com"}), "cidr", "is not a valid CIDR"),
        (
            json!({"host":"a","http_methods":["get"]}),
            "http_methods",
            "\"get\" is not a supported HTTP method",
        ),
        (
            json!({"host":"a","http_methods":["TRACE"]}),
            "http_methods",
            "\"TRACE\" is not a supported HTTP method",
        ),
        (json!({"host":"a","http_methods":"GET"}), "http_methods", "must be an array"),
        (json!({"host":"a","paths":["v1"]}), "paths", "\"v1\" must be a string starting with /"),
        (json!({"host":"a","paths":[5]}), "paths", "5 must be a string starting with /"),
        (json!({"host":"a","paths":"/v1"}), "paths", "must be an array"),
        (
            json!({"host":"a","paths":["/["]}),
            "paths",
            "\"/[\" is not a path pattern: malformed glob: character class is empty or not closed",
        ),
        (
            json!({"host":"https://a"}),
            "host",
            "must be a hostname or wildcard pattern, without scheme or path",
        ),
        (json!({"host":"a/b"}), "host", "must be a hostname or wildcard pattern, without scheme or path"),
        (json!({"host":"a:443"}), "host", "must be a hostname or wildcard pattern, without scheme or path"),
        (json!({"host":"a b"}), "host", "must be a hostname or wildcard pattern, without scheme or path"),
        (json!({"host":5}), "host", "must be a hostname or wildcard pattern, without scheme or path"),
        (json!({"host":"a","ports":[0]}), "ports", "0 is not a port from 1 to 65535"),
        (json!({"host":"a","ports":[65_536]}), "ports", "65536 is not a port from 1 to 65535"),
        (json!({"host":"a","schemes":["ftp"]}), "schemes", "\"ftp\" must be \"http\" or \"https\""),
    ] {
        let body = with(right(SecretKind::Static), "rules", json!([{"host":"fine"}, rule]));
        let want = vec![want.to_owned()];
        let expected = [(key.to_owned(), want.clone()), (format!("rules[1].{key}"), want)];
        assert_eq!(rows(SecretKind::Static, body), expected, "{rule}");
    }
    for (rules, key) in [(json!("x"), "rules"), (json!(["x"]), "rules[0]")] {
        let problems = rows(SecretKind::Static, with(right(SecretKind::Static), "rules", rules));
        assert!(problems.iter().any(|(found, _)| found == key), "{problems:?}");
    }
}

#[test]
fn right_rules_are_shown_with_five_keys_and_sent_in_the_proxys_words() {
    for (rule, shown_as, wire) in [
        (
            json!({"host":"*.Example.com","position":9,"frob":1}),
            json!({"host":"*.Example.com","cidr":null,"position":0,"http_methods":[],"paths":[]}),
            json!({"host":"*.Example.com"}),
        ),
        (
            json!({"cidr":"10.0.0.0/8","host":null,"http_methods":["*"],"paths":["/a/*"]}),
            json!({"host":null,"cidr":"10.0.0.0/8","position":0,"http_methods":["*"],"paths":["/a/*"]}),
            json!({"cidr":"10.0.0.0/8","methods":["*"],"paths":["/a/*"]}),
        ),
        (
            json!({"cidr":"10.1.2.3"}),
            json!({"host":null,"cidr":"10.1.2.3","position":0,"http_methods":[],"paths":[]}),
            json!({"cidr":"10.1.2.3/32"}),
        ),
        (
            json!({"cidr":"fd00::1","http_methods":null}),
            json!({"host":null,"cidr":"fd00::1","position":0,"http_methods":[],"paths":[]}),
            json!({"cidr":"fd00::1/128"}),
        ),
        (
            json!({"host":"*","ports":[443],"schemes":["https"]}),
            json!({"host":"*","cidr":null,"position":0,"http_methods":[],"paths":[],"ports":[443],"schemes":["https"]}),
            json!({"host":"*","ports":[443],"schemes":["https"]}),
        ),
    ] {
        let definition =
            read(SecretKind::Static, with(right(SecretKind::Static), "rules", json!([rule]))).unwrap();
        assert_eq!(shown(&definition)["rules"][0], shown_as);
        assert_eq!(definition.body.rules()[0].wire(), wire);
    }
}

#[test]
fn a_write_replaces_the_whole_document() {
    let full = json!({
        "name":"n","description":"d","labels":{"a":"b"},"inject_config":{"header":"X-Key"},
        "source":{"source_type":"env","config":{"var":"X"}},"rules":[{"host":"a"}],"allow_plaintext":true,
    });
    let stored = read(SecretKind::Static, full.clone()).unwrap();
    for (key, reset) in [
        ("name", json!(null)),
        ("description", json!(null)),
        ("labels", json!({})),
        ("source", json!(null)),
        ("rules", json!([])),
    ] {
        for body in [without(full.clone(), key), with(full.clone(), key, json!(null))] {
            let updated = update(SecretKind::Static, body, Some(&stored)).unwrap();
            assert_eq!(shown(&updated)[key], reset, "{key}");
        }
    }
    let updated =
        update(SecretKind::Static, without(full.clone(), "allow_plaintext"), Some(&stored)).unwrap();
    assert!(shown(&updated).get("allow_plaintext").is_none());
    let replaced = with(without(full, "inject_config"), "replace_config", json!({"proxy_value":"P"}));
    let updated = shown(&update(SecretKind::Static, replaced, Some(&stored)).unwrap());
    assert_eq!(
        (&updated["inject_config"], &updated["replace_config"]),
        (&json!(null), &json!({"proxy_value":"P"}))
    );
}

#[test]
fn an_inline_value_is_sent_again_or_kept_by_name() {
    let kind = SecretKind::Static;
    let stored = read(kind, right(kind)).unwrap();
    let source = |source: Value| with(right(kind), "source", source);
    let again = update(kind, source(json!({"source_type":"control_plane"})), Some(&stored)).unwrap_err();
    assert_eq!(again.under("secret"), ["can't be blank for source_type \"control_plane\""]);
    assert_eq!(stored.values.value("source").unwrap().expose(), "planted-1");

    let kept = source(json!({"source_type":"control_plane","config":{"json_key":"k"},"keep_secret":true}));
    let kept = update(kind, kept, Some(&stored)).unwrap();
    assert_eq!(kept.values.value("source").unwrap().expose(), "planted-1");

    let keep = json!({"source_type":"control_plane","keep_secret":true});
    let nothing = update(kind, source(keep.clone()), None).unwrap_err();
    assert_eq!(nothing.under("source.keep_secret"), ["has no stored value to keep"]);
    let from_env = read(kind, source(json!({"source_type":"env","config":{"var":"X"}}))).unwrap();
    assert!(update(kind, source(keep), Some(&from_env)).is_err());
    let both = source(json!({"source_type":"control_plane","keep_secret":true,"secret":"x"}));
    assert!(update(kind, both, Some(&stored)).is_err());
}

#[test]
fn everything_wrong_is_told_at_once() {
    let problems = rows(
        SecretKind::Static,
        json!({
            "namespace":"a b","foreign_id":"ssr_x","name":"\u{0}","labels":[],
            "source":{"source_type":"env"},"rules":[{"host":"a"},{"http_methods":["x"]}],
        }),
    );
    let keys: Vec<_> = problems.iter().map(|(key, _)| key.as_str()).collect();
    for key in [
        "namespace",
        "foreign_id",
        "name",
        "labels",
        "base",
        "config",
        "source.config",
        "http_methods",
        "rules[1].http_methods",
        "rules[1].base",
    ] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
}

#[test]
fn a_nested_failure_is_found_in_every_type() {
    let wrong = json!({"source_type":"env"});
    for (kind, pointer, key) in [
        (SecretKind::Static, "/source", "source.config"),
        (SecretKind::GcpAuth, "/keyfile", "keyfile.config"),
        (SecretKind::GcpIdToken, "/keyfile", "keyfile.config"),
        (SecretKind::AwsAuth, "/session_token", "session_token.config"),
        (SecretKind::OauthToken, "/credentials/client_id", "credentials.client_id.config"),
        (SecretKind::OauthToken, "/token_endpoint_headers/X-Extra", "token_endpoint_headers.X-Extra.config"),
        (SecretKind::PgDsn, "/dsn", "dsn.config"),
        (SecretKind::Hmac, "/credentials/secret", "credentials.secret.config"),
    ] {
        assert!(read(kind, right(kind)).is_ok(), "{kind:?}");
        let mut body = right(kind);
        *body.pointer_mut(pointer).unwrap() = wrong.clone();
        let text = vec!["is missing required key \"var\" for source_type \"env\"".to_owned()];
        let want = [("config".to_owned(), text.clone()), (key.to_owned(), text)];
        assert_eq!(rows(kind, body), want, "{pointer}");
    }
}
