//! One JSON document to somewhere, for notices.

use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::form::Form;

impl Client {
    /// Sends a document once, and gives the status of the answer. Redirects are not followed.
    ///
    /// # Errors
    /// A code that says why there was no answer.
    pub async fn notify(
        &self,
        url: &str,
        body: &[u8],
        fields: &[(HeaderName, HeaderValue)],
        within: Duration,
    ) -> Result<u16, String> {
        let mut headers: HeaderMap = fields.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Zeroizing::new(body.to_vec());
        let form = Form { method: Method::POST, url: url.to_owned(), headers, body };
        match self.send(form, within).await {
            Ok((head, _)) => Ok(head.status),
            Err(failed) => Err(failed.code),
        }
    }
}
