//! Against listeners of this machine that answer with bytes.

use std::time::Duration;

use centaur_base::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::credential::{ClientAuth, Material};

/// Answers the first connection with `answer` and returns what it was sent.
async fn serve(listener: TcpListener, answer: Vec<u8>) -> String {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let request = request(&mut stream).await;
    // A client that breaks off in between is part of some tests.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    request
}

/// Reads a request to the end of its body.
async fn request(stream: &mut TcpStream) -> String {
    let mut seen = String::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.expect("bytes");
        assert!(read > 0, "the request ends early: {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return seen;
        }
    }
}

fn client(allow: &str) -> Client {
    let rules = EndpointRules::parse(allow, allow.is_empty()).expect("rules");
    Client::new(ClientOptions { rules, ..ClientOptions::default() }).expect("a client")
}

fn credential(endpoint: String, timeout: Duration) -> Credential {
    Credential {
        grant: Grant::RefreshToken,
        endpoint,
        client_id: Some("client".to_owned()),
        client_secret: None,
        client_auth: ClientAuth::Post,
        scopes: Vec::new(),
        headers: vec![("X-Tenant".to_owned(), Secret::new("fake-tenant".to_owned()))],
        material: Material { refresh_token: Some(Secret::new("fake-rt".to_owned())), ..Material::default() },
        subject: None,
        timeout,
    }
}

const LONG: Duration = Duration::from_secs(20);

async fn ask_with(answer: Vec<u8>, timeout: Duration) -> (Answer, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    let served = tokio::spawn(serve(listener, answer));
    let answer = client("").ask(&credential(url, timeout), Ask::Stored).await;
    (answer, served.await.expect("a request"))
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn again(answer: &Answer) -> (&str, bool) {
    match answer {
        Answer::Retryable(again) => (&again.code, again.maybe_spent),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_comes_back_and_the_request_is_the_one_that_was_meant() {
    let body = r#"{"access_token":"fake-at","expires_in":60,"token_type":"bearer"}"#;
    let (answer, request) = ask_with(http("200 OK", "", body), LONG).await;
    let Answer::Minted(tokens) = answer else { panic!("{answer:?}") };
    assert_eq!(tokens.access_token.expose(), "fake-at");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let head = head.to_lowercase();
    assert!(head.starts_with("post /token http/1.1\r\n"), "{head}");
    assert!(
        head.contains("accept: application/json\r\n") && head.contains("x-tenant: fake-tenant"),
        "{head}"
    );
    assert_eq!(body, "grant_type=refresh_token&refresh_token=fake-rt&client_id=client");
}

#[tokio::test]
async fn limits_hold_and_what_is_uncertain_is_said() {
    let limit = format!(r#"{{"access_token":"fake-at","pad":"{}"}}"#, "x".repeat(LIMIT));
    let (answer, _) = ask_with(http("200 OK", "", &limit), LONG).await;
    assert_eq!(again(&answer), ("parse", true), "one byte too many");
    let padded = format!(r#"{{"access_token":"fake-at"{}}}"#, " ".repeat(LIMIT - 26));
    assert_eq!(padded.len(), LIMIT);
    let (answer, _) = ask_with(http("200 OK", "", &padded), LONG).await;
    assert!(matches!(answer, Answer::Minted(_)), "as much as fits");
    let (answer, _) = ask_with(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_vec(), LONG).await;
    assert_eq!(again(&answer), ("network", true), "cut off");
    let (answer, _) = ask_with(Vec::new(), LONG).await;
    assert_eq!(again(&answer), ("network", true), "closed without an answer");
    let (answer, _) = ask_with(http("302 Found", "location: http://127.0.0.1:1/\r\n", ""), LONG).await;
    assert_eq!(again(&answer), ("http", false), "redirects are not followed");
    let (answer, _) = ask_with(http("503 Down", "retry-after: 40\r\n", ""), LONG).await;
    let Answer::Retryable(again) = answer else { panic!("{answer:?}") };
    assert_eq!(again.retry_after, Some(Duration::from_secs(40)));
}

#[tokio::test]
async fn a_trickle_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    let slow = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n").await.expect("a head");
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let answer = client("").ask(&credential(url, Duration::from_secs(2)), Ask::Stored).await;
    assert_eq!(again(&answer), ("network", true));
    slow.await.expect("it noticed that the client left");
}

#[tokio::test]
async fn nothing_is_sent_where_the_rules_do_not_lead() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let closed = client("idp.example");
    for url in [format!("https://127.0.0.1:{port}/token"), format!("http://idp.example:{port}/token")] {
        let answer = closed.ask(&credential(url, LONG), Ask::Stored).await;
        assert_eq!(again(&answer), ("endpoint_refused", false));
    }
    // A name is judged by where it leads: this one is not listed, and leads to this machine.
    let hosts = Guarded { rules: closed.rules.clone(), proxy: None };
    let refused = hosts.resolve("localhost".parse().expect("a name")).await;
    assert!(refused.is_err());
    let open = Guarded { rules: client("localhost").rules, proxy: None };
    assert!(
        open.resolve("localhost".parse().expect("a name"))
            .await
            .is_ok_and(|mut found| found.next().is_some())
    );
    // A closed port is a failure before anything was sent.
    drop(listener);
    let answer =
        client("").ask(&credential(format!("http://127.0.0.1:{port}/token"), LONG), Ask::Stored).await;
    assert_eq!(again(&answer), ("network", false));
}

#[tokio::test]
async fn https_goes_through_the_proxy_unless_the_host_is_excepted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let options = |except: &str| ClientOptions {
        rules: EndpointRules::parse("direct.invalid", false).expect("rules"),
        https_proxy: Some(Secret::new(format!("http://{address}"))),
        no_proxy: Some(except.to_owned()),
        extra_roots: Vec::new(),
    };
    let client = Client::new(options("direct.invalid")).expect("a client");
    let served = tokio::spawn(serve(listener, http("502 Bad", "", "")));
    let answer = client.ask(&credential("https://idp.example/token".to_owned(), LONG), Ask::Stored).await;
    assert_eq!(again(&answer), ("network", false));
    assert!(served.await.expect("a request").starts_with("CONNECT idp.example:443 "));
    let answer = client.ask(&credential("https://direct.invalid/token".to_owned(), LONG), Ask::Stored).await;
    assert_eq!(again(&answer), ("network", false), "no such name, and the proxy is gone");
}

#[test]
fn wrong_settings_are_refused() {
    let roots = ClientOptions { extra_roots: b"no PEM".to_vec(), ..ClientOptions::default() };
    assert!(matches!(Client::new(roots), Err(SetupError::Roots)));
    let proxy = Some(Secret::new("socks5://fake@proxy".to_owned()));
    let proxy = ClientOptions { https_proxy: proxy, ..ClientOptions::default() };
    assert!(matches!(Client::new(proxy), Err(SetupError::Proxy)));
}
