//! Where a real value is put: header, Basic, query, path and body, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Request, World};

#[tokio::test]
async fn a_header_carries_the_value_on_its_host_and_the_placeholder_elsewhere() {
    let w = World::usual().start().await;
    let bound = Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER);
    bound.on(&mut w.https("a.test").await).await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {REAL}")));

    let unbound = Request::get(&w.at("b.test"), "/ok").bearer(PLACEHOLDER);
    unbound.on(&mut w.https("b.test").await).await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {PLACEHOLDER}")));

    let audit = w.finish(2).await;
    assert!(audit.iter().all(|line| line.action() == "allow" && line.status() == 200));
    let swapped = &audit[0].0["request_transforms"][1]["annotations"]["swapped"];
    assert_eq!(swapped[0]["secret"], "REAL_A");
    assert_eq!(swapped[0]["locations"][0], "header:Authorization");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_refused_and_gets_nothing() {
    let w = World::usual().start().await;
    let allowed = Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER);
    allowed.on(&mut w.https("a.test").await).await.expect(200);
    let refused = Request::get(&w.at("c.test"), "/ok").bearer(PLACEHOLDER);
    refused.on(&mut w.https("c.test").await).await.refused(403);
    assert_eq!(w.origin.only().authority, w.at("a.test"));
    let audit = w.finish(2).await;
    assert_eq!((audit[1].action(), audit[1].status()), ("reject", 403));
    assert_eq!(audit[1].0["rejected_by"], "allowlist");
}

#[tokio::test]
async fn a_header_outside_the_list_keeps_the_placeholder() {
    let w = World::usual().start().await;
    let request = Request::get(&w.at("a.test"), "/ok")
        .bearer(PLACEHOLDER)
        .field("Referer", &format!("https://a.test/{PLACEHOLDER}"))
        .field("X-Note", PLACEHOLDER);
    request.on(&mut w.https("a.test").await).await.expect(200);
    let seen = w.origin.only();
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {REAL}")));
    assert_eq!(seen.header("x-note"), Some(PLACEHOLDER));
    assert!(!seen.header("referer").unwrap_or_default().contains(REAL));
    w.finish(1).await;
}

#[tokio::test]
async fn an_empty_list_means_all_headers_and_a_pattern_means_those_it_matches() {
    for (keys, with, without) in [
        ("match_headers: []", "x-anything", "x-none"),
        ("match_headers: [\"/^x-acme-/\"]", "x-acme-token", "x-other"),
    ] {
        let w = World::builder().allow("a.test").bind("a.test", keys).start().await;
        let request = Request::get(&w.at("a.test"), "/ok").field(with, PLACEHOLDER);
        request.on(&mut w.https("a.test").await).await.expect(200);
        assert_eq!(w.origin.last().header(with), Some(REAL), "{keys}");
        if keys.contains("acme") {
            let request = Request::get(&w.at("a.test"), "/ok").field(without, PLACEHOLDER);
            request.on(&mut w.https("a.test").await).await.expect(200);
            assert_eq!(w.origin.last().header(without), Some(PLACEHOLDER));
            w.finish(2).await;
        } else {
            w.finish(1).await;
        }
    }
}

#[tokio::test]
async fn basic_is_decoded_in_either_half_any_letter_case_and_any_alphabet() {
    let w = World::usual().start().await;
    let mut conn = w.https("a.test").await;
    let user = format!("{PLACEHOLDER}:x");
    let password = format!("someone:{PLACEHOLDER}");
    for (scheme, text) in [
        ("Basic", STANDARD.encode(&user)),
        ("Basic", STANDARD.encode(&password)),
        ("basic", STANDARD.encode(&password)),
        ("BASIC", STANDARD_NO_PAD.encode(&password)),
        ("Basic", URL_SAFE_NO_PAD.encode(&password)),
    ] {
        let request =
            Request::get(&w.at("a.test"), "/ok").field("Authorization", &format!("{scheme} {text}"));
        request.on(&mut conn).await.expect(200);
        let seen = w.origin.last();
        let value = seen.header("authorization").expect("sent").to_owned();
        let (_, coded) = value.split_once(' ').expect("scheme and credentials");
        let decoded = STANDARD
            .decode(coded)
            .or_else(|_| STANDARD_NO_PAD.decode(coded))
            .or_else(|_| URL_SAFE_NO_PAD.decode(coded))
            .expect("base64");
        let decoded = String::from_utf8(decoded).expect("text");
        assert!(decoded.contains(REAL), "{scheme} {text}: {decoded}");
        assert!(!decoded.contains(PLACEHOLDER));
    }
    w.finish(5).await;
}

#[tokio::test]
async fn a_query_value_is_replaced_and_the_other_parameters_keep_their_bytes() {
    let w = World::builder().allow("a.test").bind("a.test", "match_query: true").start().await;
    let mut conn = w.https("a.test").await;
    for sent in [
        format!("/target?z=%20q&key={PLACEHOLDER}&b;c&a=1"),
        // The placeholder in percent-encoded form is the placeholder.
        format!("/target?z=%20q&key=%50{}&b;c&a=1", &PLACEHOLDER[1..]),
    ] {
        Request::get(&w.at("a.test"), &sent).on(&mut conn).await.expect(200);
        let target = w.origin.last().target;
        let coded = centaur_e2e::leak::percent(REAL, false);
        assert_eq!(target, format!("/target?z=%20q&key={coded}&b;c&a=1"));
    }
    let other = World::builder().allow("a.test").bind("a.test", "").start().await;
    let sent = format!("/target?key={PLACEHOLDER}");
    Request::get(&other.at("a.test"), &sent).on(&mut other.https("a.test").await).await.expect(200);
    assert_eq!(other.origin.only().target, sent, "not bound to the query");
    other.finish(1).await;
    w.finish(2).await;
}

#[tokio::test]
async fn a_path_is_replaced_and_its_other_parts_keep_their_bytes() {
    let w = World::builder().allow("a.test").bind("a.test", "match_path: true").start().await;
    let sent = format!("/x%2Fy/(a)!/{PLACEHOLDER}/z");
    Request::get(&w.at("a.test"), &sent).on(&mut w.https("a.test").await).await.expect(200);
    let target = w.origin.only().target;
    let (before, after) = (target.strip_prefix("/x%2Fy/(a)!/"), target.strip_suffix("/z"));
    assert!(before.is_some() && after.is_some(), "{target}");
    assert!(!target.contains(PLACEHOLDER));
    let audit = w.finish(1).await;
    assert!(audit[0].path().contains(PLACEHOLDER), "the audit shows the path before the swap");
}

#[tokio::test]
async fn a_body_is_replaced_wherever_the_chunks_fall() {
    let w = World::builder().allow("a.test").bind("a.test", "match_body: true").start().await;
    let mut conn = w.https("a.test").await;
    let body = format!("start {PLACEHOLDER} middle {PLACEHOLDER}");
    let host = w.at("a.test");
    for split in [1, 3, 8, 19, body.len() - 1] {
        conn.send(format!("POST /body HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
        for part in [&body[..split], &body[split..]] {
            conn.send(format!("{:x}\r\n{part}\r\n", part.len())).await;
        }
        conn.send("0\r\n\r\n").await;
        let reply = conn.reply().await;
        assert_eq!(reply.expect(200).text(), body, "scrubbed on the way back");
        assert_eq!(String::from_utf8_lossy(&w.origin.last().body), body.replace(PLACEHOLDER, REAL));
    }
    Request::post(&host, "/body", &body).on(&mut conn).await.expect(200);
    assert_eq!(String::from_utf8_lossy(&w.origin.last().body), body.replace(PLACEHOLDER, REAL));
    w.finish(6).await;
}

#[tokio::test]
async fn a_body_larger_than_the_cap_arrives_whole() {
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "match_body: true")
        .proxy_keys("  max_request_body_bytes: 1024")
        .start()
        .await;
    let body = format!("{}{PLACEHOLDER}{}", "x".repeat(300_000), "y".repeat(300_000));
    Request::post(&w.at("a.test"), "/status/200", &body).on(&mut w.https("a.test").await).await.expect(200);
    let seen = w.origin.only().body;
    assert_eq!(seen.len(), body.len() - PLACEHOLDER.len() + REAL.len());
    assert!(centaur_e2e::leak::contains(&seen, REAL.as_bytes()));
    w.finish(1).await;
}

#[tokio::test]
async fn an_injected_credential_replaces_whatever_the_client_sent() {
    let w = World::builder()
        .allow("a.test")
        .secret(
            "{source: {type: env, var: REAL_A}, rules: [{host: \"a.test\"}], \
             inject: {header: \"X-Api-Key\", formatter: \"key={{ .Value }}\"}}",
        )
        .value("REAL_A", REAL)
        .start()
        .await;
    let request = Request::get(&w.at("a.test"), "/ok").field("x-api-KEY", "mine").field("X-API-Key", "too");
    request.on(&mut w.https("a.test").await).await.expect(200);
    let values: Vec<String> =
        w.origin.only().headers.into_iter().filter(|(name, _)| name == "x-api-key").map(|(_, v)| v).collect();
    assert_eq!(values, [format!("key={REAL}")]);
    let audit = w.finish(1).await;
    assert!(audit[0].text().contains("injected"));
}

#[tokio::test]
async fn require_wants_the_placeholder_where_the_credential_belongs() {
    let keys = "match_headers: [\"Authorization\"], require: true";
    let w = World::builder().allow("a.test").bind("a.test", keys).start().await;
    let mut conn = w.https("a.test").await;
    let host = w.at("a.test");
    Request::get(&host, "/ok").bearer(PLACEHOLDER).on(&mut conn).await.expect(200);
    for request in [
        Request::get(&host, "/ok"),
        Request::get(&host, "/ok").bearer("another-key"),
        Request::get(&host, "/ok").bearer("another-key").field("X-Dummy", PLACEHOLDER),
        Request::get(&host, "/ok").bearer(PLACEHOLDER).bearer("another-key"),
    ] {
        let mut conn = w.https("a.test").await;
        request.on(&mut conn).await.refused(403);
    }
    assert_eq!(w.origin.seen().len(), 1);
    let audit = w.finish(5).await;
    assert!(audit[1..].iter().all(|line| line.action() == "reject" && line.0["rejected_by"] == "secrets"));
}

#[tokio::test]
async fn an_unavailable_secret_refuses_only_where_it_is_required() {
    let entry = |require: bool| {
        format!(
            "{{source: {{type: env, var: NOT_SET}}, rules: [{{host: \"a.test\"}}], \
             replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"], require: {require}}}}}"
        )
    };
    for (require, status) in [(false, 200), (true, 403)] {
        let w = World::builder().allow("a.test").secret(&entry(require)).start().await;
        let request = Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER);
        request.on(&mut w.https("a.test").await).await.expect(status);
        w.finish(1).await;
    }
}

#[tokio::test]
async fn a_real_value_does_not_travel_in_cleartext_unless_the_binding_says_so() {
    let refused = World::builder().allow("far.test").bind("far.test", "").start().await;
    // Somewhere else than this machine, and an address that no TCP packet leaves for.
    refused.dns.set("far.test", &["224.0.0.1".parse().expect("address")]);
    let reply = Request::get("far.test", "/ok").bearer(PLACEHOLDER).on(&mut refused.http().await).await;
    assert_eq!(reply.refused(403).code(), Some("plaintext-credential"));
    let without = Request::get("far.test", "/ok").on(&mut refused.http().await).await;
    assert_eq!(without.status, 502, "without a credential it is only unreachable");
    refused.finish(2).await;

    let allowed = World::builder()
        .allow("a.test")
        .secret(&format!(
            "{{source: {{type: env, var: REAL_A}}, rules: [{{host: \"a.test\"}}], allow_plaintext: true, \
             replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]}}}}"
        ))
        .value("REAL_A", REAL)
        .start()
        .await;
    let request = Request::get(&allowed.plain_at("a.test"), "/ok").bearer(PLACEHOLDER);
    request.on(&mut allowed.http().await).await.expect(200);
    assert_eq!(allowed.origin.only().header("authorization"), Some(&*format!("Bearer {REAL}")));
    allowed.finish(1).await;
}

#[tokio::test]
async fn rules_narrow_by_method_path_port_and_scheme() {
    let other_port = "ports: [1]";
    for (rule, method, target, swapped) in [
        ("methods: [\"POST\"]", "POST", "/ok", true),
        ("methods: [\"POST\"]", "GET", "/ok", false),
        ("paths: [\"/v1/*\"]", "GET", "/v1/x", true),
        ("paths: [\"/v1/*\"]", "GET", "/v2/x", false),
        ("schemes: [\"https\"]", "GET", "/ok", true),
        ("schemes: [\"http\"]", "GET", "/ok", false),
        (other_port, "GET", "/ok", false),
    ] {
        let w = World::builder()
            .allow("a.test")
            .secret(&format!(
                "{{source: {{type: env, var: REAL_A}}, rules: [{{host: \"a.test\", {rule}}}], \
                 replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]}}}}"
            ))
            .value("REAL_A", REAL)
            .start()
            .await;
        let request = Request::new(method, &w.at("a.test"), target).bearer(PLACEHOLDER);
        let request = if method == "POST" { request.field("Content-Length", "0") } else { request };
        request.on(&mut w.https("a.test").await).await.expect(200);
        assert_eq!(w.origin.only().everything().contains(REAL), swapped, "{rule} {method} {target}");
        w.finish(1).await;
    }
}

#[tokio::test]
async fn a_value_with_a_newline_is_never_split_into_a_second_header() {
    let w = World::builder()
        .allow("a.test")
        .bind("a.test", "")
        .env("REAL_A", "fake-value\r\nX-Injected: yes")
        .start()
        .await;
    let request = Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER);
    let reply = request.on(&mut w.https("a.test").await).await;
    assert_eq!(reply.status, 502);
    assert!(w.origin.seen().is_empty());
    w.proxy.audited(1).await;
}
