//! One request of a token endpoint, and its answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::{Mood, Presented, Shared, lock, parse};

/// Answers for as long as it is polled. A client that leaves changes nothing: what it sent was sent.
pub(super) async fn serve(listener: TcpListener, book: Shared) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(exchange(stream, book.clone()))),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn exchange(mut stream: TcpStream, book: Shared) {
    let Some(form) = read(&mut stream).await else { return };
    let (mood, half) = {
        let mut book = lock(&book);
        book.calls += 1;
        (book.mood, book.delay / 2)
    };
    sleep(half).await;
    let (status, body) = match mood {
        Mood::Well => refresh(&form, &book),
        Mood::Out => ("503 Service Unavailable", json!({})),
        Mood::Deaf => std::future::pending().await,
    };
    sleep(half).await;
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The form of a request that came whole.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut seen, mut chunk) = (String::new(), [0; 4096]);
    loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return None };
        seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length = |line: &str| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok();
        if body.len() >= head.lines().find_map(length).unwrap_or(0) {
            return Some(body.to_owned());
        }
    }
}

fn refresh(form: &str, book: &Shared) -> (&'static str, Value) {
    let token = form.split('&').find_map(|field| field.strip_prefix("refresh_token="));
    let Some((family, number)) = token.and_then(parse) else {
        return ("400 Bad Request", json!({"error": "invalid_request"}));
    };
    let mut book = lock(book);
    let lifetime = book.lifetime.as_secs();
    let stand = book.families.entry(family.to_owned()).or_default();
    let refused = stand.ended || number != stand.current;
    if refused {
        stand.ended = true;
    } else {
        stand.current += 1;
    }
    let current = stand.current;
    book.log.push(Presented { family: family.to_owned(), number, refused, at: Instant::now() });
    if refused {
        return ("400 Bad Request", json!({"error": "invalid_grant"}));
    }
    let tokens = json!({
        "access_token": format!("fake-at-{family}.{current}"),
        "refresh_token": format!("fake-rt-{family}.{current}"),
        "expires_in": lifetime,
    });
    ("200 OK", tokens)
}
