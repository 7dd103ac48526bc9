//! One call: attempts, pauses, limits, envelope.

use std::time::Duration;

use centaur_base::Secret;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use serde_json::{Value, json};

use super::ApiClient;
use super::error::{ApiError, Cause};
use super::path::Path;
use super::record::{Expect, Record};
use crate::http::{self, BodyFailure, reason};
use crate::sync::GENERATION;
use crate::token::TokenError;

/// Largest answer, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Largest error answer, in bytes; the rest is not read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The pause before the second attempt; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause, also when `Retry-After` asks for more.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Is told of every attempt.
pub trait Observer: Send + Sync {
    /// An attempt ended.
    fn ended(&self, exchange: &Exchange<'_>);
}

/// An attempt, without headers and bodies.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Which attempt it was, from 1 on.
    pub attempt: u32,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none, or not the right one.
    pub problem: Option<&'a Cause>,
    /// Ids that the body names (`…_id`) and the id in the answer.
    pub ids: &'a [String],
}

/// A record that was written.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// The record as it is now.
    pub row: T,
    /// It was not there before.
    pub created: bool,
    /// The number of the change, if it may alter what proxies get: what [`ApiClient::wait_for_proxy`] waits for.
    pub generation: Option<i64>,
}

/// A request before it is sent.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) path: Path,
    pub(super) query: &'a [(String, String)],
    pub(super) data: Option<&'a Value>,
    pub(super) expect: Expect,
    /// It may be sent twice.
    pub(super) is_repeatable: bool,
    /// How much longer the answer may take, because the console waits.
    pub(super) waits: Duration,
}

impl<'a> Request<'a> {
    pub(super) fn new(method: Method, path: Path) -> Self {
        let is_repeatable = method != Method::POST;
        Self {
            method,
            path,
            query: &[],
            data: None,
            expect: Expect::Anything,
            is_repeatable,
            waits: Duration::ZERO,
        }
    }

    pub(super) fn data(self, data: &'a Value) -> Self {
        Self { data: Some(data), ..self }
    }
}

/// An answer that is a success.
pub(super) struct Reply {
    pub(super) status: u16,
    /// `X-Config-Generation`
    pub(super) generation: Option<i64>,
    /// `null` when there is no body.
    pub(super) body: Value,
}

impl ApiClient {
    /// `GET` of one record; `None` for 404.
    pub(super) async fn read<T: Record>(&self, path: Path) -> Result<Option<T>, ApiError> {
        match self.send(Request::new(Method::GET, path.clone())).await {
            Ok(reply) => one("GET", &path, reply).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `PUT` of the record `at` (a foreign id or an id) in a collection.
    pub(super) async fn put<T: Record>(
        &self,
        (collection, at): (&str, &str),
        data: &Value,
        expect: Expect,
    ) -> Result<Written<T>, ApiError> {
        let path = Path::of(&[collection, at]);
        let request = Request { expect, ..Request::new(Method::PUT, path.clone()).data(data) };
        let stale = match self.send(request).await {
            Ok(reply) => return written("PUT", &path, reply),
            Err(error) if error.is_stale() && error.attempts > 1 => error,
            Err(error) => return Err(error),
        };
        // An earlier attempt may have been applied, and only its answer lost.
        let Expect::Revision(seen) = expect else { return Err(stale) };
        let Ok(reply) = self.send(Request::new(Method::GET, reading::<T>(collection, at, data))).await else {
            return Err(stale);
        };
        let row = reply.body.get("data").unwrap_or(&Value::Null);
        if row.get("revision").and_then(Value::as_i64) != Some(seen + 1) || !says(row, data) {
            return Err(stale);
        }
        written("PUT", &path, reply)
    }

    /// `POST` of one record; `is_repeatable` when the console takes the same one twice.
    pub(super) async fn post<T: Record>(
        &self,
        path: Path,
        data: &Value,
        is_repeatable: bool,
    ) -> Result<Written<T>, ApiError> {
        let request = Request { is_repeatable, ..Request::new(Method::POST, path.clone()).data(data) };
        written("POST", &path, self.send(request).await?)
    }

    /// `DELETE`. Gone on a second attempt is gone.
    pub(super) async fn delete(&self, path: Path, expect: Expect) -> Result<(), ApiError> {
        match self.send(Request { expect, ..Request::new(Method::DELETE, path) }).await {
            Err(error) if error.attempts > 1 && error.is_not_found() => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Sends until there is an answer that stands, or no attempt is left.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Reply, ApiError> {
        let method = method_name(&request.method);
        let failed = |path: String, attempts: u32, cause: Cause| ApiError {
            method,
            path,
            attempts,
            cause: Box::new(cause),
        };
        let path = match request.path.checked() {
            Ok(path) => path,
            Err(error) => return Err(failed(request.path.to_string(), 0, error.into())),
        };
        let mut url = self.base.join(path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let shown = url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut attempt = 0;
        loop {
            attempt += 1;
            let key = match self.key.read() {
                Ok(key) => key,
                Err(error) => return Err(failed(shown, attempt - 1, error.into())),
            };
            let result = self.attempt(&request, &url, &key).await;
            self.tell(&request, &shown, attempt, &result);
            let cause = match result {
                Ok(reply) => return Ok(reply),
                Err(cause) => cause,
            };
            if attempt > self.options.retries || !request.is_repeatable || !cause.may_pass() {
                return Err(failed(shown, attempt, cause));
            }
            let pause = FIRST_PAUSE * 2u32.saturating_pow(attempt.min(10) - 1);
            let asked = cause.retry_after().unwrap_or_default();
            tokio::time::sleep(pause.max(asked).min(LONGEST_PAUSE)).await;
        }
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        url: &reqwest::Url,
        key: &Secret<String>,
    ) -> Result<Reply, Cause> {
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| TokenError::Unsendable)?;
        bearer.set_sensitive(true);
        let mut builder =
            self.http.request(request.method.clone(), url.clone()).header(AUTHORIZATION, bearer);
        if let Expect::Revision(revision) = request.expect {
            builder = builder.header(IF_MATCH, format!("\"{revision}\""));
        }
        if let Some(data) = request.data {
            let body = json!({ "data": data }).to_string();
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
        }
        let after = self.options.timeout + request.waits;
        let call = async {
            let response = builder.send().await.map_err(|error| Cause::Unreachable(reason(error)))?;
            let status = response.status().as_u16();
            let retry_after = http::retry_after(response.headers());
            let generation =
                response.headers().get(GENERATION).and_then(|value| value.to_str().ok()?.parse().ok());
            if !(200..300).contains(&status) {
                let body = http::body(response, MAX_ERROR_BYTES).await.unwrap_or_default();
                return Err(Cause::answered(status, &body, retry_after, key.expose()));
            }
            let body = http::body(response, MAX_BYTES).await.map_err(|failure| match failure {
                BodyFailure::TooLarge => Cause::TooLarge { limit: MAX_BYTES },
                BodyFailure::Broken(error) => Cause::Unreachable(reason(error)),
            })?;
            let body = if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(&body)
                    .map_err(|_| Cause::Unexpected("the body is not JSON".to_owned()))?
            };
            Ok(Reply { status, generation, body })
        };
        tokio::time::timeout(after, call).await.unwrap_or(Err(Cause::TimedOut { after }))
    }

    fn tell(&self, request: &Request<'_>, path: &str, attempt: u32, result: &Result<Reply, Cause>) {
        let Some(observer) = &self.observer else { return };
        let (status, problem) = match result {
            Ok(reply) => (Some(reply.status), None),
            Err(Cause::Answered { status, .. }) => (Some(*status), result.as_ref().err()),
            Err(cause) => (None, Some(cause)),
        };
        let named = |(name, value): (&String, &Value)| {
            name.ends_with("_id").then(|| value.as_str()).flatten().map(str::to_owned)
        };
        let sent = request.data.and_then(Value::as_object);
        let mut ids: Vec<String> = sent.into_iter().flatten().filter_map(named).collect();
        let made = result.as_ref().ok().and_then(|reply| reply.body.get("data")?.get("id")?.as_str());
        ids.extend(made.map(str::to_owned));
        observer.ended(&Exchange {
            method: method_name(&request.method),
            path,
            attempt,
            status,
            problem,
            ids: &ids,
        });
    }
}

pub(super) fn one<T: Record>(method: &'static str, path: &Path, mut reply: Reply) -> Result<T, ApiError> {
    let data = reply.body.get_mut("data").map(Value::take).unwrap_or_default();
    T::read(data).map_err(|problem| ApiError::unexpected(method, path, problem))
}

fn written<T: Record>(method: &'static str, path: &Path, reply: Reply) -> Result<Written<T>, ApiError> {
    let (created, generation) = (reply.status == 201, reply.generation);
    Ok(Written { row: one(method, path, reply)?, created, generation })
}

/// Where the record of a `PUT` is read: by its id, or by its name and the namespace of the write.
fn reading<T: Record>(collection: &str, at: &str, data: &Value) -> Path {
    if T::claims(at) {
        return Path::of(&[collection, at]);
    }
    let namespace = data.get("namespace").and_then(Value::as_str).unwrap_or("default");
    Path::of(&[collection, "lookup", namespace, at])
}

/// Whether a record is what a write would have made of it. What is not shown (secrets) and what is shown otherwise than
/// it was sent counts as different.
fn says(row: &Value, data: &Value) -> bool {
    let identity = ["namespace", "foreign_id"];
    let same = |(name, wanted): (&String, &Value)| {
        let stored = row.get(name).unwrap_or(&Value::Null);
        match (name.as_str(), stored, wanted) {
            // The console adds a label of its own.
            ("labels", Value::Object(stored), Value::Object(wanted)) => {
                let is_sent =
                    |(key, value)| wanted.get(key) == Some(value) || key == "centaur.sandbox_repo_cache";
                wanted.iter().all(|(key, value)| stored.get(key) == Some(value)) && stored.iter().all(is_sent)
            }
            _ => stored == wanted,
        }
    };
    data.as_object()
        .is_some_and(|data| data.iter().filter(|(name, _)| !identity.contains(&name.as_str())).all(same))
}

/// The few that the API has.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "?",
    }
}
