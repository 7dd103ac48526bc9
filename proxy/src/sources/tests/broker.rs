//! The token broker as a source, against one that plays its answers.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Answers every request with the next of its answers, the last one for ever; counts, and keeps the heads.
struct Answering {
    url: String,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Answering {
    async fn new(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, kept) = (asked.clone(), heads.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read_exact(&mut byte).await.is_err() {
                        break;
                    }
                    head.extend(byte);
                }
                kept.lock().unwrap().push(String::from_utf8(head).unwrap());
                let at = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                let (status, body) = &answers[at];
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        Self { url, asked, heads }
    }

    fn source(&self, id: &str, ttl: Duration) -> Arc<Source> {
        let broker = Arc::new(crate::sources::broker::Broker::at(&self.url, "fake_broker_token"));
        let pool = SourcePool { broker, ..SourcePool::default() };
        pool.source(&spec(SourceKind::TokenBroker { credential_id: id.to_owned() }, Some(ttl)))
    }
}

fn token(text: &str, lasts: Duration) -> (u16, String) {
    let end = time::OffsetDateTime::now_utc() + lasts;
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    (200, format!(r#"{{"access_token":"{text}","expires_at":"{end}"}}"#))
}

#[tokio::test]
async fn a_token_is_asked_for_once_by_many_with_its_id_escaped() {
    let broker = Answering::new(vec![token("at_fake-1", MINUTE * 10)]).await;
    let source = broker.source("a b/ü", MINUTE);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { text(&source).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), ok("at_fake-1"));
    }
    assert_eq!(broker.asked.load(Ordering::SeqCst), 1);
    let head = broker.heads.lock().unwrap()[0].clone();
    assert!(head.starts_with("GET /credentials/a%20b%2F%C3%BC/access_token HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: Bearer fake_broker_token\r\n"), "{head}");
}

#[tokio::test]
async fn each_answer_without_a_token_says_why() {
    for (answer, want) in [
        ((401, r#"{"error":"unauthorized"}"#.to_owned()), "does not accept the token in IRON_BROKER_TOKEN"),
        ((404, r#"{"error":"credential not found"}"#.to_owned()), "knows no such credential"),
        (
            (422, r#"{"error":"credential dead","reason":"invalid_grant"}"#.to_owned()),
            "the credential is dead: invalid_grant",
        ),
        ((503, r#"{"error":"bootstrapping"}"#.to_owned()), "has no token yet: bootstrapping"),
        ((503, r#"{"error":"refresh pending"}"#.to_owned()), "has no token yet: refresh pending"),
        ((500, "at_fake-odd".to_owned()), "answered 500"),
        ((302, String::new()), "answered 302"),
        ((200, r#"{"access_token":"","expires_at":"2031-05-04T09:08:07Z"}"#.to_owned()), "no access_token"),
        (
            (200, r#"{"access_token":"at_fake-1","expires_at":"0001-01-01T00:00:00Z"}"#.to_owned()),
            "no expires_at",
        ),
        (token("at_fake-1", MINUTE), "which is within the ttl of 60 s"),
    ] {
        let broker = Answering::new(vec![answer]).await;
        let error = text(&broker.source("x", MINUTE)).await.unwrap_err();
        assert!(error.contains(want) && !error.contains("at_fake"), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_lasts_longer_than_the_ttl_is_taken() {
    let broker = Answering::new(vec![token("at_fake-1", MINUTE + Duration::from_secs(50))]).await;
    assert_eq!(text(&broker.source("x", MINUTE)).await, ok("at_fake-1"));
}

#[tokio::test(start_paused = true)]
async fn an_old_token_is_used_while_the_broker_is_away_and_never_after_its_end() {
    let second = Duration::from_secs(1);
    let steps = [Ok("at_fake-1"), Err("away"), Err("away"), Err("away"), Ok("at_fake-2")];
    let script = Script::lasting(Some(second * 100), steps.into_iter().map(|step| (Duration::ZERO, step)));
    let (_pool, source) = scripted(&script, Some(MINUTE));
    assert_eq!(text(&source).await, ok("at_fake-1"));
    advance(second * 70).await;
    assert_eq!(text(&source).await, ok("at_fake-1"), "the broker is away, and it lasts");
    advance(second * 31).await;
    assert_eq!(text(&source).await, Err("away".to_owned()), "it has ended");
    advance(MINUTE + second).await;
    assert_eq!(text(&source).await, Err("away".to_owned()));
    advance(MINUTE + second).await;
    assert_eq!(text(&source).await, ok("at_fake-2"));
}
