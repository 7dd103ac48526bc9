//! Requests that nobody sends on purpose: each has its error, and none is a 500.

use crate::console::{Console, KEY};
use crate::on_both;

async fn a_body_may_be_nested_a_hundred_and_twenty_seven_times() {
    let console = Console::start().await;
    let bearer = format!("Bearer {KEY}");
    let send =
        async |path: &str, body: String| console.send("PUT", path, &[("authorization", &bearer)], body).await;
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
        format!(r#"{{"data":{{"name":"[\"[[","other":{open}{close}}}}}"#)
    };
    send("/api/v1/roles/deep", nested(127)).await.expect(201);
    for levels in [128, 129, 200_000] {
        let error = send("/api/v1/roles/deeper", nested(levels)).await.expect(400)["error"].take();
        assert_eq!(error["code"], "nested_too_deeply", "{levels}");
        assert_eq!(error["message"], "the body is nested deeper than 127 levels");
    }
}

async fn a_body_that_is_no_json_is_400() {
    let console = Console::start().await;
    let bearer = format!("Bearer {KEY}");
    let bodies: [&[u8]; 8] = [
        b"{\"data\":{\"name\":\"\xff\"}}",
        b"\xef\xbb\xbf{\"data\":{\"name\":\"x\"}}",
        br#"{"data":{"name":"\ud800"}}"#,
        br#"{"data":{"labels":{"a":1e999}}}"#,
        br#"{"data":{"name":"a"}} {}"#,
        br#"{"data":{"name":NaN}}"#,
        b"{\"data\":{\"name\":\"\0\"}}",
        b"]]]",
    ];
    for body in bodies {
        let reply =
            console.send("PUT", "/api/v1/roles/r", &[("authorization", &bearer)], body.to_vec()).await;
        let message = reply.expect(400)["error"]["message"].clone();
        assert!(message.as_str().expect("a text").starts_with("the body is not valid JSON"), "{message}");
    }
    let twice = r#"{"data":{"name":"one","name":"two"}}"#;
    let reply = console.send("PUT", "/api/v1/roles/r", &[("authorization", &bearer)], twice).await;
    assert_eq!(reply.data(201)["name"], "two", "the last one counts");
}

async fn odd_paths_and_queries_have_their_errors() {
    let console = Console::start().await;
    let long = "a".repeat(5_000);
    for (path, status) in [
        ("/api/v1/principals/%00", 404),
        ("/api/v1/principals/%ff", 404),
        ("/api/v1/principals/%zz", 404),
        ("/api/v1/principals/prn_%F0%9F%98%80", 404),
        ("/api/v1/principals/lookup/%C3%A9/x%2Fy", 404),
        ("/api/v1/principals/lookup/../x", 404),
        (&format!("/api/v1/principals/prn_{long}"), 404),
        (&format!("/api/v1/principals/lookup/default/{long}"), 404),
        ("/api/v1/principals?namespace=default&page=99999999999999999999&limit=-99999999999999999999", 200),
        ("/api/v1/principals?namespace=%ff%fe&q=%25_%5C'%22", 200),
        ("/api/v1/principals?namespace=a%00b", 400),
        ("/api/v1/principals?namespace=default&labels[a%00]=b", 400),
        ("/api/v1/principals?namespace=default&labels[]=b", 400),
        ("/api/v1/principals?namespace=default&labels%5Ba%5D%5Bb%5D=c", 400),
        ("/api/v1/principals?namespace=default&unknown=x&&=&==&%", 200),
        ("/api/v1/principals?namespace=default&page[a]=1", 400),
        ("/api/v1/audit_events?before=99999999999999999999", 400),
        ("/api/v1/audit_events?before=9223372036854775807&after=0", 200),
        ("/api/v1/audit_events?after=9223372036854775807&limit=200", 200),
        ("/api/v1/audit_events?since=9999-12-31T23:59:59Z&until=0000-01-01T00:00:00Z", 200),
        ("/api/v1/audit_events/verify?seq=9223372036854775807&hash=x", 200),
        ("/api/v1/grants?namespace=%F0%9F%98%80", 200),
    ] {
        let reply = console.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
    }
}

on_both!(
    a_body_may_be_nested_a_hundred_and_twenty_seven_times,
    a_body_that_is_no_json_is_400,
    odd_paths_and_queries_have_their_errors,
);
