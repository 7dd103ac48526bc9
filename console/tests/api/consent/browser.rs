//! A browser, as far as a flow needs one: it keeps cookies by path and follows nothing by itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use centaur_test_issuer::pairs;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::console::Console;

pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    /// By name: path and value.
    cookies: Mutex<BTreeMap<String, (String, String)>>,
}

/// What a browser was answered.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

/// Where a browser was sent to.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) whole: String,
    pub(crate) endpoint: String,
    pub(crate) params: BTreeMap<String, String>,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// That it is this page.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.html);
        assert!(self.html.contains(text), "{text:?} is not in {}", self.html);
    }

    #[track_caller]
    pub(crate) fn sent(&self) -> Sent {
        assert_eq!(self.status, 302, "{}", self.html);
        let whole = self.headers[LOCATION].to_str().expect("an address").to_owned();
        let (endpoint, query) = whole.split_once('?').expect("a query");
        Sent { endpoint: endpoint.to_owned(), params: pairs(query), whole: whole.clone() }
    }
}

impl Browser {
    pub(crate) fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { client, cookies: Mutex::default() }
    }

    pub(crate) async fn get(&self, console: &Console, path: &str) -> Page {
        self.get_with(console, path, &[]).await
    }

    pub(crate) async fn get_with(&self, console: &Console, path: &str, headers: &[(&str, &str)]) -> Page {
        self.request("GET", console, path, headers).await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        console: &Console,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", console.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = self.cookies_for(path);
        if !sent.is_empty() {
            request = request.header(COOKIE, sent);
        }
        let request = request.body(Full::default()).expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().expect("a cookie"));
        }
        let body = body.collect().await.expect("a body").to_bytes();
        let html = String::from_utf8(body.to_vec()).expect("UTF-8");
        Page { status: head.status.as_u16(), headers: head.headers, html }
    }

    /// Begins a flow.
    pub(crate) async fn start(&self, console: &Console, slug: &str) -> Sent {
        self.get(console, &format!("/oauth/{slug}/start")).await.sent()
    }

    /// Comes back with a code.
    pub(crate) async fn back(&self, console: &Console, slug: &str, sent: &Sent, code: &str) -> Page {
        let path = format!("/oauth/{slug}/callback?code={code}&state={}", sent.params["state"]);
        self.get(console, &path).await
    }

    pub(crate) fn cookies(&self) -> Vec<String> {
        self.cookies.lock().expect("cookies").keys().cloned().collect()
    }

    fn cookies_for(&self, path: &str) -> String {
        let cookies = self.cookies.lock().expect("cookies");
        let fitting = cookies.iter().filter(|(_, (below, _))| path.starts_with(below.as_str()));
        fitting.map(|(name, (_, value))| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, cookie: &str) {
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let attributes: BTreeMap<_, _> =
            parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
        let mut cookies = self.cookies.lock().expect("cookies");
        if attributes["Max-Age"] == "0" {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), (attributes["Path"].to_owned(), value.to_owned()));
        }
    }
}
