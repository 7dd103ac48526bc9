//! An identity provider on loopback that rotates refresh tokens and detects reuse. Its log is the witness.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::http::receive;

/// The provider. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    books: Arc<Mutex<Books>>,
    /// Calls are held while it is true.
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct Books {
    /// By family: the refresh token that is good, if the family lives.
    good: BTreeMap<String, Option<String>>,
    /// Every refresh token that was presented.
    presented: Vec<String>,
    /// How many tokens were made.
    made: u32,
    /// Seconds that an access token lasts.
    lasts: u64,
    /// What to answer instead, with its status and headers.
    instead: Option<(u16, &'static str, &'static str)>,
    /// How long an answer takes.
    takes: Duration,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let books = Books { lasts: 3600, ..Books::default() };
        let provider = Self { address, books: Arc::new(Mutex::new(books)), held: watch::channel(false).0 };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        provider
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("the books")
    }

    /// A new login: its first refresh token.
    pub(crate) fn log_in(&self, family: &str) -> String {
        let mut books = self.books();
        books.made += 1;
        let token = format!("rt-fake-{family}-{}", books.made);
        books.good.insert(family.to_owned(), Some(token.clone()));
        token
    }

    pub(crate) fn set_lasts(&self, seconds: u64) {
        self.books().lasts = seconds;
    }

    pub(crate) fn set_takes(&self, takes: Duration) {
        self.books().takes = takes;
    }

    /// Has every call answered with this; `None` is the provider itself.
    pub(crate) fn set_instead(&self, instead: Option<(u16, &'static str, &'static str)>) {
        self.books().instead = instead;
    }

    /// Holds all calls, or lets them go on.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// The refresh tokens that were presented, in their order.
    pub(crate) fn presented(&self) -> Vec<String> {
        self.books().presented.clone()
    }

    pub(crate) fn is_alive(&self, family: &str) -> bool {
        self.books().good.get(family).is_some_and(Option::is_some)
    }

    /// Waits until so many calls have come.
    pub(crate) async fn until_presented(&self, count: usize) {
        crate::world::eventually("calls at the provider", || self.presented().len() >= count).await;
    }

    async fn answer(self, mut stream: TcpStream) -> Option<()> {
        let (_, form) = receive(&mut stream).await?;
        let token = form.split('&').find_map(|part| part.strip_prefix("refresh_token="))?.to_owned();
        // The token is used up when it comes, whether the answer arrives or not.
        let (status, headers, body) = self.spend(&token);
        let takes = self.books().takes;
        tokio::time::sleep(takes).await;
        self.held.subscribe().wait_for(|held| !held).await.ok()?;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.ok()
    }

    fn spend(&self, token: &str) -> (u16, &'static str, String) {
        let mut books = self.books();
        if let Some((status, headers, body)) = books.instead {
            return (status, headers, body.to_owned());
        }
        books.presented.push(token.to_owned());
        let refused = (400, "", r#"{"error":"invalid_grant"}"#.to_owned());
        let Some(family) = token.strip_prefix("rt-fake-").and_then(|rest| rest.rsplit_once('-')) else {
            return refused;
        };
        let family = family.0.to_owned();
        if books.good.get(&family).and_then(Option::as_deref) != Some(token) {
            // Reuse: everything of the family goes.
            books.good.insert(family, None);
            return refused;
        }
        books.made += 1;
        let (made, lasts) = (books.made, books.lasts);
        let next = format!("rt-fake-{family}-{made}");
        books.good.insert(family.clone(), Some(next.clone()));
        let body = format!(
            r#"{{"access_token":"at-fake-{family}-{made}","refresh_token":"{next}","expires_in":{lasts},"token_type":"Bearer"}}"#
        );
        (200, "", body)
    }
}
