//! A stand-in on this machine for identity providers, for tests: it serves its keys, signs tokens with them, answers
//! paths as a test says, and remembers what it was asked.
//!
//! It panics where a test cannot go on, and is no dependency of anything that ships.
#![expect(clippy::unwrap_used, reason = "for tests alone, which end when something is wrong")]

mod keys;
mod request;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub use keys::{Algorithm, Key};
pub use request::{Request, pairs};

/// What a path answers: status and body.
pub type Reply = (u16, String);
type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// An issuer on a port of its own. It serves until it is dropped.
pub struct Issuer {
    /// Where it listens.
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Book {
    keys: Vec<Key>,
    handlers: BTreeMap<String, Handler>,
    seen: Vec<Request>,
}

impl Issuer {
    /// One without keys, that answers 404 to everything but `/jwks`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::new(Mutex::<Book>::default());
        let mut tasks = JoinSet::new();
        let shared = book.clone();
        tasks.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                calls.spawn(serve(stream, shared.clone()));
            }
        });
        let issuer = Self { address, book, _tasks: tasks };
        let keys = issuer.book.clone();
        issuer.on("/jwks", move |_| (200, keys_document(&keys)));
        issuer
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Has a path answer by a function of the request.
    pub fn on(&self, path: &str, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        self.book.lock().unwrap().handlers.insert(path.to_owned(), Arc::new(answer));
    }

    /// Has a path answer this JSON from now on.
    pub fn answer(&self, path: &str, status: u16, body: Value) {
        let body = body.to_string();
        self.on(path, move |_| (status, body.clone()));
    }

    /// Has a path answer as another one does now.
    pub fn copy(&self, from: &str, to: &str) {
        let mut book = self.book.lock().unwrap();
        let handler = book.handlers.get(from).cloned().expect("a path");
        book.handlers.insert(to.to_owned(), handler);
    }

    /// Has exactly these keys from now on.
    pub fn use_keys(&self, keys: impl IntoIterator<Item = Key>) {
        self.book.lock().unwrap().keys = keys.into_iter().collect();
    }

    /// A token with these claims, signed with the last key.
    pub fn sign(&self, claims: &Value) -> String {
        let book = self.book.lock().unwrap();
        book.keys.last().expect("a key").sign(claims)
    }

    /// The requests of a path, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        self.book.lock().unwrap().seen.iter().filter(|request| request.path == path).cloned().collect()
    }
}

fn keys_document(book: &Mutex<Book>) -> String {
    let keys: Vec<_> = book.lock().unwrap().keys.iter().map(Key::jwk).collect();
    json!({ "keys": keys }).to_string()
}

async fn serve(mut stream: TcpStream, book: Arc<Mutex<Book>>) {
    let Some(request) = Request::read(&mut stream).await else { return };
    let handler = {
        let mut book = book.lock().unwrap();
        book.seen.push(request.clone());
        book.handlers.get(&request.path).cloned()
    };
    let (status, body) = handler.map_or((404, "{}".to_owned()), |handler| handler(&request));
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
    let _ = stream.shutdown().await;
}
