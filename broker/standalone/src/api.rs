//! The HTTP API (broker.md, section 21.4), and what is asked for on the port of metrics.

mod answer;
mod bearer;
mod serve;

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

pub use bearer::{Bearer, BearerError};
pub use serve::{Listener, Stop};

use crate::metrics::Metrics;
use crate::moment;
use crate::shelf::{Asked, Shelf};
use answer::Answer;

/// What requests are answered from.
#[derive(Debug, Clone)]
pub struct Api {
    /// The credentials.
    pub shelf: Shelf,
    /// What clients have to show; `None` lets everybody in.
    pub bearer: Option<std::sync::Arc<Bearer>>,
    /// What is counted.
    pub metrics: std::sync::Arc<Metrics>,
    /// Which requests are answered.
    pub port: Port,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Tokens.
    Tokens,
    /// Metrics.
    Metrics,
}

/// The head of a request, as far as it matters.
#[derive(Debug)]
struct Asking<'a> {
    method: &'a Method,
    /// Undecoded.
    path: &'a str,
    /// `Authorization`, if it is there once.
    authorization: Option<&'a [u8]>,
}

impl Api {
    async fn answer(&self, asking: Asking<'_>) -> Answer {
        if let Some(id) = credential(asking.path).filter(|_| self.port == Port::Tokens) {
            let answer = self.token(&asking, id).await;
            self.metrics.answered(answer.status());
            return answer.not_stored();
        }
        let page = match (self.port, asking.path) {
            (_, "/healthz") => Page::Health,
            (Port::Metrics, "/metrics") => Page::Metrics,
            (Port::Metrics, "/status") => Page::Status,
            _ => return Answer::error(StatusCode::NOT_FOUND, "not found"),
        };
        if !matches!(*asking.method, Method::GET | Method::HEAD) {
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed").allow("GET, HEAD");
        }
        match page {
            Page::Health => Answer::text("text/plain; charset=utf-8", "OK".to_owned()),
            Page::Metrics => {
                Answer::text("text/plain; version=0.0.4; charset=utf-8", self.metrics.render(&self.shelf))
            }
            Page::Status => self.status(),
        }
    }

    async fn token(&self, asking: &Asking<'_>, id: &str) -> Answer {
        if *asking.method != Method::GET {
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed").allow("GET");
        }
        if let Some(bearer) = &self.bearer
            && !asking.authorization.is_some_and(|shown| bearer.admits(shown))
        {
            return Answer::error(StatusCode::UNAUTHORIZED, "unauthorized").challenge();
        }
        // An escape that is none names nothing.
        let id = percent_decode_str(id).decode_utf8();
        let asked = match &id {
            Ok(id) => self.shelf.ask(id).await,
            Err(_) => Asked::Unknown,
        };
        match asked {
            Asked::Token(token, end) => Answer::token(&token, &moment::seconds(end)),
            Asked::Unknown => Answer::error(StatusCode::NOT_FOUND, "credential not found"),
            Asked::Dead(reason) => Answer::json(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!({ "error": "credential dead", "reason": reason }),
            ),
            Asked::Bootstrapping => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "bootstrapping").again(5),
            Asked::Pending(after) => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "refresh pending")
                .again(after.as_secs().max(1)),
            Asked::Broken => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        }
    }

    /// How every credential is; 503 when one is not well.
    fn status(&self) -> Answer {
        let health = self.shelf.health();
        let is_well = health.iter().all(|(_, health)| health.status == "live");
        let shown: Vec<Value> = health
            .into_iter()
            .map(|(id, health)| {
                json!({
                    "id": id,
                    "status": health.status,
                    "reason": health.reason,
                    "last_refresh": health.last_refresh.map(moment::seconds),
                    "expires_at": health.expires_at.map(moment::seconds),
                    "unsaved": health.is_unsaved,
                })
            })
            .collect();
        let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Answer::json(status, &json!({ "credentials": shown }))
    }
}

enum Page {
    Health,
    Metrics,
    Status,
}

/// The escaped id in `/credentials/{id}/access_token`.
fn credential(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/credentials/")?.strip_suffix("/access_token")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}
