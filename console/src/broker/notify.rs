//! Telling somebody that a credential died, with the link by which its account is connected again.
//!
//! A notice is written with the death and told by whichever replica takes it first. It is tried again for a day; then
//! the metrics and the log still say what died.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use centaur_oauth::Client;
use centaur_store::{Actor, BrokerCredential, DeathNotice, Micros, OauthApp, StoreError};
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::app::{App, log_line};
use crate::config::Webhook;
use crate::wire::timestamp;

/// How long the receiver has for its answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Before the second try; doubled from try to try. Longer than a try may take.
const AGAIN_FIRST: Duration = Duration::from_secs(30);
const AGAIN_LAST: Duration = Duration::from_hours(1);
/// Later than this after the death nobody is told any more.
const GIVES_UP_AFTER: Duration = Duration::from_hours(24);
/// How often it looks for what other replicas left.
const TICK: Duration = Duration::from_secs(30);

/// Tells of deaths.
pub(super) struct Notifier {
    pub(super) app: App,
    pub(super) client: Client,
    pub(super) webhook: Arc<Webhook>,
}

impl Notifier {
    /// Tells, until the console stops. `died` wakes it.
    pub(super) async fn run(self, died: Arc<Notify>, mut stopping: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                next = self.tell_all() => next,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            tokio::select! {
                () = died.notified() => {}
                () = sleep_until(next) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Tells what is due; when to look again.
    async fn tell_all(&self) -> Instant {
        loop {
            match self.tell_one().await {
                Ok(None) => {}
                Ok(Some(next)) => return Instant::now() + next.min(TICK),
                Err(error) => {
                    log("warn", "cannot read notices", vec![("error", error.to_string().into())]);
                    return Instant::now() + TICK;
                }
            }
        }
    }

    /// Tells one; `Some` with the time until the next when none is due.
    async fn tell_one(&self) -> Result<Option<Duration>, StoreError> {
        let mut tx = self.app.store().read().await?;
        let now = tx.now();
        let Some(notice) = tx.due_notice(now).await? else {
            let next = tx.next_notice(now).await?;
            let left =
                next.map_or(TICK, |next| Duration::from_micros((next.0 - now.0).max(0).unsigned_abs()));
            return Ok(Some(left));
        };
        let credential = tx.credential(notice.credential).await?;
        let app = match credential.as_ref().and_then(|credential| credential.oauth_app_id) {
            Some(id) => tx.app(id).await?,
            None => None,
        };
        drop(tx);
        let Some(credential) = credential else { return Ok(None) };
        if !self.claim(&notice, now).await? {
            return Ok(None);
        }
        if now.0 - notice.died_at.0 > micros(GIVES_UP_AFTER) {
            self.end(&notice).await?;
            return Ok(self.came_of_it(&notice, "given_up", None));
        }
        let public = self.app.config().public_url.as_deref();
        match self.send(&document(&notice, &credential, app.as_ref(), public), now).await {
            Ok(()) => {
                self.end(&notice).await?;
                Ok(self.came_of_it(&notice, "sent", None))
            }
            Err(code) => Ok(self.came_of_it(&notice, "failed", Some(&code))),
        }
    }

    fn came_of_it(&self, notice: &DeathNotice, result: &'static str, code: Option<&str>) -> Option<Duration> {
        self.app.metrics().broker.told(result);
        let level = if result == "sent" { "info" } else { "warn" };
        let fields = vec![
            ("credential", notice.credential.to_string().into()),
            ("result", result.into()),
            ("code", code.into()),
            ("tries", (notice.tries + 1).into()),
        ];
        log(level, "notice of a dead credential", fields);
        None
    }

    async fn claim(&self, notice: &DeathNotice, now: Micros) -> Result<bool, StoreError> {
        let again = AGAIN_FIRST * 2_u32.saturating_pow(u32::try_from(notice.tries.clamp(0, 10)).unwrap_or(0));
        let again_at = now.after(again.min(AGAIN_LAST));
        let system = Actor::system();
        let claimed = self
            .app
            .store()
            .write(&system, |tx| Box::pin(async move { tx.claim_notice(notice, now, again_at).await }));
        claimed.await
    }

    async fn end(&self, notice: &DeathNotice) -> Result<(), StoreError> {
        let system = Actor::system();
        self.app.store().write(&system, |tx| Box::pin(async move { tx.end_notice(notice).await })).await
    }

    /// Sends a document. The error is a code.
    async fn send(&self, document: &Value, now: Micros) -> Result<(), String> {
        let body = document.to_string();
        let mut fields = Vec::new();
        if let Some(secret) = &self.webhook.secret {
            let signed = signature(secret.expose(), now.0 / 1_000_000, &body);
            let signed = HeaderValue::try_from(signed).map_err(|_| "signature".to_owned())?;
            fields.push((SIGNATURE, signed));
        }
        match self.client.notify(self.webhook.url.expose(), body.as_bytes(), &fields, WITHIN).await? {
            200..=299 => Ok(()),
            status => Err(format!("http_{status}")),
        }
    }
}

/// `t=SECONDS,v1=HEX`: the HMAC-SHA-256 of `SECONDS.BODY`.
const SIGNATURE: HeaderName = HeaderName::from_static("x-centaur-signature");

fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let mut signature = format!("t={seconds},v1=");
    for byte in tag.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(signature, "{byte:02x}");
    }
    signature
}

/// What is told. Nothing in it is a secret: the reason is a code that was checked when it was stored.
fn document(
    notice: &DeathNotice,
    credential: &BrokerCredential,
    app: Option<&OauthApp>,
    public: Option<&str>,
) -> Value {
    json!({
        "type": "broker_credential.died",
        "id": notice.attempt_id,
        "died_at": timestamp(notice.died_at.0),
        "reason": notice.reason,
        "credential": {
            "id": credential.id,
            "namespace": credential.namespace,
            "foreign_id": credential.foreign_id,
            "name": credential.name,
            "provider": app.map(|app| app.provider.as_str()),
            "provider_email": credential.provider_email,
        },
        "reconnect_url": app.zip(public).map(|(app, public)| reconnect_url(app, credential, public)),
    })
}

/// The consent link, with those of the scopes that the credential has for which the app may ask: what a provider adds of
/// its own is no scope that a link could name.
fn reconnect_url(app: &OauthApp, credential: &BrokerCredential, public: &str) -> String {
    let scopes: Vec<&str> = credential
        .scopes
        .iter()
        .filter(|scope| app.allowed_scopes.contains(scope))
        .map(String::as_str)
        .collect();
    let start = format!("{public}/oauth/{}/start", app.slug);
    if scopes.is_empty() {
        return start;
    }
    format!("{start}?scopes={}", utf8_percent_encode(&scopes.join(" "), IN_QUERY))
}

const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn log(level: &str, message: &str, fields: Vec<(&'static str, Value)>) {
    log_line(level, message, fields);
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn a_signature_is_of_time_and_body() {
        // RFC 4231 has no case with a dot; this one was computed with `openssl dgst -sha256 -hmac`.
        assert_eq!(signature("fake-key", 1_700_000_000, "{}"), SIGNED);
        assert_ne!(signature("fake-key", 1_700_000_001, "{}"), SIGNED);
        assert_ne!(signature("fake-kez", 1_700_000_000, "{}"), SIGNED);
    }

    const SIGNED: &str = "t=1700000000,v1=4ce2322298606315991731273438c362669a07570ea920a0ee4d0c88eef50257";
}
