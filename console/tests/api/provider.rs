//! A token endpoint on this machine that rotates, and revokes a family when a token comes twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// It runs until it is dropped. Refresh tokens are `fake-FAMILY.NUMBER`.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Book {
    families: BTreeMap<String, (u32, bool)>,
    seen: Vec<String>,
    refuse_client: bool,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let book = Arc::new(Mutex::<Book>::default());
        let mut tasks = JoinSet::new();
        let shared = book.clone();
        tasks.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                calls.spawn(serve(stream, shared.clone()));
            }
        });
        Self { address, book, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The requests that came: path and form.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.book.lock().expect("the book").seen.clone()
    }

    pub(crate) fn refuse_client(&self) {
        self.book.lock().expect("the book").refuse_client = true;
    }
}

async fn serve(mut stream: TcpStream, book: Arc<Mutex<Book>>) {
    let mut seen = String::new();
    let mut chunk = [0; 4096];
    let request = loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1).unwrap_or_default();
            break format!("{path} {body}");
        }
    };
    let (status, body) = answer(&request, &mut book.lock().expect("the book"));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn answer(request: &str, book: &mut Book) -> (&'static str, String) {
    book.seen.push(request.to_owned());
    if request.starts_with("/revoke ") {
        return ("200 OK", String::new());
    }
    if book.refuse_client {
        return ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned());
    }
    let token = request.split('&').find_map(|field| field.strip_prefix("refresh_token=fake-"));
    let parts = token.and_then(|token| token.split_once('.'));
    let Some((family, number)) = parts else {
        return ("400 Bad Request", r#"{"error":"invalid_request"}"#.to_owned());
    };
    let (current, revoked) = book.families.entry(family.to_owned()).or_default();
    if *revoked || number.parse() != Ok(*current) {
        *revoked = true;
        return ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned());
    }
    *current += 1;
    let body = format!(
        r#"{{"access_token":"fake-at-{family}.{current}","refresh_token":"fake-{family}.{current}","expires_in":3600}}"#
    );
    ("200 OK", body)
}
