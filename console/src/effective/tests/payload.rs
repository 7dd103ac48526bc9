//! The answer to a sync, its hash, and the redacted view.

use super::*;

fn assigned(oid: &str, counter: i64) -> Assignment {
    Assignment { principal_oid: oid.to_owned(), assigned_at: NOW, counter }
}

fn hash(effective: &Effective) -> String {
    effective.payload.hash(&HashKey::new(b"fake-key"), Some(&assigned("prn_1", 1)))
}

#[test]
fn the_first_answer_has_six_members_and_the_second_only_the_hash() {
    let mut world = World::default();
    let key = world.inject(1, "X", "a");
    let who = subject("prn_1", vec![direct(key, 1)]);
    let effective = world.assemble(&who);
    let (hash, assignment) = (hash(&effective), assigned("prn_1", 1));
    let want = json!({"config_hash":hash,"status":"assigned","principal_id":"prn_1",
        "secrets":[{"source":{"type":"env","var":"V1"},"rules":[{"host":"a"}],"inject":{"header":"X"}}],
        "transforms":[],"postgres":[]});
    for supplied in [None, Some(""), Some("garbage"), Some("sha256:00")] {
        let body = sync_body(&effective.payload.lists(), &hash, supplied, Some(&assignment));
        assert_eq!(body, want.to_string(), "{supplied:?}");
    }
    let body = sync_body(&effective.payload.lists(), &hash, Some(&hash), Some(&assignment));
    assert_eq!(body, json!({ "config_hash": hash }).to_string());
}

#[test]
fn an_unassigned_proxy_gets_empty_lists() {
    let world = World::default();
    let who = subject("", vec![]);
    let effective = assemble(&Input { subject: None, ..world.input(&who) });
    let hash = effective.payload.hash(&HashKey::new(b"fake-key"), None);
    let want = json!({"config_hash":hash,"status":"unassigned","principal_id":null,
        "secrets":[],"transforms":[],"postgres":[]});
    assert_eq!(sync_body(&effective.payload.lists(), &hash, None, None), want.to_string());
}

#[test]
fn the_hash_is_keyed_and_the_same_for_the_same_payload() {
    let mut world = World::default();
    let key = world.inject(1, "X", "a");
    let who = subject("prn_1", vec![direct(key, 1)]);
    let first = hash(&world.assemble(&who));
    assert_eq!(first.len(), "sha256:".len() + 64);
    assert!(
        first
            .strip_prefix("sha256:")
            .unwrap()
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    );
    assert_eq!(hash(&world.assemble(&who)), first);
    let effective = world.assemble(&who);
    let with =
        |key: &[u8], assignment: Option<&Assignment>| effective.payload.hash(&HashKey::new(key), assignment);
    assert_ne!(with(b"other", Some(&assigned("prn_1", 1))), first);
    for other in [assigned("prn_2", 1), assigned("prn_1", 2)] {
        assert_ne!(with(b"fake-key", Some(&other)), first, "{other:?}");
    }
    let later = Assignment { assigned_at: NOW + 1_000_000, ..assigned("prn_1", 1) };
    assert_ne!(with(b"fake-key", Some(&later)), first);
    assert_ne!(with(b"fake-key", None), first);
}

#[test]
fn the_hash_is_the_one_of_the_canonical_form() {
    let world = World::default();
    let effective = world.assemble(&subject("prn_1", vec![]));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"fake-key");
    let sign = |text: &str| {
        let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    };
    let payload = sign(r#"{"postgres":[],"secrets":[],"transforms":[]}"#);
    let assignment = r#"{"assigned_at":1935652087,"counter":1,"principal":"prn_1"}"#;
    let hex = sign(&format!(r#"{{"assignment":{assignment},"payload":"{payload}"}}"#));
    assert_eq!(hash(&effective), format!("sha256:{hex}"));
}

#[test]
fn the_hash_changes_with_what_is_delivered_and_with_nothing_else() {
    let body = |name: &str, var: &str, description: &str| {
        json!({
            "name":name,"description":description,"labels":{"a":name},
            "inject_config":{"header":"X"},"source":env(var),"rules":[{"host":"a"}],
        })
    };
    let hash_of = |body: Value, priority: i64| {
        let mut world = World::default();
        let (key, other) = (world.add(SecretKind::Static, 1, body), world.inject(2, "Y", "b"));
        hash(&world.assemble(&subject("prn_1", vec![direct(key, priority), direct(other, 50)])))
    };
    let first = hash_of(body("n", "V", "d"), 100);
    assert_eq!(hash_of(body("other", "V", "changed"), 100), first, "name, labels, description");
    assert_eq!(hash_of(body("n", "V", "d"), 101), first, "a priority that changes no order");
    assert_ne!(hash_of(body("n", "V", "d"), 1), first, "a priority that changes the order");
    assert_ne!(hash_of(body("n", "W", "d"), 100), first, "a source");
    let mut reordered = body("n", "V", "d");
    reordered["source"] = serde_json::from_str(r#"{"config":{"var":"V"},"source_type":"env"}"#).unwrap();
    assert_eq!(hash_of(reordered, 100), first, "order of keys");
}

#[test]
fn a_value_in_a_deep_place_is_redacted_and_references_are_shown() {
    let mut world = World::default();
    let oauth = json!({"grant":"client_credentials","token_endpoint":"https://t.example/","rules":[{"host":"a"}],
        "credentials":{"client_id":env("ID"),"client_secret":inline("planted-1")},
        "token_endpoint_headers":{"X":inline("planted-2")}});
    let dsn = json!({"foreign_id":"f","database":"d","dsn":inline("host=h password=planted-3 dbname=d"),
        "settings":[{"name":"app.x","value":"shown"}]});
    let keys = [world.add(SecretKind::OauthToken, 1, oauth), world.add(SecretKind::PgDsn, 2, dsn)];
    let who = subject("prn_1", keys.iter().map(|key| direct(*key, 1)).collect());
    let effective = world.assemble(&who);
    assert!(json!(effective.payload.transforms()).to_string().contains("planted-2"));
    let redacted = json!({"type":"control_plane","value":"[redacted]"});
    let want = json!({"data":{"id":"prn_1","secrets":[],"transforms":[{"name":"oauth_token","config":{"tokens":[{
        "grant":"client_credentials","token_endpoint":"https://t.example/","client_id":{"type":"env","var":"ID"},
        "client_secret":redacted,"token_endpoint_headers":{"X":redacted},"rules":[{"host":"a"}]}]}}],
        "postgres":[{"id":"pgs_2","foreign_id":"f","database":"d","dsn":redacted,
            "settings":[{"name":"app.x","value":"shown"}]}]}});
    assert_eq!(effective.payload.redacted("prn_1").to_string(), want.to_string());
}

#[test]
fn the_tag_of_the_redacted_view_does_not_follow_a_rotation() {
    let view = |value: &str| {
        let mut world = World::default();
        let body = json!({"inject_config":{"header":"X"},"source":inline(value),"rules":[{"host":"a"}]});
        let key = world.add(SecretKind::Static, 1, body);
        let effective = world.assemble(&subject("prn_1", vec![direct(key, 1)]));
        (effective.payload.redacted("prn_1").to_string(), hash(&effective))
    };
    let ((one, first), (two, second)) = (view("planted-1"), view("planted-2"));
    assert_eq!(etag(&one), etag(&two));
    assert_ne!(first, second);
    assert_eq!(etag("").len(), 66);
    assert_eq!(etag(""), "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"");
    for (header, want) in [
        ("*", true),
        ("\"a\"", true),
        ("W/\"a\"", true),
        ("\"x\", \"a\"", true),
        ("\"x\"", false),
        ("a", false),
    ] {
        assert_eq!(matches_etag(header, "\"a\""), want, "{header}");
    }
}

fn server() -> ApiServer {
    ApiServer {
        signing_key: Secret::new("fake-signing-key".to_owned()),
        issuer: ApiServer::ISSUER.to_owned(),
        audience: ApiServer::AUDIENCE.to_owned(),
        hosts: ApiServer::hosts("API.internal:8080, ,api", Some("http://Centaur.example:9000/x")),
    }
}

#[test]
fn the_generated_entry_is_last_and_only_for_those_who_may() {
    let row = |id: &str, upload, download, history| SlackRow {
        channel_id: id.to_owned(),
        upload,
        download,
        history,
    };
    let mut world = World { api_server: Some(server()), ..World::default() };
    let key = world.inject(1, "Authorization", "api");
    let mut who = subject("prn_1", vec![direct(key, 1)]);
    who.principal.api_server_enabled = true;
    assert_eq!(world.assemble(&who).payload.secrets().len(), 1, "no Slack row");
    who.principal.slack = vec![row("C2", true, false, true), row("C1", true, true, false)];
    let effective = world.assemble(&who);
    let entry = effective.payload.secrets()[1];
    assert_eq!(entry["inject"], json!({"header":"Authorization","formatter":"Bearer {{ .Value }}"}));
    let hosts =
        ["api.internal", "api", "centaur.example", "centaur-api-rs"].map(|host| json!({ "host": host }));
    assert_eq!(entry["rules"], json!(hosts));
    let token = entry["source"]["value"].as_str().unwrap();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let decode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"fake-signing-key");
    aws_lc_rs::hmac::verify(&key, format!("{header}.{claims}").as_bytes(), &decode(signature)).unwrap();
    let claims: Value = serde_json::from_slice(&decode(claims)).unwrap();
    assert_eq!(
        claims["slack"],
        json!({"upload_channels":["C1","C2"],"download_channels":["C1"],"history_channels":["C2"]})
    );
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["sub"]),
        (&json!("centaur-console"), &json!("centaur-api"), &json!("prn_1"))
    );
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(expires, issued + 3_600);
    let now = NOW / 1_000_000;
    assert!(issued <= now && now < issued + 900);
    assert_eq!(issued.rem_euclid(900), i64::from(crc32fast::hash(b"prn_1")) % 900);
    assert!(!effective.payload.redacted("prn_1").to_string().contains(token));

    let next = effective.changes_at.unwrap();
    assert_eq!(next, (issued + 900) * 1_000_000);
    let at = |now: i64| hash(&assemble(&Input { now, ..world.input(&who) }));
    assert_eq!(at(next - 1), hash(&effective));
    assert_ne!(at(next), hash(&effective));

    who.principal.api_server_enabled = false;
    assert_eq!(world.assemble(&who).payload.secrets().len(), 1, "switched off");
}

#[test]
fn explain_shows_each_credential_with_its_paths_and_outcome() {
    let mut world = World::default();
    let (strong, weak) = (world.inject(1, "X", "a"), world.inject(2, "X", "*"));
    let grants = vec![
        through("tool", weak, 3),
        direct(strong, 9),
        Grant { expires_at: Some(NOW + 1), ..direct(weak, 1) },
    ];
    let explained = explain(&world.assemble(&subject("prn_1", grants)).explained);
    let want = json!([
        {"secret_id":"ssr_1","name":null,"kind":"static","priority":9,"supplied_by":"self",
         "paths":[{"grant_id":"grant_d1_9","via":"direct","priority":9,"expires_at":null}],
         "outcome":"served","explanation":"delivered to the proxy"},
        {"secret_id":"ssr_2","name":null,"kind":"static","priority":3,"supplied_by":"self",
         "paths":[{"grant_id":"grant_tool2","via":"role","role_id":"role_tool","role_foreign_id":"tool","priority":3,
                   "expires_at":null},
                  {"grant_id":"grant_d2_1","via":"direct","priority":1,"expires_at":"2031-05-04T09:08:07.000Z"}],
         "outcome":"withheld","reason":"conflict","winner_id":"ssr_1","place":"header:x","scope":"*",
         "explanation":"ssr_1 is stronger and writes header:x for requests that * matches too"},
    ]);
    assert_eq!(explained.to_string(), want.to_string());
}
