use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = "iprx_fake-token-for-tests";

/// A console that gives one answer and keeps what it was sent.
async fn once(answer: String) -> (SyncClient, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let asked = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut seen = String::new();
        while !seen.ends_with('}') {
            let mut buffer = [0; 4096];
            let read = tcp.read(&mut buffer).await.unwrap();
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        tcp.write_all(answer.as_bytes()).await.unwrap();
        let _ = tcp.shutdown().await;
        seen
    });
    let token = TokenSource::Value(centaur_base::Secret::new(TOKEN.to_owned()));
    (SyncClient::new(&base, token, "iron-proxy/test").unwrap(), asked)
}

fn answer(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_request_has_the_method_path_fields_and_body_that_every_console_knows() {
    let (client, asked) = once(answer("200 OK", "", r#"{"config_hash":"sha256:1"}"#)).await;
    let ask = Ask { config_hash: "sha256:0".to_owned(), generation: 7, ..Ask::default() };
    let reply = client.sync(&ask).await.unwrap();
    assert_eq!(reply.payload.config_hash, "sha256:1");
    assert!(!reply.payload.is_update() && !reply.waits && reply.max_age.is_none());
    let asked = asked.await.unwrap().to_ascii_lowercase();
    assert!(asked.starts_with("post /api/v1/proxy/sync http/1.1\r\n"), "{asked}");
    assert!(
        asked.contains(&format!("\r\nauthorization: bearer {}\r\n", TOKEN.to_ascii_lowercase())),
        "{asked}"
    );
    assert!(asked.contains("\r\ncontent-type: application/json\r\n"), "{asked}");
    assert!(asked.contains("\r\nx-config-generation: 7\r\n"), "{asked}");
    assert!(!asked.contains("\r\nprefer:") && !asked.contains("\r\nx-config-rejected:"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{\"config_hash\":\"sha256:0\"}"), "{asked}");
}

#[tokio::test]
async fn waiting_is_asked_for_and_seen_to_be_granted() {
    let fields = "Preference-Applied: wait=55\r\nX-Config-Max-Age: 30\r\n";
    let (client, asked) = once(answer("200 OK", fields, r#"{"config_hash":"h"}"#)).await;
    let ask =
        Ask { wait: Duration::from_secs(55), rejected: Some("sha256:bad".to_owned()), ..Ask::default() };
    let reply = client.sync(&ask).await.unwrap();
    assert!(reply.waits);
    assert_eq!(reply.max_age, Some(Duration::from_secs(30)));
    let asked = asked.await.unwrap().to_ascii_lowercase();
    assert!(asked.contains("\r\nprefer: wait=55\r\n"), "{asked}");
    assert!(asked.contains("\r\nx-config-rejected: sha256:bad\r\n"), "{asked}");
}

#[tokio::test]
async fn statuses_are_told_apart_by_what_may_come_of_asking_again() {
    let code = r#"{"error":{"code":"proxy_revoked","message":"gone"}}"#;
    let no_code = r#"{"error":{"message":"invalid or missing proxy token"}}"#;
    for (status, body, text, retryable, revoked) in [
        ("401 X", code, "control plane: proxy_revoked: gone (HTTP 401)", false, true),
        (
            "401 X",
            no_code,
            "control plane: http_401: invalid or missing proxy token (HTTP 401)",
            false,
            false,
        ),
        ("403 X", "", "control plane: http_403 (HTTP 403)", false, false),
        ("404 X", "<html>", "control plane: http_404: <html> (HTTP 404)", false, false),
        ("422 X", "{}", "control plane: http_422: {} (HTTP 422)", false, false),
        ("429 X", "", "control plane: http_429 (HTTP 429)", true, false),
        ("500 X", code, "control plane: proxy_revoked: gone (HTTP 500)", true, false),
        ("502 X", "", "control plane: http_502 (HTTP 502)", true, false),
        ("201 X", "{}", "control plane: http_201: {} (HTTP 201)", false, false),
        ("304 X", "", "control plane: http_304 (HTTP 304)", false, false),
        (
            "403 X",
            r#"{"error":{"code":"a b\n","message":"m"}}"#,
            "control plane: http_403: m (HTTP 403)",
            false,
            false,
        ),
    ] {
        let (client, _asked) = once(answer(status, "", body)).await;
        let error = client.sync(&Ask::default()).await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!((error.is_retryable(), error.is_revocation()), (retryable, revoked), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_so_the_token_reaches_no_other_host() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("Location: http://{}/elsewhere\r\n", other.local_addr().unwrap());
    let (client, _asked) = once(answer("307 Temporary Redirect", &to, "")).await;
    let error = client.sync(&Ask::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "control plane: http_307 (HTTP 307)");
    let knocked = tokio::time::timeout(Duration::from_millis(50), other.accept()).await;
    assert!(knocked.is_err(), "the redirect was followed");
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_does_not_bring_it_into_the_error() {
    let body = format!("{{\"error\":{{\"code\":\"invalid_token\",\"message\":\"no {TOKEN}\"}}}}");
    let (client, _asked) = once(answer("401 X", "Retry-After: 7\r\n", &body)).await;
    let error = client.sync(&Ask::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "control plane: invalid_token: no *** (HTTP 401)");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn what_is_no_answer_is_worth_another_try() {
    for (body, text) in [
        ("<html>", "control plane: the answer is not JSON (line 1, column 1)"),
        ("[]", "control plane: the answer is not a JSON object"),
        (r#"{"config_hash":5}"#, "control plane: config_hash in the answer is not a string"),
        (r#"{"config_hash":"h""#, "control plane: the answer is not JSON (line 1, column 18)"),
    ] {
        let (client, _asked) = once(answer("200 OK", "", body)).await;
        let error = client.sync(&Ask::default()).await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(error.is_retryable() && !error.is_revocation());
    }
    let cut_off = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_owned();
    let (client, _asked) = once(cut_off).await;
    let error = client.sync(&Ask::default()).await.unwrap_err();
    assert!(matches!(error, SyncError::Unreachable(_)) && error.is_retryable(), "{error}");
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BYTES + 1);
    let (client, _asked) = once(endless).await;
    assert!(matches!(client.sync(&Ask::default()).await, Err(SyncError::TooLarge { .. })));
}

#[tokio::test]
async fn nobody_there_is_an_error_without_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let token = TokenSource::Value(centaur_base::Secret::new(TOKEN.to_owned()));
    let client = SyncClient::new(&base, token, "iron-proxy/test").unwrap();
    let error = client.sync(&Ask::default()).await.unwrap_err();
    assert!(matches!(error, SyncError::Unreachable(_)), "{error}");
    assert!(!error.to_string().contains("/api/v1"), "{error}");
}

#[tokio::test]
async fn a_hung_console_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let token = TokenSource::Value(centaur_base::Secret::new(TOKEN.to_owned()));
    let client = SyncClient::new(&base, token, "iron-proxy/test").unwrap();
    tokio::time::pause();
    let error = client.sync(&Ask::default()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    drop(listener);
}

#[test]
fn members_are_told_apart_and_their_names_are_exact() {
    let payload = Payload::parse(
        br#"{"config_hash":"h","rules":null,"Secrets":[1],"secrets":[],"transforms":[{"name":"x"}],"new":{"a":1}}"#,
    )
    .unwrap();
    assert_eq!(payload.rules, Member::Null);
    assert_eq!(payload.secrets, Member::Given(serde_json::json!([])));
    assert_eq!(payload.mcp, Member::Absent);
    assert!(payload.is_update());
    let nothing = Payload::parse(br#"{"config_hash":"h","rules":null,"secrets":null,"status":"x"}"#).unwrap();
    assert!(!nothing.is_update());
}

#[test]
fn texts_are_those_of_json() {
    let payload =
        Payload::parse(br#"{"config_hash":"a\/b\ud83d\ude00","secrets":{"<<":{"k":1},"k":2,"k":3}}"#)
            .unwrap();
    assert_eq!(payload.config_hash, "a/b\u{1f600}");
    assert_eq!(payload.secrets, Member::Given(serde_json::json!({"<<": {"k": 1}, "k": 3})));
}

#[test]
fn without_a_hash_the_body_tells_configurations_apart() {
    let one = Payload::parse(br#"{"config_hash":"","secrets":[]}"#).unwrap();
    let same = Payload::parse(br#"{"config_hash":"","secrets":[]}"#).unwrap();
    let other = Payload::parse(br#"{"config_hash":"","secrets":[{}]}"#).unwrap();
    assert_eq!(one.identity(), same.identity());
    assert_ne!(one.identity(), other.identity());
    assert!(!format!("{other:?}").contains("secrets"));
}
