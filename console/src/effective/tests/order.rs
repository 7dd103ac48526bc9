//! Which comes first.

use centaur_policies::{spec, yaml};

use super::*;

#[test]
fn the_strongest_comes_last_and_ties_go_by_row() {
    let mut world = World::default();
    let keys: Vec<_> = (1..=4).map(|id| world.inject(id, &format!("X-{id}"), "a.example")).collect();
    for (grants, want) in [
        // A direct grant has 100 and a role's has 0, unless somebody says otherwise.
        (vec![direct(keys[0], 100), through("r", keys[1], 0)], vec!["V2", "V1"]),
        (vec![direct(keys[0], 100), through("r", keys[1], 200)], vec!["V1", "V2"]),
        (
            vec![through("r", keys[3], 0), through("r", keys[2], 0), through("s", keys[0], 0)],
            vec!["V1", "V3", "V4"],
        ),
        // Reached twice: once, with the maximum.
        (vec![through("r", keys[0], 0), direct(keys[0], 100), direct(keys[1], 50)], vec!["V2", "V1"]),
    ] {
        let effective = world.assemble(&subject("prn_1", grants));
        assert_eq!(vars(&effective), want);
    }
}

#[test]
fn an_expired_grant_counts_for_nothing_from_the_moment_on() {
    let mut world = World::default();
    let key = world.inject(1, "X", "a.example");
    for (expires_at, want) in
        [(None, true), (Some(NOW + 1), true), (Some(NOW), false), (Some(NOW - 1), false)]
    {
        let effective = world.assemble(&subject("prn_1", vec![Grant { expires_at, ..direct(key, 100) }]));
        assert_eq!(!vars(&effective).is_empty(), want, "{expires_at:?}");
        let told = outcome(&effective, key);
        assert_eq!(told == Outcome::Served, want);
        assert!(want || told == Outcome::Skipped(Skip::GrantExpired));
        assert_eq!(effective.changes_at, expires_at.filter(|at| *at > NOW));
    }
    let expired = Grant { expires_at: Some(NOW), ..direct(key, 100) };
    let effective = world.assemble(&subject("prn_1", vec![expired, through("r", key, 7)]));
    let told = &effective.explained[0];
    assert_eq!((told.priority, told.paths.len(), &told.outcome), (7, 1, &Outcome::Served));
}

#[test]
fn transforms_stand_in_blocks_and_oauth_is_bundled_last() {
    let mut world = World::default();
    let rules = |host: &str| json!([{ "host": host }]);
    let hmac = json!({
        "timestamp_format":"unix_seconds","signature_algorithm":"sha512","signature_key_encoding":"hex",
        "signature_output_encoding":"base64","signature_message":"m","headers":[{"name":"X-Sig","value":"v"}],
        "credentials":{"secret":env("S")},"rules":rules("h.example"),"allow_chunked_body":true,
    });
    let oauth = |host: &str| {
        json!({
            "grant":"client_credentials","token_endpoint":"https://auth.example/t","scopes":["a"],
            "credentials":{"client_id":env("I"),"client_secret":env("S")},"header":"X-Token","value_prefix":"T ",
            "token_endpoint_headers":{"X-E":env("E")},"rules":rules(host),
        })
    };
    let aws = json!({"access_key_id":env("A"),"secret_access_key":env("B"),"allowed_regions":["r"],"rules":rules("w.example")});
    let keys = [
        world.add(SecretKind::OauthToken, 1, oauth("o1.example")),
        world.add(SecretKind::OauthToken, 2, oauth("o2.example")),
        world.add(SecretKind::Hmac, 3, hmac),
        world.add(SecretKind::AwsAuth, 4, aws),
        world.add(
            SecretKind::GcpIdToken,
            5,
            json!({"audience":"aud","keyfile":env("K"),"rules":rules("i.example")}),
        ),
        world.add(
            SecretKind::GcpAuth,
            6,
            json!({"scopes":["s"],"keyfile":env("K"),"rules":rules("g.example")}),
        ),
        world.add(
            SecretKind::GcpAuth,
            7,
            json!({"scopes":["s"],"credentials_provider":{"type":"workload_identity"}}),
        ),
    ];
    let grants = keys.iter().rev().map(|key| direct(*key, 100 - key.id % 2)).collect();
    let effective = world.assemble(&subject("prn_1", grants));
    let var = |name: &str| json!({"type":"env","var":name});
    let token = |host: &str| {
        json!({
            "grant":"client_credentials","token_endpoint":"https://auth.example/t","client_id":var("I"),
            "client_secret":var("S"),"scopes":["a"],"header":"X-Token","value_prefix":"T ",
            "token_endpoint_headers":{"X-E":var("E")},"rules":rules(host),
        })
    };
    let want = json!([
        {"name":"gcp_auth","config":{"credentials_provider":{"type":"workload_identity"},"scopes":["s"],"rules":[]}},
        {"name":"gcp_auth","config":{"keyfile":var("K"),"scopes":["s"],"rules":rules("g.example")}},
        {"name":"gcp_id_token","config":{"keyfile":var("K"),"audience":"aud","rules":rules("i.example")}},
        {"name":"aws_auth","config":{"access_key_id":var("A"),"secret_access_key":var("B"),"allowed_regions":["r"],
            "rules":rules("w.example")}},
        {"name":"hmac_sign","config":{"credentials":{"secret":var("S")},"timestamp":{"format":"unix_seconds"},
            "signature":{"algorithm":"sha512","key_encoding":"hex","output_encoding":"base64","message":"m"},
            "headers":[{"name":"X-Sig","value":"v"}],"rules":rules("h.example"),"allow_chunked_body":true}},
        {"name":"oauth_token","config":{"tokens":[token("o1.example"),token("o2.example")]}},
    ]);
    assert_eq!(json!(effective.payload.transforms()).to_string(), want.to_string());
    assert!(effective.payload.secrets().is_empty() && effective.payload.postgres().is_empty());
}

#[test]
fn static_entries_have_rules_always_and_switches_only_when_set() {
    let mut world = World::default();
    let inject = json!({"inject_config":{"query_param":"appid"},"source":inline("v"),"rules":[]});
    let replace = json!({"replace_config":{"proxy_value":"P","match_headers":["X"]},"source":env("E"),
        "rules":[{"host":"a","http_methods":["GET"]}],"scrub_responses":false,"allow_plaintext":true});
    let keys = [world.add(SecretKind::Static, 1, inject), world.add(SecretKind::Static, 2, replace)];
    let effective = world.assemble(&subject("prn_1", keys.iter().map(|key| direct(*key, 1)).collect()));
    let want = json!([
        {"source":{"type":"control_plane","value":"v"},"rules":[],"inject":{"query_param":"appid"}},
        {"source":{"type":"env","var":"E"},"rules":[{"host":"a","methods":["GET"]}],
         "replace":{"proxy_value":"P","match_headers":["X"]},"allow_plaintext":true,"scrub_responses":false},
    ]);
    assert_eq!(json!(effective.payload.secrets()).to_string(), want.to_string());
}

#[test]
fn a_static_entry_is_one_that_the_proxy_reads() {
    let mut world = World::default();
    let inject = json!({"inject_config":{"header":"Authorization","formatter":"Bearer {{ .Value }}"},"source":inline("v"),
        "rules":[{"cidr":"10.0.0.1"},{"host":"*.a.example","http_methods":["*"],"paths":["/v1/*"],"ports":[443]}]});
    let replace = json!({"replace_config":{"proxy_value":"P","match_headers":["/^$/","X"],"match_query":true},
        "source":env("E"),"rules":[{"host":"a"}],"websocket":false});
    let keys = [world.add(SecretKind::Static, 1, inject), world.add(SecretKind::Static, 2, replace)];
    let effective = world.assemble(&subject("prn_1", keys.iter().map(|key| direct(*key, 1)).collect()));
    let document = json!([{"name":"secrets","config":{"secrets":effective.payload.secrets()}}]).to_string();
    let problems = yaml::Problems::default();
    let node = yaml::parse(&document, &problems).unwrap();
    let specs = spec::parse_transforms(&yaml::Cursor::new(&node, &problems), false);
    let [(_, spec::TransformSpec::Secrets(secrets))] = &specs[..] else { panic!("{specs:?}") };
    assert_eq!(secrets.len(), 2);
    let (errors, warnings) = problems.into_parts();
    assert!(errors.is_empty() && warnings.is_empty(), "{errors:?} {warnings:?}");
}

#[test]
fn one_database_has_one_upstream_where_the_first_would_stand() {
    let mut world = World::default();
    let dsn = |database: &str, var: &str| {
        json!({
            "foreign_id":format!("f-{var}"),"database":database,"dsn":env(var),"role":"reader","settings":[
                {"name":"app.id","value_from":{"principal_field":"id"}},
                {"name":"app.team","value_from":{"principal_label":"team"}},
                {"name":"app.none","value_from":{"principal_label":"none"}},
                {"name":"app.mode","value":"strict"}],
        })
    };
    let bare = json!({"foreign_id":"bare","database":"other","dsn":env("D4")});
    let keys = [
        world.add(SecretKind::PgDsn, 1, dsn("db", "D1")),
        world.add(SecretKind::PgDsn, 2, dsn("db", "D2")),
        world.add(SecretKind::PgDsn, 3, dsn("db", "D3")),
        world.add(SecretKind::PgDsn, 4, bare),
    ];
    let mut who = subject("prn_1", vec![]);
    who.principal.labels.insert("team".to_owned(), json!("blue"));
    for (priorities, winner) in [([1, 1, 1, 2], 2), ([3, 1, 1, 2], 0), ([1, 5, 1, 9], 1)] {
        who.grants = keys.iter().zip(priorities).map(|(key, priority)| direct(*key, priority)).collect();
        let effective = world.assemble(&who);
        let settings = json!([
            {"name":"app.id","value":"prn_1"},{"name":"app.team","value":"blue"},
            {"name":"app.none","value":""},{"name":"app.mode","value":"strict"},
        ]);
        let var = format!("D{}", winner + 1);
        let want = json!([
            {"id":format!("pgs_{}", winner + 1),"foreign_id":format!("f-{var}"),"database":"db",
             "dsn":{"type":"env","var":var},"role":"reader","settings":settings},
            {"id":"pgs_4","foreign_id":"bare","database":"other","dsn":{"type":"env","var":"D4"}},
        ]);
        assert_eq!(json!(effective.payload.postgres()).to_string(), want.to_string(), "{priorities:?}");
        for (at, key) in keys.iter().take(3).enumerate().filter(|(at, _)| *at != winner) {
            let lost = Outcome::Skipped(Skip::DatabaseLost { by: format!("pgs_{}", winner + 1) });
            assert_eq!(outcome(&effective, *key), lost, "{at}");
        }
        assert_eq!(outcome(&effective, keys[winner]), Outcome::Served);
    }
}

#[test]
fn a_role_can_be_left_out() {
    let mut world = World::default();
    let (one, two) = (world.inject(1, "X", "a"), world.inject(2, "Y", "a"));
    let who = subject("prn_1", vec![through("infra", one, 0), through("tool", two, 0)]);
    assert_eq!(vars(&world.assemble(&who)), ["V1", "V2"]);
    world.exclude_roles = vec!["infra".to_owned()];
    assert_eq!(vars(&world.assemble(&who)), ["V2"]);
}
