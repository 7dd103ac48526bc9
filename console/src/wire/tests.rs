//! The tables of the API's documentation, as data.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn message(result: Result<impl Sized, ApiError>) -> (u16, String) {
    let error = result.err().unwrap();
    (error.status, error.message)
}

fn reading<T>(body: Value, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Details) {
    let Value::Object(members) = body else { panic!("an object") };
    let (mut members, mut problems) = (Attributes::new(members), Details::new());
    let value = read(&mut Reader::new(&mut members, &mut problems));
    (value, problems)
}

#[test]
fn a_body_without_data_is_refused_and_one_with_data_is_read() {
    let missing = (400, "param is missing or the value is empty or invalid: data".to_owned());
    for body in [
        "",
        "  ",
        "{}",
        r#"{"data":null}"#,
        r#"{"data":{}}"#,
        r#"{"data":[]}"#,
        r#"{"data":"x"}"#,
        "[]",
        "null",
    ] {
        assert_eq!(message(attributes(body.as_bytes())), missing, "{body}");
    }
    let read = attributes(br#"{"data":{"name":"x","frob":1},"other":2}"#).unwrap();
    assert_eq!(read.keys().collect::<Vec<_>>(), ["name", "frob"]);
}

#[test]
fn malformed_json_is_400_and_the_text_does_not_repeat_it() {
    for body in [&b"{\"data\":{\"secret\":\"planted-value\""[..], b"nonsense", b"\xff\xfe", b"{'a':1}"] {
        let (status, text) = message(attributes(body));
        assert_eq!(status, 400);
        assert!(text.starts_with("the body is not valid JSON (line 1, column "), "{text}");
        assert!(!text.contains("planted"), "{text}");
    }
    let deep = format!("{{\"data\":{}", "[".repeat(100_000));
    assert_eq!(message(attributes(deep.as_bytes())).0, 400);
}

#[test]
fn a_body_of_the_limit_is_read_and_one_byte_more_is_413() {
    let body = |bytes: usize| {
        let mut body = String::from(r#"{"data":{"name":""#);
        body.push_str(&"x".repeat(bytes - body.len() - 3));
        body + "\"}}"
    };
    assert_eq!(body(MAX_BODY_BYTES).len(), 1_048_576);
    assert!(attributes(body(MAX_BODY_BYTES).as_bytes()).is_ok());
    assert_eq!(message(attributes(body(MAX_BODY_BYTES + 1).as_bytes())).0, 413);
}

#[test]
fn an_action_takes_an_empty_body_and_refuses_what_is_no_object() {
    for body in ["", "{}", r#"{"data":{}}"#] {
        assert_eq!(action(body.as_bytes()).unwrap().keys().count(), 0, "{body}");
    }
    assert!(action(br#"{"data":{"discard":true}}"#).unwrap().has("discard"));
    for body in ["[]", r#"{"data":null}"#, r#"{"data":[]}"#, "{"] {
        assert_eq!(message(action(body.as_bytes())).0, 400, "{body}");
    }
}

#[test]
fn a_sync_without_a_usable_hash_asks_for_everything() {
    for body in ["", "{}", r#"{"config_hash":null}"#, r#"{"config_hash":7}"#] {
        assert_eq!(config_hash(body.as_bytes()).unwrap(), None, "{body}");
    }
    assert_eq!(config_hash(br#"{"config_hash":"sha256:aa"}"#).unwrap().as_deref(), Some("sha256:aa"));
    assert_eq!(message(config_hash(b"[1]")).0, 400);
}

#[test]
fn errors_look_as_clients_expect_them() {
    let mut details = Details::new();
    details.add("name", "can't be blank");
    details.add("base", "one");
    details.add("name", "two");
    for (error, status, body) in [
        (ApiError::invalid_api_key(), 401, json!({"error":{"message":"invalid or missing API key"}})),
        (
            ApiError::invalid_proxy_token(),
            401,
            json!({"error":{"message":"invalid or missing proxy token","code":"invalid_token"}}),
        ),
        (
            ApiError::proxy_revoked(),
            401,
            json!({"error":{"message":"invalid or missing proxy token","code":"proxy_revoked"}}),
        ),
        (
            ApiError::forbidden(),
            403,
            json!({"error":{"message":"this API key does not have administrator permissions","code":"forbidden"}}),
        ),
        (ApiError::unmatched_route(), 404, json!({"error":{"message":"not found"}})),
        (
            ApiError::unknown_oid("StaticSecret", "ssr_x"),
            404,
            json!({"error":{"message":"Couldn't find StaticSecret with oid \"ssr_x\""}}),
        ),
        (
            ApiError::unknown_name("Role", "lab", "infra"),
            404,
            json!({"error":{"message":"Couldn't find Role with namespace \"lab\" and foreign_id \"infra\""}}),
        ),
        (
            ApiError::self_revocation(),
            422,
            json!({"error":{"message":"cannot revoke the API key used for this request"}}),
        ),
        (ApiError::internal(), 500, json!({"error":{"message":"internal error","code":"internal"}})),
        (
            ApiError::validation(details),
            422,
            json!({"error":{"message":"validation failed","details":{"name":["can't be blank","two"],"base":["one"]}}}),
        ),
    ] {
        assert_eq!(error.status, status, "{error}");
        assert_eq!(error.body().to_string(), body.to_string());
    }
}

#[test]
fn pages_are_clamped_and_what_is_no_integer_is_refused() {
    let page = |query: &str| Page::from_query(&Query::parse(query)).map(|page| (page.number, page.limit));
    for (query, number, limit) in [
        ("", 1, 50),
        ("page=&limit=", 1, 50),
        ("limit=0", 1, 1),
        ("limit=9999", 1, 200),
        ("limit=-5", 1, 1),
        ("limit=200&page=3", 3, 200),
        ("page=0", 1, 50),
        ("page=-3", 1, 50),
        ("page=9999", 9_999, 50),
        ("page=%2B2", 2, 50),
        ("page=99999999999999999999999", 9_223_372_036_854_775_807, 50),
        ("page=-99999999999999999999999", 1, 50),
        ("page=1&page=2", 2, 50),
    ] {
        assert_eq!(page(query), Ok((number, limit)), "{query}");
    }
    for text in ["abc", "10.5", "0x10", "1e3", "-", "1_000", "%20", "1%20"] {
        for key in ["limit", "page"] {
            let error = page(&format!("{key}={text}"));
            assert_eq!(message(error), (400, format!("{key} must be an integer")), "{text}");
        }
    }
    assert_eq!(message(page("page[]=1")), (400, "page must be an integer".to_owned()));
}

#[test]
fn meta_counts_pages_and_a_page_past_the_end_is_no_error() {
    let page = Page { number: 7, limit: 50 };
    assert_eq!(json!(page.meta(0)), json!({"page":7,"limit":50,"total":0,"total_pages":0}));
    for (total, pages) in [(1, 1), (50, 1), (51, 2), (100, 2)] {
        assert_eq!(page.meta(total).total_pages, pages, "{total}");
    }
    assert_eq!(page.offset(), 300);
    assert_eq!(Page { number: u64::MAX, limit: 200 }.offset(), i64::MAX);
}

#[test]
fn label_filters_are_pairs_that_all_have_to_match() {
    let labels = json!({"team":"a","centaur.sandbox_repo_cache":"all","n":5,"on":true,"list":["x"]});
    let Value::Object(labels) = labels else { panic!() };
    let matches = |query: &str| LabelFilter::from_query(&Query::parse(query)).unwrap().matches(&labels);
    for (query, want) in [
        ("", true),
        ("labels[team]=a", true),
        ("labels%5Bteam%5D=a", true),
        ("labels[team]=b", false),
        ("labels[team]=a&labels[n]=5", true),
        ("labels[team]=a&labels[n]=6", false),
        ("labels[on]=true", true),
        ("labels[on]=false", false),
        ("labels[centaur.sandbox_repo_cache]=all", true),
        ("labels[none]=", false),
        ("labels[list]=x", false),
        ("labels[team]=b&labels[team]=a", true),
        ("labels=", true),
    ] {
        assert_eq!(matches(query), want, "{query}");
    }
    let refused = |query: &str| message(LabelFilter::from_query(&Query::parse(query)));
    let not_map = (400, "labels must be a hash of key=value pairs".to_owned());
    assert_eq!(refused("labels=x"), not_map);
    assert_eq!(refused("labels[]=x"), not_map);
    assert_eq!(refused("labels[k=x"), not_map);
    let not_scalar = (400, "label value for k must be a scalar".to_owned());
    assert_eq!(refused("labels[k][]=x"), not_scalar);
    assert_eq!(refused("labels[k][a]=x"), not_scalar);
}

#[test]
fn a_required_parameter_has_to_be_there_and_have_a_value() {
    let missing = (400, "param is missing or the value is empty or invalid: namespace".to_owned());
    for query in ["", "namespace=", "namespac=x"] {
        assert_eq!(message(Query::parse(query).required("namespace")), missing, "{query}");
    }
    assert_eq!(Query::parse("namespace=a%20b&x").required("namespace").unwrap(), "a b");
}

#[test]
fn times_have_three_digits_and_are_read_in_any_zone() {
    for (micros, want) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_935_652_087_123_999, "2031-05-04T09:08:07.123Z"),
        (1_935_652_087_000_000, "2031-05-04T09:08:07.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(timestamp(micros), want);
    }
    assert!(timestamp(i64::MAX).ends_with('Z') && timestamp(i64::MIN).ends_with('Z'));
    for (text, want) in [
        ("2031-05-04T09:08:07.123456Z", Some(1_935_652_087_123_456)),
        ("2031-05-04T11:08:07.123456+02:00", Some(1_935_652_087_123_456)),
        ("2031-05-04T09:08:07Z", Some(1_935_652_087_000_000)),
        // In UTC these are outside of the years that have four digits.
        ("9999-12-31T23:59:59-23:59", Some(253_402_387_139_000_000)),
        ("0000-01-01T00:00:00+23:59", Some(-62_167_305_540_000_000)),
        ("2031-05-04", None),
        ("tomorrow", None),
    ] {
        assert_eq!(parse_timestamp(text), want, "{text}");
    }
}

#[test]
fn foreign_ids_are_url_safe_short_and_no_oids() {
    const CHARACTERS: &str = "must contain only URL-safe characters (A-Z, a-z, 0-9, -, ., _, ~)";
    let long = "x".repeat(256);
    for (foreign_id, want) in [
        ("a.b~c-d_e", None),
        ("x.json", None),
        ("1", None),
        (&"x".repeat(255), None),
        ("prn_abc", None),
        ("ssr", None),
        ("a/b", Some(CHARACTERS)),
        ("a%2Fb", Some(CHARACTERS)),
        ("a b", Some(CHARACTERS)),
        ("ä", Some(CHARACTERS)),
        ("a\0", Some(CHARACTERS)),
        ("ssr_abc", Some("must not start with \"ssr_\", which is reserved for opaque ids")),
        (&long, Some("is too long (maximum is 255 characters)")),
    ] {
        let body = json!({ "foreign_id": foreign_id });
        let (identity, problems) = reading(body, |reader| identity(reader, "ssr", Address::New));
        assert_eq!(problems.under("foreign_id").first().map(String::as_str), want, "{foreign_id}");
        assert_eq!(identity.namespace, "default");
    }
}

#[test]
fn the_address_decides_who_a_document_is_about() {
    let stored = Identity { namespace: "lab".to_owned(), foreign_id: Some("kept".to_owned()) };
    let named = |foreign_id: &str, namespace: &str| Identity {
        namespace: namespace.to_owned(),
        foreign_id: Some(foreign_id.to_owned()),
    };
    for (address, body, want, problem) in [
        (Address::Named("k"), json!({}), named("k", "default"), None),
        (Address::Named("k"), json!({"namespace":"","foreign_id":" "}), named("k", "default"), None),
        (Address::Named("k"), json!({"namespace":"lab","foreign_id":"k"}), named("k", "lab"), None),
        (
            Address::Named("k"),
            json!({"foreign_id":"other"}),
            named("k", "default"),
            Some("does not match the address"),
        ),
        (Address::Stored(&stored), json!({"namespace":"x","foreign_id":"y"}), stored.clone(), None),
        (
            Address::New,
            json!({"foreign_id":7}),
            Identity { namespace: "default".into(), foreign_id: None },
            Some("must be a string"),
        ),
    ] {
        let (identity, problems) = reading(body.clone(), |reader| identity(reader, "ssr", address));
        assert_eq!(identity, want, "{body}");
        assert_eq!(problems.under("foreign_id").first().map(String::as_str), problem, "{body}");
    }
}

#[test]
fn names_are_one_line_and_descriptions_may_have_more() {
    let check = |key: &str, value: Value| {
        let mut body = Map::new();
        body.insert(key.to_owned(), value);
        let (_, problems) =
            reading(Value::Object(body), |reader| (name(reader), description(reader), slug(reader)));
        problems.under(key).to_vec()
    };
    assert!(check("name", json!("a name – fine")).is_empty());
    assert!(check("name", json!("x".repeat(8_192))).is_empty());
    assert_eq!(check("name", json!("x".repeat(8_193))), ["is too long (maximum is 8192 characters)"]);
    for control in ["\0", "\u{7f}", "\u{85}", "a\nb", "a\tb"] {
        assert_eq!(check("name", json!(control)), ["must not contain control characters"], "{control:?}");
    }
    assert_eq!(check("name", json!(5)), ["must be a string"]);
    assert!(check("description", json!("two\nlines")).is_empty());
    assert_eq!(check("description", json!("a\0b")), ["must not contain control characters"]);
    assert_eq!(check("slug", json!("")), ["can't be blank"]);
    assert_eq!(
        check("slug", json!("oap_x")),
        ["must not start with \"oap_\", which is reserved for opaque ids"]
    );
    assert!(check("slug", json!("google-drive")).is_empty());
    let (_, problems) = reading(json!({"name":" "}), required_name);
    assert_eq!(problems.under("name"), ["can't be blank"]);
}

#[test]
fn labels_are_scalars_by_key() {
    let check = |value: Value| {
        let (labels, problems) = reading(json!({ "labels": value }), labels);
        (labels.len(), problems.under("labels").to_vec())
    };
    assert_eq!(check(json!({"a":"x","b":5,"c":true,"d.e":""})), (4, vec![]));
    assert_eq!(check(json!(null)), (0, vec![]));
    for wrong in [json!([]), json!("x"), json!(5)] {
        assert_eq!(check(wrong), (0, vec!["must be a hash".to_owned()]));
    }
    for wrong in [json!([1]), json!({}), json!(null)] {
        assert_eq!(check(json!({ "a": wrong })).1, ["values must be scalars"]);
    }
    for wrong in [json!({"a":"x\0"}), json!({"a\n":"x"}), json!({"a":"\u{9f}"})] {
        assert_eq!(check(wrong).1, ["must not contain control characters"]);
    }
}

#[test]
fn attributes_do_not_print_their_values() {
    let attributes = attributes(br#"{"data":{"secret":"planted-value"}}"#).unwrap();
    assert_eq!(format!("{attributes:?}"), "{\"secret\"}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_and_no_query_is_more_than_a_bad_request(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[a-z\\[\\]%=&+.0-9é]{0,32}") {
        for error in [attributes(&bytes).err(), action(&bytes).err(), config_hash(&bytes).err()].into_iter().flatten() {
            prop_assert_eq!(error.status, 400);
        }
        for query in [text.clone(), format!("labels[{text}"), format!("page={text}&limit={text}")] {
            let query = Query::parse(&query);
            let errors = [Page::from_query(&query).err(), LabelFilter::from_query(&query).err()];
            prop_assert!(errors.into_iter().flatten().all(|error| error.status == 400));
        }
    }

    #[test]
    fn a_time_is_read_back_to_its_millisecond(micros in 0_i64..4_000_000_000_000_000) {
        prop_assert_eq!(parse_timestamp(&timestamp(micros)), Some(micros / 1_000 * 1_000));
    }
}
