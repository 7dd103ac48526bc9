//! Bad input, each beside what is let through: no request gets a 500.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::console::{Console, KEY, Reply};
use crate::on_both;

async fn post(console: &Console, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let bearer = format!("Bearer {KEY}");
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend(headers);
    console.send("POST", path, &all, body.to_vec()).await
}

/// A document of each kind that is kept, with texts everywhere a text may be.
fn documents() -> Vec<(&'static str, Value)> {
    let inline = |value: &str| json!({"source_type":"control_plane","config":{},"secret":value});
    let rules = json!([{"host":"api.example","paths":["/a"],"http_methods":["GET"]}]);
    vec![
        ("principals", json!({"foreign_id":"f","name":"n","labels":{"k":"v"}})),
        ("roles", json!({"foreign_id":"f","name":"n","description":"d","labels":{"k":"v"}})),
        (
            "static_secrets",
            json!({"foreign_id":"f","name":"n","description":"d","labels":{"k":"v"},"rules":rules,
                   "inject_config":{"header":"X-Key","formatter":"Bearer {{.Value}}"},"source":inline("fake-1")}),
        ),
        (
            "static_secrets",
            json!({"foreign_id":"g","replace_config":{"proxy_value":"P","match_headers":["Authorization"]},
                   "rules":rules,"source":{"source_type":"env","config":{"var":"V"}}}),
        ),
        ("gcp_auth_secrets", json!({"scopes":["s"],"keyfile":inline("fake-1"),"rules":rules})),
        ("gcp_id_token_secrets", json!({"audience":"a","keyfile":inline("fake-1"),"rules":rules})),
        (
            "aws_auth_secrets",
            json!({"access_key_id":inline("fake-1"),"secret_access_key":inline("fake-2"),"rules":rules}),
        ),
        (
            "oauth_token_secrets",
            json!({"grant":"refresh_token","token_endpoint":"https://auth.example/token","rules":rules,
                   "credentials":{"refresh_token":inline("fake-1"),"client_id":inline("fake-2")},
                   "token_endpoint_headers":{"X-Extra":inline("fake-3")}}),
        ),
        (
            "pg_dsn_secrets",
            json!({"foreign_id":"pg","database":"db","dsn":inline("postgres://u:fake-1@h.example/db")}),
        ),
        (
            "hmac_secrets",
            json!({"timestamp_format":"rfc3339","signature_algorithm":"sha256","signature_key_encoding":"raw",
                   "signature_output_encoding":"hex","signature_message":"{{ .Timestamp }}",
                   "headers":[{"name":"X-Sig","value":"{{ .Signature }}"}],
                   "credentials":{"secret":inline("fake-1"),"key_id":inline("fake-2")},"rules":rules}),
        ),
        (
            "broker_credentials",
            json!({"foreign_id":"f","name":"n","description":"d","labels":{"k":"v"},"grant":"refresh_token",
                   "token_endpoint":"https://idp.example/t","client_id":"c","client_secret":"fake-1",
                   "refresh_token":"fake-2","scopes":["s"],"token_endpoint_headers":{"X-A":"fake-3"}}),
        ),
        (
            "oauth_apps",
            json!({"slug":"s","name":"n","provider":"google","client_id":"c","client_secret":"fake-1",
                   "allowed_scopes":["https://www.googleapis.com/auth/drive"]}),
        ),
        ("proxies", json!({"name":"n"})),
        ("api_keys", json!({"name":"n","namespace":"lab"})),
    ]
}

/// Every copy of the document in which one text, name of a member, or number is another one.
fn variants(document: &Value, other: &Value) -> Vec<Value> {
    match document {
        Value::Object(members) => {
            let inner = members.iter().flat_map(|(key, value)| {
                variants(value, other).into_iter().map(move |variant| {
                    let mut copy = members.clone();
                    copy.insert(key.clone(), variant);
                    Value::Object(copy)
                })
            });
            let renamed = members.iter().filter_map(|(key, value)| {
                let mut copy = members.clone();
                copy.remove(key);
                copy.insert(other.as_str()?.to_owned(), value.clone());
                Some(Value::Object(copy))
            });
            inner.chain(renamed).chain([other.clone()]).collect()
        }
        Value::Array(items) => {
            let inner = items.iter().enumerate().flat_map(|(at, value)| {
                variants(value, other).into_iter().map(move |variant| {
                    let mut copy = items.clone();
                    copy[at] = variant;
                    Value::Array(copy)
                })
            });
            inner.chain([other.clone()]).collect()
        }
        _ => vec![other.clone()],
    }
}

/// Text that no engine shrinks: 6,000 digits of a generator, which no index of PostgreSQL holds.
fn long() -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(state >> 58) as usize],
        )
    };
    std::iter::repeat_with(&mut next).take(6_000).collect()
}

/// The document under a name that nothing has yet.
fn renamed(mut document: Value, number: usize) -> Value {
    for key in ["foreign_id", "slug"] {
        if document[key].as_str().is_some_and(|name| name.len() < 3) {
            document[key] = json!(format!("n{number}"));
        }
    }
    document
}

async fn no_value_anywhere_in_a_document_gets_a_500() {
    let console = Console::start().await;
    let others = [
        json!("a\u{0}b"),
        json!("a\u{1b}[31m\nb"),
        json!(long()),
        json!(""),
        json!("\u{10ffff}\u{202e}x"),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!([[]]),
        json!({"a":{"b":null}}),
        Value::Null,
        json!(true),
    ];
    let mut number = 0;
    for (collection, document) in documents() {
        let path = format!("/api/v1/{collection}");
        console.post(&path, document.clone()).await.expect(201);
        for other in &others {
            for variant in variants(&document, other) {
                number += 1;
                let variant = if variant.is_object() { renamed(variant, number) } else { variant };
                let reply = console.post(&path, variant.clone()).await;
                let shown = variant.to_string().chars().take(300).collect::<String>();
                assert!(
                    matches!(reply.status, 200 | 201 | 400 | 404 | 422),
                    "{collection}: {} {}: {shown}",
                    reply.status,
                    reply.text
                );
                // What the schema alone notices is nothing that a client can act on.
                assert!(!reply.text.contains("not one that can be kept"), "{collection}: {shown}");
                assert!(!reply.text.contains("fake-"), "{collection}: {}: {shown}", reply.text);
            }
        }
    }
}

async fn no_query_gets_a_500() {
    let console = Console::start().await;
    let long = long();
    let values = [
        "9999-12-31T23:59:59-23:59",
        "0000-01-01T00:00:00%2B23:59",
        "%00",
        "%01",
        "%ff%fe",
        "%F0%9F%A6%80",
        "-1",
        "99999999999999999999",
        "1e3",
        "[]",
        "%",
        "%zz",
        &long,
    ];
    for collection in
        ["principals", "roles", "static_secrets", "broker_credentials", "oauth_apps", "proxies", "grants"]
    {
        console.get(&format!("/api/v1/{collection}?namespace=default&limit=9999&page=1")).await.expect(200);
        for key in [
            "namespace",
            "q",
            "foreign_id",
            "labels",
            "labels[k]",
            "labels[k][]",
            "page",
            "limit",
            "slug",
            "principal_id",
        ] {
            for value in values {
                let path = format!("/api/v1/{collection}?namespace=default&{key}={value}");
                let status = console.get(&path).await.status;
                assert!(matches!(status, 200 | 400 | 404 | 422), "{status}: {path}");
            }
        }
    }
    console.get("/api/v1/audit_events?since=2030-01-01T00:00:00Z").await.expect(200);
    for key in ["actor", "object", "principal", "action", "since", "until", "before", "after", "limit"] {
        for value in values {
            let path = format!("/api/v1/audit_events?{key}={value}");
            let status = console.get(&path).await.status;
            assert!(matches!(status, 200 | 400), "{status}: {path}");
        }
    }
    for value in values {
        for path in [
            format!("/api/v1/principals/{value}"),
            format!("/api/v1/principals/lookup/default/{value}"),
            format!("/api/v1/principals/lookup/{value}/x"),
            format!("/api/v1/audit_events/{value}"),
            format!("/api/v1/static_secrets/{value}/grants"),
        ] {
            let status = console.get(&path).await.status;
            assert!(matches!(status, 400 | 404), "{status}: {path}");
        }
    }
}

async fn a_body_is_json_of_a_depth_whatever_its_type_is_called() {
    let console = Console::start().await;
    let nested = |depth: usize| {
        format!(r#"{{"data":{{"foreign_id":"d{depth}","x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    post(&console, "/api/v1/roles", &[], nested(100).as_bytes()).await.expect(201);
    post(&console, "/api/v1/roles", &[], nested(200).as_bytes()).await.expect(400);
    post(&console, "/api/v1/roles", &[], nested(500_000).as_bytes()).await.expect(400);
    let body = br#"{"data":{"foreign_id":"t"}}"#;
    for of_type in ["application/json", "text/plain", "application/x-www-form-urlencoded", "a/b; charset=\""]
    {
        let reply = post(&console, "/api/v1/roles", &[("content-type", of_type)], body).await;
        assert!(matches!(reply.status, 201 | 422), "{of_type}: {}", reply.text);
    }
    post(&console, "/api/v1/roles", &[], b"{\"data\":{\"foreign_id\":\"\xff\xfe\"}}").await.expect(400);
    post(&console, "/api/v1/roles", &[], b"\xef\xbb\xbf{\"data\":{\"foreign_id\":\"b\"}}").await.expect(400);
    post(&console, "/api/v1/roles", &[], br#"{"data":{"foreign_id":"\ud800"}}"#).await.expect(400);
    post(&console, "/api/v1/roles", &[], b"data[foreign_id]=x").await.expect(400);
}

async fn a_label_is_as_long_as_an_index_holds() {
    let console = Console::start().await;
    let with = async |key: usize, value: usize| {
        let long = long();
        let labels = json!({ &long[..key]: &long[..value] });
        console.post("/api/v1/roles", json!({ "labels": labels })).await
    };
    with(256, 1024).await.expect(201);
    assert_eq!(with(257, 1).await.details(), json!({"labels":["keys are too long (maximum is 256 bytes)"]}));
    assert_eq!(
        with(1, 1025).await.details(),
        json!({"labels":["values are too long (maximum is 1024 bytes)"]})
    );
}

async fn after_thirty_failures_an_address_waits_and_a_good_key_does_not() {
    let console = Console::start().await;
    let with = async |token: &str| {
        let bearer = format!("Bearer {token}");
        console.send("GET", "/api/v1/api_keys", &[("authorization", &bearer)], "").await
    };
    let bad = format!("iak_{}", "0".repeat(64));
    for _ in 0..30 {
        with(&bad).await.expect(401);
    }
    let reply = with(&bad).await;
    assert_eq!(reply.expect(429)["error"]["code"], "rate_limited");
    let seconds: u64 = reply.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    console.sync(&format!("iprx_{}", "0".repeat(64)), None, &[]).await.expect(429);
    with(KEY).await.expect(200);
}

/// What is answered to these bytes, until the console closes or says no more.
async fn raw(console: &Console, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(console.address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    // An answer that is whole ends the reading; one that never comes fails the test.
    let read = async {
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(50), read).await.expect("an answer or an end");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn broken_framing_ends_the_connection_and_the_next_one_is_served() {
    let console = Console::start().await;
    let head = format!("POST /api/v1/roles HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\n");
    let body = r#"{"data":{"foreign_id":"chunked"}}"#;
    let chunks = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert!(raw(&console, chunks.as_bytes()).await.starts_with("HTTP/1.1 201 "));
    for garbage in
        ["zz\r\nxx\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx", "-1\r\nx\r\n", "5;\u{0}\r\nhello\r\n0\r\n\r\n"]
    {
        let answer =
            raw(&console, format!("{head}transfer-encoding: chunked\r\n\r\n{garbage}").as_bytes()).await;
        assert!(
            !answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"),
            "{garbage:?}: {answer}"
        );
    }
    for framing in
        ["content-length: 5\r\ncontent-length: 6\r\n", "content-length: -1\r\n", "content-length: x\r\n"]
    {
        let answer = raw(&console, format!("{head}{framing}\r\nhello").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{framing}: {answer}");
    }
    let huge = format!("GET /up HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = raw(&console, huge.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    console.send("GET", "/up", &[], "").await.expect(200);
}

async fn a_body_that_stays_away_costs_a_proxy_its_answer_and_the_console_nothing() {
    let console = Console::start().await;
    let token = console.post("/api/v1/proxies", json!({"name":"edge"})).await.data(201)["token"].take();
    let token = token.as_str().expect("a token");
    let head = format!(
        "POST /api/v1/proxy/sync HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-length: 20\r\n\r\n{{"
    );
    let answer = raw(&console, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    console.sync(token, None, &[]).await.expect(200);
}

on_both!(
    no_value_anywhere_in_a_document_gets_a_500,
    no_query_gets_a_500,
    a_body_is_json_of_a_depth_whatever_its_type_is_called,
    a_label_is_as_long_as_an_index_holds,
    after_thirty_failures_an_address_waits_and_a_good_key_does_not,
    broken_framing_ends_the_connection_and_the_next_one_is_served,
    a_body_that_stays_away_costs_a_proxy_its_answer_and_the_console_nothing,
);
