//! What is left out because a value is missing.

use super::*;

fn broker(id: &str) -> Value {
    json!({"source_type":"token_broker","config":{"credential_id":id}})
}

#[test]
fn a_broker_token_is_delivered_inline_while_it_works() {
    let mut world = World::default();
    let body = json!({"inject_config":{"header":"X"},"source":broker(LIVE),"rules":[{"host":"a"}]});
    let key = world.add(SecretKind::Static, 1, body);
    let token = || Some(Secret::new("planted-token".to_owned()));
    for (state, want) in [
        (Some((false, token(), Some(NOW + 1))), None),
        (Some((false, token(), Some(NOW))), Some(Skip::CredentialExpired)),
        (Some((false, token(), None)), Some(Skip::CredentialBootstrapping)),
        (Some((false, None, Some(NOW + 1))), Some(Skip::CredentialBootstrapping)),
        (Some((true, token(), Some(NOW + 1))), Some(Skip::CredentialDead)),
        (None, Some(Skip::NoCredential)),
    ] {
        world.brokers.clear();
        world.brokers.extend(state.map(|state| (LIVE.to_owned(), state)));
        let effective = world.assemble(&subject("prn_1", vec![direct(key, 1)]));
        let payload = json!(effective.payload.secrets());
        match want {
            None => {
                assert_eq!(payload[0]["source"], json!({"type":"control_plane","value":"planted-token"}));
                assert_eq!(effective.changes_at, Some(NOW + 1));
                assert!(!payload.to_string().contains(LIVE), "the reference reached the proxy");
            }
            Some(skip) => {
                assert_eq!(payload, json!([]), "{skip:?}");
                assert_eq!(outcome(&effective, key), Outcome::Skipped(skip));
            }
        }
    }
}

#[test]
fn an_entry_of_any_type_is_left_out_whole_when_one_value_is_missing() {
    let mut world = World::default();
    world.brokers.insert(LIVE.to_owned(), (false, Some(Secret::new("t".to_owned())), Some(NOW + 1)));
    let rules = json!([{"host":"a.example"}]);
    for (kind, body) in [
        (SecretKind::Static, json!({"inject_config":{"header":"X"},"source":broker("ID"),"rules":rules})),
        (SecretKind::GcpAuth, json!({"scopes":["s"],"keyfile":broker("ID"),"rules":rules})),
        (SecretKind::GcpIdToken, json!({"audience":"a","keyfile":broker("ID"),"rules":rules})),
        (
            SecretKind::AwsAuth,
            json!({"access_key_id":env("A"),"secret_access_key":env("B"),"session_token":broker("ID"),"rules":rules}),
        ),
        (
            SecretKind::OauthToken,
            json!({"grant":"client_credentials","token_endpoint":"https://a.example/","rules":rules,
                   "credentials":{"client_id":env("A"),"client_secret":broker("ID")}}),
        ),
        (SecretKind::PgDsn, json!({"foreign_id":"f","database":"d","dsn":broker("ID")})),
        (
            SecretKind::Hmac,
            json!({"timestamp_format":"rfc3339","signature_algorithm":"sha1","signature_key_encoding":"raw",
                   "signature_output_encoding":"hex","signature_message":"m","headers":[{"name":"X","value":"v"}],
                   "credentials":{"secret":broker("ID")},"rules":rules}),
        ),
    ] {
        for (id, is_served) in [(LIVE, true), (NONE, false)] {
            let body = serde_json::from_str(&body.to_string().replace("ID", id)).unwrap();
            let key = world.add(kind, 1, body);
            let effective = world.assemble(&subject("prn_1", vec![direct(key, 1)]));
            let Payload { .. } = &effective.payload;
            let lists =
                [effective.payload.secrets(), effective.payload.transforms(), effective.payload.postgres()];
            assert_eq!(lists.iter().any(|list| !list.is_empty()), is_served, "{kind:?} {id}");
            assert!(!json!(lists).to_string().contains("null"), "{kind:?} {id}");
            assert_eq!(outcome(&effective, key) == Outcome::Served, is_served);
        }
    }
}

#[test]
fn a_static_secret_without_source_is_skipped() {
    let mut world = World::default();
    let key =
        world.add(SecretKind::Static, 1, json!({"inject_config":{"header":"X"},"rules":[{"host":"a"}]}));
    let effective = world.assemble(&subject("prn_1", vec![direct(key, 1)]));
    assert!(effective.payload.secrets().is_empty());
    assert_eq!(outcome(&effective, key), Outcome::Skipped(Skip::NoSource));
}

#[test]
fn what_the_console_resolves_is_sent_inline_and_what_it_cannot_is_left_out() {
    let mut world = World::default();
    let key = world.inject(1, "X", "a");
    let who = subject("prn_1", vec![direct(key, 1)]);
    assert_eq!(world.assemble(&who).payload.secrets()[0]["source"], json!({"type":"env","var":"V1"}));
    world.resolved.insert("V1".to_owned(), Ok(Secret::new("planted".to_owned())));
    let effective = world.assemble(&who);
    assert_eq!(effective.payload.secrets()[0]["source"], json!({"type":"control_plane","value":"planted"}));
    assert!(!effective.payload.redacted("prn_1").to_string().contains("planted"));
    world.resolved.insert("V1".to_owned(), Ok(Secret::new(String::new())));
    let told = outcome(&world.assemble(&who), key);
    assert_eq!(told, Outcome::Skipped(Skip::Unresolved("the value is empty".to_owned())));
    world.resolved.insert("V1".to_owned(), Err("V1 is not set".to_owned()));
    let effective = world.assemble(&who);
    assert!(effective.payload.secrets().is_empty());
    assert_eq!(outcome(&effective, key), Outcome::Skipped(Skip::Unresolved("V1 is not set".to_owned())));
}

#[test]
fn config_of_an_inline_source_travels_beside_its_value() {
    let mut world = World::default();
    let source = json!({"source_type":"control_plane","config":{"json_key":"k"},"secret":"{\"k\":\"v\"}"});
    let key = world.add(SecretKind::Static, 1, json!({"inject_config":{"header":"X"},"source":source}));
    let effective = world.assemble(&subject("prn_1", vec![direct(key, 1)]));
    let want = json!({"type":"control_plane","json_key":"k","value":"{\"k\":\"v\"}"});
    assert_eq!(effective.payload.secrets()[0]["source"].to_string(), want.to_string());
}
