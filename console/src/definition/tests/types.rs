//! Each type's own fields.

use super::*;

fn check(kind: SecretKind, change: (&str, Value), key: &str, want: &[&str]) {
    let body = with(right(kind), change.0, change.1.clone());
    let problems = read(kind, body).err().unwrap_or_default();
    assert_eq!(problems.under(key), want, "{kind:?} {} {}", change.0, change.1);
    assert_eq!(problems.is_empty(), want.is_empty(), "{kind:?} {}: {problems:?}", change.0);
}

fn check_missing(kind: SecretKind, gone: &str, key: &str, want: &str) {
    let problems = read(kind, without(right(kind), gone)).unwrap_err();
    assert_eq!(problems.under(key), [want], "{kind:?} {gone}");
}

#[test]
fn a_static_secret_has_one_of_two_placements() {
    const NEITHER: &str = "must define one of inject_config or replace_config";
    let kind = SecretKind::Static;
    for body in [
        without(right(kind), "inject_config"),
        with(right(kind), "inject_config", json!(null)),
        with(right(kind), "inject_config", json!({})),
    ] {
        assert_eq!(read(kind, body).unwrap_err().under("base"), [NEITHER]);
    }
    let both = with(right(kind), "replace_config", json!({"proxy_value":"P"}));
    let text = "inject_config and replace_config are mutually exclusive";
    assert_eq!(read(kind, both).unwrap_err().under("base"), [text]);
    assert!(read(kind, with(right(kind), "replace_config", json!({}))).is_ok());
    for wrong in [json!("x"), json!([]), json!(5)] {
        check(kind, ("inject_config", wrong), "inject_config", &["must be a hash"]);
    }
}

#[test]
fn inject_writes_one_place_with_keys_that_are_known() {
    let kind = SecretKind::Static;
    for (config, want) in [
        (json!({"header":"X-Key"}), None),
        (json!({"query_param":"appid","formatter":"Token {{ .Value }}"}), None),
        (json!({"header":"X","query_param":"q"}), Some("header and query_param are mutually exclusive")),
        (json!({"formatter":"x"}), Some("must define one of header or query_param")),
        (json!({"header":"X","frob":1}), Some("has unknown key \"frob\"")),
        (json!({"header":"X Y"}), Some("\"X Y\" is not a header name")),
        (json!({"header":"X\r\nY"}), Some("\"X\\r\\nY\" is not a header name")),
        (json!({"header":"host"}), Some("header must not be \"host\", which the proxy sets itself")),
        (json!({"header":"X","formatter":5}), Some("formatter must be a non-empty string")),
        (
            json!({"header":"X","formatter":"Bearer {{ .Value }"}),
            Some("formatter is not a template: line 1: unexpected character"),
        ),
    ] {
        check(kind, ("inject_config", config), "inject_config", want.as_slice());
    }
}

#[test]
fn replace_needs_a_placeholder_and_searches_named_places() {
    let kind = SecretKind::Static;
    let base = without(right(kind), "inject_config");
    for (config, want) in [
        (json!({"proxy_value":"P"}), None),
        (
            json!({"proxy_value":"P","match_headers":["Authorization","/^$/"],"match_body":false,"match_path":true,
                   "match_query":true,"require":true}),
            None,
        ),
        (json!({"match_query":true}), Some("proxy_value can't be blank")),
        (json!({"proxy_value":""}), Some("proxy_value must be a non-empty string")),
        (json!({"proxy_value":null,"match_body":true}), Some("proxy_value must be a non-empty string")),
        (json!({"proxy_value":"P","match_headers":"X"}), Some("match_headers must be an array")),
        (json!({"proxy_value":"P","match_headers":[5]}), Some("match_headers must all be strings")),
        (
            json!({"proxy_value":"P","match_headers":["a b"]}),
            Some("match_headers: \"a b\" is neither a header name nor a /regular expression/"),
        ),
        (
            json!({"proxy_value":"P","match_headers":["/(/"]}),
            Some("match_headers: \"/(/\" is neither a header name nor a /regular expression/"),
        ),
        (json!({"proxy_value":"P","match_body":"yes"}), Some("match_body must be true or false")),
        (json!({"proxy_value":"P","frob":1}), Some("has unknown key \"frob\"")),
    ] {
        let result = read(kind, with(base.clone(), "replace_config", config.clone()));
        match (result, want) {
            (Ok(definition), None) => assert_eq!(shown(&definition)["replace_config"], config),
            (Err(problems), Some(want)) => assert_eq!(problems.under("replace_config"), [want]),
            (result, _) => panic!("{config}: {result:?}"),
        }
    }
}

#[test]
fn the_example_of_the_documentation_comes_out_as_shown() {
    let body = json!({"namespace":"lab","foreign_id":"weather-key","name":"Weather","inject_config":{"query_param":"appid"},
        "source":{"source_type":"aws_sm","config":{"secret_id":"weather/api","json_key":"key","ttl":"5m"}},
        "rules":[{"host":"api.weather.example","http_methods":["GET"],"paths":["/v3/*"]}]});
    let want = json!({"id":"ssr_kxIQLCuJ","namespace":"lab","foreign_id":"weather-key","name":"Weather","description":null,
        "labels":{},"inject_config":{"query_param":"appid"},"replace_config":null,
        "source":{"source_type":"aws_sm","config":{"secret_id":"weather/api","json_key":"key","ttl":"5m"}},
        "rules":[{"host":"api.weather.example","cidr":null,"position":0,"http_methods":["GET"],"paths":["/v3/*"]}],
        "created_at":"2031-05-04T09:08:07.000Z","updated_at":"2031-05-04T09:08:07.000Z",
        "broker_credential_id":null,"created_by":null,"revision":1});
    assert_eq!(shown(&read(SecretKind::Static, body).unwrap()).to_string(), want.to_string());
}

#[test]
fn gcp_auth_has_scopes_and_one_identity() {
    let kind = SecretKind::GcpAuth;
    let identity = ("credentials_provider", json!({"type":"workload_identity"}));
    check_missing(kind, "scopes", "scopes", "must include at least one scope");
    check_missing(kind, "keyfile", "base", "must define one of keyfile (source) or credentials_provider");
    for (scopes, want) in [
        (json!("s"), Some("must be an array")),
        (json!([]), Some("must include at least one scope")),
        (json!(["s", 5]), Some("must all be strings")),
        (json!(["s", " "]), Some("must all be strings")),
        (json!(["s", "t"]), None),
    ] {
        check(kind, ("scopes", scopes), "scopes", want.as_slice());
    }
    check(kind, identity.clone(), "base", &["keyfile and credentials_provider are mutually exclusive"]);
    let by_identity = with(without(right(kind), "keyfile"), identity.0, identity.1.clone());
    let definition = read(kind, by_identity.clone()).unwrap();
    assert_eq!(shown(&definition)["credentials_provider"], identity.1);
    assert_eq!(shown(&definition)["keyfile"], json!(null));
    let problems = read(kind, with(by_identity, "subject", json!("a@example.com"))).unwrap_err();
    assert_eq!(problems.under("subject"), ["is only allowed with a keyfile source"]);
    check(kind, ("subject", json!("a@example.com")), "subject", &[]);
    for wrong in [json!({"type":"other"}), json!({"type":"workload_identity","x":1})] {
        let body = with(without(right(kind), "keyfile"), "credentials_provider", wrong);
        assert!(!read(kind, body).unwrap_err().under("credentials_provider").is_empty());
    }
    let body = with(without(right(kind), "keyfile"), "credentials_provider", json!("x"));
    assert_eq!(read(kind, body).unwrap_err().under("credentials_provider"), ["must be a hash"]);
}

#[test]
fn gcp_id_token_has_an_audience_a_key_file_and_a_rule() {
    let kind = SecretKind::GcpIdToken;
    check_missing(kind, "audience", "audience", "can't be blank");
    check_missing(kind, "keyfile", "keyfile_source", "can't be blank");
    check_missing(kind, "rules", "rules", "must include at least one rule");
    check(kind, ("rules", json!([])), "rules", &["must include at least one rule"]);
    check(kind, ("rules", json!("x")), "rules", &["must be an array"]);
    check(
        kind,
        ("header", json!("x")),
        "header",
        &["must be one of authorization, x-serverless-authorization"],
    );
    for (header, want) in [
        (json!(" X-Serverless-Authorization "), json!("x-serverless-authorization")),
        (json!(""), json!(null)),
        (json!(null), json!(null)),
    ] {
        assert_eq!(shown(&read(kind, with(right(kind), "header", header)).unwrap())["header"], want);
    }
}

#[test]
fn aws_auth_needs_both_halves_of_the_key() {
    let kind = SecretKind::AwsAuth;
    for half in ["access_key_id", "secret_access_key"] {
        check_missing(kind, half, "sources", &format!("is missing the required \"{half}\" credential"));
    }
    check_missing(kind, "rules", "rules", "must include at least one rule");
    assert_eq!(
        shown(&read(kind, without(right(kind), "session_token")).unwrap())["session_token"],
        json!(null)
    );
    for key in ["allowed_regions", "allowed_services"] {
        check(kind, (key, json!("x")), key, &["must be an array"]);
        check(kind, (key, json!(["x", ""])), key, &["must all be strings"]);
        check(kind, (key, json!(["x"])), key, &[]);
        assert_eq!(shown(&read(kind, right(kind)).unwrap())[key], json!([]));
    }
}

#[test]
fn an_oauth_grant_has_its_own_fields() {
    let kind = SecretKind::OauthToken;
    let env = || json!({"source_type":"env","config":{"var":"X"}});
    check(
        kind,
        ("grant", json!("x")),
        "grant",
        &["must be one of refresh_token, client_credentials, password, jwt_bearer"],
    );
    check_missing(kind, "token_endpoint", "token_endpoint", "can't be blank");
    check_missing(kind, "rules", "rules", "must include at least one rule");
    for wrong in ["auth.example/token", "ftp://a/b", "https://"] {
        check(
            kind,
            ("token_endpoint", json!(wrong)),
            "token_endpoint",
            &["must be an http or https URL with a host"],
        );
    }
    check(kind, ("scopes", json!("x")), "scopes", &["must be an array of strings"]);
    check(kind, ("scopes", json!([5])), "scopes", &["must be an array of strings"]);
    check(kind, ("header", json!("a b")), "header", &["is not a header name"]);
    check(kind, ("value_prefix", json!("a\r\nb")), "value_prefix", &["must not contain control characters"]);
    check(
        kind,
        ("token_endpoint_headers", json!({"a b":env()})),
        "token_endpoint_headers",
        &["\"a b\" is not a header name"],
    );
    check(kind, ("credentials", json!("x")), "credentials", &["must be a hash"]);
    for (grant, fields, want) in [
        ("refresh_token", &["refresh_token", "client_id", "client_secret"][..], &[][..]),
        (
            "refresh_token",
            &["refresh_token"],
            &["is missing required field \"client_id\" for the refresh_token grant"],
        ),
        ("client_credentials", &["client_id", "client_secret"], &[]),
        (
            "client_credentials",
            &["client_id", "client_secret", "username"],
            &["field \"username\" is not used by the client_credentials grant"],
        ),
        (
            "client_credentials",
            &["client_id", "client_secret", "frob"],
            &["\"frob\" is not a valid credential field"],
        ),
        ("password", &["username", "password", "client_id"], &[]),
        ("jwt_bearer", &["issuer", "subject", "private_key", "private_key_id"], &[]),
        ("frob", &["frob"], &[]),
    ] {
        let credentials: Value =
            Value::Object(fields.iter().map(|name| ((*name).to_owned(), env())).collect());
        let body = with(with(right(kind), "grant", json!(grant)), "credentials", credentials);
        let problems = read(kind, with(body, "audience", json!("aud"))).err().unwrap_or_default();
        assert_eq!(problems.under("sources"), want, "{grant} {fields:?}");
    }
    let jwt = with(right(kind), "grant", json!("jwt_bearer"));
    assert_eq!(read(kind, jwt).unwrap_err().under("audience"), ["can't be blank for the jwt_bearer grant"]);
}

#[test]
fn settings_of_a_database_are_checked_entry_by_entry() {
    let kind = SecretKind::PgDsn;
    for (entry, want) in [
        (json!("x"), "must be an object"),
        (json!({"value":"x"}), "name is required"),
        (json!({"name":" "}), "name is required"),
        (json!({"name":"x y","value":"v"}), "invalid setting name \"x y\""),
        (json!({"name":"a.b.c","value":"v"}), "invalid setting name \"a.b.c\""),
        (json!({"name":"ROLE","value":"v"}), "\"ROLE\" is managed by the proxy; use the role field"),
        (
            json!({"name":"session_authorization","value":"v"}),
            "\"session_authorization\" is managed by the proxy; use the role field",
        ),
        (json!({"name":"App.Tenant","value":"v"}), "duplicate setting \"App.Tenant\""),
        (json!({"name":"a","value":"v","value_from":{}}), "value and value_from are mutually exclusive"),
        (json!({"name":"a","value_from":"x"}), "value_from must be an object"),
        (
            json!({"name":"a","value_from":{}}),
            "value_from must have exactly one of principal_label or principal_field",
        ),
        (
            json!({"name":"a","value_from":{"frob":"x"}}),
            "value_from must have exactly one of principal_label or principal_field",
        ),
        (
            json!({"name":"a","value_from":{"principal_label":"x","principal_field":"id"}}),
            "value_from must have exactly one of principal_label or principal_field",
        ),
        (json!({"name":"a","value_from":{"principal_label":""}}), "principal_label can't be blank"),
        (
            json!({"name":"a","value_from":{"principal_field":"labels"}}),
            "unknown principal_field \"labels\" (one of: id, namespace, foreign_id, name)",
        ),
    ] {
        let settings = json!([{"name":"app.tenant","value_from":{"principal_label":"t"}}, entry]);
        check(kind, ("settings", settings), "settings", &[&format!("[1] {want}")]);
    }
    check(kind, ("settings", json!({})), "settings", &["must be an array"]);
    let settings =
        json!([{"name":"app.user","value_from":{"principal_field":"foreign_id"}},{"name":"a","value":"v"}]);
    let definition = read(kind, with(right(kind), "settings", settings.clone())).unwrap();
    assert_eq!(shown(&definition)["settings"], settings);
}

#[test]
fn a_database_has_a_name_that_its_inline_dsn_names_too() {
    let kind = SecretKind::PgDsn;
    check_missing(kind, "foreign_id", "foreign_id", "can't be blank");
    check_missing(kind, "database", "database", "can't be blank");
    check_missing(kind, "dsn", "dsn_source", "can't be blank");
    let inline = |value: &str| json!({"source_type":"control_plane","secret":value});
    for (dsn, want) in [
        (inline("postgres://u:p@h/db"), None),
        (inline("host=h dbname=db"), None),
        (inline("postgres://u:p@h"), Some("DSN names no database; it must match \"db\"")),
        (inline("postgres://u:p/fake-rest@h/db"), Some("must match the DSN database")),
        (inline("postgres://u:p/?dbname=fake-rest@h/db"), Some("must match the DSN database")),
        (inline("host=h user=u"), Some("DSN names no database; it must match \"db\"")),
        (inline("postgres://u:p@h/other"), Some("must match the DSN database (\"other\")")),
        (inline("host=h dbname=other"), Some("must match the DSN database (\"other\")")),
        (inline("nonsense"), None),
        (json!({"source_type":"env","config":{"var":"DSN"}}), None),
        (
            json!({"source_type":"control_plane","config":{"json_key":"k"},"secret":"{\"k\":\"host=h dbname=other\"}"}),
            Some("must match the DSN database (\"other\")"),
        ),
        (
            json!({"source_type":"control_plane","config":{"json_key":"k"},"secret":"host=h dbname=other"}),
            None,
        ),
        (
            json!({"source_type":"control_plane","config":{"json_key":"x"},"secret":"{\"k\":\"dbname=other\"}"}),
            None,
        ),
    ] {
        check(kind, ("dsn", dsn), "database", want.as_slice());
    }
    let stored = read(kind, right(kind)).unwrap();
    let kept = with(right(kind), "dsn", json!({"source_type":"control_plane","keep_secret":true}));
    assert!(update(kind, kept.clone(), Some(&stored)).is_ok());
    let problems = update(kind, with(kept, "database", json!("new")), Some(&stored)).unwrap_err();
    assert_eq!(problems.under("database"), ["must match the DSN database (\"db\")"]);
}

#[test]
fn an_hmac_recipe_is_made_of_known_words() {
    let kind = SecretKind::Hmac;
    for (key, want) in [
        ("timestamp_format", "must be one of unix_seconds, unix_millis, unix_nanos, rfc3339"),
        ("signature_algorithm", "must be one of sha256, sha512, sha1"),
        ("signature_key_encoding", "must be one of raw, base64, hex"),
        ("signature_output_encoding", "must be one of base64, hex"),
    ] {
        check(kind, (key, json!("frob")), key, &[want]);
        check_missing(kind, key, key, want);
    }
    check_missing(kind, "signature_message", "signature_message", "can't be blank");
    check_missing(kind, "headers", "headers", "must include at least one header");
    check_missing(kind, "credentials", "sources", "is missing the required \"secret\" credential");
    check_missing(kind, "rules", "rules", "must include at least one rule");
    check(kind, ("headers", json!("x")), "headers", &["must be an array"]);
    const BLANK: &str = "each header must have a non-blank name and value";
    check(
        kind,
        ("headers", json!([{"name":"","value":"v"},{"name":"X","value":"v"},{"name":"Y"}])),
        "headers",
        &[BLANK, BLANK],
    );
    check(
        kind,
        ("headers", json!([{"name":"a b","value":"v"}])),
        "headers",
        &["\"a b\" is not a header name"],
    );
    const OPEN: &str = "is not a template: line 1: unclosed action";
    check(kind, ("signature_message", json!("{{ .Body")), "signature_message", &[OPEN]);
    let open = json!([{"name":"X-Sig","value":"{{ .Signature"}]);
    check(kind, ("headers", open), "headers", &[&format!("X-Sig {OPEN}")]);
    check(kind, ("allow_chunked_body", json!("yes")), "allow_chunked_body", &["must be true or false"]);
    let env = json!({"source_type":"env","config":{"var":"X"}});
    check(
        kind,
        ("credentials", json!({"secret":env, "":env})),
        "sources",
        &["credential name can't be blank"],
    );
}
