//! What holds for every document.

use proptest::prelude::*;

use super::*;

#[test]
fn the_stored_form_is_read_back_as_it_was() {
    for kind in SecretKind::ALL {
        let definition = read(kind, right(kind)).unwrap();
        let stored = serde_json::to_string(&definition.body).unwrap();
        assert_eq!(serde_json::from_str::<Body>(&stored).unwrap(), definition.body, "{stored}");
        assert_eq!(definition.body.kind(), kind);
        assert_eq!(SecretKind::of_collection(kind.collection()), Some(kind));
    }
}

#[test]
fn the_stored_form_is_one_that_later_versions_have_to_read() {
    for (kind, stored) in [
        (
            SecretKind::Static,
            r#"{"kind":"static","inject":{"header":"X-Key"},"source":{"source_type":"control_plane","config":{}},"rules":[{"host":"api.example"}]}"#,
        ),
        (
            SecretKind::GcpAuth,
            r#"{"kind":"gcp_auth","keyfile":{"source_type":"control_plane","config":{}},"scopes":["s"],"rules":[{"host":"api.example"}]}"#,
        ),
        (
            SecretKind::PgDsn,
            r#"{"kind":"pg_dsn","database":"db","dsn":{"source_type":"control_plane","config":{}}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&read(kind, right(kind)).unwrap().body).unwrap(), stored);
    }
}

/// A document in which every value that may not be seen again holds the marker.
fn planted(kind: SecretKind, marker: &str) -> Value {
    let text = right(kind).to_string();
    let text = text.replace("planted-1", &format!("{marker}1")).replace("planted-2", &format!("{marker}2"));
    serde_json::from_str(&text.replace("planted-3", &format!("{marker}3"))).unwrap()
}

/// Any JSON, of the size that a document has.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "source_type",
        "config",
        "secret",
        "control_plane",
        "env",
        "var",
        "host",
        "cidr",
        "rules",
        "header",
        "name",
        "value",
        "keep_secret",
        "",
        "*",
        "10.0.0.0/8",
        "\u{0}",
        "refresh_token",
        "credential_id",
        "token_broker",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..5).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_in_anything_shown_or_stored_in_the_clear(at in 0_usize..7, marker in "[a-z]{12,20}Q") {
        let kind = SecretKind::ALL[at];
        let definition = read(kind, planted(kind, &marker)).unwrap();
        prop_assert!(!definition.values.is_empty());
        for value in definition.values.iter().map(|(_, value)| value) {
            prop_assert!(value.expose().contains(&marker));
        }
        for text in [
            shown(&definition).to_string(),
            serde_json::to_string(&definition.body).unwrap(),
            format!("{definition:?}"),
        ] {
            prop_assert!(!text.contains(&marker), "{}", text);
        }
    }

    #[test]
    fn no_value_is_in_the_list_of_what_is_wrong(at in 0_usize..7, junk in any_json(), marker in "[a-z]{12,20}Q") {
        let kind = SecretKind::ALL[at];
        let body = planted(kind, &marker);
        let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        for key in keys {
            let broken = with(body.clone(), &key, junk.clone());
            if let Err(problems) = read(kind, broken) {
                prop_assert!(!problems.is_empty());
                let text = crate::wire::ApiError::validation(problems).body().to_string();
                prop_assert!(!text.contains(&marker), "{}", text);
            }
        }
    }

    #[test]
    fn no_document_panics_and_what_is_taken_is_stored_and_shown(at in 0_usize..7, pairs in prop::collection::vec((0_usize..12, any_json()), 0..4)) {
        let kind = SecretKind::ALL[at];
        let mut body = right(kind);
        let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        for (at, junk) in pairs {
            body[keys[at % keys.len()].as_str()] = junk;
        }
        if let Ok(definition) = read(kind, body) {
            let stored = serde_json::to_string(&definition.body).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Body>(&stored).unwrap(), &definition.body);
            shown(&definition);
        }
    }
}

#[test]
fn values_print_their_paths_only() {
    let values: Values = [("source".to_owned(), Secret::new("planted".to_owned()))].into_iter().collect();
    assert_eq!(format!("{values:?}"), "{\"source\"}");
}
