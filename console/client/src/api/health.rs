//! Whether a console answers at all; asked without a key.

use std::time::{Duration, Instant, SystemTime};

use super::ApiClient;
use super::error::{ApiError, Cause};
use crate::http::{self, reason};

/// Asked first; older consoles know it too.
const PATH: &str = "/up";

/// What there is to see from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// What time it is there (`Date`), in whole seconds.
    pub date: Option<SystemTime>,
    /// How long the answer took.
    pub took: Duration,
}

impl ApiClient {
    /// Asks once, without a key.
    ///
    /// # Errors
    /// [`ApiError`] when nobody answers, or not with a success.
    pub async fn health(&self) -> Result<Health, ApiError> {
        let begin = Instant::now();
        let call = async {
            let response = self.http.get(self.base.join(PATH)).send().await;
            let response = response.map_err(|error| Cause::Unreachable(reason(error)))?;
            let date = response.headers().get("date").and_then(|value| value.to_str().ok());
            let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
            let status = response.status().as_u16();
            if !(200..300).contains(&status) {
                let body = http::body(response, 4096).await.unwrap_or_default();
                return Err(Cause::answered(status, &body, None, ""));
            }
            Ok(Health { date, took: begin.elapsed() })
        };
        let after = self.options.timeout;
        let result = tokio::time::timeout(after, call).await.unwrap_or(Err(Cause::TimedOut { after }));
        result.map_err(|cause| ApiError {
            method: "GET",
            path: PATH.to_owned(),
            attempts: 1,
            cause: Box::new(cause),
        })
    }
}
