//! A browser, as far as the console's pages need one: cookies, forms, redirects that are looked at.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::console::Console;

pub(crate) struct Browser {
    pub(crate) origin: String,
    pub(crate) cookies: BTreeMap<String, String>,
    client: Client<HttpConnector, Full<Bytes>>,
    form_token: String,
    /// Sent with every request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Seen {
    /// Where it sends the browser.
    #[track_caller]
    pub(crate) fn to(&self) -> &str {
        assert!(matches!(self.status, 302 | 303), "{} {}", self.status, self.text);
        self.header("location").expect("a location")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The page, when it says this.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, words: &str) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(words), "no {words:?} in {}", self.text);
        self
    }
}

impl Browser {
    pub(crate) fn new(console: &Console) -> Self {
        Self {
            origin: format!("http://{}", console.address),
            cookies: BTreeMap::new(),
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            form_token: String::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Seen {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.origin) };
        let mut request = Request::builder().method(method).uri(url);
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(Full::new(body.into())).expect("a request")).await;
        let (head, body) = response.expect("an answer").into_parts();
        for line in head.headers.get_all("set-cookie") {
            self.keep(line.to_str().expect("text"));
        }
        let text = String::from_utf8(body.collect().await.expect("a body").to_bytes().to_vec());
        let seen = Seen { status: head.status.as_u16(), headers: head.headers, text: text.expect("UTF-8") };
        if let Some((_, rest)) = seen.text.split_once("name=\"form_token\" value=\"") {
            rest.split('"').next().unwrap_or_default().clone_into(&mut self.form_token);
        }
        seen
    }

    fn keep(&mut self, line: &str) {
        let (pair, attributes) = line.split_once(';').expect("attributes");
        assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{line}");
        let (name, value) = pair.split_once('=').expect("a pair");
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        self.request("GET", path, &[], String::new()).await
    }

    /// Sends a form of the page that was looked at last.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let token = self.form_token.clone();
        let origin = self.origin.clone();
        self.post_as(path, fields, &token, &[("origin", &origin)]).await
    }

    /// Sends a form with this token and these headers.
    pub(crate) async fn post_as(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        token: &str,
        headers: &[(&str, &str)],
    ) -> Seen {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("form_token", token).extend_pairs(fields);
        let form = ("content-type", "application/x-www-form-urlencoded");
        let has_kind = headers.iter().any(|(name, _)| *name == form.0);
        let all: Vec<_> = headers.iter().copied().chain((!has_kind).then_some(form)).collect();
        self.request("POST", path, &all, body.finish()).await
    }

    /// Opens the sign-in page and sends its form.
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Seen {
        self.get("/login").await.says(200, "Operator console sign in.");
        self.post("/login", &[("email", email), ("password", password)]).await
    }

    pub(crate) fn session(&self) -> Option<&String> {
        self.cookies.get("console_session")
    }

    pub(crate) fn form_token(&self) -> &str {
        &self.form_token
    }
}
