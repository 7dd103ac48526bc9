//! Calls to the console, with the first user's key.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::KEY;
use crate::wait::within;

/// A client of one console. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

/// The connection ended before there was a whole answer, so nobody knows what became of the request.
#[derive(Debug)]
pub struct Broken(pub String);

impl Answer {
    /// The body as JSON; null when it is empty.
    pub fn json(&self) -> Value {
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).expect("JSON") }
    }

    /// `data` of the body, when the status says success.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        self.json()["data"].take()
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl Api {
    /// Connects to nothing yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, http: Client::builder(TokioExecutor::new()).build(HttpConnector::new()) }
    }

    /// One request, as given.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Broken> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let broken = |error: &dyn std::fmt::Debug| Broken(format!("{error:?}"));
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| broken(&error))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| broken(&error))?.to_bytes();
            let text = String::from_utf8(body.to_vec()).expect("UTF-8");
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, text })
        };
        within(&format!("an answer to {method} {path}"), exchange).await
    }

    /// A call to `/api/v1/{path}` with `data`, unless that is null.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn try_call(
        &self,
        method: &str,
        path: &str,
        data: &Value,
        request_id: Option<&str>,
    ) -> Result<Answer, Broken> {
        let bearer = format!("Bearer {KEY}");
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(request_id.map(|id| ("x-request-id", id)));
        let body = if data.is_null() { String::new() } else { json!({ "data": data }).to_string() };
        self.send(method, &format!("/api/v1/{path}"), &headers, body).await
    }

    /// The same from a console that is there.
    pub async fn call(&self, method: &str, path: &str, data: Value) -> Answer {
        let answer = self.try_call(method, path, &data, None).await;
        answer.unwrap_or_else(|Broken(error)| panic!("{method} {path}: {error}"))
    }

    /// Makes one and gives its record.
    pub async fn make(&self, path: &str, data: Value) -> Value {
        self.call("POST", path, data).await.data()
    }

    /// `data` of a read.
    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null).await.data()
    }

    /// One sync, with further fields; `hash` is what the proxy says it has.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn sync(
        &self,
        token: &str,
        hash: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Broken> {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        let body = json!({ "config_hash": hash.unwrap_or_default() }).to_string();
        self.send("POST", "/api/v1/proxy/sync", &all, body).await
    }
}

/// The id in a record.
#[track_caller]
pub fn id(record: &Value) -> String {
    record["id"].as_str().expect("an id").to_owned()
}
