//! A console on a free port with a database of its own, and a client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use centaur_console::app::{App, Server};
use centaur_console::config::Config;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::described;

/// The first user's key.
pub(crate) const KEY: &str = "iak_fa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4e";

const SETTINGS: &[(&str, &str)] = &[
    ("CENTAUR_CONSOLE_ACCESS_LOG", "off"),
    // Where credentials are tested as rows, nobody writes into them meanwhile.
    ("CENTAUR_CONSOLE_BROKER", "off"),
    ("CENTAUR_CONSOLE_LISTEN", "127.0.0.1"),
    ("PORT", "0"),
    ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", "one:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
    ("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test"),
    ("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1"),
    ("CENTAUR_CONSOLE_INITIAL_API_KEY", KEY),
];

tokio::task_local! {
    /// The engine of the test that is running.
    pub(crate) static ENGINE: Engine;
}

#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// What stays of a console that has stopped.
pub(crate) struct Home {
    pub(crate) database: String,
    _dir: TempDir,
}

impl Home {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let database = match ENGINE.get() {
            Engine::Sqlite => format!("sqlite:{}", dir.path().join("console.db").display()),
            Engine::Postgres => centaur_test_postgres::new_database().await,
        };
        Self { database, _dir: dir }
    }
}

pub(crate) struct Console {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    home: Home,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    /// The body, when the status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).expect("JSON") }
    }

    /// `data` of the body.
    #[track_caller]
    pub(crate) fn data(&self, status: u16) -> Value {
        self.expect(status)["data"].take()
    }

    /// `error.details` of a 422.
    #[track_caller]
    pub(crate) fn details(&self) -> Value {
        let mut body = self.expect(422);
        assert_eq!(body["error"]["message"], "validation failed");
        body["error"]["details"].take()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The program itself, beside these tests, where a build of the workspace puts it.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("where the tests are");
    let built = tests.ancestors().nth(2).expect("a target directory");
    built.join("centaur-console")
}

impl Console {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::at(Home::new().await, settings).await
    }

    pub(crate) async fn at(home: Home, settings: &[(&str, &str)]) -> Self {
        let mut env: HashMap<_, _> = SETTINGS.iter().chain(settings).copied().collect();
        env.insert("DATABASE_URL", &home.database);
        let config = Config::from_env(|name| env.get(name).map(|value| (*value).to_owned()), false);
        let server = Server::start(config.expect("settings")).await.expect("a console");
        let (address, app) = (server.address(), server.app());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.serve(async move { drop(stopped.await) }));
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { address, app, home, client, stop: Some(stop), task: Some(task) }
    }

    /// Another replica, on the same database.
    pub(crate) async fn beside(&self, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::at(Home { database: self.home.database.clone(), _dir: dir }, settings).await
    }

    /// On a database that is there.
    pub(crate) async fn on(database: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::at(Home { database: database.to_owned(), _dir: dir }, &[]).await
    }

    /// The value of a series of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let text = self.send("GET", "/metrics", &[], "").await.text;
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
    }

    /// Where its rows are.
    pub(crate) fn database(&self) -> &str {
        &self.home.database
    }

    /// Stops it; the database stays.
    pub(crate) async fn stop(mut self) -> Home {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            task.await.expect("served to the end");
        }
        self.home
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::builder().method(method.parse::<Method>().expect("a method"));
        request = request.uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let call = async {
            let response = self.client.request(request).await.expect("an answer");
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let text = String::from_utf8(body.to_vec()).expect("UTF-8");
            described::check(method, path, head.status.as_u16(), &head.headers, &text);
            Reply { status: head.status.as_u16(), headers: head.headers, text }
        };
        tokio::time::timeout(Duration::from_mins(1), call).await.expect("an answer in time")
    }

    async fn with_key(&self, method: &str, path: &str, body: String) -> Reply {
        let bearer = format!("Bearer {KEY}");
        self.send(method, path, &[("authorization", &bearer)], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.with_key("GET", path, String::new()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.with_key("DELETE", path, String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, data: Value) -> Reply {
        self.with_key("POST", path, json!({ "data": data }).to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, data: Value) -> Reply {
        self.with_key("PUT", path, json!({ "data": data }).to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, data: Value) -> Reply {
        self.with_key("PATCH", path, json!({ "data": data }).to_string()).await
    }

    /// Makes one and returns its id.
    pub(crate) async fn make(&self, path: &str, data: Value) -> String {
        let made = self.post(path, data).await.data(201);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// A sync with extra headers; `hash` is what the proxy says it has.
    pub(crate) async fn sync(&self, token: &str, hash: Option<&str>, headers: &[(&str, &str)]) -> Reply {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        let body = hash.map(|hash| json!({ "config_hash": hash }).to_string()).unwrap_or_default();
        self.send("POST", "/api/v1/proxy/sync", &all, body).await
    }
}

/// A static secret with an inline value for `host`.
pub(crate) fn secret(foreign_id: &str, host: &str, value: &str) -> Value {
    json!({
        "foreign_id": foreign_id,
        "replace_config": {"proxy_value": format!("PLACEHOLDER_{foreign_id}"), "match_headers": ["Authorization"]},
        "source": {"source_type": "control_plane", "config": {}, "secret": value},
        "rules": [{"host": host}],
    })
}
