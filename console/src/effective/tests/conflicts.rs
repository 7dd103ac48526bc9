//! Who writes a place when two could.

use super::*;

/// Whether the weaker of two is withheld, tried with the wider and the narrower host on either side.
fn withheld(strong: (&str, Value), weak: (&str, Value)) -> bool {
    let mut world = World::default();
    let mut add = |id: i64, (header, scope): (&str, Value)| {
        let body = json!({"inject_config":{"header":header},"source":env(&format!("V{id}")),"rules":[scope]});
        world.add(SecretKind::Static, id, body)
    };
    let (strong, weak) = (add(1, strong), add(2, weak));
    let effective = world.assemble(&subject("prn_1", vec![direct(strong, 100), direct(weak, 0)]));
    assert_eq!(outcome(&effective, strong), Outcome::Served);
    match outcome(&effective, weak) {
        Outcome::Served => {
            assert_eq!(vars(&effective), ["V2", "V1"]);
            false
        }
        Outcome::Withheld(Withheld::Conflict { by, .. }) => {
            assert_eq!(vars(&effective), ["V1"]);
            assert_eq!(by, "ssr_1");
            true
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_weaker_credential_for_the_same_place_is_withheld() {
    let host = |text: &str| json!({ "host": text });
    let cidr = |text: &str| json!({ "cidr": text });
    for (one, two, want) in [
        (host("a.example"), host("a.example"), true),
        (host("*"), host("a.example"), true),
        (host("*.example"), host("a.example"), true),
        (host("*.example"), host("example"), true),
        (host("*.example"), host("b.a.example"), true),
        (host("*.example"), host("*.a.example"), true),
        (host("*.b.example"), host("*.a.example"), false),
        (host("A.Example."), host("a.example"), true),
        (host("a.example"), host("b.example"), false),
        (host("a-*.example"), host("*-b.example"), true),
        (host("a-*.example"), host("b-*.example"), false),
        (host("api.*"), host("*.example"), true),
        (cidr("10.0.0.0/8"), cidr("10.1.0.0/16"), true),
        (cidr("10.0.0.0/8"), cidr("10.1.2.3"), true),
        (cidr("10.0.0.0/8"), cidr("11.0.0.0/8"), false),
        (cidr("10.0.0.0/8"), cidr("fd00::/8"), false),
        (cidr("::ffff:10.0.0.0/104"), cidr("10.1.2.3"), true),
        (cidr("10.0.0.0/8"), host("a.example"), false),
        (cidr("10.0.0.0/8"), host("10.1.2.3"), true),
        (cidr("10.0.0.0/8"), host("11.1.2.3"), false),
        (cidr("10.0.0.0/8"), host("*"), true),
    ] {
        assert_eq!(withheld(("X", one.clone()), ("x", two.clone())), want, "{one} over {two}");
        assert_eq!(withheld(("X", two.clone()), ("x", one.clone())), want, "{two} over {one}");
        assert!(!withheld(("X", one), ("Y", two)), "another header");
    }
}

#[test]
fn methods_and_paths_do_not_keep_two_credentials_apart() {
    let one = json!({"host":"a","http_methods":["GET"],"paths":["/a/*"]});
    let two = json!({"host":"a","http_methods":["POST"],"paths":["/b/*"]});
    assert!(withheld(("X", one), ("X", two)));
}

#[test]
fn equals_are_all_served_and_the_loser_of_a_loser_is_too() {
    let mut world = World::default();
    let (one, two) = (world.inject(1, "X", "a.example"), world.inject(2, "X", "a.example"));
    let effective = world.assemble(&subject("prn_1", vec![direct(one, 5), direct(two, 5)]));
    assert_eq!(vars(&effective), ["V1", "V2"]);

    // 3 is the strongest and takes X on a; 4 loses to it there and so takes no claim on Y, where 5 is then free.
    let three = world.inject(3, "X", "a.example");
    let both = json!({
        "timestamp_format":"rfc3339","signature_algorithm":"sha1","signature_key_encoding":"raw",
        "signature_output_encoding":"hex","signature_message":"m","credentials":{"secret":env("S")},
        "headers":[{"name":"X","value":"v"},{"name":"Y","value":"v"}],"rules":[{"host":"*.example"}],
    });
    let four = world.add(SecretKind::Hmac, 4, both);
    let five = world.inject(5, "Y", "b.example");
    let who = subject("prn_1", vec![direct(three, 9), direct(four, 5), direct(five, 1)]);
    let effective = world.assemble(&who);
    assert_eq!(
        outcome(&effective, four),
        Outcome::Withheld(Withheld::Conflict {
            by: "ssr_3".to_owned(),
            place: "header:x".to_owned(),
            scope: "*.example".to_owned(),
        })
    );
    assert_eq!(vars(&effective), ["V5", "V3"]);
    assert!(effective.payload.transforms().is_empty());
}

#[test]
fn what_cannot_be_delivered_suppresses_nothing() {
    let mut world = World::default();
    let dead = json!({"source_type":"token_broker","config":{"credential_id":NONE}});
    let body = json!({"inject_config":{"header":"X"},"source":dead,"rules":[{"host":"*"}]});
    let (strong, weak) = (world.add(SecretKind::Static, 1, body), world.inject(2, "X", "a"));
    let effective = world.assemble(&subject("prn_1", vec![direct(strong, 100), direct(weak, 0)]));
    assert_eq!(outcome(&effective, strong), Outcome::Skipped(Skip::NoCredential));
    assert_eq!(vars(&effective), ["V2"]);
}

#[test]
fn every_type_claims_what_it_writes() {
    let rules = json!([{"host":"a.example"}]);
    let oauth = json!({"grant":"client_credentials","token_endpoint":"https://t.example/","rules":rules,
        "credentials":{"client_id":env("A"),"client_secret":env("B")}});
    let id_token = json!({"audience":"x","keyfile":env("K"),"rules":rules});
    let mut oauth_header = oauth.clone();
    oauth_header["header"] = json!("X-Token");
    let mut id_header = id_token.clone();
    id_header["header"] = json!("x-serverless-authorization");
    for (kind, body, header, want) in [
        (
            SecretKind::GcpAuth,
            json!({"scopes":["s"],"keyfile":env("K"),"rules":rules}),
            "Authorization",
            true,
        ),
        (
            SecretKind::AwsAuth,
            json!({"access_key_id":env("A"),"secret_access_key":env("B"),"rules":rules}),
            "Authorization",
            true,
        ),
        (SecretKind::GcpIdToken, id_token, "Authorization", true),
        (SecretKind::GcpIdToken, id_header.clone(), "Authorization", false),
        (SecretKind::GcpIdToken, id_header, "X-Serverless-Authorization", true),
        (SecretKind::OauthToken, oauth, "Authorization", true),
        (SecretKind::OauthToken, oauth_header.clone(), "Authorization", false),
        (SecretKind::OauthToken, oauth_header, "X-Token", true),
        (SecretKind::GcpAuth, json!({"scopes":["s"],"keyfile":env("K")}), "Authorization", false),
    ] {
        let mut world = World::default();
        let strong = world.inject(1, header, "a.example");
        let weak = world.add(kind, 2, body);
        let effective = world.assemble(&subject("prn_1", vec![direct(strong, 9), direct(weak, 0)]));
        assert_eq!(matches!(outcome(&effective, weak), Outcome::Withheld(_)), want, "{kind:?} {header}");
    }
}

#[test]
fn a_placeholder_claims_the_headers_it_names_and_no_other_place() {
    let replace = |config: Value| json!({"replace_config":config,"source":env("R"),"rules":[{"host":"a"}]});
    for (config, want) in [
        (json!({"proxy_value":"P","match_headers":["x-key"]}), true),
        (json!({"proxy_value":"P","match_headers":["/^x-/"]}), true),
        (json!({"proxy_value":"P","match_headers":["/^$/"],"match_query":true}), false),
        (json!({"proxy_value":"P","match_query":true}), false),
    ] {
        let mut world = World::default();
        let strong = world.inject(1, "X-Key", "a");
        let weak = world.add(SecretKind::Static, 2, replace(config.clone()));
        let effective = world.assemble(&subject("prn_1", vec![direct(strong, 9), direct(weak, 0)]));
        assert_eq!(matches!(outcome(&effective, weak), Outcome::Withheld(_)), want, "{config}");
    }
    // Two that name no header are not in each other's way, though they say so with the same pattern.
    let mut world = World::default();
    let keys = [1, 2].map(|id| {
        let config = json!({"proxy_value":format!("P{id}"),"match_headers":["/^$/"],"match_query":true});
        world.add(SecretKind::Static, id, replace(config))
    });
    let effective = world.assemble(&subject("prn_1", vec![direct(keys[0], 9), direct(keys[1], 0)]));
    assert_eq!(effective.payload.secrets().len(), 2);
}
